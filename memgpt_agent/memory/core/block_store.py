"""Reading and writing an agent's blocks: compare-and-set, idempotent writes, and a version for each."""

import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from langgraph.store.base import BaseStore, GetOp, Item, SearchOp

from memgpt_agent.errors import BlockExists, BlockReadOnly, CoreMemoryFull, ToolError, UnknownBlock
from memgpt_agent.events import Clock
from memgpt_agent.memory import namespaces
from memgpt_agent.memory.checking import one_line
from memgpt_agent.memory.core.blocks import MAKING, MAX_BLOCK_CHARS, MAX_DESCRIPTION_CHARS, Block, Cause
from memgpt_agent.memory.core.history import BlockHistory, Trail, Version, first_trail
from memgpt_agent.memory.dates import stamp
from memgpt_agent.store.plain import put_if
from memgpt_agent.store.update import until_written, update

MAX_BLOCKS = 100
"""The most blocks that an agent may have at once."""
MAX_LABELS = 500
"""The most labels that an agent may ever use: a deleted block keeps its place in the history."""
_KEPT_CAUSES = 64
"""A block remembers this many causes of its last edits, so that a repeated edit is recognised."""


@dataclass(frozen=True)
class StoredBlock:
    """A block in the store, even a deleted one."""

    block: Block
    """The block as it is now; a deleted one has an empty text."""
    trail: Trail
    """Its place in its history."""
    value: dict[str, Any]
    """The whole value of the item that holds the text: what a compare-and-set expects."""
    order: int = 0
    """Its place among the agent's blocks."""
    shared: str = ""
    """The id of the shared block that is attached here; empty for a block of the agent's own."""
    locked: bool = False
    """Whether it is attached read-only."""

    @property
    def label(self) -> str:
        """Its label."""
        return self.block.label

    @property
    def deleted(self) -> bool:
        """Whether it exists only in the history."""
        return self.trail.last.deleted


Make = Callable[[StoredBlock, int, Cause], Trail]
"""Makes a block's next trail of what is stored, the revision of the write and its cause; raises if it cannot be."""


