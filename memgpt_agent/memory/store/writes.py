"""Writing items, their words and their vectors, in one transaction."""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from memgpt_agent.memory.store import words
from memgpt_agent.memory.store.rows import Namespace, encode_value, path_of
from memgpt_agent.memory.store.texts import FieldText, texts_at
from memgpt_agent.memory.store.vectors import Floats

MICROS_A_MINUTE = 60_000_000


class Write(NamedTuple):
    """One item to be written, or deleted (``value`` is None), with all that can be worked out before the transaction."""

    namespace: Namespace
    key: str
    value: str | None
    paths: tuple[str, ...] = ()
    texts: tuple[FieldText, ...] = ()
    ttl_minutes: float | None = None


def prepare(
    namespace: Namespace, key: str, value: Mapping[str, Any] | None, paths: Sequence[str] | None, ttl_minutes: float | None
) -> Write:
    """Return a write; ``paths`` None is an item that is not indexed.

    Raises:
        ValueNotStorable: the value is not JSON.
    """
    if value is None:
        return Write(namespace, key, None)
    text = encode_value(value)
    fields = tuple(texts_at(dict(value), paths)) if paths is not None else ()
    return Write(namespace, key, text, tuple(paths or ()), fields, ttl_minutes)


def texts_to_embed(writes: Sequence[Write]) -> list[str]:
    """Return the distinct texts that need a vector, in order."""
    return list(dict.fromkeys(field.text for write in writes for field in write.texts if field.embed))


class Writer:
    """Applies writes to one open write transaction."""

    def __init__(self, connection: sqlite3.Connection, now: int) -> None:
        self._connection = connection
        self._now = now
        self._namespaces: dict[Namespace, int] = {}
        self._path_sets: dict[tuple[str, ...], int] = {}
        self._item_id = self._last_id("items")
        self._doc_id = self._last_id("docs")
        self._new_items: list[tuple[Any, ...]] = []
        self._new_docs: list[tuple[Any, ...]] = []
        self._new_vectors: list[tuple[Any, ...]] = []
        self._counts: dict[int, int] = {}
        self._doc_high: dict[int, int] = {}

    def _last_id(self, table: str) -> int:
        row = self._connection.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (table,)).fetchone()
        return int(row[0]) if row else 0

    def apply(self, writes: Sequence[Write], vectors: Mapping[str, Floats]) -> None:
        """Write all of them; of several of one key only the last must be given. ``vectors`` are unit rows by text."""
        for write in writes:
            namespace_id = self._namespace_id(write.namespace)
            row = self._connection.execute(
                "SELECT id, doc FROM items WHERE ns = ? AND key = ?", (namespace_id, write.key)
            ).fetchone()
            if row and row[1] is not None:
                self._bury(namespace_id, row[1])
            if write.value is None:
                if row:
                    self._connection.execute("DELETE FROM items WHERE id = ?", (row[0],))
                    self._count(namespace_id, -1)
            else:
                self._put(namespace_id, row[0] if row else None, write, vectors)
        self._flush()

    def delete_items(self, rows: Sequence[tuple[int, int, int | None]]) -> None:
        """Delete items given as (id, namespace id, document id)."""
        for item, namespace_id, doc in rows:
            if doc is not None:
                self._bury(namespace_id, doc)
            self._connection.execute("DELETE FROM items WHERE id = ?", (item,))
            self._count(namespace_id, -1)
        self._flush()

    def _put(self, namespace_id: int, item: int | None, write: Write, vectors: Mapping[str, Floats]) -> None:
        doc = None
        known = item is not None
        if item is None:
            self._item_id += 1
            item = self._item_id
        if write.texts:
            doc = self._index(namespace_id, item, write, vectors)
        expires = None if write.ttl_minutes is None else self._now + round(write.ttl_minutes * MICROS_A_MINUTE)
        if known:
            self._connection.execute(
                "UPDATE items SET value = ?, updated = ?, doc = ?, ttl_minutes = ?, expires = ? WHERE id = ?",
                (write.value, self._now, doc, write.ttl_minutes, expires, item),
            )
        else:
            self._new_items.append(
                (item, namespace_id, write.key, write.value, self._now, self._now, doc, write.ttl_minutes, expires)
            )
            self._count(namespace_id, 1)

    def _index(self, namespace_id: int, item: int, write: Write, vectors: Mapping[str, Floats]) -> int:
        self._doc_id += 1
        doc = self._doc_id
        found = words.tokens("\n".join(field.text for field in write.texts))
        self._new_docs.append(
            (doc, namespace_id, item, self._path_set(write.paths), len(found), words.as_indexed(namespace_id, found))
        )
        for field in write.texts:
            if field.embed and field.text in vectors:
                self._new_vectors.append((namespace_id, doc, field.path, vectors[field.text].tobytes()))
        self._doc_high[namespace_id] = doc
        return doc

    def _bury(self, namespace_id: int, doc: int) -> None:
        execute = self._connection.execute
        execute("INSERT INTO words (words, rowid, tokens) SELECT 'delete', id, tokens FROM docs WHERE id = ?", (doc,))
        execute("DELETE FROM vectors WHERE ns = ? AND doc = ?", (namespace_id, doc))
        execute("DELETE FROM docs WHERE id = ?", (doc,))
        tombstone = execute("INSERT INTO tombstones (ns, doc) VALUES (?, ?)", (namespace_id, doc)).lastrowid
        execute("UPDATE namespaces SET tombstone_high = ? WHERE id = ?", (tombstone, namespace_id))

    def _flush(self) -> None:
        many = self._connection.executemany
        many(
            "INSERT INTO items (id, ns, key, value, created, updated, doc, ttl_minutes, expires) VALUES (?,?,?,?,?,?,?,?,?)",
            self._new_items,
        )
        many("INSERT INTO docs (id, ns, item, paths, length, tokens) VALUES (?,?,?,?,?,?)", self._new_docs)
        many("INSERT INTO words (rowid, tokens) VALUES (?, ?)", [(doc[0], doc[5]) for doc in self._new_docs])
        many("INSERT INTO vectors (ns, doc, path, vector) VALUES (?,?,?,?)", self._new_vectors)
        many("UPDATE namespaces SET items = items + ? WHERE id = ?", [(n, ns) for ns, n in self._counts.items()])
        many("UPDATE namespaces SET doc_high = ? WHERE id = ?", [(high, ns) for ns, high in self._doc_high.items()])

    def _count(self, namespace_id: int, change: int) -> None:
        self._counts[namespace_id] = self._counts.get(namespace_id, 0) + change

    def _namespace_id(self, namespace: Namespace) -> int:
        known = self._namespaces.get(namespace)
        if known is None:
            path = path_of(namespace)
            row: Any = self._connection.execute("SELECT id FROM namespaces WHERE path = ?", (path,)).fetchone()
            if row is None:
                row = (self._connection.execute("INSERT INTO namespaces (path) VALUES (?)", (path,)).lastrowid,)
            known = self._namespaces[namespace] = int(row[0])
        return known

    def _path_set(self, paths: tuple[str, ...]) -> int:
        known = self._path_sets.get(paths)
        if known is None:
            text = json.dumps(paths)
            row: Any = self._connection.execute("SELECT id FROM path_sets WHERE paths = ?", (text,)).fetchone()
            if row is None:
                row = (self._connection.execute("INSERT INTO path_sets (paths) VALUES (?)", (text,)).lastrowid,)
            known = self._path_sets[paths] = int(row[0])
        return known
