"""A data folder in which an agent has lived, and a look at every byte of it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from memgpt_agent import MemGPTAgent, Settings
from memgpt_agent.testing import HashingEmbedder, ScriptedModel

Left = Callable[[str], dict[str, int]]
Opened = Callable[..., MemGPTAgent]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """The settings of the data folder."""
    return Settings(home=tmp_path / "home", turn_wait_seconds=20)


@pytest.fixture
def left(settings: Settings) -> Left:
    """How often each file of the data folder holds some words: as they are, in other cases, and as JSON writes them."""

    def counted(words: str) -> dict[str, int]:
        cases = {words, words.lower(), words.upper(), words.casefold(), words.title()}
        forms = {form.encode() for case in cases for form in (case, json.dumps(case)[1:-1])}
        files = [path for path in settings.home.rglob("*") if path.is_file()]
        found = {path.name: sum(path.read_bytes().count(form) for form in forms) for path in files}
        return {name: count for name, count in found.items() if count}

    return counted


@pytest.fixture
def opened(settings: Settings) -> Opened:
    """Opens an agent of the folder with a script."""

    def open_agent(script: Any = (), agent_id: str = "ann", **choices: Any) -> MemGPTAgent:
        return MemGPTAgent(
            agent_id=agent_id, model=ScriptedModel(list(script)), embedding=HashingEmbedder(), settings=settings, **choices
        )

    return open_agent
