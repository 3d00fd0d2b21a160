"""`memgpt chat` and `memgpt run`: talking to an agent, line by line or once."""

import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Generic, TypeVar

import typer

from memgpt_agent.cli import options
from memgpt_agent.cli.commands import COMMANDS, ChatLoop
from memgpt_agent.cli.terminal import DEFAULT_AGENT, Terminal, terminal_of
from memgpt_agent.cli.turn_view import TurnView
from memgpt_agent.private import new_private_file, private_folder, tighten

if TYPE_CHECKING:
    from memgpt_agent.agent import MemGPTAgent
    from memgpt_agent.turns.turn_reader import AgentResponse


def chat(
    context: typer.Context,
    agent: options.Agent = DEFAULT_AGENT,
    thread: options.Thread = None,
    model: options.Model = None,
    persona: options.PersonaText = None,
    human: options.HumanText = None,
    embedding: options.Embedding = None,
    context_window: options.Window = None,
    reasoning: options.Reasoning = None,
    user: options.User = None,
    tools: options.Tools = None,
    thoughts: options.Thoughts = None,
    temporary: Annotated[
        bool, typer.Option("--temporary", help="A temporary chat: nothing is remembered or written. The agent sees its blocks and nothing else.")
    ] = False,
) -> None:
    """Talk to an agent. The first chat creates it; later ones continue.

    On a terminal, /help lists the commands, Ctrl-C ends the agent's turn, Ctrl-D leaves.
    From a pipe, each line is one message, and the replies are printed.
    """
    terminal = terminal_of(context)
    choices = _choices(thread, model, persona, human, embedding, context_window, reasoning, user, tools)
    if sys.stdin.isatty() and sys.stdout.isatty():
        _interactive(terminal, agent, choices, thoughts is not False, temporary=temporary)
        return
    with _opened(terminal, agent, choices, temporary=temporary) as opened:
        view = TurnView(terminal.out, terminal.err, live=False, thoughts=bool(thoughts))
        for line in sys.stdin:
            if line.strip():
                _turn(opened, view, line.strip())


def _opened(terminal: Terminal, agent_id: str, choices: dict[str, Any], *, temporary: bool = False) -> "MemGPTAgent":
    """Open the agent and its model, so that a missing key, package or model file is reported before the first message."""
    opened = terminal.open_agent(agent_id, **choices)
    if temporary:
        with opened:
            opened = opened.temporary()
    try:
        _ = opened.graph
    except BaseException:
        opened.close()
        raise
    return opened


def run(
    context: typer.Context,
    message: Annotated[str, typer.Argument(help="What to say; - reads it from standard input.")],
    agent: options.Agent = DEFAULT_AGENT,
    thread: options.Thread = None,
    model: options.Model = None,
    persona: options.PersonaText = None,
    human: options.HumanText = None,
    embedding: options.Embedding = None,
    context_window: options.Window = None,
    reasoning: options.Reasoning = None,
    user: options.User = None,
    tools: options.Tools = None,
    attach: Annotated[
        list[Path] | None, typer.Option("--attach", metavar="FILE", help="Attach a picture or a document; may be repeated.")
    ] = None,
    thoughts: options.Thoughts = None,
    as_json: options.AsJson = False,
) -> None:
    """Send one message to an agent and print its reply. --model counts for this run only."""
    terminal = terminal_of(context)
    choices = _choices(thread, model, persona, human, embedding, context_window, reasoning, user, tools)
    if model:  # an object is not stored with the agent
        from memgpt_agent.models import resolve_chat_model

        choices["model"] = resolve_chat_model(model, settings=terminal.settings)
    text = sys.stdin.read() if message == "-" else message
    with terminal.open_agent(agent, **choices) as opened:
        if as_json:
            terminal.print_json({"agent_id": opened.agent_id, **_quietly(opened, text, attach or []).__dict__})
            return
        tty = sys.stdout.isatty()
        shown = tty if thoughts is None else thoughts
        _turn(opened, TurnView(terminal.out, terminal.err, live=tty, thoughts=shown), text, attach or [])


def _choices(
    thread: str | None,
    model: str | None,
    persona: str | None,
    human: str | None,
    embedding: str | None,
    window: str | None,
    reasoning: str | None,
    user: str | None,
    tools: str | None,
) -> dict[str, Any]:
    """Return what was given, by the names of the facade's arguments."""
    named = {
        "thread_id": thread, "model": model, "persona": persona, "human": human,
        "embedding": embedding, "reasoning": reasoning, "user_id": user,
        "context_window": int(window) if window and window.isdecimal() else window,
        "tools": [name.strip() for name in tools.split(",") if name.strip()] if tools else None,
    }  # fmt: skip
    return {name: value for name, value in named.items() if value is not None}


