"""What our checkpoint savers share: a blocking implementation, its async form, and what LangGraph's own savers lack."""

import asyncio
import sqlite3
from abc import abstractmethod
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Protocol

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    BaseCheckpointSaver,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    DeltaChannelHistory,
)
from typing_extensions import override

from memgpt_agent.checkpoints.message_table import MessageTable, NewestRows
from memgpt_agent.checkpoints.rewriting import Changes
from memgpt_agent.errors import ConfigurationError, StoreCorrupt
from memgpt_agent.faces import Closing

FENCE = "__memgpt_fence"
"""The key of a config's ``configurable`` for the :class:`Fence` that each write has to pass."""
FENCES = "CREATE TABLE IF NOT EXISTS fences (thread_id TEXT PRIMARY KEY, number INTEGER NOT NULL)"
"""The highest fencing number that has written to each thread."""


class Fence(Protocol):
    """What a writer shows for its right to write: a lease, whose number rises whenever somebody takes it."""

    name: str
    """The conversation."""
    number: int
    """The number under which it is held."""

    def check(self) -> None:
        """Raise where the right may have run out and is lost."""
        ...

    def confirm(self) -> None:
        """Ask again whether the right is still held, and raise if it is not."""
        ...


def pass_fence(cursor: sqlite3.Cursor, fenced: tuple[str, Fence] | None) -> None:
    """Raise the thread's number to the writer's in the transaction that now begins, or refuse it."""
    if fenced is None:
        return
    thread_id, fence = fenced
    cursor.execute("BEGIN IMMEDIATE")
    row = cursor.execute("SELECT number FROM fences WHERE thread_id = ?", (thread_id,)).fetchone()
    if row is not None and row[0] == fence.number:
        return
    if row is not None and row[0] > fence.number:
        fence.confirm()  # the store knows better: it may have been restored from an older copy than this file
    cursor.execute("INSERT OR REPLACE INTO fences (thread_id, number) VALUES (?, ?)", (thread_id, fence.number))


_READS = 3
"""How often a checkpoint is read: another process may prune it between reading its row and its messages."""


