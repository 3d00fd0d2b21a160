"""The connections to one Postgres: a pool for the process, transactions that are tried again, errors in our own words."""

import copy
import logging
import re
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import psycopg
from psycopg import Connection, errors, sql
from psycopg_pool import ConnectionPool, PoolClosed, PoolTimeout

from memgpt_agent.databases.opened_once import OpenedOnce
from memgpt_agent.errors import ConfigurationError, StoreBusy, StoreClosed, StoreError, StoreUnreachable

_log = logging.getLogger(__name__)
DEFAULT_SCHEMA = "memgpt"
MAX_CONNECTIONS = 16
WAIT_SECONDS = 60.0
"""How long a transaction waits for others' locks, and for a server that has gone away."""
_FORM = "Write postgresql://USER@HOST:PORT/DATABASE, with signs such as @ : / in a name or password as %40 %3A %2F."
_BACK_SOON = ("starting up", "shutting down", "not yet accepting", "in recovery mode", "too many clients", "connection slots")
"""How a server refuses a connection that it may accept a moment later."""
T = TypeVar("T")
Rows = Connection[tuple[Any, ...]]
_BEGIN_READING = b"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_LOST = {"57P01", "57P02", "57P03", "57P05"}
"""The server is stopping, has crashed, is starting, or has closed an idle connection."""


_POOLS: "OpenedOnce[ConnectionPool[Rows]]" = OpenedOnce()


