"""Rewriting all checkpoints of a thread on Postgres, and their pending writes."""

from collections.abc import Mapping
from typing import Any

from langgraph.checkpoint.serde.base import SerializerProtocol
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from memgpt_agent.checkpoints.message_table import ROW_TYPE, cut_digests
from memgpt_agent.checkpoints.rewriting import Changes
from memgpt_agent.errors import StoreCorrupt
from memgpt_agent.postgres_database import Rows

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
