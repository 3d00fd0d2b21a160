"""Reading items within one transaction: get, search, find, newest, count, list namespaces."""

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final

from langgraph.store.base import GetOp, Item, Result, SearchItem

from memgpt_agent.databases.postgres import Rows
from memgpt_agent.store.filters import Filter, matches
from memgpt_agent.store.operations import Newest
from memgpt_agent.store.postgres.columns import Meta, as_bytes, as_text, condition_of, place
from memgpt_agent.store.postgres.nearest import NearestIndexes
from memgpt_agent.store.postgres.searches import PostgresSearcher
from memgpt_agent.store.protocol import IndexedItem, Namespace, Tally
from memgpt_agent.store.ranking import RankedItem
from memgpt_agent.store.reading import ID, ITEM_COLUMNS, TTL, VALUE, ItemReading
from memgpt_agent.store.rows import as_item, decode_value, namespace_of, path_of

_ROWS_AT_ONCE = 500
_EVERY: Final = 1 << 62


class PostgresReader(ItemReading):
    """Answers reads in one transaction's snapshot.

    Args:
        connection: inside a transaction.
        meta: what holds in it.
        now: hide what expired before this (microseconds), or None to show all.
        store: tells the store from others in this process.
        indexes: of large namespaces.
    """

    def __init__(self, connection: Rows, meta: Meta, now: int | None, store: str, indexes: NearestIndexes) -> None:
        self._connection = connection
        self._meta = meta
        self._alive = "TRUE" if now is None else f"(items.expires IS NULL OR items.expires > {now})"
        super().__init__(PostgresSearcher(connection, meta, self._alive, store, indexes))

    def get(self, op: GetOp) -> Item | None:
        """Return one item."""
        rows = self._execute(
            f"SELECT {ITEM_COLUMNS} FROM items WHERE ns = (SELECT id FROM namespaces WHERE sha256(path) = sha256(%s))"
            f" AND sha256(key) = sha256(%s) AND {self._alive}",
            [as_bytes(path_of(op.namespace)), as_bytes(op.key)],
        )
        for row in rows:
            self._touch(row)
            return as_item(op.namespace, _named(row))
        return None

    def newest(self, asked: Newest) -> list[SearchItem]:
        """Return items of one namespace by a field, highest first."""
        namespace_id = self._namespace_id(asked.namespace)
        if namespace_id is None:
            return []
        if asked.by == self._meta.fields.ordered:
            order = "items.place DESC, items.id DESC"
            return self._page(namespace_id, order, asked.filter, asked.limit, asked.offset)
        rows = list(self._passing(namespace_id, "items.id DESC", asked.filter, _EVERY))
        rows.sort(key=lambda row: place(decode_value(row[VALUE]).get(asked.by)), reverse=True)
        return [self._item(_named(row)) for row in rows[asked.offset : asked.offset + asked.limit]]

    def count(self, namespace: Namespace, filter: Filter | None) -> int:
        """Return how many items one namespace holds that pass the filter."""
        namespace_id = self._namespace_id(namespace)
        if namespace_id is None:
            return 0
        if filter:
            return sum(1 for _ in self._passing(namespace_id, "items.id", filter, _EVERY))
        if self._alive == "TRUE":
            sql, parameters = "SELECT items FROM namespaces WHERE id = %s", [namespace_id]
        else:
            sql, parameters = f"SELECT count(*) FROM items WHERE ns = %s AND {self._alive}", [namespace_id]
        return int(self._execute(sql, parameters)[0][0])

    def tally(self, namespace: Namespace, limit: int) -> Tally:
        """Return how many items one namespace holds, and the tags that most of them have."""
        namespace_id = self._namespace_id(namespace)
        if namespace_id is None:
            return Tally(0, [])
        rows = self._execute(
            "SELECT tag, items FROM tag_counts WHERE ns = %s ORDER BY items DESC, substring(tag FROM 1 FOR 256), tag LIMIT %s",
            [namespace_id, limit],
        )
        return Tally(self.count(namespace, None), [(as_text(tag), int(items)) for tag, items in rows])

    def _every_namespace(self) -> list[Namespace]:
        shown = f"EXISTS (SELECT 1 FROM items WHERE items.ns = namespaces.id AND {self._alive})"
        rows = self._execute(
            f"SELECT path FROM namespaces WHERE items > 0 AND {'TRUE' if self._alive == 'TRUE' else shown}", []
        )
        return [namespace_of(as_text(row[0])) for row in rows]

    def _unranked(
        self, namespaces: Sequence[tuple[int, int]], filter: Filter | None, limit: int, offset: int
    ) -> list[SearchItem]:
        stop = offset + limit if min(limit, offset) >= 0 else _EVERY
        rows: list[Any] = []
        skipped = 0
        for namespace_id, items in namespaces:
            if len(rows) + skipped >= stop:
                break
            if not filter and self._alive == "TRUE" and 0 < items <= offset - skipped and not rows:
                skipped += items
                continue
            rows += self._passing(namespace_id, "items.id", filter, stop - skipped - len(rows))
        chosen = rows[offset - skipped : offset - skipped + limit] if stop < _EVERY else rows[offset : offset + limit]
        return [self._item(_named(row)) for row in chosen]

    def _page(self, namespace_id: int, order: str, filter: Filter | None, limit: int, offset: int) -> list[SearchItem]:
        rows = self._passing(namespace_id, order, filter, offset + limit)
        return [self._item(_named(row)) for number, row in enumerate(rows) if number >= offset]

    def _passing(self, namespace_id: int, order: str, filter: Filter | None, limit: int) -> Iterator[Any]:
        """Yield the rows of a namespace that pass the filter, ``limit`` at most, without reading the rest."""
        condition = condition_of(filter, self._meta.fields)
        sql = f"SELECT {ITEM_COLUMNS} FROM items WHERE items.ns = %s AND {self._alive} AND {condition.sql} ORDER BY {order}"
        parameters = [namespace_id, *condition.parameters]
        if not filter:
            yield from self._execute(f"{sql} LIMIT %s", [*parameters, limit])
            return
        left = limit
        if left <= 0:
            return
        with self._connection.cursor("passing") as cursor:
            cursor.itersize = _ROWS_AT_ONCE
            for row in cursor.execute(sql.encode(), parameters):
                if matches(decode_value(row[VALUE]), filter):
                    yield row
                    left -= 1
                    if not left:
                        return

    def _unindexed(self, namespace_id: int, filter: Filter | None, limit: int) -> list[RankedItem]:
        condition = condition_of(filter, self._meta.fields)
        rows = self._execute(
            f"SELECT id, value FROM items WHERE ns = %s AND paths IS NULL AND {self._alive} AND {condition.sql} ORDER BY id",
            [namespace_id, *condition.parameters],
        )
        passed = [row[0] for row in rows if not filter or matches(decode_value(row[1]), filter)]
        return [RankedItem(None, namespace_id, item) for item in passed[:limit]]

    def _rows_of(self, items: Sequence[int]) -> list[Any]:
        rows = self._execute(f"SELECT {ITEM_COLUMNS} FROM items WHERE id = ANY(%s)", [[*items]])
        return [_named(row) for row in rows]

    def _stored_path(self, namespace_id: int) -> Namespace:
        row = self._execute("SELECT path FROM namespaces WHERE id = %s", [namespace_id])[0]
        return namespace_of(as_text(row[0]))

    def _namespace_id(self, namespace: Namespace) -> int | None:
        sql = "SELECT id FROM namespaces WHERE sha256(path) = sha256(%s)"
        for row in self._execute(sql, [as_bytes(path_of(namespace))]):
            self._paths[row[0]] = namespace
            return int(row[0])
        return None

    def _namespaces_under(self, prefix: Namespace) -> list[tuple[int, int]]:
        path = as_bytes(path_of(prefix))
        sql = "SELECT id, items, path FROM namespaces WHERE items > 0"
        rows = self._execute(sql, [])  if not prefix else self._execute(
            f"{sql} AND sha256(path) = sha256(%s) UNION ALL {sql} AND substring(path FROM 1 FOR 512) >= substring(%s FROM 1 FOR 512)"
            " AND substring(path FROM 1 FOR 512) < %s AND path > %s AND path < %s",
            [path, path, (path + b"/")[:512] if len(path) < 512 else path[:512] + b"\xff", path + b".", path + b"/"],
        )  # fmt: skip
        self._paths.update({row[0]: namespace_of(as_text(row[2])) for row in rows})
        return sorted((int(row[0]), int(row[1])) for row in rows)

    def _execute(self, statement: str, parameters: Sequence[Any]) -> list[Any]:
        return self._connection.execute(statement.encode(), parameters).fetchall()


