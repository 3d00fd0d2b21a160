"""The connections to one SQLite file: a pool of readers, one writer at a time, and our own errors."""

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from memgpt_agent.errors import StoreBusy, StoreClosed, StoreCorrupt, StoreError
from memgpt_agent.private import new_private_file, tighten
from memgpt_agent.store.sqlite.filter_sql import judge
from memgpt_agent.store.sqlite.schema import check_header, check_whole, migrate
from memgpt_agent.store.sqlite.tombstones import forget_deleted

BUSY_TIMEOUT_SECONDS = 60.0
IDLE_CONNECTIONS = 16
PAGE_BYTES = 8_192
"""Of a new file: five vectors of 384 dimensions to a page, where SQLite's own 4,096 bytes take two; the file is 15 % smaller."""
CHECKPOINT_PAGES = 2_000
"""How many pages (16 MB) the log may hold before it is copied into the file: more of them copy a page less often in a bulk load."""
WAL_KEPT_BYTES = 64 << 20
"""A log that a long reader has let grow beyond this is cut back."""
T = TypeVar("T")
_CORRUPT = ("malformed", "not a database", "corrupt")


class _Connection(sqlite3.Connection):
    waits = True
    """Whether its commits wait for the disk."""


class Database:
    """One SQLite file in WAL mode, for any number of threads and processes.

    A forked child gets connections of its own. **Limits**: the file must be on a local disk (WAL needs shared memory).

    Raises:
        StoreCorrupt: the file is damaged or not ours.
        StoreBusy: another process kept its lock for more than a minute.
    """

    def __init__(self, path: Path, *, durable: bool = True) -> None:
        self.path = path
        self._durable = durable
        self._reset()
        check_header(path)
        with self._translated():
            with suppress(OSError):  # said by SQLite, in the words of a store
                new_private_file(path)
            connection = self._retry(self._connect)
            try:
                self._retry(lambda: migrate(connection, path))
                check_whole(connection, path)
            except BaseException:
                connection.close()
                raise
            self._idle.append(connection)
        tighten(path)

    def _reset(self) -> None:
        self._idle: list[_Connection] = []
        self._guard = threading.Lock()
        self._writer = threading.Lock()
        self._pid = os.getpid()
        self.closed = False

    @contextmanager
    def read(self) -> Generator[sqlite3.Connection]:
        """A read transaction: one snapshot of the file, without waiting for writers."""
        with self._translated(), self._borrowed() as connection:
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                connection.execute("ROLLBACK")

    @contextmanager
    def write(self, *, durable: bool = True) -> Generator[sqlite3.Connection]:
        """A write transaction; when the block ends it is on disk, when the block raises nothing happened.

        One that is not durable outlives the process, but perhaps not a power failure: it waits for no disk.
        """
        self._after_fork()
        with self._writer, self._translated(), self._borrowed() as connection:
            self._wait_for_disk(connection, durable)
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    def _wait_for_disk(self, connection: _Connection, waits: bool) -> None:
        """Have the connection's commits wait for the disk, or not, from now on."""
        if self._durable and connection.waits != waits:
            connection.execute(f"PRAGMA synchronous = {'FULL' if waits else 'NORMAL'}")
            connection.waits = waits

    @contextmanager
    def _alone(self) -> Generator[sqlite3.Connection]:
        """A connection without a transaction, while no other thread writes: for what SQLite does in none."""
        self._after_fork()
        with self._writer, self._translated(), self._borrowed() as connection:
            self._wait_for_disk(connection, True)
            yield connection

    def size_bytes(self) -> int:
        """Return the size of the file, free pages included, what is still in its log not counted twice."""
        with self.read() as connection:
            pages, page = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size"))
            return int(pages) * int(page)

    def compact(self) -> int:
        """Rewrite the file and empty its log; return by how many bytes the file has become smaller.

        ``secure_delete`` would not do: it leaves what balancing a page has copied, what full-text segments hold until they are
        merged, and all that was deleted before (ADR 0135). It takes as much free space as the file has, twice: in the folder for
        temporary files, where the copy is kept out of memory, and in the log. Writers wait. Interrupted, the file is as before.

        Raises:
            StoreBusy: others wrote, or read one state of the file, for more than a minute; its log is not empty.
        """
        before = self.size_bytes()
        with self.write() as connection:
            connection.execute("INSERT INTO words (words) VALUES ('optimize')")
            forget_deleted(connection)
        with self._alone() as connection:
            connection.execute("PRAGMA temp_store = FILE")
            try:
                connection.execute("VACUUM")
            finally:
                connection.execute("PRAGMA temp_store = MEMORY")
            if connection.execute("PRAGMA wal_checkpoint (TRUNCATE)").fetchone()[0]:
                raise StoreBusy(
                    f"{self.path} was rewritten, but another process read it for more than {BUSY_TIMEOUT_SECONDS:.0f} seconds, so its "
                    "log could not be emptied. Stop that process or try again."
                )
        return before - self.size_bytes()

    def close(self) -> None:
        """Close the idle connections; those in use close when they are given back."""
        with self._guard:
            self.closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    @contextmanager
    def _borrowed(self) -> Generator[_Connection]:
        self._after_fork()
        with self._guard:
            if self.closed:
                raise StoreClosed(
                    f"The store {self.path} is closed. Open it again with FaissStore({str(self.path)!r})."
                )
            connection = self._idle.pop() if self._idle else None
        connection = connection or self._retry(self._connect)
        try:
            yield connection
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        finally:
            with self._guard:
                keep = not self.closed and len(self._idle) < IDLE_CONNECTIONS
                if keep:
                    self._idle.append(connection)
            if not keep:
                connection.close()

    def _after_fork(self) -> None:
        if self._pid != os.getpid():
            # The parent's connections may not be used here, and closing them would clean up under the parent's feet.
            self._inherited = self._idle
            self._reset()

    def _connect(self) -> _Connection:
        connection = sqlite3.connect(
            self.path,
            factory=_Connection,
            timeout=BUSY_TIMEOUT_SECONDS,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=256,
        )
        try:
            connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(f"PRAGMA synchronous = {'FULL' if self._durable else 'OFF'}")
            connection.execute("PRAGMA temp_store = MEMORY")
            connection.execute("PRAGMA cache_size = -16384")
            connection.execute("PRAGMA secure_delete = FAST")
            connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
            connection.execute(f"PRAGMA journal_size_limit = {WAL_KEPT_BYTES}")
            connection.create_function("passes", 2, judge, deterministic=True)
        except BaseException:
            connection.close()
            raise
        return connection

    @staticmethod
    def _retry(action: Callable[[], T]) -> T:
        """Opening a WAL file can be refused without SQLite's own waiting; wait here."""
        deadline = time.monotonic() + BUSY_TIMEOUT_SECONDS
        while True:
            try:
                return action()
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.01)

    @contextmanager
    def _translated(self) -> Generator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            if "locked" in str(error) or "busy" in str(error):
                raise StoreBusy(
                    f"{self.path} was locked by another process for {BUSY_TIMEOUT_SECONDS:.0f} seconds. "
                    "Stop that process or try again."
                ) from error
            if any(mark in str(error) for mark in _CORRUPT):
                raise self._corrupt(error) from error
            raise StoreError(
                f"{self.path}: {error}. Check that the folder exists, is writable and has space."
            ) from error
        except sqlite3.DatabaseError as error:
            if any(mark in str(error) for mark in _CORRUPT):
                raise self._corrupt(error) from error
            raise

    def _corrupt(self, error: sqlite3.Error) -> StoreCorrupt:
        return StoreCorrupt(
            f"{self.path} is damaged ({error}). It was not changed: restore it from a backup, "
            "or save what can be read with: sqlite3 FILE .recover"
        )
