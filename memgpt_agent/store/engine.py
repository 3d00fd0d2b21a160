"""What a store brings: the work on its data, behind the operations that all stores share."""

from collections.abc import Iterator, Mapping
from typing import Any, Protocol, Self

from langgraph.store.base import Result, SearchItem

from memgpt_agent.store.arrays import Floats
from memgpt_agent.store.embedding import Embedder
from memgpt_agent.store.operations import Find, Newest, PreparedBatch
from memgpt_agent.store.protocol import EmbeddingIdentity, Guard, IndexedItem, Namespace, Progress, StoreSizes, Tally

Vectors = Mapping[str, Floats]
"""A unit row for each text."""


class Engine(Protocol):
    """A store's work on its data, one blocking call at a time, from any thread, and without embedding.

    Every call is one transaction, but for ``items`` (one for as long as it is read), ``sweep``, ``reindex`` and ``compact``.
    ``vectors`` hold what the plan's texts became; a text without a vector is found by words only.
    """

    embedder: Embedder | None
    """What texts are embedded by; None: by words only."""

    def execute(self, plan: PreparedBatch, vectors: Vectors, queries: Vectors) -> list[Result]:
        """Answer all reads of a batch from the state before it, then make all its writes or none."""
        ...

    def find(self, asked: Find, vectors: Vectors) -> list[SearchItem]:
        """Answer ``MemoryStore.find``; ``vectors`` holds the query's, where the mode needs one."""
        ...

    def named(self, asked: Find) -> str | None:
        """Return the one speaker of the dialogue whom the query names."""
        ...

    def newest(self, asked: Newest) -> list[SearchItem]:
        """Answer ``MemoryStore.newest``."""
        ...

    def count(self, namespace: Namespace, filter: dict[str, Any] | None) -> int:
        """Answer ``MemoryStore.count``."""
        ...

    def tally(self, namespace: Namespace, limit: int) -> Tally:
        """Answer ``MemoryStore.tally``."""
        ...

    def put_if(self, plan: PreparedBatch, vectors: Vectors, expected: Mapping[str, Any] | None, *, durable: bool) -> bool:
        """Make the plan's one write if the stored value is ``expected``; see ``MemoryStore.put_if``."""
        ...

    def guarded(self, guard: Guard) -> Self:
        """Return this engine with a guard that every write checks in its transaction; see ``MemoryStore.guarded``."""
        ...

    def embedding(self) -> EmbeddingIdentity | None:
        """Answer ``MemoryStore.embedding``."""
        ...

    def items(self, namespace: Namespace, vectors_by: EmbeddingIdentity | None) -> Iterator[IndexedItem]:
        """Answer ``MemoryStore.items``."""
        ...

    def sweep(self) -> int:
        """Delete what has expired; return how many items that were."""
        ...

    def reindex(self, embedder: Embedder, progress: Progress | None) -> int:
        """Embed everything again, put the new vectors in force and use this embedder; see ``MemoryStore.reindex``."""
        ...

    def pending(self) -> int:
        """Answer ``MemoryStore.pending``."""
        ...

    def catch_up(self, limit: int) -> int:
        """Embed at most ``limit`` documents that wait for their vectors; return how many that were."""
        ...

    def compact(self) -> int:
        """Answer ``MemoryStore.compact``."""
        ...

    def sizes(self) -> StoreSizes:
        """Answer ``MemoryStore.sizes``."""
        ...
