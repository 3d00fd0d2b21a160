"""Time to live: refreshing what was read, deleting what has expired."""

import sqlite3
from collections.abc import Sequence

from memgpt_agent.store.sqlite.database import Database
from memgpt_agent.store.sqlite.writes import MICROS_A_MINUTE, Writer

_SWEEP_AT_ONCE = 1000


def refresh(connection: sqlite3.Connection, items: Sequence[int], now: int) -> None:
    """Let the time of these items begin anew, where they have one; in the caller's write transaction."""
    connection.executemany(
        f"UPDATE items SET expires = CAST(? + ttl_minutes * {MICROS_A_MINUTE} AS INTEGER) WHERE id = ? AND ttl_minutes IS NOT NULL",
        [(now, item) for item in items],
    )


def delete_expired(database: Database, now: int, tombstones_kept: int) -> int:
    """Delete what has expired, a thousand in a transaction; return how many."""
    total = 0
    while True:
        with database.write() as connection:
            rows = connection.execute(
                "SELECT id, ns, doc FROM items WHERE expires <= ? ORDER BY expires LIMIT ?", (now, _SWEEP_AT_ONCE)
            ).fetchall()
            Writer(connection, now, tombstones_kept).delete_items(rows)
        total += len(rows)
        if len(rows) < _SWEEP_AT_ONCE:
            return total