_GET = f"""SELECT asked.at, {ITEM_COLUMNS} FROM unnest(%s::bytea[], %s::bytea[]) WITH ORDINALITY AS asked (path, key, at)
    JOIN namespaces ON sha256(namespaces.path) = sha256(asked.path)
    JOIN items ON items.ns = namespaces.id AND sha256(items.key) = sha256(asked.key)
    WHERE %s::bigint IS NULL OR items.expires IS NULL OR items.expires > %s"""


def get_items(connection: Rows, ops: Sequence[GetOp], now: int | None) -> tuple[list[Result], list[int]]:
    """Return items by their keys, in one statement, and the ids of those with a TTL that is to start over.

    Args:
        connection: in a transaction, or of its own.
        ops: what is asked for.
        now: hide what expired before this (microseconds), or None to show all.
    """
    paths, keys = [as_bytes(path_of(op.namespace)) for op in ops], [as_bytes(op.key) for op in ops]
    results: list[Result] = [None] * len(ops)
    touched: list[int] = []
    for at_and_row in connection.execute(_GET.encode(), [paths, keys, now, now]).fetchall():
        place, row = int(at_and_row[0]) - 1, at_and_row[1:]
        op = ops[place]
        results[place] = as_item(op.namespace, _named(row))
        if op.refresh_ttl and row[TTL] is not None:
            touched.append(row[ID])
    return results, touched


def items_of(connection: Rows, namespace: Namespace, space: int | None) -> Iterator[IndexedItem]:
    """Yield the items of one namespace in the order of storing; with the vectors of a space, if one is named."""
    sql = (
        "SELECT key, value, paths, (SELECT array_agg(path ORDER BY path) FROM vectors WHERE item = items.id AND space = %s),"
        " (SELECT array_agg(vector ORDER BY path) FROM vectors WHERE item = items.id AND space = %s)"
        " FROM items WHERE ns = (SELECT id FROM namespaces WHERE sha256(path) = sha256(%s)) ORDER BY id"
    )
    with connection.cursor("moving") as cursor:
        cursor.itersize = _ROWS_AT_ONCE
        for key, value, paths, names, vectors in cursor.execute(sql, [space, space, as_bytes(path_of(namespace))], binary=True):
            pairs: Iterator[tuple[str, Any]] = zip(names or (), vectors or (), strict=True)
            found: dict[str, bytes] = {name: vector.to_numpy().astype("<f4").tobytes() for name, vector in pairs}
            yield IndexedItem(namespace, as_text(key), decode_value(value), tuple(json.loads(paths)) if paths else None, found)


def _named(row: Any) -> Any:
    """Return a row with its key as text."""
    return (as_text(row[0]), *row[1:])
