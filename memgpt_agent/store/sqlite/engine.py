"""The store's blocking work on its file, without embedding; both forms of FaissStore call it."""

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, TypeVar

from langgraph.store.base import Result, TTLConfig

from memgpt_agent.store.embedding import Embedder
from memgpt_agent.store.index.index_cache import DerivedCache, IndexCache, Sizes
from memgpt_agent.store.index.namespace_documents import IndexAhead
from memgpt_agent.store.operations import PreparedBatch, Vectors
from memgpt_agent.store.protocol import (
    AuditEntry,
    AuditQuery,
    EmbeddingIdentity,
    IndexedItem,
    Namespace,
    Progress,
    StoreSizes,
)
from memgpt_agent.store.reading import Engine, ItemReading
from memgpt_agent.store.rows import decode_value, encode_value, micros, path_of
from memgpt_agent.store.sqlite import audit
from memgpt_agent.store.sqlite.database import Database
from memgpt_agent.store.sqlite.identity import check_in_force, is_in_force, known_identity
from memgpt_agent.store.sqlite.reads import ItemReader, items_of
from memgpt_agent.store.sqlite.reindex import Reindexing
from memgpt_agent.store.sqlite.searches import Searcher
from memgpt_agent.store.sqlite.writes import Writer, pending_docs, refresh

T = TypeVar("T")
_SNAPSHOT_TRIES = 8


