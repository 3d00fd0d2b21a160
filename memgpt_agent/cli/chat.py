"""`memgpt chat` and `memgpt run`: talking to an agent, line by line or once."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from memgpt_agent.cli import options
from memgpt_agent.cli.commands import COMMANDS, ChatLoop
from memgpt_agent.cli.loading import Loading
from memgpt_agent.cli.terminal import DEFAULT_AGENT, Terminal, plain, terminal_of
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
    terminal.out.print(plain(f"Agent {agent_id}. /help lists the commands, /exit leaves.", "dim"))
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
