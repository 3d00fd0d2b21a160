"""The messages of a thread, each stored once in its own table, however many checkpoints hold it."""

import sqlite3
import threading
import weakref
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, TypeGuard, TypeVar, cast

from langchain_core.messages import BaseMessage
from langgraph.checkpoint.serde.base import SerializerProtocol
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from typing_extensions import override

ROW_TYPE = "msgpack+messages"
"""The type of a checkpoint's row that names messages of the table; rows of LangGraph's own type hold everything themselves."""

TABLE = """CREATE TABLE IF NOT EXISTS queue_messages (
    thread_id TEXT NOT NULL,
    digest BLOB NOT NULL,
    type TEXT NOT NULL,
    message BLOB NOT NULL,
    PRIMARY KEY (thread_id, digest)
) WITHOUT ROWID"""

_QUEUES = "memgpt_queues"
"""The key of a stored checkpoint for how many messages each of its queues has."""
DIGEST_BYTES = 16
_COUNT_BYTES = 4
_CONTAINERS = {dict, list}
Name = TypeVar("Name")
_KNOWN_ROWS = 1_024
"""Of so many threads it is remembered which messages the newest checkpoint has, so that they are not written again."""
_KEPT_MESSAGES = 4_096
_KEPT_BYTES = 8 * 1024 * 1024
"""How many recently used messages, and how many stored bytes of them, are kept in memory for all threads together.

A short message takes 3.3 kB there, ten times what is stored of it.
"""


class RowSerializer(JsonPlusSerializer):
    """LangGraph's serializer, which also reads the rows that name their messages: without these, which are put back later."""

    @override
    def loads_typed(self, data: tuple[str, bytes]) -> Any:
        kind, row = data
        if kind != ROW_TYPE:
            return super().loads_typed(data)
        digests = digests_of(row)
        checkpoint = super().loads_typed(("msgpack", row[_COUNT_BYTES + len(digests) * DIGEST_BYTES :]))
        checkpoint[_QUEUES] = (checkpoint[_QUEUES], digests)
        return checkpoint


def digests_of(row: bytes) -> list[bytes]:
    """Return the digests of the messages that a row of ``ROW_TYPE`` names, in order."""
    count = int.from_bytes(row[:_COUNT_BYTES], "big")
    return cut_digests(row[_COUNT_BYTES : _COUNT_BYTES + count * DIGEST_BYTES])


def cut_digests(joined: bytes) -> list[bytes]:
    """Return the digests that stand one behind the other in some bytes."""
    return [joined[at : at + DIGEST_BYTES] for at in range(0, len(joined), DIGEST_BYTES)]


@dataclass(frozen=True)
class Row:
    """A checkpoint as it is stored: the bytes of its own row, and the messages that it names."""

    value: bytes
    digests: frozenset[bytes]
    messages: Mapping[bytes, tuple[str, bytes]]
    """Type and bytes by their digests, of the messages that have to be written."""


@dataclass
class _Kept:
    message: Any
    """As it is read: not a message where its class may not be restored. It is never handed out."""
    type: str
    stored: bytes
    shared: Any = None
    """The copy that all trusted readers are given."""


