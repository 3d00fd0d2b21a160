"""FaissStore: LangGraph's store in one SQLite file, searched by meaning (FAISS) and by words (FTS5)."""

import asyncio
import tempfile
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, NamedTuple, Self, TypeVar, cast

from langgraph.store.base import (
    BaseStore,
    GetOp,
    IndexConfig,
    Item,
    ListNamespacesOp,
    Op,
    PutOp,
    Result,
    SearchItem,
    SearchOp,
    TTLConfig,
)
from langgraph.store.base import validate_op_namespace as check_labels

from memgpt_agent.errors import ConfigurationError
from memgpt_agent.memory.store.database import Database
from memgpt_agent.memory.store.embedding import Embedder, make_embedder
from memgpt_agent.memory.store.filters import check_filter
from memgpt_agent.memory.store.identity import check_embedding
from memgpt_agent.memory.store.index_cache import IndexCache
from memgpt_agent.memory.store.namespace_index import IndexAhead
from memgpt_agent.memory.store.protocol import SearchMode
from memgpt_agent.memory.store.reads import Reader
from memgpt_agent.memory.store.rows import decode_value, encode_value, micros, path_of
from memgpt_agent.memory.store.ttl import Sweeper, delete_expired, refresh
from memgpt_agent.memory.store.vectors import Floats
from memgpt_agent.memory.store.writes import Write, Writer, prepare, texts_to_embed

T = TypeVar("T")
INDEX_MEMORY_BYTES = 1 << 30
_SNAPSHOT_TRIES = 8


class _Plan(NamedTuple):
    """A batch, taken apart before anything is read or written."""

    ops: list[Op]
    writes: list[Write]
    texts: list[str]
    queries: list[str]


