"""LangGraph's SQLite saver with both faces, errors that say what to do, and pruning."""

import json
import sqlite3
import threading
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import Any, cast

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    WRITES_IDX_MAP,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    get_checkpoint_metadata,
)
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.utils import search_where
from typing_extensions import override

from memgpt_agent.checkpoints.checkpointer import FENCE, FENCES, Checkpointer, Fence, pass_fence
from memgpt_agent.checkpoints.message_table import ROW_TYPE, TABLE, Row, RowSerializer, read_messages, write_messages
from memgpt_agent.checkpoints.rewriting import Changes, prune_thread, prune_turns, rewrite
from memgpt_agent.errors import ConfigurationError, StoreBusy, StoreCorrupt, StoreError

BUSY_TIMEOUT_SECONDS = 30.0
"""How long a write waits for another process's."""
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def explained(error: Exception, path: str) -> StoreError:
    """Say what a database error means for whoever meets it."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in _DAMAGED:
        return StoreCorrupt(
            f"{path} is damaged or no database ({error}). It was not changed. Restore a copy, or move it away."
        )
    if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return StoreError(
            f"{path} was in use by another process for {BUSY_TIMEOUT_SECONDS:.0f} s. "
            "Nothing was written. End that process, or try again."
        )
    if isinstance(error, sqlite3.ProgrammingError):
        return StoreError(f"{path} cannot be used ({error}). Open it again with open_checkpointer(path).")
    return StoreError(f"{path}: {error}. Nothing was written. Check that its folder is writable and has space.")


class SqliteCheckpointer(Checkpointer, SqliteSaver):
    """LangGraph's SQLite saver, for sync and async graphs alike, in several threads, event loops and processes.

    One connection behind one lock. The async methods do the same in a thread, so nothing is bound to an event loop. A
    commit is on disk when it returns (WAL, ``synchronous=FULL``), but for two kinds in a turn of ours that holds a fence: the
    input's checkpoint, and what a step writes before its checkpoint. They outlive the process at once, and a power failure with the
    commit that follows them before the next step begins (ADR 0220). A message is stored once, however many checkpoints of
    its thread hold it; everything else of the state is in each checkpoint.

    Limits:
        The history grows until it is pruned. The file does not shrink; its free pages are used again. What it writes
        for a state with messages, LangGraph's own `SqliteSaver` refuses to read; what that wrote is read here.
    """

    _WRITES, _VALUE = "writes", "?"

    def __init__(self, connection: sqlite3.Connection, path: str = ":memory:") -> None:
        super().__init__(connection, serde=RowSerializer())
        self.path = path
        self._writing = threading.local()
        self.forget_cached()

    @override
    def close(self) -> None:
        with self.lock:
            self.conn.close()

    @override
    def setup(self) -> None:
        if self.is_setup:
            return
        deadline = time.monotonic() + BUSY_TIMEOUT_SECONDS
        while True:
            try:
                self.conn.execute("PRAGMA synchronous=FULL")
                self.conn.execute("PRAGMA temp_store=MEMORY")  # else statement journals are files, about ten writes a turn
                super().setup()
                self.conn.execute(FENCES)
                self.conn.execute(TABLE)  # last: a file in which only this stands would be somebody else's
                return
            except sqlite3.OperationalError as error:
                self.is_setup = False
                # Changing to WAL does not wait for another process that is doing the same.
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise
                time.sleep(0.02)

    @contextmanager
    @override
    def cursor(self, transaction: bool = True) -> Generator[sqlite3.Cursor]:
        """Lend a cursor, alone; commit at the end where `transaction`, and on an error undo all that was done with it."""
        try:
            with self.lock:
                self.setup()
                with closing(self.conn.cursor()) as cursor, self._waiting_for_disk(transaction):
                    try:
                        pass_fence(cursor, getattr(self._writing, "fenced", None))
                        yield cursor
                    except BaseException:
                        self.conn.rollback()
                        raise
                    if transaction:
                        self.conn.commit()
        except sqlite3.Error as error:
            raise explained(error, self.path) from error

    @contextmanager
    def _waiting_for_disk(self, transaction: bool) -> Generator[None]:
        """Have the commit wait for the disk, unless this thread of execution is writing what the next commit takes along."""
        if not transaction or not getattr(self._writing, "followed", False):
            yield
            return
        self.conn.execute("PRAGMA synchronous = NORMAL")
        try:
            yield
        finally:
            self.conn.execute("PRAGMA synchronous = FULL")

    @contextmanager
    def _fenced(self, config: RunnableConfig, *, followed: bool = False) -> Generator[None]:
        """Let the writes of this thread of execution pass the config's fence, each in its own transaction.

        Args:
            config: of the run.
            followed: whether another write follows before anything is done that leaves this file. It then waits for the disk for both.
        """
        where = config.get("configurable", {})
        fence: Fence | None = where.get(FENCE)
        if fence is None:
            yield
            return
        fence.check()
        self._writing.fenced, self._writing.followed = (str(where["thread_id"]), fence), followed
        try:
            yield
        finally:
            self._writing.fenced, self._writing.followed = None, False

    @override
    def raise_fence(self, fence: Fence) -> None:
        with self._fenced({"configurable": {"thread_id": fence.name, FENCE: fence}}), self.cursor():
            pass

    @override
    def _all(self, statement: str, values: Sequence[Any]) -> list[dict[str, Any]]:
        with self.cursor(transaction=False) as cursor:
            rows = cursor.execute(statement, values).fetchall()
            names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in rows]

    @override
    def _where(
        self, config: RunnableConfig | None, filter: dict[str, Any] | None, before: RunnableConfig | None
    ) -> tuple[str, Sequence[Any]]:
        return search_where(config, filter, before)

    @override
    def prune(self, thread_ids: Sequence[str] | str, *, strategy: str = "keep_latest", keep: int = 1) -> None:
        """Prune as ``Checkpointer.prune`` says.

        Kept in every case: the newest checkpoint of each graph in the thread, and one for which something was written
        after the newest were made (it is being run again). A subgraph's checkpoints of one call go when all the
        parent's checkpoints that are kept are newer. Each thread is one transaction. One or two more may stay, because
        LangGraph stores the writes of neighbouring steps in no fixed order; they go the next time.
        """
        if keep < 1 or strategy not in {"keep_latest", "delete"}:
            raise ConfigurationError(
                f"prune(strategy={strategy!r}, keep={keep}): keep at least 1; the strategies are 'keep_latest' and 'delete'."
            )
        for thread_id in [thread_ids] if isinstance(thread_ids, str) else thread_ids:
            if strategy == "delete":
                self.delete_thread(thread_id)
            else:
                with self.cursor() as cursor:
                    prune_thread(cursor, thread_id, keep)

    @override
    def _prune_turns(self, thread_id: str, keep: int) -> None:
        with self.cursor() as cursor:
            prune_turns(cursor, thread_id, keep)

    @override
    def put(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        values = cast(Mapping[str, Any], checkpoint)
        where = config.get("configurable", {})
        thread_id, namespace, parent = str(where["thread_id"]), str(where["checkpoint_ns"]), where.get("checkpoint_id")
        there, trusted = self._rows.messages_of(thread_id, namespace, parent), FENCE in where
        with self._fenced(config, followed=metadata.get("source") == "input"):  # the first step's checkpoint comes at once
            row = self._messages.split(values, self.serde, there, trusted=trusted)
            if row is None:
                return super().put(config, checkpoint, metadata, new_versions)
            about = json.dumps(get_checkpoint_metadata(config, metadata), ensure_ascii=False).encode("utf-8", "ignore")
            with self.cursor() as cursor:
                cursor.execute(
                    "INSERT OR REPLACE INTO checkpoints (thread_id, checkpoint_ns, checkpoint_id, parent_checkpoint_id, type, checkpoint,"
                    " metadata) VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (thread_id, namespace, checkpoint["id"], parent, ROW_TYPE, row.value, about),
                )
                if len(row.messages) < len(row.digests) and not _stands(cursor, thread_id, namespace, parent):
                    row = cast(Row, self._messages.split(values, self.serde, trusted=trusted))  # the parent was pruned, maybe with its messages
                write_messages(cursor, thread_id, row.messages)
        self._rows.note(thread_id, namespace, checkpoint["id"], row.digests)
        return {"configurable": {"thread_id": where["thread_id"], "checkpoint_ns": namespace, "checkpoint_id": checkpoint["id"]}}

    @override
    def _read(self, config: RunnableConfig) -> CheckpointTuple | None:
        return SqliteSaver.get_tuple(self, config)

    @override
    def _join(self, thread_id: str, checkpoint: Checkpoint, *, trusted: bool) -> bool:
        stored = cast(dict[str, Any], checkpoint)
        read = dict[bytes, tuple[str, bytes]]()
        if missing := self._messages.missing(stored):
            with self.cursor(transaction=False) as cursor:
                read = read_messages(cursor, thread_id, missing)
        return self._messages.join(stored, read, self.serde, trusted=trusted)

    @override
    def rewrite(self, thread_id: str, changes: Changes, fence: Fence | None = None) -> int:
        with self._fenced({"configurable": {"thread_id": thread_id, **({FENCE: fence} if fence else {})}}), self.cursor() as cursor:
            changed = rewrite(cursor, thread_id, changes, self._messages, self.serde)
        self.forget_cached()
        return changed

    @override
    def delete_thread(self, thread_id: str) -> None:
        with self.cursor() as cursor:  # not the base's: a process killed behind it would leave the messages forever
            for table in ("checkpoints", "writes", "queue_messages", "fences"):
                cursor.execute(f"DELETE FROM {table} WHERE thread_id = ?", (str(thread_id),))  # noqa: S608  names of our own

    @override
    def size_bytes(self) -> int:
        """Return the size of the file, free pages included."""
        with self.cursor(transaction=False) as cursor:
            pages, page = (cursor.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size"))
            return int(pages) * int(page)

    @override
    def compact(self) -> None:
        """Rewrite the file and empty its log: no byte is left of what was deleted or overwritten.

        It takes as much free space as the file has, twice. Writers wait. Interrupted, it loses nothing; call it again.

        Raises:
            StoreBusy: others read one state of the file for more than half a minute; its log is not empty.
        """
        with self.cursor(transaction=False) as cursor:
            cursor.execute("PRAGMA secure_delete = ON")  # where SQLite is built without it, new pages keep what their buffers held
            cursor.execute("PRAGMA temp_store = FILE")  # for the copy
            try:
                cursor.execute("VACUUM")
            finally:
                cursor.execute("PRAGMA temp_store = MEMORY")
            if cursor.execute("PRAGMA wal_checkpoint (TRUNCATE)").fetchone()[0]:
                raise StoreBusy(
                    f"{self.path} was rewritten, but another process read it for more than {BUSY_TIMEOUT_SECONDS:.0f} s, so its log could "
                    "not be emptied. Stop that process or try again."
                )

    @override
    def put_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        # A question to a person is the last that a run writes; what a step did is followed by the step's checkpoint.
        with self._fenced(config, followed=not any(channel in WRITES_IDX_MAP for channel, _ in writes)):
            super().put_writes(config, writes, task_id, task_path)


def _stands(cursor: sqlite3.Cursor, thread_id: str, namespace: str, checkpoint_id: str | None) -> bool:
    key = (thread_id, namespace, checkpoint_id)
    sql = "SELECT 1 FROM checkpoints WHERE thread_id = ? AND checkpoint_ns = ? AND checkpoint_id = ?"
    return cursor.execute(sql, key).fetchone() is not None
