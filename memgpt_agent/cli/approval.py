"""Deciding on tool calls that wait for a person: asked in a conversation, or by `memgpt approve`."""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer
from rich.console import Console

from memgpt_agent.cli import options
from memgpt_agent.cli.terminal import DEFAULT_AGENT, plain, terminal_of
from memgpt_agent.cli.turn_view import TurnView, arguments_line
from memgpt_agent.errors import ConfigurationError, NothingToDecide

if TYPE_CHECKING:
    from memgpt_agent.turns.turn_reader import Approval

HINT = "y: carry it out    n REASON: do not, and why    e JSON: with these arguments instead    empty: decide later"


def show_waiting(out: Console, approval: "Approval") -> None:
    """Show a call that waits for a decision."""
    out.print(
        plain(f"The agent wants to call {approval.tool}({arguments_line(approval.arguments)})", "yellow"),
        soft_wrap=True,
    )
    if approval.thinking:
        out.print(plain(f"  because: {approval.thinking}", "dim"), soft_wrap=True)


def ask(out: Console, approval: "Approval", read: Callable[[], str]) -> dict[str, Any] | None:
    """Ask until the user decides; ``None`` if the user puts it off."""
    show_waiting(out, approval)
    out.print(plain(HINT, "dim"))
    while True:
        try:
            answer = read().strip()
        except (EOFError, KeyboardInterrupt):
            return None
        if not answer:
            return None
        try:
            return decision_from(answer)
        except ConfigurationError as error:
            out.print(plain(str(error), "red"), soft_wrap=True)


def decision_from(answer: str) -> dict[str, Any]:
    """Return the decision that a line means.

    Raises:
        ConfigurationError: it means none.
    """
    word, _, rest = answer.partition(" ")
    if word.lower() in {"y", "yes"} and not rest:
        return {"type": "approve"}
    if word.lower() in {"n", "no"}:
        return {"type": "reject", "message": rest.strip()}
    if word.lower() in {"e", "edit"}:
        return {"type": "edit", "edited_action": {"args": arguments_from(rest)}}
    raise ConfigurationError(f"{answer!r} is no decision. {HINT}")


def arguments_from(text: str) -> dict[str, Any]:
    """Return a tool's arguments from JSON.

    Raises:
        ConfigurationError: the text is not a JSON object.
    """
    try:
        given: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"{text[:200]!r} is not JSON: {error}. Give all arguments as an object.") from error
    if not isinstance(given, dict):
        raise ConfigurationError(f"{text[:200]!r} is not a JSON object. Give all arguments as an object.")
    return cast(dict[str, Any], given)


def approve(
    context: typer.Context,
    agent: options.Agent = DEFAULT_AGENT,
    thread: options.Thread = None,
    reject: Annotated[str | None, typer.Option(metavar="REASON", help="Reject the call instead, with this reason.")] = None,
    edit: Annotated[str | None, typer.Option(metavar="JSON", help="Run the call with these arguments instead.")] = None,
    show: Annotated[bool, typer.Option("--show", help="Only show the calls that are waiting.")] = False,
) -> None:
    """Decide on the waiting tool call; the agent runs it and continues.

    With --reject or --edit it is forbidden or changed. Deciding twice changes nothing.
    """
    if reject is not None and edit is not None:
        raise ConfigurationError("--reject and --edit exclude each other; give one of them.")
    terminal = terminal_of(context)
    with terminal.open_known(agent, **({"thread_id": thread} if thread else {})) as opened:
        waiting = opened.approval
        if waiting is None:
            raise NothingToDecide(f"No tool call of agent {agent!r} waits for a decision.")
        if show:
            show_waiting(terminal.out, waiting)
            return
        decision = _given(reject, edit)
        response = TurnView(terminal.out, terminal.err, live=False, thoughts=True).show(
            opened.decide(decision, waiting.call_id)
        )
        if response.approval:
            show_waiting(terminal.err, response.approval)


def _given(reject: str | None, edit: str | None) -> dict[str, Any]:
    if reject is not None:
        return {"type": "reject", "message": reject}
    if edit is not None:
        return {"type": "edit", "edited_action": {"args": arguments_from(edit)}}
    return {"type": "approve"}
