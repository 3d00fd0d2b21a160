"""Reading and writing an agent's blocks: compare-and-set, each write once for its cause, each version in the history."""

import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from langgraph.store.base import BaseStore, Item, SearchOp

from memgpt_agent.errors import BlockExists, StoreError, UnknownBlock
from memgpt_agent.events import Clock
from memgpt_agent.memory import namespaces
from memgpt_agent.memory.blocks import MAKING, Block, Cause
from memgpt_agent.memory.dates import stamp
from memgpt_agent.memory.history import BlockHistory, Trail, Version, first_trail
from memgpt_agent.memory.search import put_if

MAX_LABELS = 500
"""Labels that may ever be used by an agent: a deleted block keeps its place in the history."""
_KEPT_CAUSES = 64
"""A block remembers this many of the causes of its last edits, so that an edit done again is recognised."""
_MAX_ATTEMPTS = 50
"""Times that an edit is tried anew because somebody else edited the block in between."""


@dataclass(frozen=True)
class StoredBlock:
    """A block as it lies in the store, also one that was deleted."""

    block: Block
    """The block as it is now; of a deleted one the text is empty."""
    trail: Trail
    """Where it stands in its history."""
    value: dict[str, Any]
    """The item's whole value: what a compare-and-set expects."""

    @property
    def label(self) -> str:
        """Its label."""
        return self.block.label

    @property
    def deleted(self) -> bool:
        """Whether it is in the history only."""
        return self.trail.last.deleted


Make = Callable[[StoredBlock, int, Cause], Trail]
"""Makes a block's next trail of what is stored, the revision of the write and its cause; raises where it cannot be."""


class BlockStore:
    """The blocks of one agent in a store."""

    def __init__(self, store: BaseStore, agent_id: str, clock: Clock, history: BlockHistory) -> None:
        self._store = store
        self._clock = clock
        self._namespace = namespaces.core(agent_id)
        self._history = history

    def read_operation(self) -> SearchOp:
        """Return the store operation that reads all blocks."""
        return SearchOp(self._namespace, limit=MAX_LABELS)

    def read(self) -> list[StoredBlock]:
        """Return all blocks, the deleted ones too, in the order in which they were made."""
        return in_order(self._store.batch([self.read_operation()])[0])

    def get(self, label: str) -> StoredBlock:
        """Return one block.

        Raises:
            UnknownBlock: there is none with this label, or it was deleted.
        """
        item = self._store.get(self._namespace, label)
        stored = _stored(item) if item else None
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
        """Store one new block where none is, or one that was deleted.

        Raises:
            BlockExists: there is one, unless it may be kept or was made by this very cause.
        """
        if old is None or old.deleted:
            made = self.version(old.trail.last if old else None, block.label, block.value, cause, revision)
            trail = old.trail.edit(made) if old else first_trail(made, undoable=cause.tool not in MAKING)
            if self._write(block, trail, order, old):
                return
        now = self._store.get(self._namespace, block.label)
        if not keep_existing and not (now and cause.key in now.value["causes"]):
            raise BlockExists(
                f"There is a core memory block {block.label!r} already; edit it, or choose another label."
            )

    def change(self, label: str, make: Make, cause: Cause, revision: int = 0) -> Block:
        """Write what ``make`` makes of a block, trying as often as it takes; an act done before is not repeated."""
        cause = replace(cause, key=cause.key or uuid.uuid4().hex)
        for _ in range(_MAX_ATTEMPTS):
            stored = self.read()
            old = next((s for s in stored if s.label == label), None)
            if old is None:
                raise unknown(label, stored)
            if cause.key in old.block.causes:
                self._history.record(old.trail.last)
                return old.block
            trail = make(old, revision or 1 + newest_revision(stored), cause)
            if self._write(old.block, trail, old.value["order"], old):
                return _as_written(old.block, trail.last)
        raise StoreError(f"Block {label!r} changed {_MAX_ATTEMPTS} times while it was being edited; try again.")

    def change_together(self, labels: Sequence[str], make: Make, cause: Cause) -> list[Version]:
        """Write several blocks as one act of one revision; return the versions made."""
        cause = replace(cause, key=cause.key or uuid.uuid4().hex)
        revision = 1 + newest_revision(self.read())
        made: list[Version] = []
        for label in labels:
            number = self.change(label, make, cause, revision).version
            made += self._history.get(label, [number])
        return made

    def version(self, last: Version | None, label: str, value: str, cause: Cause, revision: int) -> Version:
        """Return the next version of a block; its time is not before the last one's, whatever the clock says."""
        time = max(stamp(self._clock()), last.time if last else "")
        return Version(
            label, last.version + 1 if last else 1, value, time, cause.actor, cause.tool, cause.thinking, cause.turn,
            cause.key, max(revision, last.revision + 1 if last else 1),
        )  # fmt: skip

    def _write(self, block: Block, trail: Trail, order: int, old: StoredBlock | None) -> bool:
        """Write a block with its trail where ``old`` still stands; return whether it did.

        The version before it is in the history first, whoever wrote it: what is not the newest can always be read there.
        """
        if old is not None and not self._history.get(block.label, [old.trail.last.version]):
            self._history.record(old.trail.last)
        written = _as_written(replace(block, causes=old.block.causes if old else ()), trail.last)
        value = {**written.as_value(), "order": order, "trail": trail.as_value()}
        if not put_if(
            self._store, self._namespace, block.label, value, expected=old.value if old else None, index=False
        ):
            return False
        self._history.record(trail.last)
        return True


def in_order(result: Any) -> list[StoredBlock]:
    """Return the blocks that a read found, in the order in which they were made."""
    # not by created_at alone: InMemoryStore sets it anew at each write
    items = sorted(cast(list[Item], result), key=lambda item: (item.value["order"], item.created_at))
    return [_stored(item) for item in items]


def newest_revision(stored: Iterable[StoredBlock]) -> int:
    """Return the number of core memory's newest write; 0 before the first."""
    return max((s.trail.last.revision for s in stored), default=0)


def unknown(label: str, stored: Sequence[StoredBlock]) -> UnknownBlock:
    """Return the error that there is no such block; it names those there are."""
    known = ", ".join(repr(s.label) for s in stored if not s.deleted) or "none"
    return UnknownBlock(f"There is no core memory block {label!r}. The blocks are: {known}.")


def _stored(item: Item) -> StoredBlock:
    return StoredBlock(Block.from_value(item.value), Trail.from_value(item.value), item.value)


def _as_written(block: Block, last: Version) -> Block:
    causes = (*block.causes, last.act)[-_KEPT_CAUSES:]
    return replace(block, value=last.value, version=last.version, updated_at=last.time, causes=causes)