class BlockStore:
    """The blocks of one agent in a store.

    A block that is shared lies under ``namespaces.BLOCKS``, with the agents that have it. The agent's own item of its label is
    then deleted as far as the agent's own history goes, and names the shared block. Only where both say so is it attached.
    """

    def __init__(self, store: BaseStore, agent_id: str, clock: Clock, history: BlockHistory) -> None:
        self._store = store
        self._agent_id = agent_id
        self._clock = clock
        self._namespace = namespaces.of(agent_id, "core")
        self._history = history

    def read(self) -> list[StoredBlock]:
        """Return all blocks, deleted ones too, in order of creation: one round trip, two if some are shared."""
        # not by created_at alone: InMemoryStore sets it again at each write
        found = cast(list[Item], self._store.batch([SearchOp(self._namespace, limit=MAX_LABELS)])[0])
        return self._resolved(sorted(found, key=lambda item: (item.value["order"], item.created_at)))

    def own(self, label: str) -> StoredBlock | None:
        """Return the agent's own block under a label: a deleted one if a shared block is attached there."""
        item = self._store.get(self._namespace, label)
        return _stored(item) if item else None

    def _resolved(self, items: Sequence[Item]) -> list[StoredBlock]:
        """Return the blocks of items, the shared ones as they are now."""
        ids = [str(item.value["shared"]) for item in items if "shared" in item.value]
        found = self._store.batch([GetOp(namespaces.BLOCKS, i) for i in ids]) if ids else []
        shared = dict(zip(ids, cast(list[Item | None], found), strict=True))
        return [attached(item, shared.get(item.value.get("shared", "")), self._agent_id) for item in items]

    def get(self, label: str) -> StoredBlock:
        """Return one block.

        Raises:
            UnknownBlock: there is none with this label, or it was deleted.
        """
        item = self._store.get(self._namespace, label)
        stored = self._resolved([item])[0] if item else None
        if stored is None or stored.deleted:
            raise unknown(label, self.read())
        return stored

    def named(self, label: str | None) -> list[StoredBlock]:
        """Return the block of a label, deleted or not, or all.

        Raises:
            UnknownBlock: there is and was none with this label.
        """
        stored = self.read()
        found = [s for s in stored if label in (None, s.label)]
        if label is not None and not found:
            raise unknown(label, stored)
        return found

    def create(
        self, block: Block, old: StoredBlock | None, cause: Cause, revision: int, order: int, *, keep_existing: bool
    ) -> None:
        """Store one new block if none is, or one that was deleted.

        Raises:
            BlockExists: there is one, unless it may be kept or was made by this very cause.
        """
        if old is None or old.deleted:
            made = self.version(old.trail.last if old else None, block.label, block.value, cause, revision)
            trail = old.trail.edit(made) if old else first_trail(made, undoable=cause.tool not in MAKING)
            if self.write(block, trail, order, old):
                return
        now = self._store.get(self._namespace, block.label)
        if not keep_existing and not (now and cause.key in now.value["causes"]):
            raise BlockExists(
                f"There is a core memory block {block.label!r} already; edit it, or choose another label."
            )

    def change(self, label: str, make: Make, cause: Cause, revision: int = 0) -> Block:
        """Write the block that ``make`` returns, retrying as needed; an act done before is not repeated."""
        return self._changed(label, make, cause, revision).block

    def _changed(self, label: str, make: Make, cause: Cause, revision: int) -> StoredBlock:
        cause = replace(cause, key=cause.key or uuid.uuid4().hex)

        def attempt() -> StoredBlock | None:
            stored = self.read()
            old = next((s for s in stored if s.label == label), None)
            if old is None:
                raise unknown(label, stored)
            if cause.key in old.block.causes:
                self._history.record(old.trail.last)
                return old
            trail = make(old, revision or 1 + newest_revision(stored), cause)
            if old.shared:
                trail = self._of_shared(old, trail)
            if self.write(old.block, trail, old.order, old):
                return replace(old, block=_as_written(old.block, trail.last), trail=trail)
            return None

        return until_written(f"block {label!r}", attempt)

    def _of_shared(self, old: StoredBlock, trail: Trail) -> Trail:
        """Return the trail of a shared block with its writer; refuse what an agent may not do to one."""
        if old.locked:
            raise BlockReadOnly(
                f"The shared block {old.label!r} is read-only for this agent: others edit it. Note it in another block."
            )
        if trail.last.deleted:
            raise ToolError(
                f"The block {old.label!r} is shared with other agents and cannot be deleted, or taken back to where it was "
                "not there, from here. Detach it."
            )
        return replace(trail, last=replace(trail.last, agent=self._agent_id, block=old.shared))

    def change_together(self, labels: Sequence[str], make: Make, cause: Cause) -> list[Version]:
        """Write several blocks as one act of one revision; return the versions made."""
        cause = replace(cause, key=cause.key or uuid.uuid4().hex)
        revision = 1 + newest_revision(self.read())
        made: list[Version] = []
        for label in labels:
            last = self._changed(label, make, cause, revision).trail.last
            made += self._history.get(last, [last.version])
        return made

    def describe(self, label: str, **changed: Any) -> Block:
        """Change fields of a block other than its text; ``None`` leaves one as it is. The history gets no entry.

        Raises:
            UnknownBlock: there is none with this label. CoreMemoryFull: its text is longer than the new limit.
        """
        stored = self.get(label)
        place = (namespaces.BLOCKS, stored.shared) if stored.shared else (self._namespace, label)
        describe(self._store, *place, **changed)
        return self.get(label).block

    def version(self, last: Version | None, label: str, value: str, cause: Cause, revision: int) -> Version:
        """Return the next version of a block; its time is not before the last one's, whatever the clock says."""
        time = max(stamp(self._clock()), last.time if last else "")
        return Version(
            label, last.version + 1 if last else 1, value, time, cause.actor, cause.tool, cause.thinking, cause.turn,
            cause.key, max(revision, last.revision + 1 if last else 1),
        )  # fmt: skip

    def write(self, block: Block, trail: Trail, order: int, old: StoredBlock | None, *, shared: str = "") -> bool:
        """Write a block with its trail where ``old`` still stands; return whether it did.

        ``shared`` is what the item names from then on as the shared block that is attached in its place. The version before
        it is in the history first, whoever wrote it: what is not the newest can always be read there.
        """
        if old is not None and not self._history.get(old.trail.last, [old.trail.last.version]):
            self._history.record(old.trail.last)
        written = _as_written(replace(block, causes=old.block.causes if old else ()), trail.last)
        value = {**written.as_value(), "trail": trail.as_value()}
        namespace, key = self._namespace, block.label
        if old is not None and old.shared:  # its own label and flag stay: this agent's may be others
            namespace, key = namespaces.BLOCKS, old.shared
            value = {**old.value, **value, "label": old.value["label"], "read_only": old.value["read_only"]}
        else:
            value |= {"order": order, **({"shared": shared} if shared else {})}
        if not put_if(self._store, namespace, key, value, expected=old.value if old else None, index=False):
            return False
        self._history.record(trail.last)
        return True


