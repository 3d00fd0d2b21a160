"""Opening the checkpoints, in a file or a database, and checking a file. A damaged or foreign file is refused and not changed."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from memgpt_agent.checkpoints.checkpointer import Checkpointer
from memgpt_agent.checkpoints.message_table import ROW_TYPE, RowSerializer, digests_of
from memgpt_agent.checkpoints.sqlite_saver import BUSY_TIMEOUT_SECONDS, SqliteCheckpointer, explained
from memgpt_agent.config import Settings, is_postgres
from memgpt_agent.databases.sqlite_files import problems
from memgpt_agent.errors import ConfigurationError, MissingDependency, StoreCorrupt, install_command
from memgpt_agent.private import new_private_file, private_folder, tighten

_WHOLE_CHECK_BYTES = (
    64 * 1024 * 1024
)  # every page is read on opening up to this size (0.04 s); above it the schema only
_OURS = {"thread_id", "checkpoint_ns", "checkpoint_id", "parent_checkpoint_id", "type", "checkpoint", "metadata"}


def open_checkpointer(path: str | Path) -> SqliteCheckpointer:
    """Open, or make, the file in which a graph's conversations are kept. ``:memory:`` keeps them in this object.

    The folder is made. Use the result as a context manager, or close it.

    Raises:
        StoreCorrupt: the file is damaged, or is something else; it was left exactly as it is.
        StoreError: it cannot be opened.
    """
    place = str(path)
    try:
        if place != ":memory:":
            private_folder(Path(place).parent)
            _refuse_foreign(Path(place))
            new_private_file(Path(place))
        connection = sqlite3.connect(place, timeout=BUSY_TIMEOUT_SECONDS, check_same_thread=False)
        saver = SqliteCheckpointer(connection, place)
        try:
            saver.setup()
        except BaseException:
            connection.close()
            raise
    except (sqlite3.Error, OSError) as error:
        raise explained(error, place) from error
    if place != ":memory:":
        tighten(Path(place))
    return saver


def open_postgres_checkpointer(url: str) -> Checkpointer:
    """Open, or make, the tables on Postgres in which a graph's conversations are kept; ``schema=NAME`` in the URL names the schema.

    Raises:
        MissingDependency: the extra ``postgres`` is not installed.
        StoreError: the database cannot be reached.
    """
    try:
        from memgpt_agent.checkpoints.postgres_saver import PostgresCheckpointer
    except ImportError as error:
        raise MissingDependency(
            f"Checkpoints on Postgres need {error.name}, which is not installed. Run: {install_command('postgres')}"
        ) from error
    return PostgresCheckpointer(url)


def open_configured_checkpointer(settings: Settings) -> Checkpointer:
    """Open, or make, the checkpoints of these settings: on Postgres where a URL says so, else the file in the data folder."""
    url = settings.checkpoints_url
    if is_postgres(url):
        return open_postgres_checkpointer(url)
    if "://" in url and not url.startswith(("sqlite:///", "memory://")):
        kind = url.partition("://")[0]
        raise ConfigurationError(f"No checkpoints answer to {kind}://. Use postgresql://HOST/DATABASE, sqlite:///FILE or a path.")
    return open_checkpointer(":memory:" if url.startswith("memory://") else url.removeprefix("sqlite:///"))


def _refuse_foreign(path: Path) -> None:
    """Raise StoreCorrupt for a file that is damaged or another program's, without changing a byte in its folder."""
    if not path.exists() or path.stat().st_size == 0:
        return
    try:
        problem = _problem(path)
    except sqlite3.DatabaseError:
        time.sleep(0.1)  # another process may have been folding its log into the file
        problem = _problem(path)
    if problem:
        raise StoreCorrupt(
            f"{path} is not a file of checkpoints: {problem}. It was not changed. Move it away to start over, or restore a copy."
        )


def _problem(path: Path) -> str:
    # A file without a log beside it is in nobody's use: read as immutable, no lock or log is made for it.
    log = path.with_name(path.name + "-wal")
    mode = "mode=ro" if log.exists() else "immutable=1"
    with closing(
        sqlite3.connect(f"{path.absolute().as_uri()}?{mode}", uri=True, timeout=BUSY_TIMEOUT_SECONDS)
    ) as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        columns = {row[1] for row in connection.execute("PRAGMA table_info(checkpoints)")}
        if tables and not columns >= _OURS:
            return f"it holds the tables {', '.join(sorted(tables))}"
        if path.stat().st_size <= _WHOLE_CHECK_BYTES:
            (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            return "" if found == "ok" else f"it is damaged ({' '.join(found.split())})"
    return ""


_SHOWN = 5


def conversation_problems(path: Path) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with a file of checkpoints, and what to do; reads all of it and changes nothing."""
    if found := problems(path, in_use=True):
        yield f"{path.name} is damaged: {'; '.join(found[:_SHOWN])}", "Restore a backup (memgpt restore). The memory is in another file."
        return
    bad: dict[str, str] = {}
    serde = RowSerializer()
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=60)) as seen:
        seen.execute("BEGIN")
        tables = {str(name) for (name,) in seen.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if "checkpoints" not in tables:
            return
        kept = _kept(seen) if "queue_messages" in tables else set[tuple[str, bytes]]()
        for thread, kind, row in seen.execute("SELECT thread_id, type, checkpoint FROM checkpoints"):
            try:
                serde.loads_typed((kind, row))
                if kind == ROW_TYPE and any((thread, digest) not in kept for digest in digests_of(row)):
                    bad[str(thread)] = "messages are missing"
            except Exception as error:  # noqa: BLE001 - whatever makes a row unreadable is what is looked for
                bad[str(thread)] = f"{type(error).__name__}: {error}"
    for thread, reason in list(bad.items())[:_SHOWN]:
        yield f"the conversation {thread!r} cannot be read ({reason})", "Restore a backup, or begin another with --thread; the memory stays."
    if len(bad) > _SHOWN:
        yield f"{len(bad) - _SHOWN:,} more conversations cannot be read", "The same."


def _kept(seen: sqlite3.Connection) -> set[tuple[str, bytes]]:
    return {(str(thread), bytes(digest)) for thread, digest in seen.execute("SELECT thread_id, digest FROM queue_messages")}
