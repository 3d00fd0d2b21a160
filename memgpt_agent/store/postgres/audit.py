"""The audit log in a schema: a table that a trigger keeps append-only, made when it is first written to."""

from collections.abc import Sequence

from psycopg import errors, sql

from memgpt_agent.databases.postgres import Rows
from memgpt_agent.errors import StoreError
from memgpt_agent.store.protocol import AuditEntry, AuditQuery
from memgpt_agent.store.rows import moment

_TABLE = """
CREATE TABLE IF NOT EXISTS audit (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    time bigint NOT NULL DEFAULT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint,
    who text NOT NULL, act text NOT NULL, agent text NOT NULL, outcome text NOT NULL
);
CREATE OR REPLACE FUNCTION audit_kept() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
    RAISE EXCEPTION 'the audit log is append-only';
END $body$;
CREATE OR REPLACE TRIGGER audit_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON audit FOR EACH STATEMENT EXECUTE FUNCTION audit_kept();
"""


def make_table(connection: Rows) -> None:
    """Make the log, as the owner of the tables, one process at a time."""
    connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('memgpt_agent migrations', 0))")
    connection.execute(_TABLE.encode())


def close_table(connection: Rows, role: str, everything: str) -> None:
    """Let the role that sees everything read and add entries, and do nothing else with them; the other role nothing at all."""
    for name in (role, everything):
        connection.execute(sql.SQL("REVOKE ALL ON audit FROM {}").format(sql.Identifier(name)))
    connection.execute(sql.SQL("GRANT SELECT, INSERT ON audit TO {}").format(sql.Identifier(everything)))


def _is_there(connection: Rows) -> bool:
    row = connection.execute("SELECT to_regclass('audit') IS NOT NULL").fetchone()
    return bool(row and row[0])


def append(connection: Rows, entries: Sequence[AuditEntry]) -> None:
    """Add entries within a write transaction.

    Raises:
        StoreError: there is no log yet, and this role may not make one.
    """
    if not _is_there(connection):
        try:
            make_table(connection)
        except errors.InsufficientPrivilege as error:
            raise StoreError("The audit log has no table yet. Let the tables' owner make it: memgpt postgres --secure ROLE.") from error
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO audit (who, act, agent, outcome) VALUES (%s, %s, %s, %s)",
            [(one.who, one.act, one.agent_id, one.outcome) for one in entries],
        )


def read(connection: Rows, asked: AuditQuery) -> list[AuditEntry]:
    """Return entries, the newest first."""
    if not _is_there(connection):
        return []
    rows = connection.execute(
        "SELECT time, who, act, agent, outcome, id FROM audit WHERE (%(who)s::text IS NULL OR who = %(who)s)"
        " AND (%(agent_id)s::text IS NULL OR agent = %(agent_id)s) AND (%(since_micros)s::bigint IS NULL OR time >= %(since_micros)s)"
        " AND (%(before)s::bigint IS NULL OR id < %(before)s) ORDER BY id DESC LIMIT %(limit)s",
        asked._asdict(),
    )
    return [AuditEntry(who, act, agent, outcome, moment(time).isoformat(), number) for time, who, act, agent, outcome, number in rows]
