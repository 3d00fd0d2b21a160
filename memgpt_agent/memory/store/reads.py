"""Reading items within one transaction: get, search, find, list namespaces."""

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from langgraph.store.base import GetOp, Item, ListNamespacesOp, MatchCondition, SearchItem, SearchOp
from numpy.typing import NDArray

from memgpt_agent.memory.store import words
from memgpt_agent.memory.store.filters import Condition, Filter, matches, to_sql
from memgpt_agent.memory.store.index_cache import IndexCache
from memgpt_agent.memory.store.namespace_index import NamespaceIndex
from memgpt_agent.memory.store.protocol import SearchMode
from memgpt_agent.memory.store.ranking import ranked
from memgpt_agent.memory.store.rows import (
    ITEM_COLUMNS,
    Namespace,
    as_found,
    as_item,
    decode_value,
    namespace_of,
    path_of,
)
from memgpt_agent.memory.store.vectors import Floats

_FROM = "FROM items JOIN namespaces ON namespaces.id = items.ns"
_SELECT = f"SELECT {ITEM_COLUMNS}, items.id {_FROM}"
_MANY = 500


class Hit(NamedTuple):
    """An item found by a ranked search, in the order of ranking by ``(-score, namespace_id, item)``."""

    score: float
    namespace_id: int
    item: int


