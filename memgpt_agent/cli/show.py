"""Printing memory on a terminal: blocks, messages, passages, and how full the context is."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from memgpt_agent.cli.terminal import clean, plain, shortened

if TYPE_CHECKING:
    from memgpt_agent.memory.archival import Passage
    from memgpt_agent.memory.core import Block
    from memgpt_agent.memory.recall import Message
    from memgpt_agent.turns.turn_reader import AgentResponse
    from memgpt_agent.turns.undo import UndoneTurn

_SAID_CHARS = 120


def show_blocks(out: Console, blocks: "Iterable[Block]") -> None:
    """Print core memory."""
    for block in blocks:
        read_only = ", read-only" if block.read_only else ""
        out.print(plain(block.label, "bold"), plain(f" ({len(block.value):,} of {block.limit_chars:,} characters{read_only})", "dim"), sep="")
        out.print(plain(block.value) if block.value else plain("(empty)", "dim"))
        out.print()


def show_found(out: Console, messages: "list[Message]", passages: "list[Passage]") -> None:
    """Print what a search found in recall and in archival memory."""
    for message in messages:
        who = message.tool or message.user_id or message.role
        out.print(_entry(f"{message.time[:16].replace('T', ' ')}  {who}", message.whole))
    for passage in passages:
        about = "  ".join(part for part in (passage.source, ", ".join(passage.tags)) if part)
        out.print(_entry(f"{passage.time[:16].replace('T', ' ')}  archival  {about}".rstrip(), passage.text))
    if not messages and not passages:
        out.print(plain("Nothing found.", "dim"))


def show_context(out: Console, sections: Mapping[str, int]) -> None:
    """Print what fills the context; ``total`` and ``budget`` are its sum and its limit, in tokens."""
    if not sections:
        out.print(plain("Nothing was sent to the model yet.", "dim"))
        return
    budget = sections.get("budget", 0)
    table = grid("section", "tokens", "of the budget", numbers=2)
    for name, tokens in sections.items():
        share = f"{tokens / budget:.0%}" if budget else ""
        table.add_row(plain(name), f"{tokens:,}", share, end_section=False)
    out.print(table)


def show_usage(out: Console, responses: "Sequence[AgentResponse]", currency: str) -> None:
    """Print the tokens of the last turn and of all, and their cost where each has one."""
    if not responses:
        out.print(plain("Nothing was said yet.", "dim"))
        return
    table = grid("", "sent", "of it cached", "answered", "of it reasoning", f"cost, {currency}" if currency else "cost", numbers=5)
    for name, counted in (("last turn", responses[-1:]), ("this chat", responses)):
        costs = [response.cost for response in counted if response.tokens_used]
        known = [cost for cost in costs if cost is not None]
        cost = f"{sum(known):.4f}" if known and len(known) == len(costs) else "–"
        sums = [sum(getattr(r, f"{kind}_tokens") for r in counted) for kind in ("input", "cached", "output", "reasoning")]
        table.add_row(plain(name), *(f"{tokens:,}" for tokens in sums), cost)
    out.print(table)
    if any(used["counted_by_us"] for response in responses for used in response.usage.values()):
        out.print(plain("The provider gave no figures for some of these calls: they were counted here.", "dim"))


def show_undone(out: Console, undone: "UndoneTurn", *, with_text: bool = True) -> None:
    """Print what undoing a turn reversed and what stays; with ``with_text`` also its message."""
    if with_text:
        out.print(plain(f"Taken back: {shortened(undone.text, _SAID_CHARS)}", "dim"))
    parts = [("block", undone.blocks), ("passage", undone.passages), ("fact", undone.facts)]
    written = ", ".join(f"{kind} {', '.join(ids)}" for kind, ids in parts if ids)
    if written:
        out.print(plain(f"Memory is as before: {written}", "dim"), soft_wrap=True)
    for call in undone.stays:
        out.print(plain(f"Cannot be taken back: {shortened(call, _SAID_CHARS)}", "yellow"), soft_wrap=True)


def grid(*headings: str, numbers: int = 0) -> Table:
    """Return a table without lines; its last ``numbers`` columns are aligned to the right."""
    table = Table(box=None, header_style="dim", pad_edge=False)
    for place, heading in enumerate(headings):
        right = place >= len(headings) - numbers
        table.add_column(heading, justify="right" if right else "left", overflow="fold")
    return table


def _entry(head: str, text: str) -> RenderableType:
    body = Text("\n".join(f"  {line}" for line in clean(text).splitlines()))
    return Group(plain(head, "dim"), body, Text(""))