class SqliteEngine(Engine):
    """Answers and writes in transactions of one file; texts come with their vectors."""

    def __init__(
        self,
        database: Database,
        cache: IndexCache,
        embedder: Embedder | None,
        ttl: TTLConfig | None,
        clock: Callable[[], datetime],
        sizes: Sizes,
    ) -> None:
        super().__init__(embedder, ttl)
        self._sizes = sizes
        self._database = database
        self._cache = cache
        self._derived = DerivedCache(sizes)
        self._clock = clock

    def execute(self, plan: PreparedBatch, vectors: Vectors, queries: Vectors) -> list[Result]:
        """Answer all reads of a batch from the state before it, then make all its writes or none."""
        if not plan.writes:
            return self._read(lambda reader: reader.answer(plan.ops, queries), uses_vectors=bool(queries))
        now = micros(self._clock())
        with self._database.write() as connection:
            self._check_guard(connection)
            reader = self._reader(connection, uses_vectors=bool(queries or vectors))
            results = reader.answer(plan.ops, queries)
            if reader.touched:
                refresh(connection, reader.touched, now)
            Writer(connection, now, self._sizes.tombstones_kept).apply(plan.writes, vectors)
        return results

    def put_if(self, plan: PreparedBatch, vectors: Vectors, expected: Mapping[str, Any] | None, *, durable: bool) -> bool:
        """Make the plan's one write if the stored value is ``expected``; see ``MemoryStore.put_if``."""
        now = micros(self._clock())
        wanted = None if expected is None else decode_value(encode_value(expected))
        write = plan.writes[0]
        with self._database.write(durable=durable) as connection:
            self._check_guard(connection)
            self._check(connection, uses_vectors=bool(vectors))
            row = connection.execute(
                "SELECT value, expires FROM items WHERE key = ? AND ns = (SELECT id FROM namespaces WHERE path = ?)",
                (write.key, path_of(write.namespace)),
            ).fetchone()
            hidden = row is not None and self._ttl.get("omit_expired") and row[1] is not None and row[1] <= now
            if (decode_value(row[0]) if row and not hidden else None) != wanted:
                return False
            Writer(connection, now, self._sizes.tombstones_kept).apply(plan.writes, vectors)
        return True

    def _sweep_some(self, limit: int) -> int:
        with self._database.write() as connection:
            return Writer(connection, micros(self._clock()), self._sizes.tombstones_kept).delete_expired(limit)

    def embedding(self) -> EmbeddingIdentity | None:
        """Return the embedding in force."""
        with self._database.read() as connection:
            return known_identity(connection) or (self.embedder.identity if self.embedder else None)

    def items(self, namespace: Namespace, vectors_by: EmbeddingIdentity | None) -> Iterator[IndexedItem]:
        """Yield the items of a namespace in the order of storing; see ``MemoryStore.items``."""
        with self._database.read() as connection:
            if vectors_by is not None:
                check_in_force(connection, vectors_by)
            yield from items_of(connection, namespace, with_vectors=vectors_by is not None)

    def _reindex(self, embedder: Embedder, progress: Progress | None) -> int:
        return Reindexing(self._database, embedder).run(progress)

    def pending(self) -> int:
        """Return how many documents wait for their vectors."""
        with self._database.read() as connection:
            return int(connection.execute("SELECT count(*) FROM pending JOIN docs ON docs.id = pending.doc").fetchone()[0])

    def catch_up(self, limit: int) -> int:
        """Embed documents that wait for their vectors, ``limit`` at most; return how many."""
        if self.embedder is None:
            return 0
        with self._database.read() as connection:
            docs = pending_docs(connection, limit) if is_in_force(connection, self.embedder.identity) else []
        if not docs:
            return 0
        vectors = self.embedder.documents(list(dict.fromkeys(text for doc in docs for _, text in doc.texts)))
        with self._database.write(durable=False) as connection:  # lost together, vectors and their absence
            self._check_guard(connection)
            self._check(connection, uses_vectors=True)
            return Writer(connection, micros(self._clock()), self._sizes.tombstones_kept).embed_later(docs, vectors)

    def compact(self) -> int:
        """Rewrite the file without what was deleted; see ``MemoryStore.compact``."""
        saved = self._database.compact()
        if self._cache.upkeep.snapshots is not None:
            self._cache.upkeep.snapshots.remove_unknown()
        return saved

    def sizes(self) -> StoreSizes:
        """Return how much the file holds."""
        with self._database.read() as connection:
            items = int(connection.execute("SELECT ifnull(sum(items), 0) FROM namespaces").fetchone()[0])
        return StoreSizes(items, self._database.size_bytes())

    def sizes_under(self, labels: Sequence[str], counted: str) -> StoreSizes:
        """Return how much lies under labels; see ``MemoryStore.sizes_under``."""
        under = (
            "SELECT path, items, (SELECT ifnull(sum(length(CAST(value AS BLOB))), 0) FROM items WHERE ns = namespaces.id)"
            " FROM namespaces WHERE path = ?1 OR (path > ?1 || '.' AND path < ?1 || '/')"
        )
        with self._database.read() as connection:
            found = [(path == f"{label}.{counted}", *rest) for label in labels for path, *rest in connection.execute(under, (label,))]
        return StoreSizes(sum(items for is_counted, items, _ in found if is_counted), sum(one[2] for one in found))

    def append_audit(self, entries: Sequence[AuditEntry]) -> None:
        """Add entries to the audit log."""
        with self._database.write() as connection:
            audit.append(connection, entries, micros(self._clock()))

    def read_audit(self, asked: AuditQuery) -> list[AuditEntry]:
        """Return entries of the audit log, the newest first."""
        with self._database.read() as connection:
            return audit.read(connection, asked)

    def _read(self, answer: Callable[[ItemReading], T], *, uses_vectors: bool = False, refreshes: bool = False) -> T:
        """Answer in one snapshot; taken again where another thread's search has seen more than it."""
        for attempt in range(_SNAPSHOT_TRIES + 1):
            # At the last try as the writer: nobody can be ahead of it.
            begin: Callable[[], AbstractContextManager[sqlite3.Connection]] = (
                self._database.read if attempt < _SNAPSHOT_TRIES else self._database.write
            )
            try:
                with begin() as connection:
                    reader = self._reader(connection, uses_vectors=uses_vectors)
                    reader.refreshes = refreshes and self._ttl.get("refresh_on_read", True)
                    result = answer(reader)
            except IndexAhead:
                continue
            if reader.touched:
                with self._database.write() as connection:
                    refresh(connection, reader.touched, micros(self._clock()))
            return result
        raise AssertionError("unreachable: a writer's snapshot is the newest")

    def _reader(self, connection: sqlite3.Connection, *, uses_vectors: bool) -> ItemReader:
        self._check(connection, uses_vectors=uses_vectors)
        now = micros(self._clock()) if self._ttl.get("omit_expired") else None
        searcher = Searcher(connection, self._cache, self._derived, self._dims, now, self._sizes.whole_docs)
        return ItemReader(connection, searcher, now)

    def _dims(self, connection: sqlite3.Connection) -> int | None:
        """The length of the vectors; None if there are none of this store's embedding, or no more since a reindex."""
        if self.embedder is None or not is_in_force(connection, self.embedder.identity):
            return None
        return self.embedder.dims

    def _check_guard(self, connection: sqlite3.Connection) -> None:
        if self.guard is None:
            return
        row = connection.execute(
            "SELECT json_extract(value, '$.number') FROM items WHERE key = ? AND ns = (SELECT id FROM namespaces WHERE path = ?)",
            (self.guard.key, path_of(self.guard.namespace)),
        ).fetchone()
        if row is None or row[0] != self.guard.number:
            raise self.guard.refused()

    def _check(self, connection: sqlite3.Connection, *, uses_vectors: bool) -> None:
        if uses_vectors and self.embedder:
            check_in_force(connection, self.embedder.identity)
