"""`memgpt doctor`: what is configured, what works, and what to do about the rest."""

from typing import Annotated

import typer

from memgpt_agent.cli import options
from memgpt_agent.cli.checks import Status, all_checks, deep_checks
from memgpt_agent.cli.terminal import plain, terminal_of

_SIGN: dict[Status, tuple[str, str]] = {"ok": ("ok    ", "green"), "note": ("note  ", "yellow"), "failed": ("FAILED", "red")}


def doctor(
    context: typer.Context,
    ask: Annotated[bool, typer.Option("--ask", help="Also send the chat model one short message (a provider may bill it).")] = False,
    deep: Annotated[bool, typer.Option("--deep", help="Also read every file of the data folder and check it.")] = False,
    as_json: options.AsJson = False,
) -> None:
    """Check what an agent needs on this machine. Exits with 1 if something necessary does not work."""
    terminal = terminal_of(context)
    found = [*all_checks(terminal, ask=ask), *(deep_checks(terminal) if deep else ())]
    if as_json:
        terminal.print_json([check.__dict__ for check in found])
    else:
        for check in found:
            sign, style = _SIGN[check.status]
            terminal.out.print(plain(sign, style), plain(f" {check.name}: {check.found}"), sep="", soft_wrap=True)
            if check.advice:
                terminal.out.print(plain(f"       {check.advice}"), soft_wrap=True)
    if any(check.status == "failed" for check in found):
        raise typer.Exit(1)
