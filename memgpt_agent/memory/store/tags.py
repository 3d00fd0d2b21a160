"""How many items of a namespace have each tag: counted as items are written, so that the most used are read without a look at the items."""

import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, cast

from memgpt_agent.memory.store.filters import is_text
from memgpt_agent.memory.store.rows import decode_value

_ITEMS_AT_ONCE = 256


def tags_of(value: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the tags of a value: the distinct texts in its list ``tags``, but for those that SQLite cannot compare."""
    tags = value.get("tags")
    if not isinstance(tags, list | tuple):
        return ()
    return tuple(dict.fromkeys(tag for tag in cast("Sequence[Any]", tags) if is_text(tag)))


class TagCounts:
    """Keeps the table of counts in one write transaction: what happens to an item and to its tags' counts happens at once.

    Counted here and not by triggers: those cost every put a tenth of its time more, and one with tags a third.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._changes: Counter[tuple[int, str]] = Counter()
        self._leaving: list[int] = []

    def add(self, namespace_id: int, tags: Sequence[str]) -> None:
        """Count an item that comes, or what an item is to be."""
        for tag in tags:
            self._changes[namespace_id, tag] += 1

    def remove(self, item: int) -> None:
        """Count no more what a stored item is now: it goes, or is written anew."""
        self._leaving.append(item)

    def flush(self) -> None:
        """Write the counts; before the items themselves are written, as the old ones are looked at."""
        if not self._leaving and not self._changes:
            return
        for start in range(0, len(self._leaving), _ITEMS_AT_ONCE):
            part = self._leaving[start : start + _ITEMS_AT_ONCE]
            marks = ",".join("?" * len(part))
            for namespace_id, value in self._connection.execute(
                f"SELECT ns, value FROM items WHERE id IN ({marks})", part
            ):
                self._changes.subtract((namespace_id, tag) for tag in tags_of(decode_value(value)))
        changed = [(*place, change) for place, change in self._changes.items() if change]
        fewer = [(namespace_id, tag) for namespace_id, tag, change in changed if change < 0]
        self._changes.clear()
        self._leaving.clear()
        many = self._connection.executemany
        many(
            "INSERT INTO tag_counts (ns, tag, items) VALUES (?, ?, ?)"
            " ON CONFLICT (ns, tag) DO UPDATE SET items = items + excluded.items",
            changed,
        )
        many("DELETE FROM tag_counts WHERE ns = ? AND tag = ? AND items <= 0", fewer)


def most_used(connection: sqlite3.Connection, namespace_id: int, limit: int) -> list[tuple[str, int]]:
    """Return the tags that most items of a namespace have, with how many these are; of equals the first by name."""
    sql = "SELECT tag, items FROM tag_counts WHERE ns = ? ORDER BY items DESC, tag LIMIT ?"
    return [(str(tag), int(items)) for tag, items in connection.execute(sql, (namespace_id, limit))]
