"""LangGraph's Postgres saver with both faces, fences, pruning by turns, and each message stored once."""

import math
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any, cast

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    WRITES_IDX_MAP,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    get_serializable_checkpoint_metadata,
)
from langgraph.checkpoint.postgres import PostgresSaver
from langgraph.checkpoint.serde.types import _DeltaSnapshot as DeltaSnapshot  # pyright: ignore[reportPrivateUsage]
from psycopg import Cursor
from psycopg.rows import DictRow, dict_row
from psycopg.types.json import Jsonb
from typing_extensions import override

from memgpt_agent.checkpoints.checkpointer import FENCE, Checkpointer, Fence
from memgpt_agent.checkpoints.message_table import ROW_TYPE, cut_digests, queues_in
from memgpt_agent.checkpoints.postgres_tables import (
    ABOUT_TURNS,
    CHANGE_BLOB,
    DELETE_OLDER,
    DELETE_THREAD,
    DROP_UNUSED_BLOBS,
    DROP_UNUSED_MESSAGES,
    INSERT_MESSAGE,
    LOCK_THREAD,
    RAISE_FENCE,
    TABLES,
    prepare,
    rewrite,
)
from memgpt_agent.checkpoints.rewriting import Changes, oldest_kept
from memgpt_agent.databases.postgres import PostgresDatabase, Rows
from memgpt_agent.errors import ConfigurationError, StoreError


class _Named:
    """A queue as it is stored: the digests of its messages, in order."""

    def __init__(self, blob: bytes) -> None:
        self.digests = cut_digests(blob)