def attached(item: Item, shared: Item | None, agent_id: str) -> StoredBlock:
    """Return an agent's block; where it names a shared block that has the agent in its list, that one under the agent's label."""
    known = shared.value["attached"].get(agent_id) if shared is not None and "attached" in shared.value else None
    if shared is None or known is None or known["label"] != item.key:
        return _stored(item)
    locked = bool(known["read_only"])
    value = {**shared.value, "label": item.key, "read_only": locked or shared.value["read_only"]}
    return StoredBlock(
        Block.from_value(value), Trail.from_value(value), shared.value, item.value["order"], shared.key, locked
    )


def describe(store: BaseStore, namespace: namespaces.Namespace, key: str, **changed: Any) -> None:
    """Change fields of the block in an item other than its text; ``None`` leaves one as it is.

    Raises:
        CoreMemoryFull: its text is longer than the new limit. ToolError: the description or the limit cannot be one.
    """
    given = {name: one for name, one in changed.items() if one is not None}

    def described(value: dict[str, Any] | None) -> dict[str, Any]:
        if value is None or "label" not in value:
            raise UnknownBlock(f"There is no block {key!r}.")
        new = {**value, **given}
        check_new([Block.from_value(new)])
        return new

    update(store, namespace, key, described)


def check_room(labels: Iterable[str], stored: Iterable[StoredBlock]) -> None:
    """Refuse more blocks than an agent may have.

    Raises:
        ToolError: with these labels there would be too many.
    """
    listed, new = list(stored), set(labels)
    living, ever = new | {s.label for s in listed if not s.deleted}, new | {s.label for s in listed}
    if len(living) > MAX_BLOCKS or len(ever) > MAX_LABELS:
        raise ToolError(
            f"There would be {len(living)} blocks, under {len(ever)} labels that were ever used; the limits are {MAX_BLOCKS} and "
            f"{MAX_LABELS}. Delete a block, or use a label again."
        )


def check_new(blocks: Iterable[Block]) -> None:
    """Refuse blocks that cannot be stored.

    Raises:
        CoreMemoryFull: a text is longer than its limit. ToolError: a label, a description or a limit cannot be one.
    """
    for block in blocks:
        check_size(block.label, block.value, block.limit_chars)
        if not block.label or len(block.label) > namespaces.MAX_ID_CHARS or not 1 <= block.limit_chars <= MAX_BLOCK_CHARS:
            raise ToolError(
                f"A block needs a label of {namespaces.MAX_ID_CHARS} characters at most and a limit from 1 to {MAX_BLOCK_CHARS:,}; "
                f"got {block.label[: namespaces.MAX_ID_CHARS]!r}, {block.limit_chars}."
            )
        if len(block.description) > MAX_DESCRIPTION_CHARS:
            raise ToolError(
                f"The description of {block.label!r} has {len(block.description):,} characters; {MAX_DESCRIPTION_CHARS:,} are the limit. "
                "It is in every prompt: put the text into the block's value, or into archival memory."
            )
        try:
            one_line(block.label)
        except ValueError as error:
            raise ToolError(f"The label {block.label!r} cannot be one: {error}.") from error


def check_size(label: str, value: str, limit_chars: int) -> None:
    """Refuse a text that is longer than its block's limit.

    Raises:
        CoreMemoryFull: it is; the message says what to do.
    """
    if len(value) > limit_chars:
        raise CoreMemoryFull(
            f"Block {label!r} would hold {len(value):,} characters; its limit is {limit_chars:,}. "
            "Shorten the text, or move detail to archival memory."
        )


def newest_revision(stored: Iterable[StoredBlock]) -> int:
    """Return the number of core memory's newest write; 0 before the first."""
    return max((s.trail.last.revision for s in stored), default=0)


def unknown(label: str, stored: Sequence[StoredBlock]) -> UnknownBlock:
    """Return the error that there is no such block; it names those there are."""
    known = ", ".join(repr(s.label) for s in stored if not s.deleted) or "none"
    return UnknownBlock(f"There is no core memory block {label!r}. The blocks are: {known}.")


def _stored(item: Item) -> StoredBlock:
    return StoredBlock(Block.from_value(item.value), Trail.from_value(item.value), item.value, item.value["order"])


def _as_written(block: Block, last: Version) -> Block:
    causes = (*block.causes, last.act)[-_KEPT_CAUSES:]
    return replace(block, value=last.value, version=last.version, updated_at=last.time, causes=causes)
