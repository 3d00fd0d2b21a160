"""The tables of checkpoints on Postgres: LangGraph's, beside them fences and messages; pruning and rewriting what they hold."""

import time
from collections.abc import Mapping
from typing import Any

from langgraph.checkpoint.postgres import PostgresSaver
from langgraph.checkpoint.serde.base import SerializerProtocol
from psycopg import sql
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from memgpt_agent.checkpoints.message_table import DIGEST_BYTES, ROW_TYPE, cut_digests
from memgpt_agent.checkpoints.rewriting import Changes
from memgpt_agent.databases.postgres import WAIT_SECONDS, Rows
from memgpt_agent.errors import StoreBusy, StoreCorrupt

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


_Key = tuple[str, str, str]
"""A value that is stored beside its checkpoints: namespace, channel, version."""


def rewrite(connection: Rows, thread_id: str, changes: Changes, serde: SerializerProtocol) -> tuple[int, dict[_Key, Any]]:
    """Change the rows of every checkpoint of a thread; return how many were changed, and the values beside them that are to be stored again.

    What several checkpoints share becomes what it is in the newest of them.

    Raises:
        StoreCorrupt: messages of a checkpoint are missing.
    """
    rows = _rows(connection, "checkpoint_ns, checkpoint_id, checkpoint, metadata FROM checkpoints", thread_id, "ORDER BY checkpoint_id")
    written = _rows(connection, "checkpoint_ns, checkpoint_id, task_id, idx, channel, type, blob FROM checkpoint_writes", thread_id)
    values = _values(connection, thread_id, changes, serde)
    for one in written:
        changes.look(serde.loads_typed((one["type"], bytes(one["blob"]))))
    new: dict[_Key, Any] = {}
    changed = 0
    for row in rows:
        changed += _rewrite_row(connection, thread_id, row, values, changes, new)
    for one in written:
        value = serde.loads_typed((one["type"], bytes(one["blob"])))
        after = changes.written(one["channel"], value)
        if after != value:
            key = [thread_id, one["checkpoint_ns"], one["checkpoint_id"], one["task_id"], one["idx"]]
            connection.execute(
                "UPDATE checkpoint_writes SET type = %s, blob = %s WHERE thread_id = %s AND checkpoint_ns = %s AND checkpoint_id = %s"
                " AND task_id = %s AND idx = %s",
                [*serde.dumps_typed(after), *key],
            )
    return changed, new


def _rows(connection: Rows, what: str, thread_id: str, order: str = "") -> list[dict[str, Any]]:
    with connection.cursor(binary=True, row_factory=dict_row) as cursor:
        return cursor.execute(f"SELECT {what} WHERE thread_id = %s {order}".encode(), [thread_id]).fetchall()


def _values(connection: Rows, thread_id: str, changes: Changes, serde: SerializerProtocol) -> dict[_Key, Any]:
    """Return the values that stand beside the checkpoints, and show the changes every message and value."""
    kept: dict[bytes, tuple[str, bytes]] = {}
    for row in _rows(connection, "digest, type, message FROM queue_messages", thread_id):
        kept[bytes(row["digest"])] = (row["type"], bytes(row["message"]))
        changes.look(serde.loads_typed(kept[bytes(row["digest"])]))
    values: dict[_Key, Any] = {}
    for row in _rows(connection, "checkpoint_ns, channel, version, type, blob FROM checkpoint_blobs", thread_id):
        if row["type"] == "empty":
            continue
        blob, key = bytes(row["blob"]), (row["checkpoint_ns"], row["channel"], row["version"])
        if row["type"] != ROW_TYPE:
            values[key] = serde.loads_typed((row["type"], blob))
            changes.look(values[key])
            continue
        digests = cut_digests(blob)
        if any(digest not in kept for digest in digests):
            raise StoreCorrupt(f"Messages of checkpoints of the thread {thread_id!r} are missing. Restore a copy.")
        values[key] = [serde.loads_typed(kept[digest]) for digest in digests]
    return values


def _rewrite_row(
    connection: Rows, thread_id: str, row: Mapping[str, Any], values: Mapping[_Key, Any], changes: Changes, new: dict[_Key, Any]
) -> bool:
    checkpoint, namespace = row["checkpoint"], row["checkpoint_ns"]
    inline = dict(checkpoint["channel_values"])
    keys = {channel: (namespace, channel, version) for channel, version in checkpoint["channel_versions"].items()}
    beside = {channel: values[key] for channel, key in keys.items() if key in values}
    before = {**inline, **beside}
    after, about = changes.values(thread_id, before), changes.about(row["metadata"])
    if after == before and about == row["metadata"]:
        return False
    new.update({keys[channel]: after[channel] for channel in beside if after[channel] != beside[channel]})
    checkpoint["channel_values"] = {channel: after[channel] for channel in inline}
    connection.execute(
        "UPDATE checkpoints SET checkpoint = %s, metadata = %s WHERE thread_id = %s AND checkpoint_ns = %s AND checkpoint_id = %s",
        [Jsonb(checkpoint), Jsonb(about), thread_id, namespace, row["checkpoint_id"]],
    )
    return True
