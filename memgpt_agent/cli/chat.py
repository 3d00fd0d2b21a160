"""`memgpt chat` and `memgpt run`: talking to an agent, line by line or once."""

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from memgpt_agent.cli import options
from memgpt_agent.cli.commands import Conversation
from memgpt_agent.cli.terminal import DEFAULT_AGENT, Terminal, plain, terminal_of
from memgpt_agent.cli.turn_view import TurnView

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
    user: options.User = None,
    tools: options.Tools = None,
    thoughts: options.Thoughts = None,
) -> None:
    """Talk to an agent. It is made at the first time and remembered from then on.

    On a terminal, /help lists the commands, Ctrl-C ends the agent's turn, Ctrl-D leaves.
    From a pipe, each line is one message, and the replies are printed.
    """
    terminal = terminal_of(context)
    choices = _choices(thread, model, persona, human, embedding, context_window, user, tools)
    with terminal.open_agent(agent, **choices) as opened:
        _ = opened.graph  # a missing key, package or model file is told before the first message, not after it
        if sys.stdin.isatty() and sys.stdout.isatty():
            _interactive(terminal, opened, thoughts is not False)
        else:
            view = TurnView(terminal.out, terminal.err, live=False, thoughts=bool(thoughts))
            for line in sys.stdin:
                if line.strip():
                    _turn(opened, view, line.strip())


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
    user: options.User = None,
    tools: options.Tools = None,
    thoughts: options.Thoughts = None,
    as_json: options.AsJson = False,
) -> None:
    """Say one thing to an agent and print its reply."""
    terminal = terminal_of(context)
    choices = _choices(thread, model, persona, human, embedding, context_window, user, tools)
    text = sys.stdin.read() if message == "-" else message
    with terminal.open_agent(agent, **choices) as opened:
        if as_json:
            terminal.print_json({"agent_id": opened.agent_id, **_quietly(opened, text).__dict__})
            return
        tty = sys.stdout.isatty()
        shown = tty if thoughts is None else thoughts
        _turn(opened, TurnView(terminal.out, terminal.err, live=tty, thoughts=shown), text)


def _choices(
    thread: str | None,
    model: str | None,
    persona: str | None,
    human: str | None,
    embedding: str | None,
    window: int | None,
    user: str | None,
    tools: str | None,
) -> dict[str, Any]:
    """Return what was given, by the names of the facade's arguments."""
    named = {
        "thread_id": thread, "model": model, "persona": persona, "human": human,
        "embedding": embedding, "context_window": window, "user_id": user,
        "tools": [name.strip() for name in tools.split(",") if name.strip()] if tools else None,
    }  # fmt: skip
    return {name: value for name, value in named.items() if value is not None}


def _turn(agent: "MemGPTAgent", view: TurnView, text: str) -> "AgentResponse":
    """Do one turn; an interrupt ends it in good order and goes on up."""
    try:
        response = view.show(agent.stream(text))
        if response.approval is not None and not view.is_live:
            view.tell_waiting(response.approval)
        return response
    except KeyboardInterrupt:
        agent.end_turn()
        raise


def _quietly(agent: "MemGPTAgent", text: str) -> "AgentResponse":
    """Do one turn that shows nothing."""
    from rich.console import Console

    silent = Console(quiet=True)
    return _turn(agent, TurnView(silent, silent, live=False, thoughts=False), text)


def _interactive(terminal: Terminal, agent: "MemGPTAgent", thoughts: bool) -> None:
    view = TurnView(terminal.out, terminal.out, live=True, thoughts=thoughts)
    conversation = Conversation(agent, terminal.out, view)
    terminal.out.print(plain(f"Agent {agent.agent_id}. /help lists the commands, /exit leaves.", "dim"))
    conversation.run(_prompt(terminal, conversation.names()))


def _prompt(terminal: Terminal, commands: list[str]) -> Callable[[], str]:
    """Return what asks for a line, with editing, completion of commands, and a history kept in the home folder."""
    from prompt_toolkit import PromptSession
    from prompt_toolkit.completion import WordCompleter
    from prompt_toolkit.history import FileHistory

    home = terminal.settings.home
    home.mkdir(parents=True, exist_ok=True)
    history = home / "history"
    history.touch(mode=0o600)  # what is said to an agent is nobody else's business
    session: PromptSession[str] = PromptSession(
        history=FileHistory(str(history)), completer=WordCompleter(commands, sentence=True), complete_while_typing=False
    )
    return lambda: session.prompt("> ")
