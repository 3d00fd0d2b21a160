"""The store's work on Postgres, one call at a time and without embedding."""

import copy
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, TypeVar

import psycopg
from langgraph.store.base import GetOp, Result, TTLConfig

from memgpt_agent.databases.postgres import PostgresDatabase, Rows
from memgpt_agent.errors import EmbeddingMismatch, NotAllowed, StoreError
from memgpt_agent.store.embedding import Embedder
from memgpt_agent.store.operations import PreparedBatch, Vectors
from memgpt_agent.store.postgres import audit
from memgpt_agent.store.postgres.columns import META, Meta, as_bytes, hold_vectors_in_force, meta_of, read_meta
from memgpt_agent.store.postgres.nearest import NearestIndexes
from memgpt_agent.store.postgres.reads import PostgresReader, get_items, items_of
from memgpt_agent.store.postgres.schema import TABLES
from memgpt_agent.store.postgres.writes import (
    OTHER_META,
    UNGUARDED,
    Conditions,
    complete_vectors,
    delete_expired,
    refresh,
    reindex,
    write_items,
)
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
from memgpt_agent.store.rows import decode_value, encode_value, micros

T = TypeVar("T")
_HEARD_SECONDS = 10.0
"""For so long the database's time is counted on without asking."""
_NOW = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"


