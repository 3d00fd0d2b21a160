"""Reading items within one transaction: get, search, find, newest, count, list namespaces."""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

from langgraph.store.base import GetOp, Item, SearchItem

from memgpt_agent.store.fields import Fields
from memgpt_agent.store.filters import Filter
from memgpt_agent.store.operations import Newest
from memgpt_agent.store.protocol import IndexedItem, Namespace, Tally
from memgpt_agent.store.ranking import RankedItem
from memgpt_agent.store.reading import ITEM_COLUMNS, ItemReading
from memgpt_agent.store.rows import as_item, decode_value, namespace_of, path_of
from memgpt_agent.store.sqlite.filter_sql import Condition, columns_in, to_sql
from memgpt_agent.store.sqlite.identity import known_fields
from memgpt_agent.store.sqlite.searches import Searcher
from memgpt_agent.store.sqlite.tag_index import among, most_used

_MANY = 500


class ItemReader(ItemReading):
    """Answers reads in one transaction's snapshot.

    Args:
        connection: inside a transaction.
        searcher: for ranked searches in the same transaction.
        now: hide what expired before this (microseconds), or None to show all.
    """

    def __init__(self, connection: sqlite3.Connection, searcher: Searcher, now: int | None) -> None:
        super().__init__(searcher)
        self._connection = connection
        self._now = now
        self._alive = "1" if now is None else f"(items.expires IS NULL OR items.expires > {now})"

    def get(self, op: GetOp) -> Item | None:
        """Return one item."""
        where = f"ns = (SELECT id FROM namespaces WHERE path = ?) AND key = ? AND {self._alive}"
        for row in self._execute(f"SELECT {ITEM_COLUMNS} FROM items WHERE {where}", [path_of(op.namespace), op.key]):
            self._touch(row)
            return as_item(op.namespace, row)
        return None

    def newest(self, asked: Newest) -> list[SearchItem]:
        """Return items of one namespace by a field of the value, highest first."""
        namespace_id = self._namespace_id(asked.namespace)
        place = f"items.value, '$.\"{asked.by}\"'"
        order = (
            "items.time"
            if asked.by == self._fields.ordered
            else (f"CASE WHEN json_type({place}) IN ('text', 'integer', 'real') THEN json_extract({place}) END")
        )
        where = f"FROM items WHERE items.ns = ? AND {self._alive}"
        return self._page(
            where, f"ORDER BY {order} DESC, items.id DESC", [namespace_id], asked.filter, asked.limit, asked.offset
        )

    def count(self, namespace: Namespace, filter: Filter | None) -> int:
        """Return how many items of one namespace pass the filter."""
        row = self._execute("SELECT id, items FROM namespaces WHERE path = ?", [path_of(namespace)]).fetchone()
        if row is None:
            return 0
        namespace_id, items = row
        if not filter:
            gone = "SELECT count(*) FROM items WHERE expires <= ? AND +ns = ?"
            return int(items) - (
                0 if self._now is None else int(self._execute(gone, [self._now, namespace_id]).fetchone()[0])
            )
        condition = self._condition(filter)
        sql = f"SELECT count(*) FROM items WHERE items.ns = ? AND {self._alive} AND {condition.sql}"
        return int(self._execute(sql, [namespace_id, *condition.parameters]).fetchone()[0])

    def tally(self, namespace: Namespace, limit: int) -> Tally:
        """Return how many items one namespace holds, and the tags that most of them have."""
        namespace_id = self._namespace_id(namespace)
        tags = [] if namespace_id is None else most_used(self._connection, namespace_id, limit)
        return Tally(self.count(namespace, None), tags)

    def _every_namespace(self) -> list[Namespace]:
        shown = (
            "1"
            if self._now is None
            else f"EXISTS (SELECT 1 FROM items WHERE items.ns = namespaces.id AND {self._alive})"
        )
        rows = self._connection.execute(f"SELECT path FROM namespaces WHERE items > 0 AND {shown}")
        return [namespace_of(row[0]) for row in rows]

    def _unranked(
        self, namespaces: Sequence[tuple[int, int]], filter: Filter | None, limit: int, offset: int
    ) -> list[SearchItem]:
        if min(limit, offset) < 0:  # as a list's slice would have it
            every = self._unranked(namespaces, filter, 1 << 62, 0)
            return every[offset : offset + limit]
        found: list[SearchItem] = []
        where = f"FROM items WHERE items.ns = ? AND {self._alive}"
        for namespace_id, items in namespaces:
            if len(found) == limit:
                break
            if not filter and self._alive == "1" and 0 < items <= offset:
                offset -= items
                continue
            wanted = limit - len(found) + offset if len(namespaces) > 1 else limit
            skip = 0 if len(namespaces) > 1 else offset
            page = self._page(where, "ORDER BY items.id", [namespace_id], filter, wanted, skip)
            if len(namespaces) > 1:
                page, offset = page[offset:], max(offset - len(page), 0)
            found += page
        return found

    def _page(
        self, where: str, order: str, parameters: list[Any], filter: Filter | None, limit: int, offset: int
    ) -> list[SearchItem]:
        """``parameters`` are those of ``where``: the namespace's id."""
        condition, indexed = self._condition(filter), self._among(filter, parameters[0])
        if indexed is not None:
            where, parameters = f"{where} AND {indexed.sql}", [*parameters, *indexed.parameters]
        sql = f"SELECT {ITEM_COLUMNS} {where} AND {condition.sql} {order} LIMIT ? OFFSET ?"
        rows = self._execute(sql, [*parameters, *condition.parameters, limit, offset])
        return [self._item(row) for row in rows.fetchall()]

    def _condition(self, filter: Filter | None) -> Condition:
        return to_sql(filter, columns_in(self._fields) if filter else {})

    def _among(self, filter: Filter | None, namespace_id: int) -> Condition | None:
        return among(filter, namespace_id, self._fields.listed) if filter else None

    @cached_property
    def _fields(self) -> Fields:
        return known_fields(self._connection)

    def _unindexed(self, namespace_id: int, filter: Filter | None, limit: int) -> list[RankedItem]:
        where = f"FROM items WHERE items.ns = ? AND items.doc IS NULL AND {self._alive}"
        condition = self._condition(filter)
        sql = f"SELECT items.id {where} AND {condition.sql} ORDER BY items.id LIMIT ?"
        rows = self._execute(sql, [namespace_id, *condition.parameters, limit])
        return [RankedItem(None, namespace_id, row[0]) for row in rows]

    def _rows_of(self, items: Sequence[int]) -> list[Any]:
        rows: list[Any] = []
        for start in range(0, len(items), _MANY):
            ids = items[start : start + _MANY]
            marks = ",".join("?" * len(ids))
            rows += self._execute(f"SELECT {ITEM_COLUMNS} FROM items WHERE id IN ({marks})", ids)
        return rows

    def _stored_path(self, namespace_id: int) -> Namespace:
        row = self._execute("SELECT path FROM namespaces WHERE id = ?", [namespace_id]).fetchone()
        return namespace_of(row[0])

    def _namespace_id(self, namespace: Namespace) -> int | None:
        row = self._execute("SELECT id FROM namespaces WHERE path = ?", [path_of(namespace)]).fetchone()
        if row is None:
            return None
        self._paths[row[0]] = namespace
        return int(row[0])

    def _namespaces_under(self, prefix: Namespace) -> list[tuple[int, int]]:
        path = path_of(prefix)
        asked = "SELECT id, items, path FROM namespaces WHERE"
        if not prefix:
            rows = self._execute(f"{asked} items > 0", []).fetchall()
        else:  # "/" is the character after "."
            sql = f"{asked} path = ? UNION ALL {asked} path > ? AND path < ?"
            rows = self._execute(sql, [path, path + ".", path + "/"]).fetchall()
        self._paths.update({row[0]: namespace_of(row[2]) for row in rows})
        return sorted((int(row[0]), int(row[1])) for row in rows if row[1])

    def _execute(self, sql: str, parameters: Sequence[Any]) -> sqlite3.Cursor:
        return self._connection.execute(sql, parameters)


def items_of(connection: sqlite3.Connection, namespace: Namespace, *, with_vectors: bool) -> Iterator[IndexedItem]:
    """Yield the items of one namespace in the order of storing, with what of each is indexed and, on demand, its vectors."""
    sql = (
        "SELECT items.key, items.value, path_sets.paths, items.doc, items.ns FROM items "
        "LEFT JOIN docs ON docs.id = items.doc LEFT JOIN path_sets ON path_sets.id = docs.paths "
        "WHERE items.ns = (SELECT id FROM namespaces WHERE path = ?) ORDER BY items.id"
    )
    vectors = "SELECT path, vector FROM vectors WHERE ns = ? AND doc = ? ORDER BY path"
    for key, value, paths, doc, namespace_id in connection.execute(sql, (path_of(namespace),)):
        rows = connection.execute(vectors, (namespace_id, doc)) if with_vectors and doc is not None else ()
        index = tuple(json.loads(paths)) if paths else None
        found = {path: bytes(vector) for path, vector in rows}
        yield IndexedItem(namespace, key, decode_value(value), index, found)
