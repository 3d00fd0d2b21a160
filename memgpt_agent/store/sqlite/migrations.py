"""Opening a store's file: checks that it is ours and whole, and migrates its schema."""

import json
import sqlite3
from functools import partial
from pathlib import Path

from memgpt_agent.errors import StoreCorrupt, StoreError
from memgpt_agent.store.fields import texts_of
from memgpt_agent.store.rows import decode_value, standard_json
from memgpt_agent.store.sqlite.schema import APPLICATION_ID, MIGRATIONS

HEADER = b"SQLite format 3\x00"
CHECKED_WHOLE_BYTES = 8 << 20
"""A file up to this size is read through when it is opened (`quick_check`: about 10 ms for 8 MB)."""


def check_header(path: Path) -> None:
    """Refuse a file that cannot be a whole SQLite database, before SQLite touches it.

    Raises:
        StoreCorrupt: it is something else, or shorter than its header says. It is left as it is.
    """
    if not path.exists() or path.stat().st_size == 0:
        return
    with path.open("rb") as file:
        header = file.read(100)
    if header[:16] != HEADER or len(header) < 100:
        raise StoreCorrupt(
            f"{path} is not a SQLite database (it begins with {header[:16]!r}). It was left as it is: "
            "give another path, or restore the file from a backup."
        )
    wal = path.with_name(path.name + "-wal")
    in_wal = wal.exists() and wal.stat().st_size > 0
    owner, schema = int.from_bytes(header[68:72], "big"), int.from_bytes(header[40:44], "big")
    if owner != APPLICATION_ID and schema and not in_wal:
        # Looked for here already, because setting the journal mode would change the other program's file.
        raise _foreign(path)
    page_size = int.from_bytes(header[16:18], "big")
    page_size = 65536 if page_size == 1 else page_size
    pages = int.from_bytes(header[28:32], "big")
    size = path.stat().st_size
    if size < pages * page_size and not in_wal:
        raise StoreCorrupt(
            f"{path} is cut short: its header speaks of {pages * page_size:,} bytes and it has {size:,}. "
            "It was left as it is: restore it from a backup."
        )


def migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Bring the schema up to today's; each step in its own transaction, safe between processes.

    Raises:
        StoreCorrupt: the file is another program's database, or fails SQLite's own check.
        StoreError: a newer version of this package wrote the file.
    """
    _check_owner(connection, path)
    version = _version(connection)
    if version > len(MIGRATIONS):
        raise StoreError(
            f"{path} has schema version {version}; this version of memgpt-agent knows {len(MIGRATIONS)}. "
            "Upgrade memgpt-agent to the version that wrote it."
        )
    connection.create_function("standard_json", 1, standard_json, deterministic=True)
    connection.create_function("stored_tags", 1, partial(_texts, "tags"), deterministic=True)
    connection.create_function("stored_ends", 1, partial(_texts, "ends"), deterministic=True)
    while version < len(MIGRATIONS):
        connection.execute("BEGIN IMMEDIATE")
        try:
            version = _version(connection)  # another process may have been faster
            if version < len(MIGRATIONS):
                for statement in MIGRATIONS[version].split(";\n"):
                    if statement.strip():
                        connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {version + 1}")
                connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        version = _version(connection)


def check_whole(connection: sqlite3.Connection, path: Path) -> None:
    """Let SQLite check the file, if it is a small one.

    Raises:
        StoreCorrupt: the check found damage.
    """
    if path.exists() and path.stat().st_size > CHECKED_WHOLE_BYTES:
        return
    found = [str(row[0]) for row in connection.execute("PRAGMA quick_check(5)")]
    if found != ["ok"]:
        raise StoreCorrupt(
            f"{path} is damaged: {'; '.join(found)}. It was left as it is: restore it from a backup, "
            "or save what can be read with: sqlite3 FILE .recover"
        )


def _texts(field: str, value: str) -> str:
    return json.dumps(texts_of(decode_value(value).get(field)))


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _check_owner(connection: sqlite3.Connection, path: Path) -> None:
    owner = int(connection.execute("PRAGMA application_id").fetchone()[0])
    tables = int(connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0])
    if owner == APPLICATION_ID or (owner == 0 and tables == 0):
        return
    if _version(connection) and int(connection.execute("PRAGMA application_id").fetchone()[0]) == APPLICATION_ID:
        return  # another process made it ours between the two reads
    raise _foreign(path)


def _foreign(path: Path) -> StoreCorrupt:
    return StoreCorrupt(f"{path} is a SQLite database of another program. It was left as it is: give another path.")
