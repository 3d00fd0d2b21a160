"""Writing items, their words and their vectors, in one transaction."""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from memgpt_agent.store.arrays import Floats
from memgpt_agent.store.fields import texts_at
from memgpt_agent.store.index import postings as words
from memgpt_agent.store.operations import Write
from memgpt_agent.store.protocol import Namespace
from memgpt_agent.store.rows import decode_value, path_of
from memgpt_agent.store.sqlite.identity import columns_of, fields_of, known_identity
from memgpt_agent.store.sqlite.tag_index import HAS_TAGS, TagIndex
from memgpt_agent.store.sqlite.tombstones import record

MICROS_A_MINUTE = 60_000_000
_STANDS = (
    "SELECT ifnull((SELECT seq FROM sqlite_sequence WHERE name = 'items'), 0), ifnull((SELECT seq FROM sqlite_sequence WHERE name = 'docs'), 0),"
    " (SELECT value FROM meta WHERE key = 'space'), (SELECT value FROM meta WHERE key = 'fields')"
)
"""What a write goes by, in one statement: the last ids, the vectors in force, the declared fields."""
_KEYS_AT_ONCE = 256


def refresh(connection: sqlite3.Connection, items: Sequence[int], now: int) -> None:
    """Let the time of these items start over, where they have one; in the caller's write transaction."""
    connection.executemany(
        f"UPDATE items SET expires = CAST(? + ttl_minutes * {MICROS_A_MINUTE} AS INTEGER) WHERE id = ? AND ttl_minutes IS NOT NULL",
        [(now, item) for item in items],
    )


class PendingDoc(NamedTuple):
    """A document that waits for its vectors, and the texts of it that are embedded, by path."""

    id: int
    namespace_id: int
    item: int
    paths: int
    length: int
    tokens: str
    texts: list[tuple[str, str]]


def pending_docs(connection: sqlite3.Connection, limit: int) -> list[PendingDoc]:
    """Return documents that wait for their vectors, the oldest first."""
    rows = connection.execute(
        "SELECT docs.id, docs.ns, docs.item, docs.paths, docs.length, docs.tokens, items.value, path_sets.paths FROM pending"
        " JOIN docs ON docs.id = pending.doc JOIN items ON items.doc = docs.id JOIN path_sets ON path_sets.id = docs.paths"
        " ORDER BY docs.id LIMIT ?",
        (limit,),
    ).fetchall()
    found: list[PendingDoc] = []
    for doc, namespace_id, item, path_set, length, tokens, value, paths in rows:
        fields = texts_at(decode_value(value), json.loads(paths))
        texts = [(field.path, field.text) for field in fields if field.embed]
        found.append(PendingDoc(doc, namespace_id, item, path_set, length, tokens, texts))
    return found


