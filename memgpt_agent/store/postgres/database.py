"""The connections to one Postgres: a pool, snapshots for readers, retries for writers, errors in our own words."""

import re
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import psycopg
from pgvector.psycopg import register_vector  # pyright: ignore[reportMissingTypeStubs]
from psycopg import Connection, errors, sql
from psycopg_pool import ConnectionPool, PoolClosed, PoolTimeout

from memgpt_agent.errors import ConfigurationError, StoreBusy, StoreClosed, StoreError
from memgpt_agent.store.postgres.schema import has_schema, migrate

DEFAULT_SCHEMA = "memgpt"
MAX_CONNECTIONS = 16
WAIT_SECONDS = 60.0
T = TypeVar("T")
Rows = Connection[tuple[Any, ...]]


class PostgresDatabase:
    """One schema of one Postgres database, for any number of threads, processes and machines.

    **Limits**: not for use by a forked child.

    Raises:
        StoreError: it cannot be reached, or a later version made it.
    """

    def __init__(self, url: str, *, create: bool = True) -> None:
        self.url, self.schema = _split(url)
        self.name = f"{urlsplit(self.url).path.lstrip('/') or 'postgres'}.{self.schema}"
        with self._translated():
            with psycopg.connect(self.url, autocommit=True, connect_timeout=int(WAIT_SECONDS)) as connection:
                if not create and not has_schema(connection, self.schema):
                    raise StoreError(
                        f"There is no store in schema {self.schema!r} of {self.name}. It is made when an agent first speaks."
                    )
                migrate(connection, self.schema)
            self._pool: ConnectionPool[Rows] = ConnectionPool(
                self.url,
                kwargs={"autocommit": True},
                configure=self._configure,
                check=ConnectionPool.check_connection,
                min_size=1,
                max_size=MAX_CONNECTIONS,
                timeout=WAIT_SECONDS,
                open=True,
            )

    def _configure(self, connection: Rows) -> None:
        connection.execute(sql.SQL("SET search_path TO {}, public").format(sql.Identifier(self.schema)))
        connection.execute(f"SET lock_timeout = {int(WAIT_SECONDS * 1000)}".encode())
        register_vector(connection)

    @contextmanager
    def read(self) -> Generator[Rows]:
        """A read transaction: one snapshot of the database, without waiting for writers."""
        with self._translated(), self._pool.connection() as connection:
            connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            try:
                yield connection
            finally:
                if not connection.closed:
                    connection.execute("ROLLBACK")

    @contextmanager
    def alone(self) -> Generator[Rows]:
        """A connection without a transaction: for what Postgres does in none."""
        with self._translated(), self._pool.connection() as connection:
            yield connection

    def write(self, change: Callable[[Rows], T], *, snapshot: bool = False, durable: bool = True) -> T:
        """Run a change in a transaction, anew where another writer's forces it; return what it returns.

        Args:
            change: everything that it reads and writes goes by its connection.
            snapshot: all its reads see one state.
            durable: whether it waits for the disk.

        Raises:
            StoreBusy: others were in the way for more than a minute.
        """
        deadline = time.monotonic() + WAIT_SECONDS
        level = "REPEATABLE READ" if snapshot else "READ COMMITTED"
        with self._translated():
            while True:
                try:
                    with self._pool.connection() as connection, _transaction(connection, level):
                        if not durable:
                            connection.execute("SET LOCAL synchronous_commit = off")
                        return change(connection)
                except (errors.SerializationFailure, errors.DeadlockDetected):
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(0.005)

    def size_bytes(self) -> int:
        """Return how many bytes the tables and their indexes take."""
        with self.read() as connection:
            row = connection.execute(
                "SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint FROM pg_class c"
                " JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = %s AND c.relkind = 'r'",
                [self.schema],
            ).fetchone()
        return int(row[0]) if row else 0

    def close(self) -> None:
        """Close the connections; those in use when they are given back."""
        self._pool.close()

    @contextmanager
    def _translated(self) -> Generator[None]:
        try:
            yield
        except PoolClosed as error:
            raise StoreClosed(f"The store {self.name} is closed. Open it again with open_store.") from error
        except (errors.LockNotAvailable, errors.SerializationFailure, errors.DeadlockDetected) as error:
            raise StoreBusy(
                f"{self.name}: others wrote the same for {WAIT_SECONDS:.0f} seconds. Try again."
            ) from error
        except (PoolTimeout, psycopg.Error) as error:
            raise StoreError(
                f"Postgres, {self.name}: {str(error).strip()}. Check that the server runs and that this role may use the database."
            ) from error


@contextmanager
def _transaction(connection: Rows, level: str) -> Generator[None]:
    connection.execute(f"BEGIN ISOLATION LEVEL {level}".encode())
    try:
        yield
    except BaseException:
        if not connection.closed:
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def hold_vectors_in_force(connection: Rows, *, alone: bool = False) -> None:
    """Let no reindex put other vectors in force before the transaction ends; ``alone``: let nobody else write either.

    It comes first in a transaction: unlike a query, it takes no snapshot while it waits.
    """
    connection.execute(f"LOCK TABLE meta IN {'EXCLUSIVE' if alone else 'ROW SHARE'} MODE".encode())


def _split(url: str) -> tuple[str, str]:
    """Return what libpq takes of a URL, and the schema that its ``schema=`` names."""
    parts = urlsplit(url)
    given = dict(parse_qsl(parts.query, keep_blank_values=True))
    schema = given.pop("schema", DEFAULT_SCHEMA)
    if not re.fullmatch(r"[a-z_][a-z0-9_]{0,62}", schema):
        raise ConfigurationError(f"schema={schema!r} is no name of a schema. Use small letters, digits and underscores.")
    return urlunsplit(("postgresql", parts.netloc, parts.path, urlencode(given), parts.fragment)), schema
