"""Where the agents of these tests keep their memory."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from langgraph.store.base import BaseStore
from langgraph.store.memory import InMemoryStore

from memgpt_agent import FaissStore
from memgpt_agent.testing import HashingEmbedder


@pytest.fixture
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BaseStore]:
    """The embedded store; where a test names ``memory``, one that can do no more than LangGraph's own."""
    if getattr(request, "param", "file") == "memory":
        yield InMemoryStore()
        return
    with FaissStore(tmp_path / "memory.db", index={"dims": 64, "embed": HashingEmbedder()}) as opened:
        yield opened