class PostgresCheckpointer(Checkpointer, PostgresSaver):
    """LangGraph's Postgres saver, for sync and async graphs alike, in several threads, event loops, processes and machines.

    The tables are LangGraph's, in a schema of the package. A list of messages stands there as the digests of its messages, each of which is
    kept once for all checkpoints of its thread. Writers of one thread wait for each other. A server that is restarted is waited for.

    Args:
        url: ``postgresql://...``; ``schema=NAME`` among its parameters names the schema (default ``memgpt``).

    Limits:
        The history grows until it is pruned. What it writes for a state with messages, LangGraph's own saver refuses to read;
        what that wrote is read here. Names of threads hold no NUL. Not for use by a forked child.

    Raises:
        StoreError: the database cannot be reached.
    """

    _WRITES, _VALUE = "checkpoint_writes", "%s"

    def __init__(self, url: str) -> None:
        self._database = PostgresDatabase(url, "checkpoints", prepare)
        super().__init__(cast(Any, None))  # its connections are lent by `_cursor`
        self.path = f"Postgres, {self._database.name}"
        self.forget_cached()

    @override
    def close(self) -> None:
        self._database.close()

    @override
    def setup(self) -> None:
        """Do nothing: opening has made the tables."""

    @contextmanager
    @override
    def _cursor(self, *, pipeline: bool = False) -> Generator[Cursor[DictRow]]:
        with (
            self._database.connection() as connection,
            connection.pipeline() if pipeline else nullcontext(),
            connection.cursor(binary=True, row_factory=dict_row) as cursor,
        ):
            yield cursor

    @contextmanager
    def _alone(self, thread_id: str, fence: Fence | None) -> Generator[Rows]:
        """A transaction in which nobody else writes to a thread, and which passes the fence; its statements are sent without waiting."""
        with self._database.connection() as connection, connection.pipeline(), connection.transaction():
            connection.execute(LOCK_THREAD, [thread_id])
            passed = connection.execute(RAISE_FENCE, [thread_id, fence.number, thread_id]) if fence else None
            yield connection
            if fence and passed and (row := passed.fetchone()) and row[0] > fence.number:
                fence.confirm()  # the store knows better: it may have been restored from an older copy than this database
                connection.execute("UPDATE fences SET number = %s WHERE thread_id = %s", [fence.number, thread_id])

    def _write(self, thread_id: str, fence: Fence | None, act: Callable[[Rows], object]) -> None:
        if fence is not None:
            fence.check()

        def once() -> None:
            with self._alone(thread_id, fence) as connection:
                act(connection)

        self._database.patient(once)

    @override
    def raise_fence(self, fence: Fence) -> None:
        self._write(fence.name, fence, lambda _: None)

    @override
    def _all(self, statement: str, values: Sequence[Any]) -> list[DictRow]:
        def once() -> list[DictRow]:
            with self._cursor() as cursor:
                return cursor.execute(statement.encode(), values).fetchall()

        return self._database.patient(once)

    @override
    def _where(
        self, config: RunnableConfig | None, filter: dict[str, Any] | None, before: RunnableConfig | None
    ) -> tuple[str, Sequence[Any]]:
        return self._search_where(config, filter, before)

    # Reading

    @override
    def _load_blobs(self, blob_values: list[tuple[bytes, bytes, bytes]]) -> dict[str, Any]:
        named = {name.decode(): _Named(blob) for name, kind, blob in blob_values or () if kind.decode() == ROW_TYPE}
        return super()._load_blobs([one for one in blob_values or () if one[1].decode() != ROW_TYPE]) | named

    @override
    def _read(self, config: RunnableConfig) -> CheckpointTuple | None:
        return self._database.patient(lambda: PostgresSaver.get_tuple(self, config))

    @override
    def _join(self, thread_id: str, checkpoint: Checkpoint, *, trusted: bool) -> bool:
        values = checkpoint["channel_values"]
        queues = {name: value.digests for name, value in values.items() if isinstance(value, _Named)}
        missing = self._messages.unknown(digest for digests in queues.values() for digest in digests)
        read = self._read_messages(thread_id, missing) if missing else {}
        for name, digests in queues.items():
            messages = self._messages.loaded(digests, read, self.serde, trusted=trusted)
            if messages is None:
                return False
            values[name] = messages
        return True

    def _read_messages(self, thread_id: str, digests: Iterable[bytes]) -> dict[bytes, tuple[str, bytes]]:
        sql = "SELECT digest, type, message FROM queue_messages WHERE thread_id = %s AND digest = ANY(%s)"
        return {bytes(row["digest"]): (row["type"], bytes(row["message"])) for row in self._all(sql, [thread_id, [*digests]])}

    # Writing

    @override
    def put(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        where = config.get("configurable", {})
        thread_id, namespace, parent = str(where["thread_id"]), str(where["checkpoint_ns"]), where.get("checkpoint_id")
        row, blobs = _parted(checkpoint)
        queues = queues_in(blobs)
        there = self._rows.messages_of(thread_id, namespace, parent)
        named, messages = self._messages.parted(queues, self.serde, there, trusted=FENCE in where)
        known = frozenset(digest for digests in named.values() for digest in digests)
        rows = self._blob_rows(thread_id, namespace, blobs, named, new_versions)
        about = Jsonb(_storable(dict(get_serializable_checkpoint_metadata(config, metadata))))

        def put(connection: Rows) -> None:
            with connection.cursor(binary=True) as cursor:
                _insert_messages(cursor, thread_id, messages)
                if rows:
                    cursor.executemany(self.UPSERT_CHECKPOINT_BLOBS_SQL, rows)
                cursor.execute(
                    self.UPSERT_CHECKPOINTS_SQL, (thread_id, namespace, checkpoint["id"], parent, Jsonb(row), about)
                )
                if len(messages) < len(known) and not _stands(connection, thread_id, namespace, parent):
                    _insert_messages(cursor, thread_id, self._messages.parted(queues, self.serde, trusted=FENCE in where)[1])

        self._write(thread_id, where.get(FENCE), put)
        self._rows.note(thread_id, namespace, checkpoint["id"], known)
        return {"configurable": {"thread_id": where["thread_id"], "checkpoint_ns": namespace, "checkpoint_id": checkpoint["id"]}}

    def _blob_rows(
        self, thread_id: str, namespace: str, blobs: Mapping[str, Any], named: Mapping[str, list[bytes]], versions: ChannelVersions
    ) -> list[tuple[Any, ...]]:
        return [
            (thread_id, namespace, name, versions[name], *self._stored(value, named.get(name)))
            for name, value in blobs.items()
            if name in versions
        ]

    def _stored(self, value: Any, digests: list[bytes] | None) -> tuple[str, bytes]:
        """Return the type and bytes of a value: those of its messages' digests if it is a queue, else its own."""
        return self.serde.dumps_typed(value) if digests is None else (ROW_TYPE, b"".join(digests))

    @override
    def put_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        where = config.get("configurable", {})
        thread_id = str(where["thread_id"])
        special = all(channel in WRITES_IDX_MAP for channel, _ in writes)
        sql = self.UPSERT_CHECKPOINT_WRITES_SQL if special else self.INSERT_CHECKPOINT_WRITES_SQL
        rows = self._dump_writes(thread_id, where["checkpoint_ns"], where["checkpoint_id"], task_id, task_path, writes)

        def put(connection: Rows) -> None:
            with connection.cursor(binary=True) as cursor:
                cursor.executemany(sql, rows)

        self._write(thread_id, where.get(FENCE), put)

    @override
    def delete_thread(self, thread_id: str) -> None:
        def delete(connection: Rows) -> None:
            for table in TABLES:
                connection.execute(DELETE_THREAD.format(table=table).encode(), [str(thread_id)])

        self._write(str(thread_id), None, delete)

    # Pruning and changing

    @override
    def prune(self, thread_ids: Sequence[str] | str, *, strategy: str = "keep_latest", keep: int = 1) -> None:
        """Prune as LangGraph's Postgres saver does.

        Raises:
            ConfigurationError: the strategy is unknown, or `keep` is not 1: this saver keeps one, or turns (``prune_turns``).
            StoreError: the thread's state is stored in differences (``DeltaChannel``), which pruning would tear.
        """
        if keep != 1 or strategy not in {"keep_latest", "delete"}:
            raise ConfigurationError(
                f"prune(strategy={strategy!r}, keep={keep}): on Postgres keep is 1; the strategies are 'keep_latest' and 'delete'."
            )
        threads = [thread_ids] if isinstance(thread_ids, str) else list(thread_ids)
        for thread_id in threads:
            if strategy == "delete":
                self.delete_thread(thread_id)
                continue
            try:
                self._database.patient(lambda thread_id=thread_id: PostgresSaver.prune(self, [thread_id]))
            except NotImplementedError as error:
                raise StoreError(f"Nothing was pruned: {error}. Delete the thread, or leave it as it is.") from error
            self._write(thread_id, None, lambda connection, thread_id=thread_id: _drop_unused(connection, thread_id))

    @override
    def _prune_turns(self, thread_id: str, keep: int) -> None:
        rows = [(row["checkpoint_id"], row["metadata"]) for row in self._all(ABOUT_TURNS, [thread_id])]
        oldest = oldest_kept(thread_id, rows, keep)
        if oldest is None:
            return

        def prune(connection: Rows) -> None:
            for statement in DELETE_OLDER:
                connection.execute(statement, [thread_id, oldest])
            _drop_unused(connection, thread_id)

        self._write(thread_id, None, prune)

    @override
    def rewrite(self, thread_id: str, changes: Changes, fence: Fence | None = None) -> int:
        """Change them as ``Checkpointer.rewrite`` says.

        What several checkpoints share is stored once and becomes what it is in the newest of them.
        """
        changed: list[int] = []

        def change(connection: Rows) -> None:
            count, values = rewrite(connection, thread_id, changes, self.serde)
            changed.append(count)
            named, messages = self._messages.parted(queues_in(values), self.serde)
            with connection.cursor(binary=True) as cursor:
                _insert_messages(cursor, thread_id, messages)
                for key, value in values.items():
                    cursor.execute(CHANGE_BLOB, [*self._stored(value, named.get(key)), thread_id, *key])
            _drop_unused(connection, thread_id)

        self._write(thread_id, fence, change)
        self.forget_cached()
        return changed[-1]

    @override
    def size_bytes(self) -> int:
        """Return how many bytes the tables and their indexes take."""
        return self._database.size_bytes(TABLES)

    @override
    def compact(self) -> None:
        """Rewrite the tables: no byte is left in them of what was deleted or overwritten. All writers wait.

        **Limits**: the server's write-ahead log, its replicas and its backups are its own to keep or delete.
        """
        with self._database.connection() as connection:
            connection.execute(f"VACUUM (FULL) {', '.join(TABLES)}".encode())


def _parted(checkpoint: Checkpoint) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a checkpoint's own row, with the values that JSON holds, and the values that are stored beside it by their versions."""
    inline, blobs = dict[str, Any](), dict[str, Any]()
    for name, value in checkpoint["channel_values"].items():
        if isinstance(value, DeltaSnapshot):
            inline[name] = True
            blobs[name] = value
        elif _is_plain(value):
            inline[name] = value
        else:
            blobs[name] = value
    return {**checkpoint, "channel_values": inline}, blobs


def _is_plain(value: Any) -> bool:
    """Whether a value can stand in ``jsonb`` as it is: no NUL, no half character, no infinity."""
    if isinstance(value, str):
        return "\x00" not in value and not any("\ud800" <= char <= "\udfff" for char in value)
    return value is None or isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value))


