"""`memgpt audit`: reading the audit log."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from memgpt_agent.cli import options
from memgpt_agent.cli.show import grid
from memgpt_agent.cli.terminal import plain, terminal_of
from memgpt_agent.errors import BadDate


def audit(
    context: typer.Context,
    owner: Annotated[str | None, typer.Option("--owner", metavar="NAME", help="Only what this owner did; '' for nobody in particular.")] = None,
    agent: Annotated[str | None, typer.Option("--agent", metavar="ID", help="Only what was done with this agent.")] = None,
    since: Annotated[str | None, typer.Option("--since", metavar="TIME", help="Only since then, such as 2026-11-28T09:00Z.")] = None,
    before: Annotated[int | None, typer.Option("--before", metavar="N", help="Only what stands before this number: the next page.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=100_000, metavar="N", help="How many entries at most.")] = 50,
    as_json: options.AsJson = False,
) -> None:
    """Show who did what with which agent, the newest first. It is logged while MEMGPT_AUDIT=on; it never holds what was said."""
    from memgpt_agent.memory.opening import open_configured_store
    from memgpt_agent.owners.audit import read_audit

    terminal = terminal_of(context)
    if terminal.settings.owner:
        owner = terminal.settings.owner  # an owner sees their own acts only
    before = min(before, 2**63 - 1) if before else before  # what the store's numbers can be
    with open_configured_store(terminal.settings, searches=False) as store:
        found = read_audit(store, who=owner, agent_id=agent, since=_time(since) if since else None, before=before, limit=limit)
    if as_json:
        terminal.print_json([entry._asdict() for entry in found])
        return
    if not found:
        on = terminal.settings.audit == "on"
        terminal.out.print(plain("Nothing was logged." if on else "Nothing was logged. Set MEMGPT_AUDIT=on to log what is done.", "dim"))
        return
    table = grid("time", "who", "what", "agent", "outcome", "number", numbers=1)
    for entry in found:
        texts = (entry.time[:19].replace("T", " "), entry.who or "-", entry.act, entry.agent_id, entry.outcome, str(entry.number))
        table.add_row(*map(plain, texts))
    terminal.out.print(table)


def _time(text: str) -> datetime:
    try:
        given = datetime.fromisoformat(text)
    except ValueError as error:
        raise BadDate(f"{text!r} is no time. Write 2026-11-28, or 2026-11-28T09:00Z.") from error
    return given if given.tzinfo else given.replace(tzinfo=UTC)