class MessageTable:
    """Parts checkpoints from their messages, and puts them together again; the messages used last stay in memory.

    A message is known again by being the same object, unchanged, or by its bytes. What is handed out is a copy: whoever
    changes it changes nothing here, and when a changed message is stored it is stored as it is then.

    Whoever is trusted to change no message in place is given the same objects at each read, and they are known by identity alone.
    Should one be changed all the same, the next read gives a fresh copy of what is stored (ADR 0220).
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[bytes, _Kept] = OrderedDict()
        self._bytes = 0
        self._seen: dict[int, tuple[weakref.ref[BaseMessage], bytes]] = {}
        self._lock = threading.Lock()

    def split(
        self, checkpoint: Mapping[str, Any], serde: SerializerProtocol, there: frozenset[bytes] = frozenset(), *, trusted: bool = False
    ) -> Row | None:
        """Return how a checkpoint is stored; ``None`` if no channel holds a list of messages.

        Args:
            checkpoint: as LangGraph gives it.
            serde: writes it.
            there: digests of messages that are in the file already.
            trusted: whether nobody changes in place what was read or stored before.
        """
        values: dict[str, Any] = checkpoint["channel_values"]
        queues = queues_in(values)
        if not queues:
            return None
        named, messages = self.parted(queues, serde, there, trusted=trusted)
        digests = [digest for of in named.values() for digest in of]
        rest = {
            **checkpoint,
            "channel_values": {name: value for name, value in values.items() if name not in queues},
            _QUEUES: {name: len(queue) for name, queue in queues.items()},
        }
        head = len(digests).to_bytes(_COUNT_BYTES, "big") + b"".join(digests)
        return Row(head + serde.dumps_typed(rest)[1], frozenset(digests), messages)

    def parted(
        self, queues: Mapping[Name, list[BaseMessage]], serde: SerializerProtocol, there: frozenset[bytes] = frozenset(), *,
        trusted: bool = False,
    ) -> tuple[dict[Name, list[bytes]], Mapping[bytes, tuple[str, bytes]]]:
        """Return the digests of each queue's messages, in order, and by digest those that are not ``there`` as they are stored."""
        with self._lock:
            named = {name: self._digests(queue, serde, trusted) for name, queue in queues.items()}
            new = {digest for digests in named.values() for digest in digests} - there
            messages = {digest: (self._kept[digest].type, self._kept[digest].stored) for digest in new}
            self._shrink()
        return named, messages

    def missing(self, checkpoint: Mapping[str, Any]) -> list[bytes]:
        """Return the digests of a loaded checkpoint whose messages have to be read first."""
        _, digests = checkpoint.get(_QUEUES, ({}, ()))
        return self.unknown(digests)

    def unknown(self, digests: Iterable[bytes]) -> list[bytes]:
        """Return those of the digests whose messages have to be read first, each once."""
        with self._lock:
            return [digest for digest in dict.fromkeys(digests) if digest not in self._kept]

    def join(
        self, checkpoint: dict[str, Any], read: Mapping[bytes, tuple[str, bytes]], serde: SerializerProtocol, *, trusted: bool = False
    ) -> bool:
        """Put the messages back into a loaded checkpoint; return whether all were there.

        Args:
            checkpoint: as the serializer gave it; changed in place.
            read: type and bytes of the messages that were missing.
            serde: reads the bytes.
            trusted: whether the reader changes no message in place, and may be given the same objects as others of its kind.
        """
        sizes, digests = checkpoint.pop(_QUEUES, ({}, ()))
        loaded = self.loaded(digests, read, serde, trusted=trusted)
        if loaded is None:
            return False
        at = 0
        for name, size in cast(dict[str, int], sizes).items():
            checkpoint["channel_values"][name] = loaded[at : at + size]
            at += size
        return True

    def loaded(
        self, digests: Iterable[bytes], read: Mapping[bytes, tuple[str, bytes]], serde: SerializerProtocol, *, trusted: bool = False
    ) -> list[Any] | None:
        """Return the messages of these digests; ``None`` if one is neither known nor among those ``read``.

        They are copies, unless the reader is ``trusted`` as :meth:`join` says.
        """
        loaded: list[Any] = []
        with self._lock:
            for digest in digests:
                if digest not in self._kept and digest not in read:
                    return None
                loaded.append(self._handed_out(digest, read.get(digest), serde, trusted))
            self._shrink()
        return loaded

    def _digests(self, messages: Sequence[BaseMessage], serde: SerializerProtocol, trusted: bool) -> list[bytes]:
        seen, kept, digests = self._seen, self._kept, list[bytes]()
        for message in messages:  # for nearly all of a queue, at every step: as little as can be is done here
            known = seen.get(id(message))
            if (
                known is not None
                and known[0]() is message
                and known[1] in kept
                and (trusted or _same(kept[known[1]].message, message))
            ):
                digests.append(known[1])
            else:
                digests.append(self._stored(message, serde))
        return digests

    def _stored(self, message: BaseMessage, serde: SerializerProtocol) -> bytes:
        kind, stored = serde.dumps_typed(message)
        digest = blake2b(stored, digest_size=DIGEST_BYTES).digest()
        if digest not in self._kept:
            self._keep(digest, serde.loads_typed((kind, stored)), kind, stored)
        self._see(message, digest)
        return digest

    def _handed_out(self, digest: bytes, read: tuple[str, bytes] | None, serde: SerializerProtocol, trusted: bool) -> Any:
        if digest not in self._kept:
            kind, stored = cast(tuple[str, bytes], read)
            self._keep(digest, serde.loads_typed((kind, stored)), kind, stored)
        kept = self._kept[digest]
        self._kept.move_to_end(digest)
        if trusted and kept.shared is not None and _same(kept.message, kept.shared):
            return kept.shared
        copy = _copied(kept.message)
        if isinstance(copy, BaseMessage):
            self._see(copy, digest)
            kept.shared = copy if trusted else kept.shared
        return copy

    def _keep(self, digest: bytes, message: Any, kind: str, stored: bytes) -> None:
        self._kept[digest] = _Kept(message, kind, stored)
        self._bytes += len(stored)

    def _see(self, message: BaseMessage, digest: bytes) -> None:
        place = id(message)
        self._seen[place] = (weakref.ref(message, lambda _: self._seen.pop(place, None)), digest)

    def _shrink(self) -> None:
        while self._bytes > _KEPT_BYTES or len(self._kept) > _KEPT_MESSAGES:
            _, old = self._kept.popitem(last=False)
            self._bytes -= len(old.stored)