def _storable(value: Any) -> Any:
    """Return metadata as ``jsonb`` takes it."""
    if isinstance(value, Mapping):
        pairs = cast("Mapping[Any, Any]", value).items()
        return {str(_storable(str(key))): _storable(one) for key, one in pairs}
    if isinstance(value, list | tuple):
        return [_storable(one) for one in cast("Sequence[Any]", value)]
    if isinstance(value, str):
        return value.replace("\x00", "").encode("utf-8", "replace").decode()
    return value if _is_plain(value) else str(value)


def _insert_messages(cursor: Cursor[Any], thread_id: str, messages: Mapping[bytes, tuple[str, bytes]]) -> None:
    if messages:
        cursor.executemany(INSERT_MESSAGE, [(thread_id, digest, *message) for digest, message in messages.items()])


def _stands(connection: Rows, thread_id: str, namespace: str, checkpoint_id: str | None) -> bool:
    sql = b"SELECT 1 FROM checkpoints WHERE thread_id = %s AND checkpoint_ns = %s AND checkpoint_id = %s"
    return connection.execute(sql, [thread_id, namespace, checkpoint_id]).fetchone() is not None


def _drop_unused(connection: Rows, thread_id: str) -> None:
    """Delete what no checkpoint of a thread names any more, in the transaction that deleted these."""
    connection.execute(DROP_UNUSED_BLOBS, [thread_id, thread_id])
    connection.execute(DROP_UNUSED_MESSAGES, [thread_id, thread_id])
