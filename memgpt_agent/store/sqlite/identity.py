"""The embedding that made a store's vectors, as the file remembers it."""

import sqlite3
from pathlib import Path

from memgpt_agent.errors import EmbeddingMismatch
from memgpt_agent.store.embedding import Embedder
from memgpt_agent.store.protocol import EmbeddingIdentity
from memgpt_agent.store.sqlite.database import Database


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
        f"The vectors in {path} were made by {known}; the store was opened with {given}. Open it with the former, or embed all of it "
        f"anew with: memgpt reindex --embedding NAME (or FaissStore.reindex). The file answers as before meanwhile."
    )