class FaissStore(BaseStore):
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

    Raises:
        StoreCorrupt: the file is damaged or another program's. It is left as it is.
        EmbeddingMismatch: the file's vectors were made by another embedding.

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
    ) -> None:
        self.ttl_config = ttl
        self.embedder: Embedder | None = make_embedder(index)
        fields: Any = index.get("fields") if index else None
        self._fields: list[str] = [fields] if isinstance(fields, str) else list(fields or ["$"])
        self._clock = clock
        self._temporary = tempfile.TemporaryDirectory(prefix="memgpt-store-") if str(path) == ":memory:" else None
        self.path = Path(self._temporary.name) / "store.sqlite" if self._temporary else Path(path).expanduser().absolute()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._database = Database(self.path, durable=self._temporary is None)
        self._cache = IndexCache(index_memory_bytes)
        self._sweeper = Sweeper(self.sweep_ttl)
        self._closing = threading.Lock()
        try:
            check_embedding(self._database, self.embedder)
        except BaseException:
            self.close()
            raise

    # The two faces of a batch; between them only the embedding differs.

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        """Run operations: all reads see the state before the batch, then all writes happen at once or not at all."""
        plan = self._plan(ops)
        vectors = self._documents(plan.texts)
        queries = self._queries(plan.queries)
        return self._execute(plan, vectors, queries)

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        """Do as :meth:`batch` does, without blocking the loop. Cancelled, a write that has begun is still finished."""
        plan = await asyncio.to_thread(self._plan, list(ops))
        vectors = await self._adocuments(plan.texts)
        queries = await self._aqueries(plan.queries)
        return await asyncio.to_thread(self._execute, plan, vectors, queries)

    def _documents(self, texts: Sequence[str]) -> Mapping[str, Floats]:
        return self.embedder.documents(texts) if self.embedder else {}

    async def _adocuments(self, texts: Sequence[str]) -> Mapping[str, Floats]:
        return await self.embedder.adocuments(texts) if self.embedder else {}

    def _queries(self, texts: Sequence[str]) -> Mapping[str, Floats]:
        return self.embedder.queries(texts) if self.embedder else {}

    async def _aqueries(self, texts: Sequence[str]) -> Mapping[str, Floats]:
        return await self.embedder.aqueries(texts) if self.embedder else {}

    def _plan(self, ops: Iterable[Op]) -> _Plan:
        ops = list(ops)
        last: dict[tuple[tuple[str, ...], str], PutOp] = {}
        queries: list[str] = []
        for op in ops:
            check_labels(op)
            if isinstance(op, PutOp):
                last[op.namespace, op.key] = op
            elif isinstance(op, SearchOp):
                check_filter(op.filter)
                if op.query:
                    queries.append(op.query)
            elif not isinstance(op, GetOp | ListNamespacesOp):  # pyright: ignore[reportUnnecessaryIsInstance]
                raise ValueError(f"Unknown operation type: {type(op)}")
        writes = [prepare(op.namespace, op.key, op.value, self._paths(op.index), op.ttl) for op in last.values()]
        return _Plan(ops, writes, texts_to_embed(writes) if self.embedder else [], queries)

    def _paths(self, index: Literal[False] | Sequence[str] | None) -> list[str] | None:
        if index is False:
            return None
        return self._fields if index is None else list(index)

    def _execute(self, plan: _Plan, vectors: Mapping[str, Floats], queries: Mapping[str, Floats]) -> list[Result]:
        now = micros(self._clock())
        if not plan.writes:
            results = self._read(lambda reader: self._answer(reader, plan.ops, queries))
        else:
            with self._database.write() as connection:
                reader = Reader(connection, self._cache, self._dims, self._hide_before(now))
                results = self._answer(reader, plan.ops, queries)
                Writer(connection, now).apply(plan.writes, vectors)
        self._refresh(plan.ops, results, now)
        return results

    @staticmethod
    def _answer(reader: Reader, ops: Sequence[Op], queries: Mapping[str, Floats]) -> list[Result]:
        results: list[Result] = []
        for op in ops:
            if isinstance(op, GetOp):
                results.append(reader.get(op))
            elif isinstance(op, SearchOp):
                results.append(reader.search(op, queries.get(op.query) if op.query else None))
            elif isinstance(op, ListNamespacesOp):
                results.append(reader.namespaces(op))
            else:
                results.append(None)
        return results

    def _read(self, answer: Callable[[Reader], T]) -> T:
        """Answer in one snapshot; taken anew where another thread's search has seen more than it."""
        for _ in range(_SNAPSHOT_TRIES):
            try:
                with self._database.read() as connection:
                    return answer(self._reader(connection))
            except IndexAhead:
                continue
        with self._database.write() as connection:  # nobody can be ahead of the writer
            return answer(self._reader(connection))

    def _reader(self, connection: Any) -> Reader:
        return Reader(connection, self._cache, self._dims, self._hide_before(micros(self._clock())))

    @property
    def _dims(self) -> int | None:
        return self.embedder.dims if self.embedder else None

    def _hide_before(self, now: int) -> int | None:
        return now if self.ttl_config and self.ttl_config.get("omit_expired") else None

    # Beyond BaseStore: the memory tiers' protocol.

    def find(
        self,
        namespace: tuple[str, ...],
        query: str,
        *,
        mode: SearchMode = "hybrid",
        filter: dict[str, Any] | None = None,
        limit: int = 10,
        offset: int = 0,
    ) -> list[SearchItem]:
        """Return the items of exactly this namespace that fit ``query`` best; see ``MemoryStore.find``."""
        self._check_find(namespace, mode, filter, limit, offset)
        vectors = self._queries([query] if self._needs_vector(query, mode) else [])
        return self._find(namespace, query, vectors.get(query), mode, filter, limit, offset)

    async def afind(
        self,
        namespace: tuple[str, ...],
        query: str,
        *,
        mode: SearchMode = "hybrid",
        filter: dict[str, Any] | None = None,
        limit: int = 10,
        offset: int = 0,
    ) -> list[SearchItem]:
        """Do as :meth:`find` does, without blocking the loop."""
        self._check_find(namespace, mode, filter, limit, offset)
        vectors = await self._aqueries([query] if self._needs_vector(query, mode) else [])
        return await asyncio.to_thread(self._find, namespace, query, vectors.get(query), mode, filter, limit, offset)

    def _find(
        self,
        namespace: tuple[str, ...],
        query: str,
        vector: Floats | None,
        mode: SearchMode,
        filter: dict[str, Any] | None,
        limit: int,
        offset: int,
    ) -> list[SearchItem]:
        found = self._read(lambda reader: reader.find(namespace, query, vector, mode, filter, limit, offset))
        op = SearchOp(namespace, refresh_ttl=(self.ttl_config or {}).get("refresh_on_read", True))
        self._refresh([op], [found], micros(self._clock()))
        return found

    @staticmethod
    def _needs_vector(query: str, mode: SearchMode) -> bool:
        return mode != "words" and bool(query.strip())

    @staticmethod
    def _check_find(
        namespace: tuple[str, ...], mode: SearchMode, filter: dict[str, Any] | None, limit: int, offset: int
    ) -> None:
        check_labels(GetOp(namespace, ""))
        check_filter(filter)
        if mode not in ("hybrid", "words", "meaning"):
            raise ConfigurationError(f"A search has no mode {mode!r}. Use 'hybrid', 'words' or 'meaning'.")
        if limit < 0 or offset < 0:
            raise ConfigurationError(f"A search with limit={limit} and offset={offset}: neither may be negative.")

    def put_if(
        self,
        namespace: tuple[str, ...],
        key: str,
        value: dict[str, Any],
        *,
        expected: dict[str, Any] | None,
        index: Literal[False] | list[str] | None = None,
    ) -> bool:
        """Write ``value`` only if the stored value equals ``expected``; see ``MemoryStore.put_if``."""
        plan = self._plan([PutOp(namespace, key, value, index, (self.ttl_config or {}).get("default_ttl"))])
        vectors = self._documents(plan.texts)
        return self._put_if(plan, vectors, expected)

    async def aput_if(
        self,
        namespace: tuple[str, ...],
        key: str,
        value: dict[str, Any],
        *,
        expected: dict[str, Any] | None,
        index: Literal[False] | list[str] | None = None,
    ) -> bool:
        """Do as :meth:`put_if` does, without blocking the loop."""
        operation = PutOp(namespace, key, value, index, (self.ttl_config or {}).get("default_ttl"))
        plan = await asyncio.to_thread(self._plan, [operation])
        vectors = await self._adocuments(plan.texts)
        return await asyncio.to_thread(self._put_if, plan, vectors, expected)

    def _put_if(self, plan: _Plan, vectors: Mapping[str, Floats], expected: dict[str, Any] | None) -> bool:
        now = micros(self._clock())
        wanted = None if expected is None else decode_value(encode_value(expected))
        write = plan.writes[0]
        with self._database.write() as connection:
            row = connection.execute(
                "SELECT value, expires FROM items WHERE key = ? AND ns = (SELECT id FROM namespaces WHERE path = ?)",
                (write.key, path_of(write.namespace)),
            ).fetchone()
            hidden = row is not None and self._hide_before(now) is not None and row[1] is not None and row[1] <= now
            if (decode_value(row[0]) if row and not hidden else None) != wanted:
                return False
            Writer(connection, now).apply(plan.writes, vectors)
        return True

    # TTL

    def _refresh(self, ops: Sequence[Op], results: Sequence[Result], now: int) -> None:
        found: list[Item] = []
        for op, result in zip(ops, results, strict=True):
            if isinstance(op, GetOp) and op.refresh_ttl and result is not None:
                found.append(cast("Item", result))
            elif isinstance(op, SearchOp) and op.refresh_ttl:
                found += cast("list[SearchItem]", result)
        if found:
            refresh(self._database, found, now)

    def sweep_ttl(self) -> int:
        """Delete what has expired and return how many items that were."""
        return delete_expired(self._database, micros(self._clock()))

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
            self._database.close()
            self._cache.clear()
            if self._temporary:
                self._temporary.cleanup()

    def __enter__(self) -> Self:
        """Return the store; the block's end closes it."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
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
