"""FaissStore: LangGraph's store in one SQLite file, searched by meaning (FAISS) and by words (FTS5)."""

import asyncio
import copy
import tempfile
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from langgraph.store.base import BaseStore, IndexConfig, Op, Result, TTLConfig

from memgpt_agent.errors import ConfigurationError
from memgpt_agent.store.embedding import make_embedder
from memgpt_agent.store.index.index_cache import IndexCache
from memgpt_agent.store.index.sizes import DEFAULT_SIZES, Sizes
from memgpt_agent.store.memory_face import MemoryFace
from memgpt_agent.store.operations import Planner
from memgpt_agent.store.protocol import Guard
from memgpt_agent.store.sqlite.compaction import compact
from memgpt_agent.store.sqlite.database import Database
from memgpt_agent.store.sqlite.engine import Engine
from memgpt_agent.store.sqlite.identity import check_embedding
from memgpt_agent.store.sqlite.reindex import Reindexing
from memgpt_agent.store.sqlite.ttl import Sweeper

INDEX_MEMORY_BYTES = 1 << 30


class FaissStore(MemoryFace, BaseStore):
    """A LangGraph store in one SQLite file, for any number of threads, event loops and processes.

    Every operation behaves as ``InMemoryStore``'s; beyond it the store keeps what it is told (a write is acknowledged
    when it is on disk), forgets by TTL, and finds by words and meaning together (:meth:`find`).

    Args:
        path: the file; its folder is made. ``":memory:"`` is a temporary file that ends with the store.
        index: ``{"embed": ..., "dims": ..., "fields": [...]}`` as LangGraph takes it; ``embed`` may be a name, ``dims``
            may be left out. None (or no ``embed``) is search by words only.
        ttl: LangGraph's TTL settings; ``start_ttl_sweeper`` starts the sweeper.
        index_memory_bytes: about how much memory the indexes of namespaces may take together.
        clock: the time, for tests.
        sizes: at which a thing is done another way, for tests.

    Raises:
        StoreCorrupt: the file is damaged or another program's. It is left as it is.
        EmbeddingMismatch: the file's vectors were made by another embedding; ``memgpt reindex`` makes them anew.

    Limits: the file must be on a local disk; values are JSON, so a tuple comes back as a list.
    """

    supports_ttl = True

    def __init__(
        self,
        path: str | Path,
        *,
        index: IndexConfig | Mapping[str, Any] | None = None,
        ttl: TTLConfig | None = None,
        index_memory_bytes: int = INDEX_MEMORY_BYTES,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        sizes: Sizes = DEFAULT_SIZES,
    ) -> None:
        self.ttl_config = ttl
        embedder = make_embedder(index)
        fields: Any = index.get("fields") if index else None
        self._planner = Planner(
            [fields] if isinstance(fields, str) else list(fields or ["$"]), embeds=embedder is not None
        )
        self._temporary = tempfile.TemporaryDirectory(prefix="memgpt-store-") if str(path) == ":memory:" else None
        self.path = (
            Path(self._temporary.name) / "store.sqlite" if self._temporary else Path(path).expanduser().absolute()
        )
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._database = Database(self.path, durable=self._temporary is None)
        kept = None if self._temporary else sizes.snapshot_docs
        self._cache = IndexCache(index_memory_bytes, self._database, chunk_rows=sizes.chunk_rows, snapshot_docs=kept)
        self._engine = Engine(self._database, self._cache, embedder, ttl, clock, sizes)
        self._sweeper = Sweeper(self._engine.sweep)
        self._closing = threading.Lock()
        try:
            check_embedding(self._database, embedder)
        except BaseException:
            self.close()
            raise

    # The two faces of a batch; between them only the embedding differs.

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        """Run operations: all reads see the state before the batch, then all writes happen at once or not at all."""
        plan = self._planner.plan(ops)
        return self._engine.execute(plan, self._documents(plan.texts), self._queries(plan.queries))

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        """Do as :meth:`batch` does, without blocking the loop. Cancelled, a write that has begun is still finished."""
        plan = await asyncio.to_thread(self._planner.plan, list(ops))
        vectors = await self._adocuments(plan.texts)
        queries = await self._aqueries(plan.queries)
        return await asyncio.to_thread(self._engine.execute, plan, vectors, queries)

    def guarded(self, guard: Guard) -> Self:
        """Return a view of this store whose writes are made only while the guard holds; see ``MemoryStore.guarded``."""
        view = copy.copy(self)
        view._engine = self._engine.guarded(guard)
        return view

    # Upkeep

    def reindex(
        self, embedding: Any = None, *, dims: int | None = None, progress: Callable[[int, int], None] | None = None
    ) -> int:
        """Embed everything anew and use the new vectors from then on; return how many documents were embedded.

        Until the end the old vectors answer, here and in other processes, and what is written meanwhile is embedded as
        well. Then the new ones are put in force at once: a store that is open with another embedding raises
        EmbeddingMismatch when it next needs a vector. Interrupted or killed it loses a batch at most and goes on from there
        when it is called again with the same embedding.

        Args:
            embedding: a name, a LangChain embedding or a function; None for the store's own, which then only embeds
                what was stored without one.
            dims: the length of its vectors, where it does not say so itself.
            progress: told after each batch how many documents are done, of how many.

        Raises:
            ConfigurationError: no embedding was given and the store has none.
        """
        embedder = make_embedder({"embed": embedding, "dims": dims}) or self._engine.embedder
        if embedder is None:
            raise ConfigurationError("The store has no embedding. Give one: store.reindex('minilm').")
        embedded = Reindexing(self._database, embedder).run(progress)
        self._engine.embedder = embedder
        self._planner.embeds = True
        return embedded

    async def areindex(
        self, embedding: Any = None, *, dims: int | None = None, progress: Callable[[int, int], None] | None = None
    ) -> int:
        """Do as :meth:`reindex` does, without blocking the loop; ``progress`` is called in another thread."""
        return await asyncio.to_thread(self.reindex, embedding, dims=dims, progress=progress)

    def compact(self) -> int:
        """Give back the space of what was deleted; return by how many bytes the file has become smaller.

        Not needed in daily use: free pages are used again. It rewrites the file, with as much free space as the file
        has, and writers wait meanwhile.

        Raises:
            StoreBusy: another process was reading or writing for more than a minute.
        """
        return compact(self._database)

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

    def close(self) -> None:
        """Close the file. May be called twice; another thread's running operation is finished first."""
        with self._closing:
            self._sweeper.stop(5)
            self._cache.close()
            self._database.close()
            if self._temporary:
                self._temporary.cleanup()

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
