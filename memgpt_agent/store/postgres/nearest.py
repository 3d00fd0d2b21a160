"""Approximate indexes (HNSW) for the largest namespaces, made beside the searches, and the search that uses one."""

import logging
import threading

from psycopg import sql

from memgpt_agent.databases.postgres import PostgresDatabase, Rows
from memgpt_agent.errors import StoreError
from memgpt_agent.store.arrays import Floats

INDEXED_FROM_ITEMS = 5_000
"""A namespace with so many items gets an index: below that all its vectors are compared in less than 20 ms."""
MOST_DIMS = 2_000
"""pgvector indexes no longer vectors."""
LOOKED_AT = 100
"""How many candidates a search looks at (``hnsw.ef_search``): of 100,000 clustered vectors it found 98 % of the nearest ten."""
_BUILD_MEMORY = "1GB"
"""The server's memory for making an index; as much as is needed is used, and given back."""
_LOCK = "hashtextextended(%s, 2207)"
_log = logging.getLogger(__name__)


class NearestIndexes:
    """Which namespaces of one store have an index, as far as this process knows; makes those that are missing in a thread."""

    def __init__(self, database: PostgresDatabase) -> None:
        self._database = database
        self._known: set[tuple[int, int]] = set()
        self._wanted: set[tuple[int, int]] = set()
        self._guard = threading.Lock()
        self._worker: threading.Thread | None = None

    def has(self, namespace_id: int, space: int) -> bool:
        """Whether vectors of a namespace can be searched by an index."""
        return (namespace_id, space) in self._known

    def want(self, namespace_id: int, space: int, dims: int) -> None:
        """Let an index be made, unless that was tried before."""
        with self._guard:
            if dims > MOST_DIMS or (namespace_id, space) in self._wanted:
                return
            self._wanted.add((namespace_id, space))
            before = self._worker
            self._worker = threading.Thread(target=self._make, args=(namespace_id, space, dims, before), daemon=True)
            self._worker.start()

    def wait(self, timeout_seconds: float | None = None) -> bool:
        """Wait for the indexes that are being made; return whether none is any more."""
        worker = self._worker
        if worker is not None:
            worker.join(timeout_seconds)
        return worker is None or not worker.is_alive()

    def _make(self, namespace_id: int, space: int, dims: int, before: threading.Thread | None) -> None:
        if before is not None:
            before.join()
        try:
            with self._database.upkeep() as connection:
                _make(connection, self._database.schema, namespace_id, space, dims)
            self._known.add((namespace_id, space))
        except StoreError as error:  # no right to make one, or the server went away: searches go on comparing all
            _log.warning("No index was made for a large namespace; its searches stay exact and slow: %s", error)


def _make(connection: Rows, schema: str, namespace_id: int, space: int, dims: int) -> None:
    """Make the index of a namespace, unless it is there; those of other vectors go."""
    name = f"vectors_near_{namespace_id}_{space}"
    connection.execute(f"SELECT pg_advisory_lock({_LOCK})".encode(), [f"{schema}.{name}"])
    try:
        found = connection.execute(
            "SELECT relname, indisvalid FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid"
            " WHERE relnamespace = %s::regnamespace AND starts_with(relname, %s)", [schema, f"vectors_near_{namespace_id}_"]
        ).fetchall()  # fmt: skip
        for other, is_valid in found:
            if other != name or not is_valid:  # a build that was cut off leaves an invalid one
                connection.execute(sql.SQL("DROP INDEX CONCURRENTLY IF EXISTS {}").format(sql.Identifier(schema, other)))
        connection.execute(f"SET maintenance_work_mem = '{_BUILD_MEMORY}'".encode())  # a graph that does not fit is built many times as slowly
        connection.execute(
            f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {name} ON vectors USING hnsw ((vector::vector({dims})) vector_ip_ops)"
            f" WHERE ns = {namespace_id} AND space = {space}".encode()
        )
    finally:
        connection.execute("RESET maintenance_work_mem")
        connection.execute(f"SELECT pg_advisory_unlock({_LOCK})".encode(), [f"{schema}.{name}"])


def nearest(connection: Rows, namespace_id: int, space: int, query: Floats, k: int) -> list[tuple[int, float]]:
    """Return about ``k`` items and their cosines, the nearest first, by the index of a namespace.

    **Limits**: fewer where an item has several vectors, or where less than ``k`` were found.
    """
    # The planner takes a partial index only where the statement itself names its condition.
    sql_text = (
        f"SELECT item, -(vector::vector({len(query)}) <#> %s) FROM vectors WHERE ns = {int(namespace_id)} AND space = {int(space)}"
        f" ORDER BY vector::vector({len(query)}) <#> %s LIMIT %s"
    )
    if 2 * k > LOOKED_AT:
        connection.execute(f"SET LOCAL hnsw.ef_search = {min(1_000, 2 * k)}".encode())
    found: dict[int, float] = {}
    for item, cosine in connection.execute(sql_text.encode(), [query, query, 2 * k]).fetchall():
        found.setdefault(int(item), float(cosine))
    return list(found.items())[:k]
