"""The audit log in a store's file: a table that triggers keep append-only, made when it is first written to."""

import sqlite3
from collections.abc import Sequence

from memgpt_agent.store.protocol import AuditEntry, AuditQuery
from memgpt_agent.store.rows import moment

_TABLE = (
    """CREATE TABLE audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT, time INTEGER NOT NULL, who TEXT NOT NULL, act TEXT NOT NULL, agent TEXT NOT NULL,
    outcome TEXT NOT NULL
)""",
    "CREATE TRIGGER audit_unchanged BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END",
    "CREATE TRIGGER audit_kept BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END",
)


def is_there(connection: sqlite3.Connection) -> bool:
    """Whether anything was ever logged."""
    return connection.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'audit'").fetchone() is not None


def append(connection: sqlite3.Connection, entries: Sequence[AuditEntry], now: int) -> None:
    """Add entries within a write transaction."""
    if not is_there(connection):
        for statement in _TABLE:
            connection.execute(statement)
    connection.executemany(
        "INSERT INTO audit (time, who, act, agent, outcome) VALUES (?, ?, ?, ?, ?)",
        [(now, one.who, one.act, one.agent_id, one.outcome) for one in entries],
    )


def read(connection: sqlite3.Connection, asked: AuditQuery) -> list[AuditEntry]:
    """Return entries, the newest first."""
    if not is_there(connection):
        return []
    rows = connection.execute(
        "SELECT time, who, act, agent, outcome, id FROM audit WHERE (?1 IS NULL OR who = ?1) AND (?2 IS NULL OR agent = ?2)"
        " AND (?3 IS NULL OR time >= ?3) AND (?4 IS NULL OR id < ?4) ORDER BY id DESC LIMIT ?5",
        (asked.who, asked.agent_id, asked.since_micros, asked.before, asked.limit),
    )
    return [AuditEntry(who, act, agent, outcome, moment(time).isoformat(), number) for time, who, act, agent, outcome, number in rows]