class NewestRows:
    """Which messages the newest checkpoint of each thread has, as far as it was put here."""

    def __init__(self) -> None:
        self._rows: OrderedDict[tuple[str, str], tuple[str, frozenset[bytes]]] = OrderedDict()
        self._lock = threading.Lock()

    def messages_of(self, thread_id: str, namespace: str, checkpoint_id: str | None) -> frozenset[bytes]:
        """Return the digests of a checkpoint's messages if it is the newest; else none."""
        with self._lock:
            newest, digests = self._rows.get((thread_id, namespace), ("", frozenset[bytes]()))
        return digests if newest == checkpoint_id else frozenset()

    def note(self, thread_id: str, namespace: str, checkpoint_id: str, digests: frozenset[bytes]) -> None:
        """Remember the messages of a checkpoint that was put."""
        with self._lock:
            self._rows[(thread_id, namespace)] = (checkpoint_id, digests)
            self._rows.move_to_end((thread_id, namespace))
            if len(self._rows) > _KNOWN_ROWS:
                self._rows.popitem(last=False)


def read_messages(
    cursor: sqlite3.Cursor, thread_id: str, digests: Sequence[bytes]
) -> dict[bytes, tuple[str, bytes]]:
    """Return type and bytes of these messages of a thread; those that are not there are left out."""
    found: dict[bytes, tuple[str, bytes]] = {}
    for digest in digests:
        row = cursor.execute(
            "SELECT type, message FROM queue_messages WHERE thread_id = ? AND digest = ?", (thread_id, digest)
        ).fetchone()
        if row is not None:
            found[digest] = row
    return found


def write_messages(cursor: sqlite3.Cursor, thread_id: str, messages: Mapping[bytes, tuple[str, bytes]]) -> None:
    """Write messages of a row, in its transaction; those that are there stay as they are."""
    cursor.executemany(
        "INSERT OR IGNORE INTO queue_messages (thread_id, digest, type, message) VALUES (?, ?, ?, ?)",
        [(thread_id, digest, *message) for digest, message in messages.items()],
    )


def drop_unused(cursor: sqlite3.Cursor, thread_id: str) -> None:
    """Delete the messages of a thread that none of its checkpoints names any more, in the transaction that deleted these."""
    rows = cursor.execute("SELECT checkpoint FROM checkpoints WHERE thread_id = ? AND type = ?", (thread_id, ROW_TYPE))
    used = {digest for (row,) in rows for digest in digests_of(row)}
    there = cursor.execute("SELECT digest FROM queue_messages WHERE thread_id = ?", (thread_id,)).fetchall()
    cursor.executemany(
        "DELETE FROM queue_messages WHERE thread_id = ? AND digest = ?",
        [(thread_id, digest) for (digest,) in there if digest not in used],
    )


def queues_in(values: Mapping[Name, Any]) -> dict[Name, list[BaseMessage]]:
    """Return the values that are lists of messages, by their names."""
    return {name: value for name, value in values.items() if _is_queue(value)}


def _is_queue(value: Any) -> TypeGuard[list[BaseMessage]]:
    items = cast(list[Any], value) if isinstance(value, list) else []
    return bool(items) and all(issubclass(kind, BaseMessage) for kind in set(map(type, items)))


def _same(kept: Any, message: BaseMessage) -> bool:
    if type(kept) is not type(message) or kept.__dict__ != message.__dict__:
        return False
    return bool(kept.__pydantic_extra__ == message.__pydantic_extra__)  # `model_extra` is the same, but slow


def _copied(message: Any) -> Any:
    """Return a copy of a message that shares no list or dict with it."""
    if not isinstance(message, BaseMessage):
        return message
    copy = message.model_copy()
    fields = cast(dict[str, Any], copy.__dict__)
    for name, value in message.__dict__.items():
        if type(value) in _CONTAINERS:
            fields[name] = _unshared(value)
    return copy


def _unshared(value: Any) -> Any:
    """Return a copy of a list or dict and of those within it."""
    if type(value) is dict:
        items = cast(dict[Any, Any], value).items()
        return {key: _unshared(item) if type(item) in _CONTAINERS else item for key, item in items}
    return [_unshared(item) if type(item) in _CONTAINERS else item for item in value]