class PostgresEngine(Engine):
    """Answers and writes in transactions of one schema."""

    def __init__(
        self, database: PostgresDatabase, embedder: Embedder | None, ttl: TTLConfig | None, clock: Callable[[], datetime] | None
    ) -> None:
        super().__init__(embedder, ttl)
        self._database = database
        self._clock = clock
        self.indexes = NearestIndexes(database)
        """The approximate indexes of large namespaces."""
        self._heard = [float("-inf"), 0.0]
        """When the database was last asked for the time, and by how much it was ahead; shared by all views."""
        self._meta: list[Meta] = []
        """What held when it was last looked at; shared by all views. The database checks it at each write."""

    def acting(self, begin: bytes) -> "PostgresEngine":
        """Return this engine with transactions that begin by saying who acts: another view of the same database."""
        view = copy.copy(self)
        view._database = self._database.acting(begin)
        return view

    def now(self, connection: Rows) -> int:
        """Return the database's time in microseconds since 1970."""
        if self._clock is not None:
            return micros(self._clock())
        row = connection.execute(_NOW).fetchone()
        return int(row[0]) if row else 0

    def clock_seconds(self) -> float:
        """Return the database's time in seconds since 1970: asked for now and then, and counted on by a clock that nobody sets."""
        if self._clock is not None:
            return self._clock().timestamp()
        began, ahead = self._heard
        if (now := time.monotonic()) - began > _HEARD_SECONDS:
            ahead = self._database.read(self.now) / 1e6 - now
            self._heard[:] = [now, ahead]
        return now + ahead

    def execute(self, plan: PreparedBatch, vectors: Vectors, queries: Vectors) -> list[Result]:
        """Answer all reads of a batch from the state before it, then make all its writes or none."""
        if all(isinstance(op, GetOp) for op in plan.ops):
            return self._get([op for op in plan.ops if isinstance(op, GetOp)])
        if not plan.writes:
            return self._read(lambda reader: reader.answer(plan.ops, queries), uses_vectors=bool(queries))

        if len(plan.ops) == len(plan.writes):
            self._write(plan, vectors, uses_vectors=bool(vectors))
            return [None] * len(plan.ops)

        def change(connection: Rows) -> list[Result]:
            meta = self._begin(connection, uses_vectors=bool(queries or vectors))
            now = self.now(connection)
            reader = PostgresReader(connection, meta, now if self._ttl.get("omit_expired") else None, self._database.key, self.indexes)
            results = reader.answer(plan.ops, queries)
            if reader.touched:
                refresh(connection, reader.touched, now)
            with self._refusals():
                write_items(connection, meta, plan.writes, vectors, Conditions(self.guard), now)
            return results

        return self._database.write(change, snapshot=True)

    def _get(self, ops: Sequence[GetOp]) -> list[Result]:
        """Return items by their keys: one statement, which is a snapshot by itself."""
        now = None
        if self._ttl.get("omit_expired"):
            now = micros(self._clock()) if self._clock is not None else int(self.clock_seconds() * 1e6)

        def once() -> tuple[list[Result], list[int]]:
            with self._database.connection() as connection:
                return get_items(connection, ops, now)

        results, touched = self._database.patient(once)
        if touched:
            self._database.write(lambda connection: refresh(connection, touched, self.now(connection)))
        return results

    def put_if(self, plan: PreparedBatch, vectors: Vectors, expected: Mapping[str, Any] | None, *, durable: bool) -> bool:
        """Make the plan's one write if the stored value is ``expected``; see ``MemoryStore.put_if``."""
        text = None if expected is None else encode_value(expected)
        wanted = None if text is None else decode_value(text)
        omits = bool(self._ttl.get("omit_expired"))
        tries: list[int] = []
        while True:
            conditions = Conditions(self.guard, compares=True, expected=text, omits_expired=omits, durable=durable)
            found = self._write(plan, vectors, conditions, uses_vectors=bool(vectors), tries=tries)
            if found is None:
                return True
            stands = None if found == "-" else found[1:]
            if stands == plan.writes[0].value and len(tries) > 1:
                return True  # written at a try whose answer the connection lost
            if stands is None or wanted is None or decode_value(stands) != wanted or stands == text:
                return False
            text = stands  # the same value with its keys in another order

    def _write(
        self,
        plan: PreparedBatch,
        vectors: Vectors,
        conditions: Conditions | None = None,
        *,
        uses_vectors: bool,
        tries: list[int] | None = None,
    ) -> str | None:
        """Write a batch in one call; see ``write_items``."""
        asked = conditions or Conditions(self.guard)
        now = None if self._clock is None else micros(self._clock())

        def once() -> str | None:
            if tries is not None:
                tries.append(1)
            with self._database.connection() as connection, self._refusals():
                meta = self._meta[0] if self._meta else self._read_meta(connection)
                if uses_vectors and self.embedder:
                    self._check_in_force(meta, self.embedder.identity)
                return write_items(connection, meta, plan.writes, vectors, asked, now)

        try:
            return self._database.patient(once)
        except StoreError as error:
            if not isinstance(error.__cause__, psycopg.Error) or error.__cause__.sqlstate != OTHER_META:
                raise
        self._meta.clear()
        return self._database.patient(once)

    def _read_meta(self, connection: Rows) -> Meta:
        self._meta[:] = [read_meta(connection)]
        return self._meta[0]

    @contextmanager
    def _refusals(self) -> Generator[None]:
        """Say in our own words why the database refused a batch."""
        try:
            yield
        except psycopg.Error as error:
            if error.sqlstate == UNGUARDED and self.guard is not None:
                raise self.guard.refused() from error
            if isinstance(error, psycopg.errors.InsufficientPrivilege):
                raise NotAllowed(f"The database refused to write what the acting owner may not change: {error.diag.message_primary}.") from error
            raise

    def _sweep_some(self, limit: int) -> int:
        def change(connection: Rows) -> int:
            return delete_expired(connection, self._begin(connection, uses_vectors=False), self.now(connection), limit)

        return self._database.write(change)

    def embedding(self) -> EmbeddingIdentity | None:
        """Return the embedding in force."""
        with self._database.reading() as (connection, _):
            return read_meta(connection).identity or (self.embedder.identity if self.embedder else None)

    def items(self, namespace: Namespace, vectors_by: EmbeddingIdentity | None) -> Iterator[IndexedItem]:
        """Yield the items of a namespace in the order of storing; see ``MemoryStore.items``."""
        with self._database.reading() as (connection, _):
            meta = read_meta(connection)
            if vectors_by is not None:
                self._check_in_force(meta, vectors_by)
            yield from items_of(connection, namespace, None if vectors_by is None else meta.space)

    def _reindex(self, embedder: Embedder, progress: Progress | None) -> int:
        return reindex(self._database, embedder, progress)

    def pending(self) -> int:
        """Return how many items wait for their vectors."""
        with self._database.reading() as (connection, _):
            if read_meta(connection).identity is None:
                return 0
            row = connection.execute("SELECT count(*) FROM items WHERE space IS NULL AND paths IS NOT NULL").fetchone()
        return int(row[0]) if row else 0

    def catch_up(self, limit: int) -> int:
        """Embed items that wait for their vectors, ``limit`` at most; return how many."""
        if self.embedder is None:
            return 0
        with self._database.reading() as (connection, _):
            meta = read_meta(connection)
            rows = connection.execute(
                "SELECT id, ns, value, paths FROM items WHERE space IS NULL AND paths IS NOT NULL ORDER BY id LIMIT %s", [limit]
            ).fetchall()
        if not rows or meta.identity not in (None, self.embedder.identity):
            return 0
        write = complete_vectors(meta.space, rows, self.embedder.documents)

        def change(connection: Rows) -> int:
            self._begin(connection, uses_vectors=True)
            return write(connection)

        return self._database.write(change)

    def compact(self) -> int:
        """Give back the space of what was deleted, and drop the names of empty namespaces; see ``MemoryStore.compact``."""
        before = self._database.size_bytes(TABLES)
        with self._database.upkeep() as connection:
            with connection.transaction():  # the lock waits for writers: one that knows a namespace's id may be about to fill it
                connection.execute("LOCK TABLE namespaces IN ACCESS EXCLUSIVE MODE")
                connection.execute("DELETE FROM namespaces WHERE items = 0 AND NOT EXISTS (SELECT 1 FROM items WHERE ns = namespaces.id)")
            connection.execute(f"VACUUM (FULL, ANALYZE) {', '.join(TABLES)}".encode())
        return before - self._database.size_bytes(TABLES)

    def sizes(self) -> StoreSizes:
        """Return how much the schema holds."""
        with self._database.reading() as (connection, _):
            row = connection.execute("SELECT coalesce(sum(items), 0)::bigint FROM namespaces").fetchone()
        return StoreSizes(int(row[0]) if row else 0, self._database.size_bytes(TABLES))

    def sizes_under(self, labels: Sequence[str], counted: str) -> StoreSizes:
        """Return how much lies under labels; see ``MemoryStore.sizes_under``."""
        place = "substring(namespaces.path FROM 1 FOR 512)"
        statement = (
            "SELECT coalesce(sum(namespaces.items) FILTER (WHERE namespaces.path = label || %s), 0)::bigint,"
            " coalesce(sum(held.bytes), 0)::bigint"
            f" FROM unnest(%s::bytea[]) AS label JOIN namespaces ON {place} >= substring(label FROM 1 FOR 512)"
            f" AND {place} <= substring(label || '/'::bytea FROM 1 FOR 512)"
            " AND (namespaces.path = label OR substring(namespaces.path FROM 1 FOR octet_length(label) + 1) = label || '.'::bytea)"
            " LEFT JOIN LATERAL (SELECT sum(octet_length(value)) AS bytes FROM items WHERE ns = namespaces.id) AS held ON true"
        )
        given = [as_bytes(f".{counted}"), [as_bytes(label) for label in labels]]
        row = self._database.read(lambda connection: connection.execute(statement.encode(), given).fetchone())
        return StoreSizes(int(row[0]), int(row[1])) if row else StoreSizes(0, 0)

    def append_audit(self, entries: Sequence[AuditEntry]) -> None:
        """Add entries to the audit log."""
        self._database.write(lambda connection: audit.append(connection, entries))

    def read_audit(self, asked: AuditQuery) -> list[AuditEntry]:
        """Return entries of the audit log, the newest first."""
        return self._database.read(lambda connection: audit.read(connection, asked))

    def _read(self, answer: Callable[[ItemReading], T], *, uses_vectors: bool = False, refreshes: bool = False) -> T:
        """Answer in one snapshot."""
        touched: list[int] = []

        def read(connection: Rows, known: list[tuple[Any, ...]]) -> T:
            meta = meta_of(known)
            if uses_vectors and self.embedder:
                self._check_in_force(meta, self.embedder.identity)
            hides = self._ttl.get("omit_expired")
            reader = PostgresReader(connection, meta, self.now(connection) if hides else None, self._database.key, self.indexes)
            reader.refreshes = refreshes and self._ttl.get("refresh_on_read", True)
            result = answer(reader)
            touched[:] = reader.touched
            return result

        result = self._database.read_after(META, read)
        if touched:
            self._database.write(lambda connection: refresh(connection, touched, self.now(connection)))
        return result

    def _begin(self, connection: Rows, *, uses_vectors: bool) -> Meta:
        """Begin a write: return what holds until its end.

        Raises:
            EmbeddingMismatch: it needs vectors, and another embedding is in force.
        """
        hold_vectors_in_force(connection)
        meta = read_meta(connection)
        if uses_vectors and self.embedder:
            self._check_in_force(meta, self.embedder.identity)
        return meta

    def _check_in_force(self, meta: Meta, identity: EmbeddingIdentity) -> None:
        check_identity(self._database, meta.identity or identity, identity)


def check_identity(database: PostgresDatabase, known: EmbeddingIdentity, given: EmbeddingIdentity) -> None:
    """Refuse an embedding that did not make the vectors in force.

    Raises:
        EmbeddingMismatch: with both names and what can be done.
    """
    if known != given:
        raise EmbeddingMismatch(
            f"The vectors in {database.name} were made by {known}; the store was opened with {given}. Open it with the former, or "
            "embed everything again: memgpt reindex --embedding NAME (or the store's reindex). Until then it answers as before."
        )
