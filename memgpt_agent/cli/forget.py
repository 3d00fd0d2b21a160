"""`memgpt forget`: shows what would be forgotten, asks, and erases it."""

from typing import TYPE_CHECKING, Annotated

import typer

from memgpt_agent.cli import options
from memgpt_agent.cli.terminal import DEFAULT_AGENT, Terminal, plain, terminal_of

if TYPE_CHECKING:
    from memgpt_agent.agent import MemGPTAgent
    from memgpt_agent.memory.forgetting import ForgetPlan

_SHOWN = 200
"""Of a longer list the rest is counted."""


def forget(
    context: typer.Context,
    what: Annotated[
        list[str] | None,
        typer.Argument(metavar="[WORDS|ID]...", help="Words to look for; or ids of messages, passages and facts; or LABEL:LINE of a block."),
    ] = None,
    agent: options.Agent = DEFAULT_AGENT,
    thread: Annotated[str | None, typer.Option("--thread", "-t", metavar="ID", help="Forget a whole conversation instead.")] = None,
    user: Annotated[str | None, typer.Option("--user", metavar="ID", help="Forget the turns in which this user spoke instead.")] = None,
    before: Annotated[str | None, typer.Option("--before", metavar="DATE", help="Forget everything older than this day or moment.")] = None,
    keep: Annotated[list[str] | None, typer.Option("--keep", metavar="ID", help="Keep this one of the items found; may be repeated.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be erased.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Erase the ticked items without asking.")] = False,
    as_json: options.AsJson = False,
) -> None:
    """Forget something: show it with all that was derived from it, and erase both from memory, conversations and files.

    Ticked is what holds the words, was written because of it, quotes it or says the same. What only comes near is listed and stays,
    unless it is named by its id. This cannot be undone.
    """
    terminal = terminal_of(context)
    with terminal.open_known(agent) as opened:
        plan = opened.forget(*(what or ()), thread_id=thread, user_id=user, before=before)
        plan = plan.untick(*keep) if keep else plan
        if dry_run:
            show_plan(terminal, plan, as_json=as_json)
            return
        if not (yes or as_json):
            show_plan(terminal, plan, as_json=False)
            plan = _asked(terminal, plan)
        _erase(terminal, opened, plan, as_json=as_json)


def _asked(terminal: Terminal, plan: "ForgetPlan") -> "ForgetPlan":
    """Ask which of what is not ticked goes too, and whether to erase."""
    if len(plan.ticked) < len(plan.found):
        named = typer.prompt("Tick more (numbers, empty for none)", default="", show_default=False).replace(",", " ").split()
        chosen = [plan.found[int(number) - 1].id for number in named if number.isdigit() and 0 < int(number) <= len(plan.found)]
        if chosen:
            plan = plan.tick(*chosen)
            show_plan(terminal, plan, as_json=False)
    if plan.ticked or plan.erases_more:
        typer.confirm("Erase what is ticked? There is no way back.", abort=True)
    return plan


def _erase(terminal: Terminal, opened: "MemGPTAgent", plan: "ForgetPlan", *, as_json: bool) -> None:
    done = plan.erase(tell=lambda part: terminal.err.print(plain(f"{part} …", "dim")))
    if as_json:
        terminal.print_json({"agent": opened.agent_id, "erased": dict(done.counts), "seconds": done.seconds, "stays": list(plan.stays)})
        return
    terminal.say(str(done))
    for what in plan.stays:
        terminal.note(f"Stays: {what}", "dim")


def show_plan(terminal: Terminal, plan: "ForgetPlan", *, as_json: bool) -> None:
    """Print what would be forgotten, what is ticked with a cross, and what stays."""
    if as_json:
        found = [{"id": o.id, "kind": o.kind, "ticked": o.ticked, "why": o.why, "time": o.time, "text": o.text} for o in plan.found]
        terminal.print_json({"found": found, "stays": list(plan.stays)})
        return
    for number, one in enumerate(plan.found[:_SHOWN], start=1):
        mark, style = ("x", "") if one.ticked else (" ", "dim")
        terminal.say(f"{number:4} [{mark}] {one.kind} {one.id} ({one.why}): {one.text}", style)
    if (more := len(plan.found) - _SHOWN) > 0:
        terminal.say(f"     … and {more:,} more", "dim")
    if not plan.found:
        terminal.say("Nothing was found.", "dim")
    for what in plan.stays:
        terminal.say(f"Stays: {what}", "dim")
