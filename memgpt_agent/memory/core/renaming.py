"""Giving a block another label: it is the same block under the new one, and the act is in the history of both."""

import uuid
from dataclasses import replace

from memgpt_agent.errors import BlockExists
from memgpt_agent.memory.core.block_store import BlockStore, StoredBlock, newest_revision
from memgpt_agent.memory.core.blocks import Block, Cause
from memgpt_agent.memory.core.history import Trail
from memgpt_agent.memory.core.shared_blocks import Sharing


class Renaming:
    """How one agent's blocks get other labels; see ``CoreMemory``, which offers it."""

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