def _turn(agent: "MemGPTAgent", view: TurnView, text: str, attached: Sequence[Path] = ()) -> "AgentResponse":
    """Do one turn; an interrupt ends it in good order and goes on up."""
    try:
        response = view.show(agent.stream(text, attachments=attached))
        if response.approval is not None and not view.is_live:
            view.tell_waiting(response.approval)
        return response
    except KeyboardInterrupt:
        agent.end_turn()
        raise


def _quietly(agent: "MemGPTAgent", text: str, attached: Sequence[Path]) -> "AgentResponse":
    """Do one turn that shows nothing."""
    from rich.console import Console

    silent = Console(quiet=True)
    return _turn(agent, TurnView(silent, silent, live=False, thoughts=False), text, attached)


def _interactive(terminal: Terminal, agent_id: str, choices: dict[str, Any], thoughts: bool, *, temporary: bool) -> None:
    """Show the prompt at once; the agent is opened behind it."""
    terminal.say(f"Agent {agent_id}. /help lists the commands, /exit leaves.", "dim")
    loading = Loading(lambda: _opened(terminal, agent_id, choices, temporary=temporary))
    read = _prompt(terminal, loading, remembers=not temporary)
    view = TurnView(terminal.out, terminal.out, live=True, thoughts=thoughts)
    loop = ChatLoop(loading.value, terminal.out, view)
    try:
        loop.run(read)
    finally:
        loop.close()
        if not loading.failed:
            loading.value().close()


def _prompt(terminal: Terminal, loading: "Loading[MemGPTAgent]", *, remembers: bool) -> Callable[[], str]:
    """Return what asks for a line, with editing, completion of commands, and a history, where it remembers kept in the home folder.

    Where opening the agent fails, or a call of it waits for an approval, the prompt ends by itself with an empty line; what was typed is
    there again at the next one.
    """
    from prompt_toolkit import PromptSession
    from prompt_toolkit.completion import WordCompleter
    from prompt_toolkit.history import FileHistory, InMemoryHistory

    session: PromptSession[str] = PromptSession(
        history=FileHistory(str(_history(terminal))) if remembers and not terminal.settings.never_store else InMemoryHistory(),
        completer=WordCompleter(list(COMMANDS), sentence=True), complete_while_typing=False,
    )  # fmt: skip
    typed = ""
    seen = False

    def leave() -> None:
        if session.app.is_running and not session.app.is_done:
            session.app.exit(exception=_Opened)

    def look() -> None:
        nonlocal seen
        loop, seen = session.app.loop, True
        if loop is not None and (loading.failed or loading.got[0].approval is not None):
            loop.call_soon_threadsafe(leave)

    def begin() -> None:
        loading.when_finished(look)
        if session.app.loop is not None:
            session.app.loop.call_later(_DRAWN_SECONDS, loading.start)

    def read() -> str:
        nonlocal typed
        default, typed = typed, ""
        try:
            return session.prompt("> ", default=default, pre_run=None if seen else begin)
        except _Opened:
            typed = session.default_buffer.text
            return ""

    return read


def _history(terminal: Terminal) -> Path:
    """Return the file of the prompt's history, made private to its owner."""
    private_folder(terminal.settings.home)
    history = terminal.settings.home / "history"
    new_private_file(history)
    tighten(history)
    return history


_DRAWN_SECONDS = 0.05
"""Opening begins so long after the prompt, which is drawn by then: imports in another thread would hold it up."""


class _Opened(Exception):
    """The agent is there, or is unavailable, and that comes before the next line."""


T = TypeVar("T")


class Loading(Generic[T]):
    """A value that a thread of its own gets, once it is started or waited for."""

    def __init__(self, get: Callable[[], T]) -> None:
        self._get = get
        self._lock = threading.Lock()
        self._started = self._finished = False
        self._waiting: list[Callable[[], None]] = []
        self.got: list[T] = []
        """The value, once it is there."""
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="memgpt-loading", daemon=True)

    def start(self) -> None:
        """Begin, unless it has begun."""
        with self._lock:
            if not self._started:
                self._started = True
                self._thread.start()

    @property
    def failed(self) -> bool:
        """Whether getting it has failed already."""
        return self._error is not None

    def value(self) -> T:
        """Wait for the value and return it.

        Raises:
            BaseException: whatever getting it raised.
        """
        self.start()
        while self._thread.is_alive():
            self._thread.join(0.1)  # in slices: a join without a limit holds off Ctrl-C on Windows
        if self._error is not None:
            raise self._error
        return self.got[0]

    def when_finished(self, call: Callable[[], None]) -> None:
        """Call back once, from the loading thread, or at once where it has finished."""
        with self._lock:
            if not self._finished:
                self._waiting.append(call)
                return
        call()

    def _run(self) -> None:
        try:
            self.got.append(self._get())
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is raised where the value is wanted
            self._error = error
        with self._lock:
            self._finished, waiting = True, self._waiting
        for call in waiting:
            call()
