"""Core memory: the blocks that are always in main context, with exact edits that are written through to the store."""

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from langgraph.store.base import BaseStore

from memgpt_agent.errors import BlockExists, BlockReadOnly, EditConflict
from memgpt_agent.events import Clock, utc_now
from memgpt_agent.memory.core.block_store import (
    BlockStore,
    StoredBlock,
    check_new,
    check_room,
    check_size,
    newest_revision,
    unknown,
)
from memgpt_agent.memory.core.blocks import (
    BY_USER,
    Block,
    Cause,
    inserted,
    replaced,
)
from memgpt_agent.memory.core.history import BlockHistory, Difference, Point, Trail, Version
from memgpt_agent.memory.core.shared_blocks import Sharing
from memgpt_agent.memory.core.undoing import Undoing
from memgpt_agent.owners import Walls


class Renaming:
    """Renames an agent's blocks; a base of ``CoreMemory``."""

    def __init__(self, blocks: BlockStore, sharing: Sharing) -> None:
        self._blocks, self._sharing = blocks, sharing

    def rename(self, label: str, new: str, cause: Cause) -> Block:
        """Give a block another label; return it."""
        stored = self._blocks.get(label)
        if new == label:
            return stored.block
        known = self._blocks.read()
        holder = next((s for s in known if s.label == new), None)
        if holder is not None and not holder.deleted:
            raise BlockExists(f"There is a core memory block {new!r} already; choose another label, or rename that one first.")
        if stored.shared:
            self._sharing.detach(label, cause, keep_copy=False)
            return self._sharing.attach(stored.shared, new, cause, read_only=stored.locked)
        act = replace(cause, key=cause.key or uuid.uuid4().hex, thinking=cause.thinking or f"{label} is now {new}")
        revision = 1 + newest_revision(known)
        self._blocks.create(replace(stored.block, label=new, version=0, causes=()), holder, act, revision, stored.order, keep_existing=False)

        def gone(old: StoredBlock, revision: int, cause: Cause) -> Trail:
            return old.trail.edit(replace(self._blocks.version(old.trail.last, label, "", cause, revision), deleted=True))

        self._blocks.change(label, gone, act, revision)
        return self._blocks.get(new).block


_DELETE, _UNDO, _REDO, _RESTORE = (Cause(tool=name) for name in ("delete", "undo", "redo", "restore"))
_RENAME, _REVISE = Cause(tool="rename"), Cause(tool="revise")
_CORRECTING = {cause.tool for cause in (_UNDO, _RESTORE, _RENAME, _REVISE)} | {"undo_turn"}
_SHARE, _ATTACH, _DETACH = (Cause(tool=name) for name in ("share", "attach", "detach"))


