"""What the store's file remembers of itself: the embedding of its vectors, and which fields have columns."""

import json
import sqlite3
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from memgpt_agent.errors import EmbeddingMismatch
from memgpt_agent.store.embedding import Embedder
from memgpt_agent.store.fields import Fields, group_of, order_of
from memgpt_agent.store.protocol import EmbeddingIdentity
from memgpt_agent.store.rows import decode_value
from memgpt_agent.store.sqlite.database import Database
from memgpt_agent.store.sqlite.tag_index import TagIndex


def known_identity(connection: sqlite3.Connection) -> EmbeddingIdentity | None:
    """Return the embedding in force; None in a file that no embedding was used with."""
    row = connection.execute(
        "SELECT name.value, dims.value FROM meta AS name, meta AS dims WHERE name.key = 'embedding' AND dims.key = 'dims'"
    ).fetchone()
    return EmbeddingIdentity(str(row[0]), int(row[1])) if row else None


def remember(connection: sqlite3.Connection, identity: EmbeddingIdentity) -> None:
    """Write down the embedding in force; in the caller's write transaction."""
    rows = [("embedding", identity.name), ("dims", str(identity.dims))]
    connection.executemany(
        "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value", rows
    )


def check_embedding(database: Database, embedder: Embedder | None) -> None:
    """Remember the embedding in a new file; refuse another one in an old file.

    Raises:
        EmbeddingMismatch: with both names and what can be done.
    """
    if embedder is None:
        return
    with database.read() as connection:
        known = known_identity(connection)
    if known is None:
        with database.write() as connection:
            known = known_identity(connection)
            if known is None:
                remember(connection, embedder.identity)
                return
    if known != embedder.identity:
        raise _mismatch(database.path, known, embedder.identity)


def is_in_force(connection: sqlite3.Connection, identity: EmbeddingIdentity) -> bool:
    """Whether the vectors in force are of this embedding. About 5 microseconds."""
    return known_identity(connection) in (None, identity)


def check_in_force(connection: sqlite3.Connection, identity: EmbeddingIdentity) -> None:
    """Refuse to use vectors of an embedding that a reindex has replaced since the store was opened.

    Raises:
        EmbeddingMismatch: with both names and what can be done.
    """
    if not is_in_force(connection, identity):
        known = known_identity(connection) or identity
        path = connection.execute("PRAGMA database_list").fetchone()[2]
        raise _mismatch(Path(path), known, identity)


def _mismatch(path: Path, known: EmbeddingIdentity, given: EmbeddingIdentity) -> EmbeddingMismatch:
    return EmbeddingMismatch(
        f"The vectors in {path} were made by {known}; the store was opened with {given}. Open it with the former, or embed "
        f"everything again: memgpt reindex --embedding NAME (or FaissStore.reindex). Until then the file answers as before."
    )


_ITEMS_AT_ONCE = 1_000


def known_fields(connection: sqlite3.Connection) -> Fields:
    """Return what the file's columns are made of. Every transaction goes by this, so that it holds in all processes at once."""
    return fields_of(str(connection.execute("SELECT value FROM meta WHERE key = 'fields'").fetchone()[0]))


@lru_cache(maxsize=16)
def fields_of(text: str) -> Fields:
    """Return the fields that the file names so."""
    return Fields(**json.loads(text))


def columns_of(value: Mapping[str, Any], fields: Fields) -> tuple[str | float | None, str | None]:
    """Return the columns ``time`` and ``thread`` of an item: what it is ordered and grouped by."""
    ordered = order_of(value.get(fields.ordered)) if fields.ordered else None
    return ordered, group_of(value.get(fields.grouped)) if fields.grouped else None


def declare(database: Database, fields: Fields) -> None:
    """Make the file's columns of these fields; from every value again where the file had others.

    It is one transaction: interrupted, it changes nothing, and until its end readers see the file as before.

    **Limits**: writers wait; 100,000 items of 200 characters took 6 s on a busy machine. With millions, a writer in another process
    may give up (StoreBusy after a minute) and has to try again.
    """
    with database.read() as connection:
        if known_fields(connection) == fields:
            return
    with database.write() as connection:
        if known_fields(connection) == fields:  # another process was faster
            return
        connection.execute("UPDATE meta SET value = ? WHERE key = 'fields'", (json.dumps(fields._asdict()),))
        connection.execute("DELETE FROM tag_counts")
        connection.execute("DELETE FROM ends")
        last = 0
        while True:
            rows: list[tuple[int, int, str]] = connection.execute(
                "SELECT id, ns, value FROM items WHERE id > ? ORDER BY id LIMIT ?", (last, _ITEMS_AT_ONCE)
            ).fetchall()
            if not rows:
                return
            _derive(connection, rows, fields)
            last = rows[-1][0]


def _derive(connection: sqlite3.Connection, rows: list[tuple[int, int, str]], fields: Fields) -> None:
    values = [decode_value(text) for _, _, text in rows]
    connection.executemany(
        "UPDATE items SET time = ?, thread = ? WHERE id = ?",
        [(*columns_of(value, fields), row[0]) for row, value in zip(rows, values, strict=True)],
    )
    tag_index = TagIndex(connection, fields)
    for (item, namespace_id, _), value in zip(rows, values, strict=True):
        tag_index.add(namespace_id, item, value)
    tag_index.flush()