class Reader:
    """Answers reads in one transaction's snapshot.

    Args:
        connection: inside a transaction.
        cache: indexes of namespaces.
        dims: the length of the vectors, or None for words only.
        now: hide what expired before this (microseconds), or None to show all.
    """

    def __init__(self, connection: sqlite3.Connection, cache: IndexCache, dims: int | None, now: int | None) -> None:
        self._connection = connection
        self._cache = cache
        self._dims = dims
        self._alive = "1" if now is None else f"(items.expires IS NULL OR items.expires > {now})"

    def get(self, op: GetOp) -> Item | None:
        """Return one item."""
        row = self._connection.execute(
            f"{_SELECT} WHERE namespaces.path = ? AND items.key = ? AND {self._alive}", (path_of(op.namespace), op.key)
        ).fetchone()
        return as_item(row) if row else None

    def search(self, op: SearchOp, query: Floats | None) -> list[SearchItem]:
        """Return items under a namespace prefix as ``InMemoryStore`` does: by cosine where there is a query vector."""
        if query is None:
            return self._unranked(self._under(op.namespace_prefix), op.filter, op.limit, op.offset)
        stop = op.offset + op.limit
        hits: list[Hit] = []
        for namespace_id in self._namespace_ids(op.namespace_prefix):
            hits += self._closest(namespace_id, query, op.filter, stop)
        hits.sort(key=lambda hit: (-hit.score, hit.namespace_id, hit.item))
        found = self._found(hits[op.offset : stop])
        if len(found) < op.limit:
            found += self._without_vector(op, op.limit - len(found))
        return found

    def find(
        self, namespace: Namespace, query: str, vector: Floats | None, mode: SearchMode, filter: Filter | None, limit: int, offset: int
    ) -> list[SearchItem]:
        """Return the items of one namespace that fit a query best, by words, by meaning or by both."""
        where = Condition("namespaces.path = ?", [path_of(namespace)], True)
        if not query.strip():
            return self._unranked(where, filter, limit, offset)
        namespace_id = self._namespace_id(namespace)
        if namespace_id is None:
            return []
        terms = [] if mode == "meaning" else words.query_terms(self._connection, namespace_id, query)
        with self._cache.current(self._connection, namespace_id, self._dims) as index:
            by_words = words.bm25(self._connection, terms, index.docs, index.lengths, index.alive) if terms else None
            by_meaning = index.cosines(vector) if vector is not None and mode != "words" else None
            allowed = self._allowed(namespace_id, index, filter)
            scores = ranked(by_words, by_meaning, allowed)
            best = _best(scores, index.items, offset + limit)
            hits = [Hit(float(scores[i]), namespace_id, int(index.items[i])) for i in best]
        return self._found(hits[offset:])

    def namespaces(self, op: ListNamespacesOp) -> list[Namespace]:
        """Return the namespaces that hold items."""
        rows = self._connection.execute("SELECT path FROM namespaces WHERE items > 0")
        found = [namespace_of(row[0]) for row in rows]
        conditions = op.match_conditions or ()
        found = [one for one in found if all(_fits(condition, one) for condition in conditions)]
        if op.max_depth is not None:
            found = list({one[: op.max_depth] for one in found})
        return sorted(found)[op.offset : op.offset + op.limit]

    def _unranked(self, where: Condition, filter: Filter | None, limit: int, offset: int) -> list[SearchItem]:
        condition = to_sql(filter)
        sql = f"{_SELECT} WHERE {where.sql} AND {self._alive} AND {condition.sql} ORDER BY items.ns, items.id"
        parameters = [*where.parameters, *condition.parameters]
        if condition.exact and limit >= 0 and offset >= 0:
            rows = self._execute(f"{sql} LIMIT ? OFFSET ?", [*parameters, limit, offset])
            return [as_found(row) for row in rows]
        stop = offset + limit if min(limit, offset) >= 0 else None
        found: list[SearchItem] = []
        for row in self._execute(sql, parameters):
            if len(found) == stop:
                break
            if condition.exact or matches(decode_value(row[2]), filter):
                found.append(as_found(row))
        return found[offset : offset + limit]

    def _execute(self, sql: str, parameters: Sequence[Any]) -> sqlite3.Cursor:
        return self._connection.execute(sql, parameters)

    def _closest(self, namespace_id: int, query: Floats, filter: Filter | None, k: int) -> list[Hit]:
        with self._cache.current(self._connection, namespace_id, self._dims) as index:
            if filter or self._alive != "1":
                scores = ranked(None, index.cosines(query), self._allowed(namespace_id, index, filter))
                places: Iterable[int] = _best(scores, index.items, k)
                return [Hit(float(scores[i]), namespace_id, int(index.items[i])) for i in places]
            cosines, closest = index.closest(query, k)
            return [Hit(float(s), namespace_id, int(index.items[i])) for s, i in zip(cosines, closest, strict=True)]

    def _allowed(self, namespace_id: int, index: NamespaceIndex, filter: Filter | None) -> NDArray[np.bool_]:
        """Which documents of the index pass the filter."""
        if not filter and self._alive == "1":
            return index.alive
        condition = to_sql(filter)
        rows = self._execute(
            f"SELECT items.id, items.value FROM items WHERE items.ns = ? AND {self._alive} AND {condition.sql}",
            [namespace_id, *condition.parameters],
        )
        passed = [row[0] for row in rows if condition.exact or matches(decode_value(row[1]), filter)]
        return index.alive & np.isin(index.items, np.array(passed, dtype=np.int64))

    def _without_vector(self, op: SearchOp, limit: int) -> list[SearchItem]:
        """The items that a query cannot rank; ``InMemoryStore`` fills a short result with them, from their first."""
        where = self._under(op.namespace_prefix)
        none = "NOT EXISTS (SELECT 1 FROM vectors WHERE vectors.ns = items.ns AND vectors.doc = items.doc)"
        where = Condition(f"{where.sql} AND {none}", where.parameters, True)
        return self._unranked(where, op.filter, limit, 0)

    def _found(self, hits: Sequence[Hit]) -> list[SearchItem]:
        rows: dict[int, Any] = {}
        for start in range(0, len(hits), _MANY):
            ids = [hit.item for hit in hits[start : start + _MANY]]
            marks = ",".join("?" * len(ids))
            rows.update({row[5]: row for row in self._execute(f"{_SELECT} WHERE items.id IN ({marks})", ids)})
        return [as_found(rows[hit.item], hit.score) for hit in hits if hit.item in rows]

    def _namespace_id(self, namespace: Namespace) -> int | None:
        row = self._execute("SELECT id FROM namespaces WHERE path = ?", [path_of(namespace)]).fetchone()
        return int(row[0]) if row else None

    def _namespace_ids(self, prefix: Namespace) -> list[int]:
        under = self._under(prefix)
        sql = f"SELECT id FROM namespaces WHERE {under.sql} ORDER BY id"
        return [row[0] for row in self._execute(sql, under.parameters)]

    @staticmethod
    def _under(prefix: Namespace) -> Condition:
        if not prefix:
            return Condition("1", [], True)
        path = path_of(prefix)  # "/" is the character after "."
        sql = "(namespaces.path = ? OR (namespaces.path >= ? AND namespaces.path < ?))"
        return Condition(sql, [path, path + ".", path + "/"], True)


def _best(scores: NDArray[np.float64], items: NDArray[np.int64], k: int) -> list[int]:
    """Return the places of the ``k`` best scores above minus infinity, equals in the order of their items."""
    places = np.flatnonzero(scores > -np.inf)
    if k < len(places):
        least = np.partition(scores[places], len(places) - k)[len(places) - k] if k > 0 else np.inf
        places = places[scores[places] >= least]
    order = np.lexsort((items[places], -scores[places]))
    return [int(i) for i in places[order][:k]]


def _fits(condition: MatchCondition, namespace: Namespace) -> bool:
    path = tuple(condition.path)
    if len(namespace) < len(path):
        return False
    if condition.match_type == "prefix":
        part = namespace[: len(path)]
    elif condition.match_type == "suffix":
        part = namespace[len(namespace) - len(path) :]
    else:
        raise ValueError(f"Unsupported match type: {condition.match_type}. Use 'prefix' or 'suffix'.")
    return all(wanted in ("*", label) for wanted, label in zip(path, part, strict=True))