class PostgresDatabase:
    """One schema of one Postgres database, for any number of threads, processes and machines.

    Those of one process that are opened for the same ``use`` share their connections.

    Args:
        url: as libpq takes it; ``schema=NAME`` among its parameters names the schema.
        use: for what: the store, or the checkpoints.
        prepare: makes the tables, on a connection of its own.
        configure: prepares each connection of the pool further.

    **Limits**: not for use by a forked child.

    Raises:
        StoreError: it cannot be reached, or a later version made it.
    """

    def __init__(
        self,
        url: str,
        use: str,
        prepare: Callable[[Rows, str], None],
        configure: Callable[[Rows], object] = lambda _: None,
    ) -> None:
        self.url, self.schema = split_url(url)
        self._acting = b""
        self.name = f"{urlsplit(self.url).path.lstrip('/') or 'postgres'}.{self.schema}"
        self.key = repr((self.url, self.schema))
        """Tells the schema from every other."""
        self._configured, self._closed = configure, threading.Event()  # one for all views
        self._use = _POOLS.use((self.url, self.schema, use), self._pool_of)
        self._open(prepare)

    def _open(self, prepare: Callable[[Rows, str], None]) -> None:
        """Prepare the schema, and open the pool. A server that does not answer is waited for as one that goes away later is, and that is logged.

        ``connect_timeout`` in the URL says for how long, in place of a minute.
        """
        given = dict(parse_qsl(urlsplit(self.url).query)).get("connect_timeout", "")
        seconds = float(given) if given.isdecimal() and int(given) else WAIT_SECONDS
        tried: list[float] = []

        def once() -> None:
            try:
                with self._translated(), psycopg.connect(self.url, autocommit=True, connect_timeout=int(seconds)) as connection:
                    prepare(connection, self.schema)
            except StoreUnreachable as error:
                if not tried:
                    _log.warning("%s It is waited for, for %.0f seconds at most.", error, seconds)
                tried.append(time.monotonic())
                raise

        self.patient(once, seconds)
        with self._translated():
            self._pool = self._use.__enter__()

    def _pool_of(self) -> "ConnectionPool[Rows]":
        return ConnectionPool(
            self.url,
            kwargs={"autocommit": True, "prepare_threshold": 2},
            configure=self._configure,
            min_size=1,
            max_size=MAX_CONNECTIONS,
            timeout=WAIT_SECONDS,
            open=True,
        )

    def _configure(self, connection: Rows) -> None:
        connection.execute(sql.SQL("SET search_path TO {}, public").format(sql.Identifier(self.schema)))
        connection.execute(f"SET lock_timeout = {int(WAIT_SECONDS * 1000)}".encode())
        connection.execute("SET jit = off")  # statements take milliseconds; compiling one takes as long
        self._configured(connection)

    def acting(self, begin: bytes) -> "PostgresDatabase":
        """Return a view of this database each of whose transactions begins with a statement that says who acts."""
        view = copy.copy(self)
        view._acting = begin
        return view

    @contextmanager
    def connection(self) -> Generator[Rows]:
        """A connection for statements of which each is a transaction of its own; of a view that says who acts, they are one."""
        with self._translated(), self._lent() as connection:
            if self._acting:
                with _transaction(connection, "READ COMMITTED", self._acting):
                    yield connection
            else:
                yield connection

    @contextmanager
    def upkeep(self) -> Generator[Rows]:
        """A connection without a transaction, as the role that connected, for what cannot run in one."""
        with self._translated(), self._lent() as connection:
            yield connection

    @contextmanager
    def reading(self, first: bytes = b"") -> Generator[tuple[Rows, list[tuple[Any, ...]]]]:
        """A read transaction: one snapshot of the database, without waiting for writers; and the rows of its first statement."""
        with self._translated(), self._lent() as connection:
            try:
                if first or self._acting:
                    with connection.pipeline():
                        connection.execute(_BEGIN_READING)
                        if self._acting:
                            connection.execute(self._acting)
                        begun = connection.execute(first) if first else None
                    yield connection, begun.fetchall() if begun else []
                else:
                    connection.execute(_BEGIN_READING)
                    yield connection, []
            finally:
                if not connection.closed:
                    connection.execute("ROLLBACK")

    def read(self, answer: Callable[[Rows], T]) -> T:
        """Answer from one snapshot; where the server went away meanwhile, once it is there again."""
        return self.read_after(b"", lambda connection, _: answer(connection))

    def read_after(self, first: bytes, answer: Callable[[Rows, list[tuple[Any, ...]]], T]) -> T:
        """Answer from one snapshot, given the rows of a statement that is sent along with its beginning."""

        def once() -> T:
            with self.reading(first) as (connection, rows):
                return answer(connection, rows)

        return self.patient(once)

    def write(self, change: Callable[[Rows], T], *, snapshot: bool = False, durable: bool = True) -> T:
        """Run a change in a transaction, again where another writer's or a restart of the server forces it; return what it returns.

        Args:
            change: everything that it reads and writes goes by its connection. Where the server went away while it committed, it may be
                run although it was made: it must be one that may be made twice.
            snapshot: all its reads see one state.
            durable: whether it waits for the disk.

        Raises:
            StoreBusy: others were in the way for more than a minute.
        """
        level = "REPEATABLE READ" if snapshot else "READ COMMITTED"

        def once() -> T:
            with self._translated(), self._lent() as connection, _transaction(connection, level, self._acting):
                if not durable:
                    connection.execute("SET LOCAL synchronous_commit = off")
                return change(connection)

        return self.patient(once)

    def patient(self, act: Callable[[], T], seconds: float = WAIT_SECONDS) -> T:
        """Do something, again where others' writes or a server that went away hindered it, for a minute at most unless told otherwise."""
        deadline, pause = time.monotonic() + seconds, 0.005
        while True:
            try:
                return act()
            except StoreError as error:
                cause = error.__cause__
                if isinstance(cause, errors.SerializationFailure | errors.DeadlockDetected):
                    pause = 0.005
                elif not (isinstance(cause, psycopg.Error) and _is_lost(cause)):
                    raise
                if time.monotonic() + pause > deadline or self._closed.wait(pause):
                    raise
                pause = min(pause * 2, 0.5)

    def size_bytes(self, tables: tuple[str, ...]) -> int:
        """Return how many bytes these tables and their indexes take."""
        sizes = "SELECT coalesce(sum(pg_total_relation_size(to_regclass(name))), 0)::bigint FROM unnest(%s::text[]) AS name"
        names = [f'"{self.schema}"."{table}"' for table in tables]
        return self.read(lambda connection: int((connection.execute(sizes, [names]).fetchone() or [0])[0]))

    def close(self) -> None:
        """Give the connections back; the last who uses them closes them. May be called twice."""
        self._closed.set()
        self._use.__exit__()

    @contextmanager
    def _lent(self) -> Generator[Rows]:
        if self._closed.is_set():
            raise PoolClosed("closed")
        try:
            with self._pool.connection() as connection:
                yield connection
        except psycopg.Error as error:
            if _is_lost(error) and not isinstance(error, PoolTimeout):
                self._pool.check()  # the others of its time are as dead
            raise

    @contextmanager
    def _translated(self) -> Generator[None]:
        try:
            yield
        except PoolClosed as error:
            raise StoreClosed(f"Postgres, {self.name}, is closed. Open the store or the checkpoints again.") from error
        except (errors.LockNotAvailable, errors.SerializationFailure, errors.DeadlockDetected) as error:
            raise StoreBusy(
                f"{self.name}: others kept writing the same items for {WAIT_SECONDS:.0f} seconds. Try again."
            ) from error
        except psycopg.ProgrammingError as error:
            if error.sqlstate is None:  # libpq could not read it, and has asked nobody
                raise ConfigurationError(f"The database's URL cannot be read: {str(error).strip()}. {_FORM}") from error
            raise StoreError(f"Postgres, {self.name}: {str(error).strip()}. Check that this role may use the database.") from error
        except psycopg.Error as error:
            kind = StoreUnreachable if _is_lost(error) else StoreError
            raise kind(
                f"Postgres, {self.name}: {str(error).strip()}. Check that the server runs and that this role may use the database."
            ) from error


