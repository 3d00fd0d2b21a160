"""The command line with a scripted model in the place of a real one; store, checkpoints and embedding are the real ones."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from langchain_core.embeddings import Embeddings
from typer.testing import CliRunner

from memgpt_agent.agent import MemGPTAgent
from memgpt_agent.cli.app import app
from memgpt_agent.cli.terminal import Terminal
from memgpt_agent.testing import Reply, ScriptedModel

Run = Callable[..., Any]


class ScriptedCommandLine:
    """Runs commands in one data folder; ``script`` is what the model answers in all of them, in order."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.model = ScriptedModel()
        self.embedding: Embeddings | None = None
        """By which ``reindex`` embeds; the default where it is None."""

    def script(self, *lines: Reply) -> None:
        """Give the model more lines."""
        self.model.script.extend(lines)

    def make_agent(self, **choices: Any) -> MemGPTAgent:
        """Make an agent as the command asks for it, but with the scripted model."""
        asked: dict[str, Any] = {**choices, "model": self.model}
        return MemGPTAgent(**asked)

    def __call__(self, *arguments: str, stdin: str | None = None) -> Any:
        """Run one command and return its result: exit_code, stdout, stderr."""
        terminal = Terminal(home=self.home, make_agent=self.make_agent, embedding=self.embedding)
        return CliRunner().invoke(app, list(arguments), input=stdin, obj=terminal)

    def ok(self, *arguments: str, stdin: str | None = None) -> str:
        """Run one command that must succeed and return what it printed."""
        result = self(*arguments, stdin=stdin)
        assert result.exit_code == 0, result.stderr or result.exception
        return result.stdout


@pytest.fixture
def memgpt(tmp_path: Path) -> ScriptedCommandLine:
    """Return a command line on an empty data folder."""
    return ScriptedCommandLine(tmp_path / "home")


@pytest.fixture
def spoken() -> Callable[[Sequence[Any]], Callable[[], str]]:
    """Return what makes a keyboard: it types lines, presses Ctrl-C where an exception stands, and ends."""

    def keyboard(keys: Sequence[Any]) -> Callable[[], str]:
        left = iter(keys)

        def read() -> str:
            key = next(left, EOFError())
            if isinstance(key, BaseException):
                raise key
            return key

        return read

    return keyboard
