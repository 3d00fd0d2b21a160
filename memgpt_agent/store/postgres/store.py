"""PostgresMemoryStore: LangGraph's store on PostgreSQL, searched by meaning (pgvector) and by words (a table of postings)."""

import copy
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Self

from langgraph.store.base import IndexConfig, TTLConfig
from pgvector.psycopg import register_vector  # pyright: ignore[reportMissingTypeStubs]

from memgpt_agent.databases.postgres import PostgresDatabase, Rows
from memgpt_agent.store.base import MemoryStore
from memgpt_agent.store.embedding import Embedder, indexed_paths, make_embedder
from memgpt_agent.store.fields import Fields
from memgpt_agent.store.operations import BatchPreparer
from memgpt_agent.store.postgres.columns import hold_vectors_in_force, read_meta, remember
from memgpt_agent.store.postgres.engine import PostgresEngine, check_identity
from memgpt_agent.store.postgres.nearest import LOOKED_AT
from memgpt_agent.store.postgres.schema import prepare
from memgpt_agent.store.postgres.walls import as_everything, as_owner, wall_of
from memgpt_agent.store.postgres.writes import declare
from memgpt_agent.store.rows import encode_value


class PostgresMemoryStore(MemoryStore):
    """A LangGraph store in one schema of a Postgres database, for any number of threads, processes and machines.

    It answers as ``FaissStore`` does. Writers of one namespace wait for each other; readers wait for nobody.

    Args:
        url: ``postgresql://...`` as libpq takes it; ``schema=NAME`` among its parameters names the schema (default ``memgpt``).
        index: LangGraph's index settings; None is search by words only.
        ttl: LangGraph's TTL settings.
        fields: which fields of the values have columns. The database remembers them; None leaves them as they are.
        create: make the tables if there are none.
        clock: the time, for tests; None is the database's.

    **Limits**: a search reads the scores of a whole namespace; see ADR 0150. Not for use by a forked child.

    Raises:
        StoreError: the database cannot be reached, or a later version of this package made the tables.
        EmbeddingMismatch: the vectors were made by another embedding.
    """

    def __init__(
        self,
        url: str,
        *,
        index: IndexConfig | Mapping[str, Any] | None = None,
        ttl: TTLConfig | None = None,
        fields: Fields | None = None,
        create: bool = True,
        clock: Callable[[], datetime] | None = None,
    ) -> None:
        embedder = make_embedder(index)
        self._database = PostgresDatabase(
            url, "store", lambda connection, schema: prepare(connection, schema, create=create), _prepare_connection
        )
        try:
            self._wall = self._database.read(wall_of)
            database = self._database.acting(as_everything(self._wall)) if self._wall else self._database
            database.write(lambda connection: _check_embedding_and_fields(connection, database, embedder, fields))
            self._clocked = PostgresEngine(database, embedder, ttl, clock)
            super().__init__(self._clocked, BatchPreparer(indexed_paths(index), encode_value), ttl)
        except BaseException:
            self._database.close()
            raise

    def clock_seconds(self) -> float:
        """Return the database's time in seconds since 1970, which all who use it agree on."""
        return self._clocked.clock_seconds()

    def for_owner(self, marks: Sequence[str]) -> Self:
        """Return a view whose transactions see and change an owner's rows only; see ``memgpt_agent.owners.walled``.

        **Limits**: the same view where row-level security is off, or does not hold for the role that is connected.
        """
        view = copy.copy(self)
        if self._wall and isinstance(self._engine, PostgresEngine):  # which it is: the view keeps its guard
            view._engine = self._engine.acting(as_owner(marks))
        return view

    def close(self) -> None:
        """Close the connections. May be called twice; another thread's running operation is finished first."""
        self._sweeper.stop(5)
        self._later.close()
        self._database.close()


def _prepare_connection(connection: Rows) -> None:
    register_vector(connection)
    connection.execute("SELECT '[1]'::vector")  # loads the extension, which then knows its settings
    connection.execute(f"SET hnsw.ef_search = {LOOKED_AT}".encode())


def _check_embedding_and_fields(connection: Rows, database: PostgresDatabase, embedder: Embedder | None, fields: Fields | None) -> None:
    """Remember the embedding in a new store and refuse another one in an old; make the columns of these fields."""
    meta = read_meta(connection)
    if embedder is not None and meta.identity is not None:
        check_identity(database, meta.identity, embedder.identity)
    news = (embedder is not None and meta.identity is None) or (fields is not None and fields != meta.fields)
    if not news and not meta.undeclared:
        return
    hold_vectors_in_force(connection, alone=True)
    meta = read_meta(connection)
    if embedder is not None:
        check_identity(database, meta.identity or embedder.identity, embedder.identity)
        remember(connection, embedding=embedder.name, dims=embedder.dims)
    if meta.undeclared or (fields is not None and fields != meta.fields):
        declared = fields or meta.fields
        remember(connection, fields=json.dumps(declared._asdict()))
        declare(connection, declared)
        connection.execute("DELETE FROM meta WHERE key = 'undeclared'")