class Checkpointer(Closing, BaseCheckpointSaver[Any]):
    """A saver for sync and async graphs alike, whose writes can be fenced, and whose threads can be pruned and rewritten.

    The async methods do the same as the others in a thread, so nothing is bound to an event loop.
    """

    path: str
    """Where the checkpoints are, for people: a file, or a database."""
    _WRITES: ClassVar[str]
    """The name of the table of what steps wrote."""
    _VALUE: ClassVar[str]
    """The placeholder of a value in a statement."""
    _messages: MessageTable
    _rows: NewestRows

    @abstractmethod
    def raise_fence(self, fence: Fence) -> None:
        """Refuse from now on what an earlier holder of the fence's conversation may still write."""

    def newest_id(self, thread_id: str) -> str:
        """Return the id of a thread's newest checkpoint without reading it; empty if there is none, or where a step's writes wait on it."""
        rows = self._all(
            f"SELECT checkpoint_id, EXISTS (SELECT 1 FROM {self._WRITES} w WHERE w.thread_id = c.thread_id AND w.checkpoint_ns = ''"  # noqa: S608 - names of our own
            " AND w.checkpoint_id = c.checkpoint_id) AS waits FROM checkpoints c"
            f" WHERE thread_id = {self._VALUE} AND checkpoint_ns = '' ORDER BY checkpoint_id DESC LIMIT 1",
            [thread_id],
        )
        return str(rows[0]["checkpoint_id"]) if rows and not rows[0]["waits"] else ""

    def prune_turns(self, thread_id: str, *, keep: int) -> None:
        """Delete what is older than the newest `keep` turns of a thread: one can go back to before each of them.

        A turn begins with a checkpoint that took in new input. One transaction, or none if nothing is to be deleted;
        its cost depends on `keep` and on what is deleted, not on how long the thread has lived.

        Raises:
            ConfigurationError: `keep` is less than 1.
            StoreError: the thread's state is stored in differences (``DeltaChannel``), which pruning would tear.
        """
        if keep < 1:
            raise ConfigurationError(f"prune_turns(keep={keep}): keep at least 1.")
        self._prune_turns(thread_id, keep)

    @abstractmethod
    def _prune_turns(self, thread_id: str, keep: int) -> None:
        """Do what ``prune_turns`` says; ``keep`` is at least 1."""

    @abstractmethod
    def rewrite(self, thread_id: str, changes: Changes, fence: Fence | None = None) -> int:
        """Change what a thread's checkpoints hold, all of them, in one transaction; return how many were changed.

        The bytes of what was there are gone after :meth:`compact`.
        """

    def forget_cached(self) -> None:
        """Drop the messages and rows that are kept in memory to save reading and writing them again."""
        self._messages, self._rows = MessageTable(), NewestRows()

    def threads(self) -> Sequence[str]:
        """Return the ids of all threads, in order."""
        return sorted(str(row["thread_id"]) for row in self._all("SELECT DISTINCT thread_id FROM checkpoints", []))

    @abstractmethod
    def size_bytes(self) -> int:
        """Return how many bytes the checkpoints take."""

    @abstractmethod
    def compact(self) -> None:
        """Rewrite what holds the checkpoints: no byte is left there of what was deleted or overwritten. Writers wait."""

    @abstractmethod
    def _all(self, statement: str, values: Sequence[Any]) -> Sequence[Mapping[str, Any]]:
        """Return the rows that a statement selects, by the names of their columns."""

    @abstractmethod
    def _where(
        self, config: RunnableConfig | None, filter: dict[str, Any] | None, before: RunnableConfig | None
    ) -> tuple[str, Sequence[Any]]:
        """Return the ``WHERE`` clause for ``list``'s arguments, and its values."""

    def _found(
        self,
        config: RunnableConfig | None,
        filter: dict[str, Any] | None,
        before: RunnableConfig | None,
        limit: int | None,
    ) -> Sequence[RunnableConfig]:
        """Return the configs of the checkpoints that ``list`` yields."""
        where, values = self._where(config, filter, before)
        bound = "" if limit is None else f" LIMIT {limit:d}"
        sql = f"SELECT thread_id, checkpoint_ns, checkpoint_id FROM checkpoints {where} ORDER BY checkpoint_id DESC{bound}"  # noqa: S608 - `where` holds placeholders
        return [{"configurable": dict(row)} for row in self._all(sql, values)]

    @abstractmethod
    def _read(self, config: RunnableConfig) -> CheckpointTuple | None:
        """Read a checkpoint with the digests of its messages in their place."""

    @abstractmethod
    def _join(self, thread_id: str, checkpoint: Checkpoint, *, trusted: bool) -> bool:
        """Put the messages in the place of their digests; return whether all were there."""

    @override
    def get_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        asked = config.get("configurable", {})
        for _ in range(_READS):
            found = self._read(config)
            if found is None:
                return None
            thread_id = str(found.config.get("configurable", {})["thread_id"])
            if self._join(thread_id, found.checkpoint, trusted=FENCE in asked):
                return found
        raise StoreCorrupt(f"{self.path}: messages of a checkpoint are missing ({asked}). Restore a copy.")

    @override
    def list(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> Iterator[CheckpointTuple]:
        """Yield the checkpoints, newest first; each is read when it is asked for, and the saver is free in between."""
        for found in self._found(config, filter, before, limit):
            if (checkpoint := self.get_tuple(found)) is not None:
                yield checkpoint

    @override
    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        return await asyncio.to_thread(self.get_tuple, config)

    @override
    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        for found in await asyncio.to_thread(self._found, config, filter, before, limit):
            if (checkpoint := await self.aget_tuple(found)) is not None:
                yield checkpoint

    @override
    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        return await asyncio.to_thread(self.put, config, checkpoint, metadata, new_versions)

    @override
    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        await asyncio.to_thread(self.put_writes, config, writes, task_id, task_path)

    @override
    async def adelete_thread(self, thread_id: str) -> None:
        await asyncio.to_thread(self.delete_thread, thread_id)

    @override
    async def aprune(self, thread_ids: Sequence[str] | str, *, strategy: str = "keep_latest", keep: int = 1) -> None:
        await asyncio.to_thread(self.prune, thread_ids, strategy=strategy, keep=keep)

    @override
    @abstractmethod
    def prune(self, thread_ids: Sequence[str] | str, *, strategy: str = "keep_latest", keep: int = 1) -> None:
        """Delete all but the newest `keep` checkpoints of a thread, or of several, with what was written for them.

        Args:
            thread_ids: one thread's id, or several.
            strategy: ``keep_latest``, or ``delete`` for everything, as LangGraph's other savers take.
            keep: how many to keep.

        Raises:
            ConfigurationError: `keep` is less than 1, or the strategy is unknown.
            StoreError: the thread's state is stored in differences (``DeltaChannel``), which pruning would tear.
        """

    @override
    async def aget_delta_channel_history(
        self, *, config: RunnableConfig, channels: Sequence[str]
    ) -> Mapping[str, DeltaChannelHistory]:
        return await asyncio.to_thread(self.get_delta_channel_history, config=config, channels=channels)
