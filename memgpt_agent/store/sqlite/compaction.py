"""Giving back the space of what was deleted."""

from memgpt_agent.store.sqlite.database import Database


def compact(database: Database) -> int:
    """Merge the word index and rewrite the file without its free pages; return by how many bytes it has become smaller."""
    before = _size(database)
    with database.write() as connection:
        connection.execute("INSERT INTO words (words) VALUES ('optimize')")
    with database.alone() as connection:
        connection.execute("VACUUM")
        connection.execute("PRAGMA wal_checkpoint (TRUNCATE)")
    return before - _size(database)


def _size(database: Database) -> int:
    with database.read() as connection:
        return int(
            connection.execute("PRAGMA page_count").fetchone()[0] * connection.execute("PRAGMA page_size").fetchone()[0]
        )
