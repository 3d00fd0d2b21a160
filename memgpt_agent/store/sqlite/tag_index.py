"""The tables of tags and ends: how many items have each text of one list, and which have each of the other."""

import sqlite3
from collections import Counter
from collections.abc import Mapping
from typing import Any, cast

from memgpt_agent.store.fields import Fields, counted_texts, is_text, listed_texts
from memgpt_agent.store.filters import Filter
from memgpt_agent.store.rows import decode_value
from memgpt_agent.store.sqlite.filter_sql import MANY, Condition

_ITEMS_AT_ONCE = 256


class TagIndex:
    """Keeps both tables in one write transaction: what happens to an item and to its lists happens at once.

    Done here and not by triggers: counting tags, those cost every put a tenth of its time more, and one with tags a third.
    """

    def __init__(self, connection: sqlite3.Connection, fields: Fields) -> None:
        self._connection = connection
        self._fields = fields
        self._tags: Counter[tuple[int, str]] = Counter()
        self._ends: list[tuple[int, str, int]] = []
        self._leaving: list[int] = []

    def add(self, namespace_id: int, item: int, value: Mapping[str, Any]) -> None:
        """Take in the value of an item that comes, or that an item is to have."""
        for tag in counted_texts(value, self._fields):
            self._tags[namespace_id, tag] += 1
        for end in listed_texts(value, self._fields):
            self._ends.append((namespace_id, end, item))

    def remove(self, item: int) -> None:
        """Forget what a stored item is now: it goes, or is written again."""
        self._leaving.append(item)

    def flush(self) -> None:
        """Write the tables; before the items themselves are written, as the old ones are looked at."""
        many, gone = self._connection.executemany, list[tuple[int, str, int]]()
        for start in range(0, len(self._leaving), _ITEMS_AT_ONCE):
            part = self._leaving[start : start + _ITEMS_AT_ONCE]
            marks = ",".join("?" * len(part))
            for item, namespace_id, text in self._connection.execute(
                f"SELECT id, ns, value FROM items WHERE id IN ({marks})", part
            ):
                value = decode_value(text)
                self._tags.subtract((namespace_id, tag) for tag in counted_texts(value, self._fields))
                gone += [(namespace_id, end, item) for end in listed_texts(value, self._fields)]
        if gone:
            many("DELETE FROM ends WHERE ns = ? AND value = ? AND item = ?", gone)
        if self._ends:
            many("INSERT INTO ends (ns, value, item) VALUES (?, ?, ?)", self._ends)
        if self._tags:
            self._count()
        self._ends.clear()
        self._leaving.clear()

    def _count(self) -> None:
        changed = [(*place, change) for place, change in self._tags.items() if change]
        fewer = [(namespace_id, tag) for namespace_id, tag, change in changed if change < 0]
        self._tags.clear()
        self._connection.executemany(
            "INSERT INTO tag_counts (ns, tag, items) VALUES (?, ?, ?)"
            " ON CONFLICT (ns, tag) DO UPDATE SET items = items + excluded.items",
            changed,
        )
        self._connection.executemany("DELETE FROM tag_counts WHERE ns = ? AND tag = ? AND items <= 0", fewer)


HAS_TAGS = """
    (EXISTS (SELECT 1 FROM tag_counts WHERE ns = namespaces.id) OR EXISTS (SELECT 1 FROM ends WHERE ns = namespaces.id))"""
"""Whether an item of a namespace has one of the lists, as SQL over ``namespaces``."""


def most_used(connection: sqlite3.Connection, namespace_id: int, limit: int) -> list[tuple[str, int]]:
    """Return the tags that most items of a namespace have, with how many these are; of equals the first by name."""
    sql = "SELECT tag, items FROM tag_counts WHERE ns = ? ORDER BY items DESC, tag LIMIT ?"
    return [(str(tag), int(items)) for tag, items in connection.execute(sql, (namespace_id, limit))]


def among(filter: Filter | None, namespace_id: int, field: str | None) -> Condition | None:
    """Return as SQL which items of a namespace may pass a filter on the listed field, from its index; None if it says nothing.

    It lets at least the right items through: the filter itself still has to be asked.
    """
    wanted = (filter or {}).get(field) if field else None
    given = cast("Mapping[str, Any]", wanted).get("$any") if isinstance(wanted, Mapping) else None
    options = cast("list[Any]", given) if isinstance(given, list) else []
    texts = [one for one in options if is_text(one)]
    if not 0 < len(texts) <= MANY or len(texts) < len(options):
        return None
    marks = ",".join("?" * len(texts))
    return Condition(f"items.id IN (SELECT item FROM ends WHERE ns = ? AND value IN ({marks}))", [namespace_id, *texts])
