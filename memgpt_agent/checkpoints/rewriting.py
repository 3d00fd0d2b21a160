"""Pruning a thread's checkpoints in SQLite, and changing what they hold."""

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
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
from memgpt_agent.errors import StoreCorrupt, StoreError

_KEY = "thread_id = ? AND checkpoint_ns = ? AND checkpoint_id = ?"

_Row = tuple[str, str | None]
"""A checkpoint's id and its parent's."""


def prune_thread(cursor: sqlite3.Cursor, thread_id: str, keep: int) -> None:
    """Delete all but the newest `keep` checkpoints of a thread; what else is kept, `SqliteCheckpointer.prune` says.

    Raises:
        StoreError: the thread's state is stored in differences.
    """
    cursor.execute("BEGIN IMMEDIATE")
    found: Any = cursor.execute(
        "SELECT checkpoint_ns, checkpoint_id, parent_checkpoint_id FROM checkpoints WHERE thread_id = ?"
        " ORDER BY checkpoint_ns, checkpoint_id DESC",
        (thread_id,),
    ).fetchall()
    graphs: dict[str, list[_Row]] = {}
    for namespace, *row in found:
        graphs.setdefault(namespace, []).append((row[0], row[1]))
    oldest_of_root: str | None = None
    for namespace, rows in graphs.items():  # the root graph's name is "", so it comes first
        if (
            ":" in namespace and oldest_of_root
        ):  # "node:task" is one call of a subgraph; "node" alone one that remembers
            kept = {checkpoint_id for checkpoint_id, _ in rows if checkpoint_id >= oldest_of_root}
        else:
            kept = _kept(cursor, (thread_id, namespace), rows, keep)
        if namespace == "":
            oldest_of_root = min(kept)
        doomed = [(thread_id, namespace, checkpoint_id) for checkpoint_id, _ in rows if checkpoint_id not in kept]
        if doomed:
            _refuse_differences(cursor, [(thread_id, namespace, checkpoint_id) for checkpoint_id in kept])
        for table in ("checkpoints", "writes"):
            cursor.executemany(f"DELETE FROM {table} WHERE {_KEY}", doomed)  # noqa: S608 - two names of our own
    drop_unused(cursor, thread_id)


def prune_turns(cursor: sqlite3.Cursor, thread_id: str, keep: int) -> None:
    """Delete what is older than the newest `keep` turns of a thread and the checkpoint before them.

    Reads the newest `keep` turns only, and what it deletes: the cost does not depend on how long the thread has lived.

    Raises:
        StoreError: the thread's state is stored in differences.
    """
    rows = cursor.execute(
        "SELECT checkpoint_id, CAST(metadata AS TEXT) FROM checkpoints WHERE thread_id = ? AND checkpoint_ns = '' ORDER BY checkpoint_id DESC",
        (thread_id,),
    )
    oldest = oldest_kept(thread_id, ((name, json.loads(about or "{}")) for name, about in rows), keep)
    if oldest is None:
        return
    cursor.execute("BEGIN IMMEDIATE")
    # "" is the root graph, "node:task" one call of a subgraph, "node" alone a subgraph that remembers: its newest stays.
    cursor.execute(
        "DELETE FROM checkpoints AS old WHERE thread_id = ? AND checkpoint_id < ?"
        " AND (checkpoint_ns = '' OR instr(checkpoint_ns, ':') OR checkpoint_id < (SELECT max(checkpoint_id) FROM checkpoints"
        " WHERE thread_id = old.thread_id AND checkpoint_ns = old.checkpoint_ns))",
        (thread_id, oldest),
    )
    cursor.execute(
        "DELETE FROM writes AS old WHERE thread_id = ? AND checkpoint_id < ? AND NOT EXISTS (SELECT 1 FROM checkpoints"
        " WHERE thread_id = old.thread_id AND checkpoint_ns = old.checkpoint_ns AND checkpoint_id = old.checkpoint_id)",
        (thread_id, oldest),
    )
    drop_unused(cursor, thread_id)


def oldest_kept(thread_id: str, newest_first: Iterable[tuple[str, dict[str, Any]]], keep: int) -> str | None:
    """Return the checkpoint before the newest `keep` turns, if there is something older than it.

    Args:
        thread_id: for the error.
        newest_first: the ids and metadata of the root graph's checkpoints; no more is read than needed.
        keep: so many turns.

    Raises:
        StoreError: the thread's state is stored in differences.
    """
    turns = 0
    found: str | None = None
    for checkpoint_id, about in newest_first:
        if found is not None:
            return found
        _refuse_difference(thread_id, about)
        if turns == keep:
            found = checkpoint_id
        turns += about.get("source") == "input"
    return None


def _kept(cursor: sqlite3.Cursor, graph: tuple[str, str], rows: Sequence[_Row], keep: int) -> set[str]:
    """The newest, and those for which something was written after the newest were made."""
    newest = rows[:keep]
    last_write = dict(
        cursor.execute(
            "SELECT checkpoint_id, max(rowid) FROM writes WHERE thread_id = ? AND checkpoint_ns = ? GROUP BY checkpoint_id",
            graph,
        ).fetchall()
    )
    # What a checkpoint's parent wrote led to it, so it is older than the checkpoint.
    known = [last_write[name] for row in newest for name in row if name in last_write]
    since = max(known, default=0)
    return {row[0] for row in newest} | {name for name, _ in rows if last_write.get(name, 0) > since}


def _refuse_differences(cursor: sqlite3.Cursor, kept: Sequence[tuple[str, str, str]]) -> None:
    for key in kept:
        (metadata,) = cursor.execute(f"SELECT metadata FROM checkpoints WHERE {_KEY}", key).fetchone()  # noqa: S608 - a constant
        _refuse_difference(key[0], json.loads(metadata or b"{}"))


def _refuse_difference(thread_id: str, metadata: dict[str, Any]) -> None:
    if metadata.get("counters_since_delta_snapshot"):
        raise StoreError(
            f"Thread {thread_id!r} keeps part of its state as differences (a DeltaChannel): without its older checkpoints "
            "its state would be lost, so nothing was pruned. Delete the thread, or leave it as it is."
        )


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
