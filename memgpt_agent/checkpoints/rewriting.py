"""Rewriting all checkpoints of a thread, and their pending writes, in one transaction."""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from langgraph.checkpoint.serde.base import SerializerProtocol

from memgpt_agent.checkpoints.message_table import (
    ROW_TYPE,
    MessageTable,
    digests_of,
    drop_unused,
    read_messages,
    write_messages,
)
from memgpt_agent.errors import StoreCorrupt


class Changes(Protocol):
    """What is to become of the contents of checkpoints. Each method returns an equal value where nothing changes."""

    def look(self, value: Any) -> None:
        """Be shown a message, or another value that may hold some, before anything is changed: what belongs together may lie apart."""
        ...

    def values(self, thread_id: str, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the new values of a checkpoint's channels."""
        ...

    def written(self, channel: str, value: Any) -> Any:
        """Return the new value of what a step wrote into a channel."""
        ...

    def about(self, metadata: dict[str, Any]) -> dict[str, Any]:
        """Return the new metadata of a checkpoint."""
        ...


def rewrite(cursor: sqlite3.Cursor, thread_id: str, changes: Changes, messages: MessageTable, serde: SerializerProtocol) -> int:
    """Change every checkpoint of a thread, of subgraphs as well; return how many were changed.

    Raises:
        StoreCorrupt: messages of a checkpoint are missing.
    """
    if not cursor.connection.in_transaction:  # passing the fence has begun one
        cursor.execute("BEGIN IMMEDIATE")
    rows: Sequence[Any] = cursor.execute(
        "SELECT checkpoint_ns, checkpoint_id, type, checkpoint, CAST(metadata AS TEXT) FROM checkpoints WHERE thread_id = ?", (thread_id,)
    ).fetchall()
    written: Sequence[Any] = cursor.execute("SELECT rowid, channel, type, value FROM writes WHERE thread_id = ?", (thread_id,)).fetchall()
    kept: Sequence[Any] = cursor.execute("SELECT type, message FROM queue_messages WHERE thread_id = ?", (thread_id,)).fetchall()
    whole = [(kind, stored) for _, _, kind, stored, _ in rows if kind != ROW_TYPE]
    for stored in (*kept, *whole, *((kind, value) for _, _, kind, value in written)):
        changes.look(serde.loads_typed(stored))
    changed = sum(_rewrite_row(cursor, thread_id, row, changes, messages, serde) for row in rows)
    for rowid, channel, kind, stored in written:
        value = serde.loads_typed((kind, stored))
        after = changes.written(channel, value)
        if after != value:
            cursor.execute("UPDATE writes SET type = ?, value = ? WHERE rowid = ?", (*serde.dumps_typed(after), rowid))
    drop_unused(cursor, thread_id)
    return changed


def _rewrite_row(
    cursor: sqlite3.Cursor, thread_id: str, row: Any, changes: Changes, messages: MessageTable, serde: SerializerProtocol
) -> bool:
    namespace, checkpoint_id, kind, stored, metadata = row
    checkpoint: Any = serde.loads_typed((kind, stored))
    read = read_messages(cursor, thread_id, digests_of(stored)) if kind == ROW_TYPE else {}
    if not messages.join(checkpoint, read, serde):
        raise StoreCorrupt(f"Messages of the checkpoint {checkpoint_id} of thread {thread_id!r} are missing. Restore a copy.")
    before, about = checkpoint["channel_values"], json.loads(metadata or "{}")
    after, about_after = changes.values(thread_id, before), changes.about(about)
    if after == before and about_after == about:
        return False
    checkpoint = {**checkpoint, "channel_values": after}
    parted = messages.split(checkpoint, serde)
    kind, stored = (ROW_TYPE, parted.value) if parted else serde.dumps_typed(checkpoint)
    cursor.execute(
        "UPDATE checkpoints SET type = ?, checkpoint = ?, metadata = ? WHERE thread_id = ? AND checkpoint_ns = ? AND checkpoint_id = ?",
        (kind, stored, json.dumps(about_after, ensure_ascii=False).encode("utf-8", "ignore"), thread_id, namespace, checkpoint_id),
    )
    if parted:
        write_messages(cursor, thread_id, parted.messages)
    return True
