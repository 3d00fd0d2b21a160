"""What our checkpoint savers share: a blocking implementation, its async form, and what LangGraph's own savers lack."""

import asyncio
from abc import abstractmethod
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

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

from memgpt_agent.checkpoints.fence import Fence
from memgpt_agent.checkpoints.rewriting import Changes


class Checkpointer(BaseCheckpointSaver[Any]):
    """A saver for sync and async graphs alike, whose writes can be fenced, and whose threads can be pruned and rewritten.

    The async methods do the same as the others in a thread, so nothing is bound to an event loop.
    """

    path: str
    """Where the checkpoints are, for people: a file, or a database."""

    def __enter__(self) -> Self:
        """Return this saver."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Close it."""
        self.close()

    async def __aenter__(self) -> Self:
        """Return this saver."""
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Close it, in a thread."""
        await asyncio.to_thread(self.close)

    @abstractmethod
    def close(self) -> None:
        """Close it, once what is being written is written. Closing twice is not an error."""

    @abstractmethod
    def raise_fence(self, fence: Fence) -> None:
        """Refuse from now on what an earlier holder of the fence's conversation may still write."""

    @abstractmethod
    def newest_id(self, thread_id: str) -> str:
        """Return the id of a thread's newest checkpoint without reading it; empty if there is none, or where a step's writes wait on it."""

    @abstractmethod
    def prune_turns(self, thread_id: str, *, keep: int) -> None:
        """Delete what is older than the newest `keep` turns of a thread: one can go back to before each of them.

        A turn begins with a checkpoint that took in new input. One transaction, or none if nothing is to be deleted;
        its cost depends on `keep` and on what is deleted, not on how long the thread has lived.

        Raises:
            ConfigurationError: `keep` is less than 1.
            StoreError: the thread's state is stored in differences (``DeltaChannel``), which pruning would tear.
        """

    @abstractmethod
    def rewrite(self, thread_id: str, changes: Changes, fence: Fence | None = None) -> int:
        """Change what a thread's checkpoints hold, all of them, in one transaction; return how many were changed.

        The bytes of what was there are gone after :meth:`compact`.
        """

    @abstractmethod
    def forget_cached(self) -> None:
        """Drop the messages and rows that are kept in memory to save reading and writing them again."""

    @abstractmethod
    def threads(self) -> Sequence[str]:
        """Return the ids of all threads, in order."""

    @abstractmethod
    def size_bytes(self) -> int:
        """Return how many bytes the checkpoints take."""

    @abstractmethod
    def compact(self) -> None:
        """Rewrite what holds the checkpoints: no byte is left there of what was deleted or overwritten. Writers wait."""

    @abstractmethod
    def _found(
        self,
        config: RunnableConfig | None,
        filter: dict[str, Any] | None,
        before: RunnableConfig | None,
        limit: int | None,
    ) -> Sequence[RunnableConfig]:
        """Return the configs of the checkpoints that ``list`` yields."""

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
