"""SQLite files as files: consistent copies while they are in use, and checks that change nothing."""

import os
import sqlite3
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TypeVar

from memgpt_agent.errors import StoreBusy, StoreCorrupt

HEADER = b"SQLite format 3\x00"
T = TypeVar("T")
Seen = sqlite3.Connection
"""A connection that sees a file as it was at one moment."""
_PAGES = 2_048
"""Pages copied between two reports of progress."""
_WAIT_SECONDS = 60.0
_DAMAGED = ("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_IOERR_READ", "SQLITE_IOERR_SHORT_READ")
_TRY_SECONDS = 1.0
"""Waited for one lock while another is held: whoever holds the one may be waiting for the other."""


def is_sqlite(path: Path) -> bool:
    """Whether a file begins as SQLite's do; of one that is just being made, or empty, the answer is no."""
    with path.open("rb") as file:
        return file.read(len(HEADER)) == HEADER


@contextmanager
def one_moment(paths: Sequence[Path], at_it: Callable[[], T]) -> Generator[tuple[list[Seen], T]]:
    """Yield a connection to each file, all of which see it as it was at one moment, whoever writes meanwhile.

    Writers wait for some milliseconds, until every file is seen; ``at_it`` is called while they do, and what it says is yielded as well.
    **Limits**: the log of a file grows while it is seen.

    Raises:
        StoreCorrupt: one of them is damaged.
        StoreBusy: one of them was locked for more than a minute.
    """
    deadline = time.monotonic() + _WAIT_SECONDS
    with ExitStack() as opened:
        while True:
            with ExitStack() as locked:
                if all(_lock(locked.enter_context(_opened(path)), path) for path in paths):
                    readers = [_looking(opened.enter_context(_opened(path)), path) for path in paths]
                    then = at_it()
                    break
            if time.monotonic() > deadline:
                names = " and ".join(map(str, paths))
                raise StoreBusy(f"{names} were locked for {_WAIT_SECONDS:.0f} seconds. Stop what uses them or try again.")
        with _corruption_named(" and ".join(map(str, paths))):
            yield readers, then


def copy(source: Seen, target: Path, on_progress: Callable[[int, int], None] = lambda _done, _total: None) -> None:
    """Copy what a connection sees into a new file, which only its owner may read; ``on_progress`` gets how many pages are done, of how many."""
    os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    with closing(sqlite3.connect(target)) as made:
        try:
            source.backup(made, pages=_PAGES, progress=lambda _status, left, total: on_progress(total - left, total))
        except sqlite3.Error as error:
            if error.sqlite_errorname.startswith(_DAMAGED):
                raise
            raise OSError(error.sqlite_errorcode, f"{error} ({error.sqlite_errorname})") from error
    with target.open("rb") as file:
        os.fsync(file.fileno())


def problems(path: Path, *, in_use: bool = False) -> list[str]:
    """Return what SQLite's full check finds wrong with a file; a file that is not ``in_use`` is not even locked."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?{'mode=ro' if in_use else 'immutable=1'}", uri=True, timeout=60)) as seen:
            found = [str(row[0]) for row in seen.execute("PRAGMA integrity_check(20)")]
    except sqlite3.Error as error:
        return [str(error)]
    return [] if found == ["ok"] else found


def counts(seen: Seen) -> dict[str, int]:
    """Return how many rows each table has; not of SQLite's own, nor of indexes that look like tables."""
    names = [str(name) for name, sql in seen.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table'") if "VIRTUAL" not in str(sql)]
    return {
        name: int(seen.execute(f'SELECT count(*) FROM "{name.replace(chr(34), chr(34) * 2)}"').fetchone()[0])  # noqa: S608 - a name cannot be bound
        for name in sorted(names)
        if not name.startswith("sqlite_")
    }


def counts_of(path: Path) -> dict[str, int]:
    """Return how many rows each table of a file has that nobody uses."""
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?immutable=1", uri=True)) as seen:
        return counts(seen)


def schema_version(path: Path) -> int:
    """Return the ``user_version`` of a file, its log included; 0 where it has none or is no such file."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=60)) as seen:
            return int(seen.execute("PRAGMA user_version").fetchone()[0])
    except sqlite3.Error:
        return 0


@contextmanager
def _opened(path: Path) -> Generator[sqlite3.Connection]:
    with closing(sqlite3.connect(path, timeout=_TRY_SECONDS, isolation_level=None)) as connection:
        yield connection


def _lock(connection: sqlite3.Connection, path: Path) -> bool:
    with _corruption_named(str(path)):
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) and "busy" not in str(error):
                raise
            return False
        return True


def _looking(connection: sqlite3.Connection, path: Path) -> Seen:
    with _corruption_named(str(path)):
        connection.execute("BEGIN")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        return connection


@contextmanager
def _corruption_named(names: str) -> Generator[None]:
    try:
        yield
    except sqlite3.DatabaseError as error:
        raise StoreCorrupt(f"{names} cannot be read ({error}). Nothing was changed. See what can be done: memgpt doctor --deep") from error
