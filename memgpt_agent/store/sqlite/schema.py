"""The tables of the store's file: an append-only list of migrations, checks that the file is ours and whole, and upgrading."""

import json
import sqlite3
from functools import partial
from pathlib import Path

from memgpt_agent.errors import StoreCorrupt, StoreError
from memgpt_agent.store.fields import texts_of
from memgpt_agent.store.rows import decode_value, standard_json

APPLICATION_ID = 0x4D454D47
"""SQLite's ``application_id`` of our files: "MEMG"."""

MIGRATIONS: tuple[str, ...] = (
    # 1: the first schema. Times are microseconds since 1970, UTC. Ids are never reused, so that an index in
    # another process can be caught up from the highest id it has seen and the tombstones since.
    """
    CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE namespaces (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        path TEXT NOT NULL UNIQUE,
        items INTEGER NOT NULL DEFAULT 0,
        doc_high INTEGER NOT NULL DEFAULT 0,
        tombstone_high INTEGER NOT NULL DEFAULT 0,
        generation INTEGER NOT NULL DEFAULT 0
    );
    CREATE TABLE items (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        ns INTEGER NOT NULL,
        key TEXT NOT NULL,
        value TEXT NOT NULL,
        created INTEGER NOT NULL,
        updated INTEGER NOT NULL,
        doc INTEGER,
        ttl_minutes REAL,
        expires INTEGER,
        UNIQUE (ns, key)
    );
    CREATE INDEX items_in_order ON items (ns, id);
    CREATE INDEX items_expiring ON items (expires) WHERE expires IS NOT NULL;
    CREATE TABLE path_sets (id INTEGER PRIMARY KEY AUTOINCREMENT, paths TEXT NOT NULL UNIQUE);
    CREATE TABLE docs (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        ns INTEGER NOT NULL,
        item INTEGER NOT NULL,
        paths INTEGER NOT NULL,
        length INTEGER NOT NULL,
        tokens TEXT NOT NULL
    );
    CREATE INDEX docs_in_order ON docs (ns, id, item, length);
    CREATE VIRTUAL TABLE words USING fts5 (tokens, content='docs', content_rowid='id', tokenize="porter ascii tokenchars '_'");
    CREATE VIRTUAL TABLE word_places USING fts5vocab ('words', 'instance');
    CREATE TABLE vectors (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        ns INTEGER NOT NULL,
        doc INTEGER NOT NULL,
        path TEXT NOT NULL,
        vector BLOB NOT NULL
    );
    CREATE INDEX vectors_in_order ON vectors (ns, doc, id);
    CREATE TABLE tombstones (id INTEGER PRIMARY KEY AUTOINCREMENT, ns INTEGER NOT NULL, doc INTEGER NOT NULL);
    CREATE INDEX tombstones_in_order ON tombstones (ns, id);
    """,
    # 2: what is read in order has a column of its own (an index over json_extract would refuse a value whose JSON SQLite
    # cannot read). Vectors belong to a space, one for each embedding, and the view shows those of the one in force, so
    # that another can be filled beside it. Tombstones are pruned: an index that has not seen them all is built again.
    """
    UPDATE items SET value = standard_json(value) WHERE NOT json_valid(value);
    UPDATE items SET value = ' ' || value WHERE instr(value, '\\u0000');
    ALTER TABLE items ADD COLUMN time;
    ALTER TABLE items ADD COLUMN thread TEXT;
    UPDATE items SET
        time = CASE WHEN json_type(value, '$.time') IN ('text', 'integer', 'real') THEN json_extract(value, '$.time') END,
        thread = CASE WHEN json_type(value, '$.thread_id') = 'text' THEN json_extract(value, '$.thread_id') END;
    CREATE INDEX items_by_time ON items (ns, time);
    CREATE INDEX items_by_thread ON items (ns, thread, time) WHERE thread IS NOT NULL;
    CREATE INDEX items_unindexed ON items (ns, id) WHERE doc IS NULL;
    ALTER TABLE namespaces ADD COLUMN tombstones INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE namespaces ADD COLUMN pruned_high INTEGER NOT NULL DEFAULT 0;
    UPDATE namespaces SET tombstones = (SELECT count(*) FROM tombstones WHERE tombstones.ns = namespaces.id);
    ALTER TABLE vectors RENAME TO vector_rows;
    ALTER TABLE vector_rows ADD COLUMN space INTEGER NOT NULL DEFAULT 0;
    INSERT INTO meta (key, value) VALUES ('space', '0');
    CREATE VIEW vectors AS
        SELECT id, ns, doc, path, vector FROM vector_rows
        WHERE space = (SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'space');
    """,
    # 3: how many items of a namespace have each tag (the texts in the list `tags` of their values), counted as they are written.
    """
    CREATE TABLE tag_counts (ns INTEGER NOT NULL, tag TEXT NOT NULL, items INTEGER NOT NULL, PRIMARY KEY (ns, tag)) WITHOUT ROWID;
    CREATE INDEX tags_by_use ON tag_counts (ns, items DESC, tag);
    INSERT INTO tag_counts (ns, tag, items)
        SELECT items.ns, one.value, count(*) FROM items, json_each(stored_tags(items.value)) AS one
        WHERE instr(items.value, '"tags"') GROUP BY items.ns, one.value;
    """,
    # 4: which items have a text in the list `ends` of their values (a fact its entities), so that they are found without a scan.
    """
    CREATE TABLE ends (ns INTEGER NOT NULL, value TEXT NOT NULL, item INTEGER NOT NULL, PRIMARY KEY (ns, value, item)) WITHOUT ROWID;
    INSERT INTO ends (ns, value, item)
        SELECT items.ns, one.value, items.id FROM items, json_each(stored_ends(items.value)) AS one
        WHERE instr(items.value, '"ends"');
    """,
    # 5: of which fields of the values these columns and tables are made (``declared.py`` changes it). Before, it was always these.
    """
    INSERT INTO meta (key, value)
        VALUES ('fields', '{"ordered": "time", "grouped": "thread_id", "counted": "tags", "listed": "ends"}');
    """,
    # 6: documents whose texts wait for their vectors, because the embedding could not be asked when they were written.
    """
    CREATE TABLE pending (doc INTEGER PRIMARY KEY);
    """,
)
"""Each is run once, in order, in a transaction of its own; ``user_version`` counts them. Never edit one: append."""


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
            f"{path} is not a SQLite database (it begins with {header[:16]!r}). It was not changed: "
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
            f"{path} is cut short: its header says {pages * page_size:,} bytes, and it has {size:,}. "
            "It was not changed: restore it from a backup."
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
            f"{path} is damaged: {'; '.join(found)}. It was not changed: restore it from a backup, "
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
    return StoreCorrupt(f"{path} is a SQLite database of another program. It was not changed: give another path.")
