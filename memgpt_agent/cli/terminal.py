"""What every command uses: the settings, the output streams, a way to open an agent, and text made safe to print."""

import json
import re
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import typer
from rich.console import Console
from rich.text import Text

from memgpt_agent.errors import AgentNotFound

if TYPE_CHECKING:
    from langchain_core.embeddings import Embeddings

    from memgpt_agent.agent import MemGPTAgent
    from memgpt_agent.config import Settings

DEFAULT_AGENT = "default"
"""The agent that is meant if none is named."""

_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff"  # controls but tab and line feed; lone surrogates, which no terminal can print
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb"
    "\U000e0000-\U000e0fff]"  # tags, and variants that no font has
    "|(?<=[^\u0600-\u0dff\u1000-\u10ff\u1780-\u18af\u200d\ufe0f\u2190-\u2bff\U0001f000-\U0001faff])[\u200c\u200d]"
)
"""What hides, moves or does something. A joiner stays behind the letters and emoji that need it, and at the beginning of a piece of a stream."""


def clean(text: str) -> str:
    """Return text that moves no cursor, sets no colour and hides nothing: what is unsafe is shown by its number, ``<U+200B>``."""
    return _UNSAFE.sub(lambda found: f"<U+{ord(found[0]):04X}>", text.replace("\r\n", "\n"))


def plain(text: str, style: str = "") -> Text:
    """Return text from outside as rich shows it: cleaned, and its square brackets are no markup."""
    return Text(clean(text), style=style)


def shortened(text: str, limit_chars: int) -> str:
    """Return the text in one line, cut to a length in characters."""
    line = " ".join(text.split())
    return line if len(line) <= limit_chars else line[: limit_chars - 1] + "…"


def _console(*, stderr: bool) -> Console:
    return Console(stderr=stderr, highlight=False, markup=False, emoji=False)


@dataclass
class Terminal:
    """The surroundings of one command; tests give their own to ``app`` as ``obj``."""

    home: Path | None = None
    """The data folder that ``--home`` named."""
    make_agent: "Callable[..., MemGPTAgent] | None" = None
    """Called as ``MemGPTAgent`` is; ``None``: that class itself."""
    embedding: "Embeddings | None" = None
    """By which ``reindex`` embeds where it names none; ``None``: the settings'."""
    debug: bool = False
    """Whether an error shows its traceback."""
    out: Console = field(default_factory=lambda: _console(stderr=False))
    """Where replies and data go."""
    err: Console = field(default_factory=lambda: _console(stderr=True))
    """Where errors, progress and asides go."""

    @cached_property
    def settings(self) -> "Settings":
        """The process's settings, read at the first use."""
        from memgpt_agent.config import Settings

        return Settings.load(home=self.home)

    def open_agent(self, agent_id: str, **choices: Any) -> "MemGPTAgent":
        """Open an agent by its id or name, or create it; close it afterwards.

        Where the process acts for an owner, the agent that is meant unless one is named is the owner's own.
        """
        return self._open(self.id_of(agent_id), choices)

    def open_known(self, agent_id: str, **choices: Any) -> "MemGPTAgent":
        """Open an agent that is stored, by its id or its name.

        Raises:
            AgentNotFound: there is none; nothing was made.
        """
        agents = self.agents()
        known, meant = [agent["agent_id"] for agent in agents], self._meant(agent_id, agents)
        if meant not in known:
            there = ", ".join(known) or "none"
            raise AgentNotFound(f"There is no agent {agent_id!r}. The agents are: {there}. Start one: memgpt chat --agent {agent_id}")
        return self._open(meant, choices)

    def _open(self, agent_id: str, choices: dict[str, Any]) -> "MemGPTAgent":
        if self.make_agent is not None:
            return self.make_agent(agent_id=agent_id, settings=self.settings, **choices)
        from memgpt_agent.agent import MemGPTAgent

        return MemGPTAgent(agent_id=agent_id, settings=self.settings, **choices)

    def id_of(self, agent: str) -> str:
        """Return the id of the agent with this id or name; any other text is returned unchanged.

        Raises:
            AgentNotFound: several agents have this name.
        """
        return self._meant(agent, self.agents())

    def _meant(self, agent: str, agents: list[dict[str, Any]]) -> str:
        from memgpt_agent.owners import agent_id_for

        if self.settings.owner and agent == DEFAULT_AGENT:
            return agent_id_for(self.settings.owner)
        ids = [known["agent_id"] for known in agents]
        named = [] if agent in ids else [known["agent_id"] for known in agents if known.get("name") == agent]
        if len(named) > 1:
            raise AgentNotFound(f"{len(named)} agents are called {agent!r}. Name one by its id: {', '.join(map(repr, named[:10]))}.")
        return named[0] if named else agent

    def agents(self, *, undefined: bool = False) -> list[dict[str, Any]]:
        """Return the stored agents, oldest first. If there is no store yet, returns none and makes no file.

        Raises:
            StoreCorrupt: there was a store, and it was lost.
        """
        settings = self.settings
        if settings.memory_is_in_home and not (settings.home / "memory.db").exists():
            from memgpt_agent.backups import refuse_lost_memory

            refuse_lost_memory(settings)
            return []
        from memgpt_agent.stored_agents import list_agents

        return list_agents(settings=settings, undefined=undefined)

    def say(self, text: str, style: str = "") -> None:
        """Print a line of text from outside on standard output."""
        self.out.print(plain(text, style), soft_wrap=True)

    def note(self, text: str, style: str = "") -> None:
        """Print a line beside the output, on standard error."""
        self.err.print(plain(text, style), soft_wrap=True)

    @contextmanager
    def progress(self, what: str) -> Generator[Callable[[int, int], None]]:
        """Show a bar on a terminal; yield what is called with how much is done, of how much."""
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=self.err, transient=True, disable=not self.err.is_terminal) as shown:
            task = shown.add_task(what, total=None)
            yield lambda done, total: shown.update(task, completed=done, total=total)

    def print_json(self, value: Any) -> None:
        """Print data as indented JSON; escapes only characters that a terminal might act on."""
        text = json.dumps(value, ensure_ascii=False, indent=2, default=_as_json)
        # In JSON an unsafe character can be escaped instead of lost.
        typer.echo(_UNSAFE.sub(lambda found: json.dumps(found[0])[1:-1], text))

    def fail(self, error: Exception) -> None:
        """Print an error as one red line on standard error."""
        kind = f"{type(error).__name__}: "
        self.note(f"{kind}{' '.join(str(error).split())}", "red")


def terminal_of(context: typer.Context) -> Terminal:
    """Return what the root command prepared."""
    return cast(Terminal, context.obj)


def _as_json(value: Any) -> Any:
    return list(cast(Any, value)) if isinstance(value, (tuple, set)) else str(value)
