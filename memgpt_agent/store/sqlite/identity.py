"""Which embedding a store's vectors were made by, as the file remembers it."""

import sqlite3
from pathlib import Path
from typing import NamedTuple

from memgpt_agent.errors import EmbeddingMismatch
from memgpt_agent.store.embedding import Embedder
from memgpt_agent.store.sqlite.database import Database


class Identity(NamedTuple):
    """An embedding, as far as a file needs to know it."""

    name: str
    dims: int

    def __str__(self) -> str:
        return f"{self.name} ({self.dims:,} dimensions)"


def identity_of(embedder: Embedder) -> Identity:
    """Return what a file remembers of an embedding."""
    return Identity(embedder.name, embedder.dims)


def known_identity(connection: sqlite3.Connection) -> Identity | None:
    """Return the embedding in force; None in a file that no embedding was used with."""
    row = connection.execute(
        "SELECT name.value, dims.value FROM meta AS name, meta AS dims WHERE name.key = 'embedding' AND dims.key = 'dims'"
    ).fetchone()
    return Identity(str(row[0]), int(row[1])) if row else None


def remember(connection: sqlite3.Connection, identity: Identity) -> None:
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
                remember(connection, identity_of(embedder))
                return
    if known != identity_of(embedder):
        raise _mismatch(database.path, known, identity_of(embedder))


def is_in_force(connection: sqlite3.Connection, embedder: Embedder) -> bool:
    """Whether the vectors in force are of this embedding. About 5 microseconds."""
    return known_identity(connection) in (None, (embedder.name, embedder.dims))


def check_in_force(connection: sqlite3.Connection, embedder: Embedder) -> None:
    """Refuse to use vectors of an embedding that a reindex has replaced since the store was opened.

    Raises:
        EmbeddingMismatch: with both names and what can be done.
    """
    if not is_in_force(connection, embedder):
        known = known_identity(connection) or identity_of(embedder)
        path = connection.execute("PRAGMA database_list").fetchone()[2]
        raise _mismatch(Path(path), known, identity_of(embedder))


def _mismatch(path: Path, known: Identity, given: Identity) -> EmbeddingMismatch:
    return EmbeddingMismatch(
        f"The vectors in {path} were made by {known}; the store was opened with {given}. Open it with the former, or embed all of it "
        f"anew with: memgpt reindex --embedding NAME (or FaissStore.reindex). The file answers as before meanwhile."
    )
