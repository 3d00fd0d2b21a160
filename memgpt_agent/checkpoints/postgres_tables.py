"""The tables of checkpoints on Postgres: LangGraph's, beside them fences and messages; what is deleted when a thread is pruned."""

import time

from langgraph.checkpoint.postgres import PostgresSaver
from psycopg import sql

from memgpt_agent.checkpoints.message_table import DIGEST_BYTES, ROW_TYPE
from memgpt_agent.errors import StoreBusy
from memgpt_agent.postgres_database import WAIT_SECONDS, Rows

TABLES = ("checkpoints", "checkpoint_writes", "checkpoint_blobs", "queue_messages", "fences")
_OURS = (
    b"""CREATE TABLE IF NOT EXISTS queue_messages (
        thread_id text NOT NULL, digest bytea NOT NULL, type text NOT NULL, message bytea NOT NULL, PRIMARY KEY (thread_id, digest))""",
    b"CREATE TABLE IF NOT EXISTS fences (thread_id text PRIMARY KEY, number bigint NOT NULL)",
    *(
        f"ALTER TABLE {table} SET (autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05)".encode()
        for table in TABLES[:-1]
    ),
    # The last: whoever finds it finds all of them.
    b"CREATE TABLE IF NOT EXISTS checkpoints_prepared ()",
)
_LOCK = "hashtextextended('memgpt_agent checkpoint tables', 0)"

LOCK_THREAD = b"SELECT pg_advisory_xact_lock(hashtextextended(%s, 5507))"
RAISE_FENCE = b"""WITH raised AS (
    INSERT INTO fences AS known (thread_id, number) VALUES (%s, %s)
    ON CONFLICT (thread_id) DO UPDATE SET number = excluded.number WHERE excluded.number > known.number RETURNING number)
SELECT coalesce((SELECT number FROM raised), (SELECT number FROM fences WHERE thread_id = %s))"""
INSERT_MESSAGE = b"INSERT INTO queue_messages (thread_id, digest, type, message) VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING"
ABOUT_TURNS = "SELECT checkpoint_id, metadata FROM checkpoints WHERE thread_id = %s AND checkpoint_ns = '' ORDER BY checkpoint_id DESC"
CHANGE_BLOB = """UPDATE checkpoint_blobs SET type = %s, blob = %s
    WHERE thread_id = %s AND checkpoint_ns = %s AND channel = %s AND version = %s"""
DELETE_THREAD = "DELETE FROM {table} WHERE thread_id = %s"
# "" is the root graph, "node:task" one call of a subgraph, "node" alone a subgraph that remembers: its newest stays.
DELETE_OLDER = (
    b"""DELETE FROM checkpoints AS old WHERE thread_id = %s AND checkpoint_id < %s
    AND (checkpoint_ns = '' OR strpos(checkpoint_ns, ':') > 0 OR checkpoint_id < (SELECT max(checkpoint_id) FROM checkpoints
    WHERE thread_id = old.thread_id AND checkpoint_ns = old.checkpoint_ns))""",
    b"""DELETE FROM checkpoint_writes AS old WHERE thread_id = %s AND checkpoint_id < %s AND NOT EXISTS (SELECT 1 FROM checkpoints
    WHERE thread_id = old.thread_id AND checkpoint_ns = old.checkpoint_ns AND checkpoint_id = old.checkpoint_id)""",
)
DROP_UNUSED_BLOBS = b"""WITH used AS MATERIALIZED (
    SELECT DISTINCT checkpoint_ns, version.key AS channel, version.value AS version FROM checkpoints
    CROSS JOIN LATERAL jsonb_each_text(checkpoint -> 'channel_versions') AS version WHERE thread_id = %s)
DELETE FROM checkpoint_blobs AS old WHERE thread_id = %s AND NOT EXISTS (SELECT 1 FROM used
    WHERE used.checkpoint_ns = old.checkpoint_ns AND used.channel = old.channel AND used.version = old.version)"""
DROP_UNUSED_MESSAGES = f"""WITH used AS MATERIALIZED (
    SELECT DISTINCT substring(blob FROM place FOR {DIGEST_BYTES}) AS digest FROM checkpoint_blobs
    CROSS JOIN LATERAL generate_series(1, length(blob), {DIGEST_BYTES}) AS place WHERE thread_id = %s AND type = '{ROW_TYPE}')
DELETE FROM queue_messages AS old WHERE thread_id = %s AND NOT EXISTS (SELECT 1 FROM used WHERE used.digest = old.digest)""".encode()  # noqa: S608 - constants


def prepare(connection: Rows, schema: str) -> None:
    """Make the tables in a schema, one process at a time; a newer LangGraph's migrations are run as well.

    Raises:
        StoreBusy: another process was making them for more than a minute.
    """
    connection.execute(sql.SQL("SET search_path TO {}, public").format(sql.Identifier(schema)))
    if _is_prepared(connection, schema):
        return
    deadline = time.monotonic() + WAIT_SECONDS
    # Asked for again and again: one who waits for the lock holds up the indexes that the holder makes.
    while not (connection.execute(f"SELECT pg_try_advisory_lock({_LOCK})".encode()).fetchone() or [False])[0]:
        if time.monotonic() > deadline:
            raise StoreBusy(f"Another process was making the tables in schema {schema!r} for {WAIT_SECONDS:.0f} seconds. Try again.")
        time.sleep(0.05)
    try:
        if _is_prepared(connection, schema):
            return
        connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(schema)))
        PostgresSaver(connection).setup()  # pyright: ignore[reportArgumentType]
        for statement in _OURS:
            connection.execute(statement)
    finally:
        connection.execute(f"SELECT pg_advisory_unlock({_LOCK})".encode())


def _is_prepared(connection: Rows, schema: str) -> bool:
    row = connection.execute("SELECT to_regclass(%s)", [f'"{schema}".checkpoints_prepared']).fetchone()
    if row is None or row[0] is None:
        return False
    version = connection.execute("SELECT max(v) FROM checkpoint_migrations").fetchone()
    return version is not None and version[0] is not None and int(version[0]) >= len(PostgresSaver.MIGRATIONS) - 1