def _is_lost(error: psycopg.Error) -> bool:
    """Whether an error says that the server, or the way to it, went away."""
    if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        if error.sqlstate is None and "FATAL:" in str(error):  # a server answered; libpq hands on its words, and no state
            return any(words in str(error) for words in _BACK_SOON)
        return error.sqlstate is None or error.sqlstate in _LOST or error.sqlstate.startswith("08")
    return False


@contextmanager
def _transaction(connection: Rows, level: str, acting: bytes = b"") -> Generator[None]:
    begin = f"BEGIN ISOLATION LEVEL {level}".encode()
    try:
        if acting:
            with connection.pipeline():
                connection.execute(begin)
                connection.execute(acting)
        else:
            connection.execute(begin)
        yield
    except BaseException:
        if not connection.closed:
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def split_url(url: str) -> tuple[str, str]:
    """Return what libpq takes of a URL, and the schema that its ``schema=`` names.

    Raises:
        ConfigurationError: it is malformed, or that is not a name of a schema. The message never holds a password.
    """
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise ConfigurationError(f"The database's URL cannot be read: {str(error).partition(' as integer value')[0]}. {_FORM}") from error
    if not parts.netloc and not parts.path.strip("/") and not parts.query:
        raise ConfigurationError(f"The database's URL names neither a host nor a database. {_FORM}")
    if parts.netloc.count("@") > 1:
        raise ConfigurationError(f"The database's URL has two '@' before its path. In a user's name or password write %40 for '@'. {_FORM}")
    given = dict(parse_qsl(parts.query, keep_blank_values=True))
    schema = given.pop("schema", DEFAULT_SCHEMA)
    if not re.fullmatch(r"[a-z_][a-z0-9_]{0,62}", schema):
        raise ConfigurationError(f"schema={schema!r} is not the name of a schema. Use small letters, digits and underscores.")
    path = parts.path or "/"  # without one, `postgresql://?host=...` would lose its slashes
    return urlunsplit(("postgresql", parts.netloc, path, urlencode(given), parts.fragment)), schema