class CoreMemory(Mapping[str, str]):
    """The blocks of one agent, over a store; also a mapping from label to text, which reads the store at each access.

    Every write is one compare-and-set, so two concurrent edits of a block both take effect. An edit whose cause was
    already applied changes nothing and returns the same block. History keeps each version, with who made it, when and why:
    see :meth:`log`, :meth:`diff`, :meth:`undo`, :meth:`redo` and :meth:`restore`.
    """

    def __init__(
        self, store: BaseStore, agent_id: str, clock: Clock = utc_now, time_zone: str = "UTC", walls: Walls | None = None
    ) -> None:
        self._history = BlockHistory(store, agent_id, time_zone)
        self._blocks = BlockStore(store, agent_id, clock, self._history)
        self._sharing = Sharing(store, agent_id, self._blocks, self._history, walls)
        self._renaming = Renaming(self._blocks, self._sharing)
        self._undoing = Undoing(agent_id, self._blocks, self._history)

    def __getitem__(self, label: str) -> str:
        return self.block(label).value

    def __iter__(self) -> Iterator[str]:
        return iter([block.label for block in self.blocks()])

    def __len__(self) -> int:
        return len(self.blocks())

    def __contains__(self, label: object) -> bool:
        return any(block.label == label for block in self.blocks())

    def __repr__(self) -> str:
        return f"CoreMemory({dict(self)!r})"

    def blocks(self) -> list[Block]:
        """Return all blocks in order of creation."""
        return [stored.block for stored in self._blocks.read() if not stored.deleted]

    def with_ids(self, own_id: Callable[[str], str]) -> list[tuple[Block, str]]:
        """Return all blocks, each with its id if it is shared, and with what ``own_id`` gives for its label if it is the agent's own."""
        return [(stored.block, stored.shared or own_id(stored.label)) for stored in self._blocks.read() if not stored.deleted]

    def block(self, label: str) -> Block:
        """Return one block.

        Raises:
            UnknownBlock: there is none with this label; the message names those there are.
        """
        return self._blocks.get(label).block

    def create(self, blocks: Sequence[Block], cause: Cause = BY_USER, *, keep_existing: bool = False) -> None:
        """Store new blocks.

        Raises:
            BlockExists: a label exists already, unless ``keep_existing`` lets the stored block win.
            CoreMemoryFull: a block's text is longer than its limit; none of the blocks is stored.
            ToolError: a label is invalid, or there would be more than 100 blocks; none of the blocks is stored.
        """
        stored = {s.label: s for s in self._blocks.read()}
        check_new(blocks)
        check_room((block.label for block in blocks), stored.values())
        cause = replace(cause, key=cause.key or uuid.uuid4().hex)
        order = 1 + max((s.order for s in stored.values()), default=-1)
        revision = 1 + newest_revision(stored.values())
        for place, block in enumerate(blocks, start=order):
            self._blocks.create(block, stored.get(block.label), cause, revision, place, keep_existing=keep_existing)

    def append(self, label: str, content: str, cause: Cause = BY_USER) -> Block:
        """Add ``content`` as a new line at the end of a block; return the block as it is now.

        Raises:
            UnknownBlock, BlockReadOnly, CoreMemoryFull: nothing was changed.
        """
        return self.edit(label, lambda value: f"{value}\n{content}" if value else content, cause)

    def insert(self, label: str, content: str, line: int = -1, cause: Cause = BY_USER) -> Block:
        """Insert ``content`` as separate lines at the end (-1), at the top (0) or after line ``line`` of a block.

        Raises:
            UnknownBlock, BlockReadOnly, CoreMemoryFull, InvalidArguments: nothing was changed.
        """
        return self.edit(label, lambda value: inserted(label, value, content, line), cause)

    def replace(self, label: str, old_content: str, new_content: str, cause: Cause = BY_USER) -> Block:
        """Replace the only occurrence of ``old_content`` in a block by ``new_content``; empty text deletes.

        Raises:
            UnknownBlock, BlockReadOnly, CoreMemoryFull, TextNotFound, TextNotUnique: nothing was changed.
        """
        return self.edit(label, lambda value: replaced(label, value, old_content, new_content), cause)

    def rethink(self, label: str, value: str, cause: Cause = BY_USER) -> Block:
        """Make ``value`` the whole text of a block; a missing block is created.

        Raises:
            BlockReadOnly, CoreMemoryFull, ToolError: nothing was changed.
        """
        if label not in {block.label for block in self.blocks()}:
            try:
                self.create([Block(label, value)], cause)
            except BlockExists:
                pass  # somebody made it just now; then it is edited
            else:
                return self.block(label)
        return self.edit(label, lambda _: value, cause)

    def overwrite(self, label: str, value: str, cause: Cause = BY_USER) -> Block:
        """Make ``value`` the whole text of a block, read-only or not. For the owner, not for the agent."""
        return self.edit(label, lambda _: value, cause, may_edit_read_only=True)

    def was_revised(self, label: str) -> bool:
        """Whether the newest version of a block corrects it: it was revised, renamed or undone, not merely extended."""
        found = [stored.trail.last.tool for stored in self._blocks.read() if stored.label == label]
        return bool(set(found) & _CORRECTING)

    def revise(self, label: str, before: str, after: str, cause: Cause = _REVISE) -> Block:
        """Make ``after`` the whole text of a block if it is still ``before``, read-only or not: for editors, which hold a text open for long.

        Raises:
            EditConflict: the text has changed; the error has the difference. UnknownBlock, CoreMemoryFull. Nothing was changed.
        """

        def revised(now: str) -> str:
            if now not in (before, after):
                raise EditConflict.of(label, before, now)
            return after

        return self.edit(label, revised, cause, may_edit_read_only=True)

    def rename(self, label: str, new_label: str, cause: Cause = _RENAME) -> Block:
        """Give a block another label; return it. Its text, limit and place stay; its earlier versions are in the log under the old label.

        One undo reverses it. A shared block is renamed in this agent only.

        Raises:
            UnknownBlock: there is none with this label. BlockExists: the new label exists already. ToolError: the new label is invalid.

        **Limits**: a prompt, tool rule or program that names the old label does not follow.
        """
        check_new([Block(new_label)])
        check_room([new_label], self._blocks.read())
        return self._renaming.rename(label, new_label, cause)

    def edit(
        self, label: str, change: Callable[[str], str], cause: Cause = BY_USER, *, may_edit_read_only: bool = False
    ) -> Block:
        """Change a block's text with a function of its current text; return the changed block."""

        def changed(old: StoredBlock, revision: int, cause: Cause) -> Trail:
            if old.deleted:
                raise unknown(label, self._blocks.read())
            if old.block.read_only and not may_edit_read_only:
                raise BlockReadOnly(
                    f"The core memory block {label!r} is read-only. Keep what you have to note in another block."
                )
            value = change(old.block.value)
            check_size(label, value, old.block.limit_chars)
            return old.trail.edit(self._blocks.version(old.trail.last, label, value, cause, revision))

        return self._blocks.change(label, changed, cause)

    def describe(
        self, label: str, *, description: str | None = None, limit_chars: int | None = None, read_only: bool | None = None,
        notes: Mapping[str, Any] | None = None,
    ) -> Block:  # fmt: skip
        """Change a block's description, its limit, or whether the agent may edit it; ``None`` leaves a field unchanged.

        A shared block changes for every agent that has it. This is not an edit of the text: undo does not reverse it.

        Raises:
            UnknownBlock: there is none with this label. CoreMemoryFull: its text is longer than the new limit.
        """
        kept = dict(notes) if notes is not None else None
        return self._blocks.describe(label, description=description, limit_chars=limit_chars, read_only=read_only, notes=kept)

    def delete(self, label: str, cause: Cause = _DELETE) -> None:
        """Delete a block from core memory; history keeps its versions, and undo restores it.

        Raises:
            UnknownBlock: there is none with this label. ToolError: it is shared: :meth:`detach` it.
        """

        def gone(old: StoredBlock, revision: int, cause: Cause) -> Trail:
            if old.deleted:
                raise unknown(label, self._blocks.read())
            return old.trail.edit(
                replace(self._blocks.version(old.trail.last, label, "", cause, revision), deleted=True)
            )

        self._blocks.change(label, gone, cause)

    def log(self, label: str | None = None, *, limit: int = 20, before: int | None = None) -> list[Version]:
        """Return versions of a block (of all blocks, if none is named), newest first, one page of them.

        Args:
            label: One block only, even a deleted one.
            limit: The most versions; those of one revision stay together.
            before: Only versions of a lower revision: the next page begins before the last one's.

        Raises:
            UnknownBlock: there is and was no such block.
        """
        return self._history.page([stored.trail for stored in self._blocks.named(label)], limit, before)

    def history(self, label: str | None = None) -> list[dict[str, Any]]:
        """Return every version of a block (of all blocks, if none is named), oldest first, as data; see :meth:`log`."""
        trails = [s.trail for s in self._blocks.read() if label in (None, s.label)]
        found = self._history.page(trails, sum(trail.last.version for trail in trails), None)
        return [version.as_value() for version in reversed(found)]

    def change(self, version: Version) -> Difference:
        """Return what a version of the log changed: its block before and after it."""
        before = self._history.get(version, [version.version - 1])
        return Difference(version.label, before[0].text if before else None, version.text)

    def at(self, point: Point, label: str | None = None) -> dict[str, str]:
        """Return the text of the blocks as they were at a point.

        A point is a revision (with a label: the block's version), a day (its end) or a moment as text or ``datetime``, or
        a turn (the state when it ended) by its id or a prefix of it; write ``turn:ID`` if it could be read as something else.

        Raises:
            UnknownVersion: it names no turn, or a version that the block does not have. UnknownBlock: there is and was no such block.
        """
        texts = self._undoing.texts(point, label)
        return {name: text for name, text in texts.items() if text is not None}

    def diff(self, a: Point, b: Point | None = None, label: str | None = None) -> list[Difference]:
        """Return the blocks that differ between two points (see :meth:`at`); between one and now if ``b`` is left out."""
        old, new = self._undoing.texts(a, label), self._undoing.texts(b, label)
        return [Difference(name, old[name], new[name]) for name in new if old.get(name) != new[name]]

    def undo(self, label: str | None = None, cause: Cause = _UNDO) -> list[Version]:
        """Undo the last edit of a block, or of any block; return the versions that this made.

        Edits of several blocks by one act are undone together. The log records the undo, and :meth:`redo` reverses it
        until the next edit. With its label, a shared block's last edit is undone, whoever made it; without a label,
        only this agent's edits are.

        Raises:
            NothingToUndo: there is no earlier edit. UnknownBlock: there is and was no such block.
        """
        return self._undoing.undo(label, cause)

    def redo(self, label: str | None = None, cause: Cause = _REDO) -> list[Version]:
        """Redo what the last undo reversed, in a block or in all; return the versions that this made.

        Raises:
            NothingToUndo: nothing was undone, or there was an edit since. UnknownBlock: there is and was no such block.
        """
        return self._undoing.redo(label, cause)

    def restore(self, at: Point, label: str | None = None, cause: Cause = _RESTORE) -> list[Version]:
        """Restore a block, or all blocks, as at a point (see :meth:`at`); return the versions that this made.

        Deleted blocks come back, newer blocks go. This is an edit: one undo reverses it. A shared block is restored for
        every agent that has it, and only if its label is given.

        Raises:
            UnknownVersion, UnknownBlock: the point or the block is not known. CoreMemoryFull: a text is longer than the
                block's current limit. Nothing was changed.
        """
        return self._undoing.restore(at, label, cause)

    def share(self, label: str, block_id: str | None = None, cause: Cause = _SHARE) -> str:
        """Turn a block, with its history, into one that other agents can attach; return its id. A shared block stays shared.

        If an owner acts, a given id is put under the owner's own name, so that nobody learns which ids others use.

        Raises:
            UnknownBlock: there is none with this label. BlockExists: there is a shared block of this id.
        """
        return self._sharing.share(label, block_id, cause)

    def attach(
        self, block_id: str, label: str | None = None, *, read_only: bool = False, cause: Cause = _ATTACH
    ) -> Block:
        """Attach a shared block to core memory, or change how it is attached; every agent that has it sees every edit.

        Args:
            block_id: the shared block.
            label: its label in this agent; the original label if omitted.
            read_only: whether this agent may only read it.
            cause: the cause of the write.

        Raises:
            UnknownBlock: there is no such shared block, or the acting owner may not attach it. BlockExists: the label exists here, or
                the agent has the block under another label. ToolError: there would be too many blocks, or too many agents that have this one.
        """
        return self._sharing.attach(block_id, label, cause, read_only=read_only)

    def detach(self, label: str, *, keep_copy: bool = False, cause: Cause = _DETACH) -> Block | None:
        """Detach a shared block from this agent's core memory; with ``keep_copy`` its text stays as the agent's own block.

        Raises:
            UnknownBlock: there is none with this label. ToolError: it is not shared.
        """
        return self._sharing.detach(label, cause, keep_copy=keep_copy)
