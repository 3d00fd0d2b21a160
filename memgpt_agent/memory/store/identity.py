"""Which embedding a store's vectors were made by, as the file remembers it."""

from memgpt_agent.errors import EmbeddingMismatch
from memgpt_agent.memory.store.database import Database
from memgpt_agent.memory.store.embedding import Embedder


def check_embedding(database: Database, embedder: Embedder | None) -> None:
    """Remember the embedding in a new file; refuse another one in an old file.

    Raises:
        EmbeddingMismatch: with both names and what can be done.
    """
    if embedder is None:
        return
    with database.read() as connection:
        known = dict(connection.execute("SELECT key, value FROM meta WHERE key IN ('embedding', 'dims')").fetchall())
    if not known:
        with database.write() as connection:
            for key, value in (("embedding", embedder.name), ("dims", str(embedder.dims))):
                connection.execute("INSERT OR IGNORE INTO meta (key, value) VALUES (?, ?)", (key, value))
            known = dict(connection.execute("SELECT key, value FROM meta WHERE key IN ('embedding', 'dims')").fetchall())
    if (known["embedding"], known["dims"]) != (embedder.name, str(embedder.dims)):
        raise EmbeddingMismatch(
            f"The vectors in {database.path} were made by {known['embedding']} ({known['dims']} dimensions); the store "
            f"was opened with {embedder.name} ({embedder.dims}). Open it with the former, or begin a new file for the latter."
        )