class Writer:
    """Applies writes to one open write transaction: first all that is deleted, then all that is new, a table at a time."""

    def __init__(self, connection: sqlite3.Connection, now: int, tombstones_kept: int) -> None:
        self._connection = connection
        self._tombstones_kept = tombstones_kept
        self._now = now
        self._path_sets: dict[tuple[str, ...], int] = {}
        stands: Sequence[Any] = connection.execute(_STANDS).fetchone()
        self._item_id, self._doc_id, self._space = (int(number) for number in stands[:3])
        self._fields = fields_of(stands[3])
        self._buried: list[tuple[int, int]] = []
        self._deleted: list[tuple[int]] = []
        self._updated: list[tuple[Any, ...]] = []
        self._new_items: list[tuple[Any, ...]] = []
        self._new_docs: list[tuple[Any, ...]] = []
        self._new_vectors: list[tuple[Any, ...]] = []
        self._counts: dict[int, int] = {}
        self._doc_high: dict[int, int] = {}
        self._tag_index = TagIndex(connection, self._fields)
        self._with_tags: set[int] = set()
        self._pending: list[tuple[int]] = []

    def apply(self, writes: Sequence[Write], vectors: Mapping[str, Floats]) -> None:
        """Put and delete items, one write for each key; ``vectors`` are unit rows by text."""
        by_namespace: dict[Namespace, list[str]] = {}
        for write in writes:
            by_namespace.setdefault(write.namespace, []).append(write.key)
        places = {namespace: self._known(namespace, keys) for namespace, keys in by_namespace.items()}
        for write in writes:
            namespace_id, known = places[write.namespace]
            item, doc = known.get(write.key, (None, None))
            if doc is not None:
                self._buried.append((doc, namespace_id))
            if write.value is not None:
                self._put(namespace_id, item, write, vectors)
            elif item is not None:
                self._delete(namespace_id, item)
        self._flush()

    def delete_expired(self, limit: int) -> int:
        """Delete what has expired, the first ``limit`` items; return how many."""
        rows: list[tuple[int, int, int | None]] = self._connection.execute(
            "SELECT id, ns, doc FROM items WHERE expires <= ? ORDER BY expires LIMIT ?", (self._now, limit)
        ).fetchall()
        for item, namespace_id, doc in rows:
            if doc is not None:
                self._buried.append((doc, namespace_id))
            self._with_tags.add(namespace_id)  # perhaps it has none
            self._delete(namespace_id, item)
        self._flush()
        return len(rows)

    def embed_later(self, docs: Sequence[PendingDoc], vectors: Mapping[str, Floats]) -> int:
        """Give documents that waited for their vectors new ids, under which every index learns of them; return how many.

        As if their items had been put again, but for the items' own values and times.
        """
        moved: list[tuple[int, int]] = []
        marks = ",".join("?" * len(docs))
        waiting = {int(row[0]) for row in self._connection.execute(
            f"SELECT doc FROM pending JOIN docs ON docs.id = doc WHERE doc IN ({marks})", [old.id for old in docs]
        )}  # fmt: skip
        for old in docs:
            if old.id in waiting:
                self._doc_id = doc = self._doc_id + 1
                self._buried.append((old.id, old.namespace_id))
                self._new_docs.append((doc, old.namespace_id, old.item, old.paths, old.length, old.tokens))
                self._new_vectors += [(self._space, old.namespace_id, doc, path, vectors[text].tobytes()) for path, text in old.texts]
                self._doc_high[old.namespace_id] = doc
                moved.append((doc, old.item))
        self._flush()
        self._many("UPDATE items SET doc = ? WHERE id = ?", moved)
        self._connection.execute("DELETE FROM pending WHERE doc NOT IN (SELECT id FROM docs)")
        return len(moved)

    def _known(self, namespace: Namespace, keys: list[str]) -> tuple[int, dict[str, tuple[int, int | None]]]:
        """Return the namespace's id and, of these keys, those that are stored with their item and document."""
        execute = self._connection.execute
        path = path_of(namespace)
        row: Any = execute(f"SELECT id, items, {HAS_TAGS} FROM namespaces WHERE path = ?", (path,)).fetchone()
        if row is None:
            return int(execute("INSERT INTO namespaces (path) VALUES (?)", (path,)).lastrowid or 0), {}
        if row[2]:
            self._with_tags.add(int(row[0]))
        known: dict[str, tuple[int, int | None]] = {}
        for start in range(0, len(keys) if row[1] else 0, _KEYS_AT_ONCE):
            part = keys[start : start + _KEYS_AT_ONCE]
            marks = ",".join("?" * len(part))
            for found in execute(f"SELECT key, id, doc FROM items WHERE ns = ? AND key IN ({marks})", (row[0], *part)):
                known[found[0]] = (found[1], found[2])
        return int(row[0]), known

    def _delete(self, namespace_id: int, item: int) -> None:
        self._deleted.append((item,))
        self._unlist(namespace_id, item)
        self._counts[namespace_id] = self._counts.get(namespace_id, 0) - 1

    def _unlist(self, namespace_id: int, item: int) -> None:
        if namespace_id in self._with_tags:
            self._tag_index.remove(item)

    def _put(self, namespace_id: int, item: int | None, write: Write, vectors: Mapping[str, Floats]) -> None:
        expires = None if write.ttl_minutes is None else self._now + round(write.ttl_minutes * MICROS_A_MINUTE)
        if item is not None:
            self._unlist(namespace_id, item)
            self._tag_index.add(namespace_id, item, write.fields)
            doc = self._index(namespace_id, item, write, vectors) if write.texts else None
            row = (write.value, self._now, doc, write.ttl_minutes, expires, *columns_of(write.fields, self._fields), item)
            self._updated.append(row)
            return
        self._item_id = item = self._item_id + 1
        self._tag_index.add(namespace_id, item, write.fields)
        doc = self._index(namespace_id, item, write, vectors) if write.texts else None
        self._new_items.append(
            (
                item,
                namespace_id,
                write.key,
                write.value,
                self._now,
                self._now,
                doc,
                write.ttl_minutes,
                expires,
                *columns_of(write.fields, self._fields),
            )
        )
        self._counts[namespace_id] = self._counts.get(namespace_id, 0) + 1

    def _index(self, namespace_id: int, item: int, write: Write, vectors: Mapping[str, Floats]) -> int:
        self._doc_id = doc = self._doc_id + 1
        tokens = words.as_indexed(namespace_id, write.words)
        paths = self._path_sets.get(write.paths) or self._path_set(write.paths)
        self._new_docs.append((doc, namespace_id, item, paths, write.length, tokens))
        if vectors:
            for field in write.texts:
                if field.embed and field.text in vectors:
                    self._new_vectors.append(
                        (self._space, namespace_id, doc, field.path, vectors[field.text].tobytes())
                    )
        if any(field.embed and field.text not in vectors for field in write.texts):
            self._pending.append((doc,))
        self._doc_high[namespace_id] = doc
        return doc

    def _flush(self) -> None:
        many = self._many
        self._tag_index.flush()
        if self._buried or self._deleted:
            self._flush_deleted()
        many(
            "UPDATE items SET value = ?, updated = ?, doc = ?, ttl_minutes = ?, expires = ?, time = ?, thread = ? WHERE id = ?",
            self._updated,
        )
        many(
            "INSERT INTO items (id, ns, key, value, created, updated, doc, ttl_minutes, expires, time, thread)"
            " VALUES (?,?,?,?,?,?,?,?,?,?,?)",
            self._new_items,
        )
        many("INSERT INTO docs (id, ns, item, paths, length, tokens) VALUES (?,?,?,?,?,?)", self._new_docs)
        many("INSERT INTO words (rowid, tokens) VALUES (?, ?)", [(doc[0], doc[5]) for doc in self._new_docs])
        many("INSERT INTO vector_rows (space, ns, doc, path, vector) VALUES (?,?,?,?,?)", self._new_vectors)
        if self._pending and known_identity(self._connection):
            many("INSERT INTO pending (doc) VALUES (?)", self._pending)
        many(
            "UPDATE namespaces SET items = items + ?, doc_high = ifnull(?, doc_high) WHERE id = ?",
            [(self._counts.get(ns, 0), self._doc_high.get(ns), ns) for ns in self._counts.keys() | self._doc_high.keys()],
        )

    def _flush_deleted(self) -> None:
        many = self._many
        # Ascending: FTS5 writes out what it has gathered whenever a rowid is lower than the one before.
        self._buried.sort()
        docs = [(doc,) for doc, _ in self._buried]
        many("INSERT INTO words (words, rowid, tokens) SELECT 'delete', id, tokens FROM docs WHERE id = ?", docs)
        many("DELETE FROM vector_rows WHERE doc = ? AND ns = ?", self._buried)
        many("DELETE FROM docs WHERE id = ?", docs)
        many("DELETE FROM items WHERE id = ?", self._deleted)
        if self._buried:
            record(self._connection, self._buried, self._tombstones_kept)

    def _many(self, sql: str, rows: Sequence[tuple[Any, ...]]) -> None:
        if rows:
            self._connection.executemany(sql, rows)

    def _path_set(self, paths: tuple[str, ...]) -> int:
        text = json.dumps(paths)
        row: Any = self._connection.execute("SELECT id FROM path_sets WHERE paths = ?", (text,)).fetchone()
        if row is None:
            row = (self._connection.execute("INSERT INTO path_sets (paths) VALUES (?)", (text,)).lastrowid,)
        self._path_sets[paths] = known = int(row[0])
        return known
