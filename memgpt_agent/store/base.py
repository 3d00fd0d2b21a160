"""What this package's stores share: sync and async forms of every operation, batching and embedding, over one engine."""

import asyncio
import copy
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Literal, Self

import numpy as np
from langgraph.store.base import BaseStore, Op, PutOp, Result, SearchItem, TTLConfig

from memgpt_agent.errors import ConfigurationError
from memgpt_agent.store.arrays import Floats
from memgpt_agent.store.embedding import make_embedder
from memgpt_agent.store.fields import texts_at
from memgpt_agent.store.operations import BatchPreparer, Engine, Find, Newest, PreparedBatch, Vectors
from memgpt_agent.store.outage import EmbeddingLater, Outage
from memgpt_agent.store.protocol import (
    Dialogue,
    EmbeddingIdentity,
    Guard,
    IndexedItem,
    Namespace,
    Progress,
    SearchMode,
    StoreSizes,
    Tally,
)
from memgpt_agent.store.sweeper import Sweeper
from memgpt_agent.text.never_stored import Redactor


class BaseMemoryStore(BaseStore):
    """A ``MemoryStore`` over an engine. A new store brings the engine, and ``close``.

    Args:
        engine: does the work.
        planner: takes operations apart, with the engine's encoding of values.
        ttl: LangGraph's TTL settings; ``start_ttl_sweeper`` starts the sweeper.
    """

    supports_ttl = True

    def __init__(self, engine: Engine, planner: BatchPreparer, ttl: TTLConfig | None) -> None:
        self.ttl_config = ttl
        self._engine = engine
        self._planner = planner
        self._sweeper = Sweeper(engine.sweep)
        self._outage = Outage()
        self._outage.pending = engine.embedder is not None and engine.pending() > 0
        self._later = EmbeddingLater(engine.catch_up, self._outage)

    @abstractmethod
    def close(self) -> None:
        """Close the store. May be called twice; another thread's running operation is finished first."""

    # The two faces differ in how texts are embedded, and in the thread.

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        """Run operations: all reads see the state before the batch, then all writes happen at once or not at all."""
        plan = self._planner.prepare(ops)
        vectors = self._outage.documents(self._engine.embedder, plan.texts)
        queries = self._outage.queries(self._engine.embedder, plan.queries)
        return self._execute(plan, vectors, queries)

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        """Do as :meth:`batch` does, without blocking the loop. Cancelled, a write that has begun is still finished."""
        plan = await asyncio.to_thread(self._planner.prepare, list(ops))
        vectors = await self._outage.adocuments(self._engine.embedder, plan.texts)
        queries = await self._outage.aqueries(self._engine.embedder, plan.queries)
        return await asyncio.to_thread(self._execute, plan, vectors, queries)

    def put_then_embed(self, puts: Sequence[PutOp]) -> None:
        """Write items at once or not at all; their vectors follow in another thread. See ``MemoryStore.put_then_embed``."""
        plan = self._planner.prepare(puts)
        self._engine.execute(plan, {}, {})
        self._embed_later(plan)

    def finish_embedding(self, timeout_seconds: float = 30) -> bool:
        """Wait for the vectors of what was put so far; see ``MemoryStore.finish_embedding``."""
        return self._later.wait(timeout_seconds)

    def find(
        self,
        namespace: Namespace,
        query: str,
        *,
        mode: SearchMode = "hybrid",
        filter: dict[str, Any] | None = None,
        limit: int = 10,
        offset: int = 0,
        near: str | Dialogue | None = None,
    ) -> list[SearchItem]:
        """Return the items of exactly this namespace that fit ``query`` best; see ``MemoryStore.find``."""
        asked = Find(namespace, query, mode, filter, limit, offset, near).checked().in_their_words(self._engine.named)
        return self._engine.find(asked, self._outage.queries(self._engine.embedder, asked.texts))

    async def afind(
        self,
        namespace: Namespace,
        query: str,
        *,
        mode: SearchMode = "hybrid",
        filter: dict[str, Any] | None = None,
        limit: int = 10,
        offset: int = 0,
        near: str | Dialogue | None = None,
    ) -> list[SearchItem]:
        """Async form of :meth:`find`."""
        asked = Find(namespace, query, mode, filter, limit, offset, near).checked()
        asked = await asyncio.to_thread(asked.in_their_words, self._engine.named)
        vectors = await self._outage.aqueries(self._engine.embedder, asked.texts)
        return await asyncio.to_thread(self._engine.find, asked, vectors)

    def newest(
        self,
        namespace: Namespace,
        *,
        by: str = "time",
        filter: dict[str, Any] | None = None,
        limit: int = 10,
        offset: int = 0,
    ) -> list[SearchItem]:
        """Return the items of exactly this namespace by a field, highest first; see ``MemoryStore.newest``."""
        return self._engine.newest(Newest(namespace, by, filter, limit, offset).checked())

    async def anewest(
        self,
        namespace: Namespace,
        *,
        by: str = "time",
        filter: dict[str, Any] | None = None,
        limit: int = 10,
        offset: int = 0,
    ) -> list[SearchItem]:
        """Async form of :meth:`newest`."""
        return await asyncio.to_thread(self._engine.newest, Newest(namespace, by, filter, limit, offset).checked())

    def count(self, namespace: Namespace, filter: dict[str, Any] | None = None) -> int:
        """Return how many items exactly this namespace holds; see ``MemoryStore.count``."""
        return self._engine.count(*_counted(namespace, filter))

    async def acount(self, namespace: Namespace, filter: dict[str, Any] | None = None) -> int:
        """Async form of :meth:`count`."""
        return await asyncio.to_thread(self._engine.count, *_counted(namespace, filter))

    def tally(self, namespace: Namespace, *, limit: int = 10) -> Tally:
        """Return how many items exactly this namespace holds, and its tags; see ``MemoryStore.tally``."""
        return self._engine.tally(*_tallied(namespace, limit))

    async def atally(self, namespace: Namespace, *, limit: int = 10) -> Tally:
        """Async form of :meth:`tally`."""
        return await asyncio.to_thread(self._engine.tally, *_tallied(namespace, limit))

    def put_if(
        self,
        namespace: Namespace,
        key: str,
        value: dict[str, Any],
        *,
        expected: dict[str, Any] | None,
        index: Literal[False] | list[str] | None = None,
        durable: bool = True,
        embed_later: bool = False,
    ) -> bool:
        """Write ``value`` only if the stored value equals ``expected``; see ``MemoryStore.put_if``."""
        plan = self._planner.prepare_put(namespace, key, value, index, self._default_ttl)
        vectors: Vectors = {} if embed_later else self._outage.documents(self._engine.embedder, plan.texts)
        return self._put_if(plan, vectors, expected, durable=durable, embed_later=embed_later)

    async def aput_if(
        self,
        namespace: Namespace,
        key: str,
        value: dict[str, Any],
        *,
        expected: dict[str, Any] | None,
        index: Literal[False] | list[str] | None = None,
        durable: bool = True,
        embed_later: bool = False,
    ) -> bool:
        """Async form of :meth:`put_if`."""
        plan = await asyncio.to_thread(self._planner.prepare_put, namespace, key, value, index, self._default_ttl)
        vectors: Vectors = {} if embed_later else await self._outage.adocuments(self._engine.embedder, plan.texts)
        return await asyncio.to_thread(lambda: self._put_if(plan, vectors, expected, durable=durable, embed_later=embed_later))

    def guarded(self, guard: Guard) -> Self:
        """Return a view of this store whose writes are made only while the guard holds; see ``MemoryStore.guarded``."""
        view = copy.copy(self)
        view._engine = self._engine.guarded(guard)
        return view

    def redacting(self, redactor: Redactor) -> Self:
        """Return a view of this store through which nothing is stored that is never to be."""
        view = copy.copy(self)
        view._planner = self._planner.redacting(redactor)
        return view

    # Moving items between stores

    def embedding(self) -> EmbeddingIdentity | None:
        """Return the embedding that made the store's vectors; see ``MemoryStore.embedding``."""
        return self._engine.embedding()

    def items(self, namespace: Namespace, *, vectors_by: EmbeddingIdentity | None = None) -> Iterator[IndexedItem]:
        """Yield the items of exactly this namespace in the order of storing; see ``MemoryStore.items``."""
        return self._engine.items(namespace, vectors_by)

    def put_items(
        self,
        items: Sequence[IndexedItem],
        also: Sequence[PutOp] = (),
        *,
        vectors_by: EmbeddingIdentity | None = None,
        progress: Progress | None = None,
    ) -> None:
        """Put items, and ``also`` after them, in one transaction; see ``MemoryStore.put_items``."""
        puts = [PutOp(i.namespace, i.key, i.value, False if i.index is None else list(i.index)) for i in items]
        plan = self._planner.prepare([*puts, *also])
        embedder = self._engine.embedder
        known = _carried_vectors(items) if embedder and embedder.identity == vectors_by else {}
        missing = [text for text in plan.texts if text not in known]
        made: Vectors = embedder.documents(missing, progress) if embedder else {}
        self._engine.execute(plan, {**known, **made}, {})

    # Upkeep

    def reindex(self, embedding: Any = None, *, dims: int | None = None, progress: Progress | None = None) -> int:
        """Embed everything again and use the new vectors from then on; see ``MemoryStore.reindex``."""
        embedder = make_embedder({"embed": embedding, "dims": dims}) or self._engine.embedder
        if embedder is None:
            raise ConfigurationError("The store has no embedding. Give one: store.reindex('minilm').")
        return self._engine.reindex(embedder, progress)

    async def areindex(
        self, embedding: Any = None, *, dims: int | None = None, progress: Progress | None = None
    ) -> int:
        """Do as :meth:`reindex` does, without blocking the loop; ``progress`` is called in another thread."""
        return await asyncio.to_thread(self.reindex, embedding, dims=dims, progress=progress)

    def pending(self) -> int:
        """Return how many items wait for their vectors; see ``MemoryStore.pending``."""
        return self._engine.pending()

    def compact(self) -> int:
        """Rewrite the store without what was deleted or overwritten; see ``MemoryStore.compact``."""
        return self._engine.compact()

    def sizes(self) -> StoreSizes:
        """Return how much the store holds; see ``MemoryStore.sizes``."""
        return self._engine.sizes()

    # TTL

    def sweep_ttl(self) -> int:
        """Delete what has expired and return how many items that were."""
        return self._engine.sweep()

    def start_ttl_sweeper(self, sweep_interval_minutes: float | None = None) -> "Future[None]":
        """Delete what has expired every so many minutes (default: the setting, else 5), until cancelled or closed."""
        setting = (self.ttl_config or {}).get("sweep_interval_minutes")
        return self._sweeper.start(float(sweep_interval_minutes or setting or 5))

    def stop_ttl_sweeper(self, timeout: float | None = None) -> bool:
        """Stop the sweeper; whether it has stopped within ``timeout`` seconds."""
        return self._sweeper.stop(timeout)

    # Life

    def __enter__(self) -> Self:
        """Return the store; the block's end closes it."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the store."""
        self.close()

    async def __aenter__(self) -> Self:
        """Return the store; the block's end closes it."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the store."""
        await asyncio.to_thread(self.close)

    @property
    def _default_ttl(self) -> float | None:
        return (self.ttl_config or {}).get("default_ttl")

    def _execute(self, plan: PreparedBatch, vectors: Vectors, queries: Vectors) -> list[Result]:
        results = self._engine.execute(plan, vectors, queries)
        self._outage.catch_up_after(vectors, self._engine.catch_up)
        return results

    def _put_if(
        self, plan: PreparedBatch, vectors: Vectors, expected: Mapping[str, Any] | None, *, durable: bool, embed_later: bool
    ) -> bool:
        written = self._engine.put_if(plan, vectors, expected, durable=durable)
        self._outage.catch_up_after(vectors, self._engine.catch_up)
        if written and embed_later:
            self._embed_later(plan)
        return written

    def _embed_later(self, plan: PreparedBatch) -> None:
        if plan.texts and self._engine.embedder is not None:
            self._later.begin()


def _counted(namespace: Namespace, filter: dict[str, Any] | None) -> tuple[Namespace, dict[str, Any] | None]:
    asked = Newest(namespace, "time", filter, 0, 0).checked()
    return asked.namespace, asked.filter


def _tallied(namespace: Namespace, limit: int) -> tuple[Namespace, int]:
    asked = Newest(namespace, "time", None, limit, 0).checked()
    return asked.namespace, asked.limit


def _carried_vectors(items: Sequence[IndexedItem]) -> dict[str, Floats]:
    known: dict[str, Floats] = {}
    for item in items:
        if item.vectors and item.index:
            for field in texts_at(item.value, item.index):
                if field.embed and field.path in item.vectors:
                    known[field.text] = np.frombuffer(item.vectors[field.path], dtype="<f4").astype(np.float32)
    return known
