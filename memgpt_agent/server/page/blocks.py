"""Core memory: blocks as they are, edited in place; the history of each, with differences, undo and restore."""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, NamedTuple

from fastapi import Form
from starlette.responses import Response

from memgpt_agent.errors import EditConflict
from memgpt_agent.memory.core import Block, CoreMemory
from memgpt_agent.memory.core.history import Version
from memgpt_agent.server.page.view import Agent, AgentView, Place, pages, plain
from memgpt_agent.server.problems import HTTPProblem

router = pages()
PAGE = 30
"""How many versions are shown at once."""
_NEAR_LINES = 3


class DiffLine(NamedTuple):
    """One line of a difference."""

    kind: Literal["same", "gone", "new", "gap"]
    """Whether it stayed, went, came, or stands for lines that are not shown."""
    text: str
    """The line."""


def difference(before: str | None, after: str | None) -> list[DiffLine]:
    """Return what became of a text, line by line, with three unchanged lines around each change; in what way lines end is no change."""
    lines: list[DiffLine] = []
    old, new = (plain(text).split("\n") if text else [] for text in (before, after))
    for number, group in enumerate(
        difflib.SequenceMatcher(None, old, new, autojunk=False).get_grouped_opcodes(_NEAR_LINES)
    ):
        if number:
            lines.append(DiffLine("gap", "…"))
        for kind, a, b, c, d in group:
            if kind == "equal":
                lines += [DiffLine("same", line) for line in old[a:b]]
            else:
                lines += [DiffLine("gone", line) for line in old[a:b]]
                lines += [DiffLine("new", line) for line in new[c:d]]
    return lines


@dataclass(frozen=True)
class BlockChange:
    """A version with what it changed."""

    version: Version
    """The version."""
    lines: Sequence[DiffLine]
    """What it changed."""


def changes_of(core: CoreMemory, versions: Iterable[Version]) -> list[BlockChange]:
    """Return versions, each with what it changed."""
    return [
        BlockChange(one, difference(change.before, change.after)) for one in versions for change in [core.change(one)]
    ]


def core_of(seen: AgentView) -> CoreMemory:
    """Return the agent's core memory, to be read."""
    return CoreMemory(seen.served.agents.store, seen.agent_id, time_zone=seen.zone)


@router.get("/a/{agent}/blocks")
def listed(seen: Agent) -> Response:
    """Show the blocks."""
    blocks = core_of(seen).with_ids(lambda _: "")
    return seen.page("blocks.html", tab="blocks", blocks=blocks, used=sum(len(block.value) for block, _ in blocks))


@router.get("/a/{agent}/block")
def edited(seen: Agent, label: str) -> Response:
    """Show one block to be edited."""
    return seen.page("block_form.html", tab="blocks", block=core_of(seen).block(label), text=None, conflict=None)


@router.post("/a/{agent}/block")
def save(
    seen: Agent, label: Annotated[str, Form()], version: Annotated[int, Form()], value: Annotated[str, Form()] = ""
) -> Response:
    """Save a block as the user's version, unless somebody has changed it since the form was opened."""
    core, text = seen.served.agents.core(seen.agent_id), plain(value)
    block = core.block(label)
    if block.version != version and plain(block.value) != text:
        return _conflict(seen, block, text)
    try:
        core.revise(label, block.value, text)
    except EditConflict:
        return _conflict(seen, core.block(label), text)
    return seen.back("blocks", note="saved")


def _conflict(seen: AgentView, block: Block, text: str) -> Response:
    """Show what is stored beside what was typed; saving again is then on purpose."""
    return seen.page(
        "block_form.html",
        409 if not seen.by_htmx else 200,
        tab="blocks",
        block=block,
        text=text,
        conflict=difference(block.value, text),
    )


@router.post("/a/{agent}/blocks")
def make(
    seen: Agent, label: Annotated[str, Form()], value: Annotated[str, Form()] = "", description: Annotated[str, Form()] = "",
    limit: Annotated[int, Form(ge=1, le=1_000_000)] = 2_000,
) -> Response:  # fmt: skip
    """Make a block."""
    seen.served.agents.core(seen.agent_id).create([Block(label.strip(), plain(value), description.strip(), limit)])
    return seen.back("blocks", note="made")


@router.post("/a/{agent}/block/describe")
def describe(
    seen: Agent, label: Annotated[str, Form()], limit: Annotated[int, Form(ge=1, le=1_000_000)], description: Annotated[str, Form()] = "",
    read_only: Annotated[str, Form()] = "",
) -> Response:  # fmt: skip
    """Change what a block says of itself, its limit, and whether the agent may edit it."""
    core = seen.served.agents.core(seen.agent_id)
    core.describe(label, description=description.strip(), limit_chars=limit, read_only=bool(read_only))
    return seen.back("blocks", note="saved")


@router.post("/a/{agent}/block/delete")
def delete(seen: Agent, label: Annotated[str, Form()]) -> Response:
    """Take a block out; its history stays, and undo brings it back."""
    core = seen.served.agents.core(seen.agent_id)
    shared = {block.label for block, block_id in core.with_ids(lambda _: "") if block_id}
    if label in shared:
        core.detach(label)
    else:
        core.delete(label)
    return seen.back("history", note="deleted")


@router.get("/a/{agent}/history")
def history(seen: Agent, label: str = "", before: Place | None = None) -> Response:
    """Show who changed a block, or all, when, why, and what."""
    core = core_of(seen)
    versions = core.log(label or None, limit=PAGE + 1, before=before)
    shown, last = versions[:PAGE], None
    if len(versions) > PAGE:
        last = shown[-1].revision
        shown += [one for one in versions[PAGE:] if one.revision == last]
    labels = [block.label for block in core.blocks()]
    return seen.page(
        "history.html", tab="blocks", label=label, labels=labels, changes=changes_of(core, shown), further=last
    )


@router.get("/a/{agent}/diff")
def compared(seen: Agent, label: str, a: Place, b: Place) -> Response:
    """Show the difference between two versions of a block."""
    core = core_of(seen)
    old, new = min(a, b), max(a, b)
    texts = [core.at(point, label).get(label) if point else None for point in (old, new)]
    return seen.page("diff.html", tab="blocks", label=label, a=old, b=new, lines=difference(*texts))


@router.post("/a/{agent}/undo")
def undo(seen: Agent, label: Annotated[str, Form()] = "", redo: Annotated[str, Form()] = "") -> Response:
    """Take back the last edit, or do it again."""
    core = seen.served.agents.core(seen.agent_id)
    (core.redo if redo else core.undo)(label or None)
    return seen.back("history", label=label, note="redone" if redo else "undone")


@router.post("/a/{agent}/restore")
def restore(seen: Agent, label: Annotated[str, Form()], version: Annotated[int, Form(ge=1)]) -> Response:
    """Make a block what it was at a version."""
    if not label:
        raise HTTPProblem(422, "Name the block that is to be restored.")
    seen.served.agents.core(seen.agent_id).restore(version, label)
    return seen.back("history", label=label, note="restored")
