"""Undo, redo and restore of core memory, and its blocks as they were at a point."""

from dataclasses import replace

from memgpt_agent.errors import NothingToUndo, StoreError, UnknownVersion
from memgpt_agent.memory.core.block_store import BlockStore, StoredBlock, check_size
from memgpt_agent.memory.core.blocks import Cause
from memgpt_agent.memory.core.history import BlockHistory, EditId, Point, Trail, Version


class Undoing:
    """Moves one agent's core memory back and forth in its history; see ``CoreMemory``, which offers it."""

    def __init__(self, agent_id: str, blocks: BlockStore, history: BlockHistory) -> None:
        self._agent_id, self._blocks, self._history = agent_id, blocks, history

    def texts(self, point: Point | None, label: str | None) -> dict[str, str | None]:
        """Return the text of each block at a point or now; ``None`` if it did not exist.

        Raises:
            UnknownVersion: the point names no turn, or a version that the block does not have yet.
        """
        stored = self._blocks.named(label)
        if point is None:
            return {s.label: s.trail.last.text for s in stored}
        if label and isinstance(point, int) and point > (newest := max(s.trail.last.version for s in stored)):
            raise UnknownVersion(f"There is no version {point} of the block {label!r}; its newest is {newest}.")
        test = self._history.test_of(point, one_block=label is not None)
        found = {s.label: self._history.last_that(test, s.trail) for s in stored}
        return {name: version.text if version else None for name, version in found.items()}

    def undo(self, label: str | None, cause: Cause) -> list[Version]:
        """Undo the last edit of a block, or of any block; return the versions that this made."""
        able = [s for s in self._blocks.named(label) if s.trail.last.parent is not None]
        able = [s for s in able if label or self._made_here(s, s.trail.at)]
        if not able:
            raise NothingToUndo(f"There is nothing to undo in {_of(label)}: it is as it was made.")
        act = max(able, key=lambda s: s.trail.at.revision).trail.at.act
        return self._blocks.change_together([s.label for s in able if s.trail.at.act == act], self._undone, cause)

    def redo(self, label: str | None, cause: Cause) -> list[Version]:
        """Redo what the last undo reversed; return the versions that this made."""
        stored = self._blocks.named(label)
        edited = max((s.trail.edited for s in stored if not s.shared), default=0)
        able = [s for s in stored if s.trail.redo and (label or s.trail.last.revision > edited)]
        able = [s for s in able if label or self._made_here(s, s.trail.redo[-1])]
        if not able:
            raise NothingToUndo(f"There is nothing to redo in {_of(label)}: nothing was undone since the last edit.")
        act = min((s.trail.redo[-1] for s in able), key=lambda edit: edit.revision).act
        return self._blocks.change_together([s.label for s in able if s.trail.redo[-1].act == act], self._redone, cause)

    def restore(self, at: Point, label: str | None, cause: Cause) -> list[Version]:
        """Restore a block, or all, as at a point; return the versions that this made."""
        wanted = self.texts(at, label)
        stored = {s.label: s for s in self._blocks.named(label) if label or not s.shared}
        changed = [name for name in wanted if name in stored and stored[name].trail.last.text != wanted[name]]
        for name in changed:
            check_size(name, wanted[name] or "", stored[name].block.limit_chars)

        def restored(old: StoredBlock, revision: int, cause: Cause) -> Trail:
            text = wanted[old.label]
            made = self._blocks.version(old.trail.last, old.label, text or "", cause, revision)
            return old.trail.edit(replace(made, deleted=text is None))

        return self._blocks.change_together(changed, restored, cause)

    def _undone(self, old: StoredBlock, revision: int, cause: Cause) -> Trail:
        if old.trail.last.parent is None:
            raise NothingToUndo(f"There is nothing to undo in {_of(old.label)} any more: somebody else undid it.")
        target = self._target(old, old.trail.last.parent)
        made = self._blocks.version(old.trail.last, old.label, target.value, cause, revision)
        return old.trail.undo(replace(made, deleted=target.deleted), target)

    def _redone(self, old: StoredBlock, revision: int, cause: Cause) -> Trail:
        if not old.trail.redo:
            raise NothingToUndo(f"There is nothing to redo in {_of(old.label)} any more: somebody else edited it.")
        target = self._target(old, old.trail.redo[-1].version)
        made = self._blocks.version(old.trail.last, old.label, target.value, cause, revision)
        return old.trail.forward(replace(made, deleted=target.deleted), target)

    def _target(self, old: StoredBlock, version: int) -> Version:
        if version == 0:
            return Version(old.label, 0, "", "", deleted=True)
        found = self._history.get(old.trail.last, [version])
        if not found:
            raise StoreError(f"Version {version} of block {old.label!r} is not in the history; nothing was changed.")
        return found[0]

    def _made_here(self, stored: StoredBlock, edit: EditId) -> bool:
        """Whether this agent made an edit; it made all edits of its own blocks."""
        return not stored.shared or [v.agent for v in self._history.get(stored.trail.last, [edit.version])] == [
            self._agent_id
        ]


def _of(label: str | None) -> str:
    return f"block {label!r}" if label else "core memory"
