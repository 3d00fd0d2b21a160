"""Filter fields of a namespace's items as columns in memory, so that a filter is an array lookup."""

import json
import sqlite3
import threading
from collections import OrderedDict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memgpt_agent.store.arrays import GrowingArray
from memgpt_agent.store.filters import is_plain_key, passing
from memgpt_agent.store.index.namespace_index import NamespaceIndex

MAX_FIELDS = 16
"""How many fields of a namespace to keep: those used last."""
MAX_VALUES_BYTES = 16 << 20
"""A field whose distinct values are larger together (a text, say) is not kept: the file is scanned for it."""
_MAX_CONDITIONS = 32
_ROWS = 4096
_Mask = NDArray[np.bool_]


class Anchor:
    """Whether places in an index still mean what they meant: they do until it is made again without its dead documents."""

    def __init__(self, index: NamespaceIndex) -> None:
        self._count = len(index.docs)
        self._last = int(index.docs[-1]) if self._count else 0

    def holds(self, index: NamespaceIndex) -> bool:
        """Whether the documents that were there stand where they stood. Ids ascend, so the last one's place tells."""
        return self._count <= len(index.docs) and (not self._count or int(index.docs[self._count - 1]) == self._last)


class Facet:
    """One field: its distinct values, and for each document which of them it has."""

    def __init__(self, field: str, max_values_bytes: int) -> None:
        self._field = field
        self._max_values_bytes = max_values_bytes
        self._path = f'$."{field}"'
        self._codes = GrowingArray(np.int32)
        self._known: dict[bytes, int] = {}
        self._values: list[Any] = []
        self._bytes = 0
        self._high = 0
        self._tables: OrderedDict[str, _Mask] = OrderedDict()
        self.unfit = False

    def catch_up(self, connection: sqlite3.Connection, index: NamespaceIndex) -> None:
        """Take in the documents that are new in the index."""
        if self._high == index.version.doc_high and len(self._codes) == len(index.docs):
            return
        before = len(self._codes)
        codes = np.full(len(index.docs) - before, self._code(b"null"), np.int32)
        new = index.docs[before:]
        # A value's field as JSON text, whatever its type; as bytes, since half an emoji is no text to SQLite. A value with
        # a NUL in a text is marked by a space (rows.py) and read by Python.
        rows = connection.execute(
            "SELECT docs.id, CASE WHEN substr(items.value, 1, 1) = ' ' THEN items.value"
            " ELSE CAST(json_quote(json_extract(items.value, ?)) AS BLOB) END"
            " FROM docs JOIN items ON items.id = docs.item WHERE docs.ns = ? AND docs.id > ? ORDER BY docs.id",
            (self._path, index.namespace_id, self._high),
        )
        while (part := rows.fetchmany(_ROWS)) and not self.unfit:
            places = np.searchsorted(new, np.array([row[0] for row in part], dtype=np.int64))
            codes[places] = [self._code(row[1]) for row in part]
        self._codes.extend(codes)
        self._high = index.version.doc_high

    def _code(self, text: bytes | str) -> int:
        if isinstance(text, str):
            text = json.dumps(json.loads(text).get(self._field)).encode()
        code = self._known.get(text)
        if code is None:
            code = self._known[text] = len(self._values)
            self._values.append(json.loads(text.decode("utf-8", "surrogatepass")))
            self._bytes += len(text) + 100
            self.unfit = self._bytes > self._max_values_bytes
        return code

    @property
    def codes(self) -> NDArray[np.int32]:
        """(n,) a number for each document's value, the same for equal values."""
        return self._codes.values

    def numbers(self) -> NDArray[np.float64]:
        """Return (n,) each document's value where it is a number, else NaN."""
        table = np.array([v if isinstance(v, int | float) and not isinstance(v, bool) else np.nan for v in self._values], np.float64)
        found: NDArray[np.float64] = table[self._codes.values]
        return found

    def texts(self) -> list[str]:
        """Return the distinct values that are texts."""
        return [value for value in self._values if isinstance(value, str)]

    def passing(self, condition: Any) -> _Mask:
        """Return (n,) which documents' values pass a condition, as the one judge of filters has it for each distinct value."""
        key = repr(condition)
        table = self._tables.pop(key, np.empty(0, np.bool_))
        if len(table) < len(self._values):
            table = np.concatenate([table, passing(self._values[len(table) :], condition)])
        self._tables[key] = table
        if len(self._tables) > _MAX_CONDITIONS:
            self._tables.popitem(last=False)
        found: _Mask = table[self._codes.values]
        return found


class Facets:
    """The fields of one namespace that filters have asked for; one is kept up to so many bytes of values."""

    def __init__(self, max_values_bytes: int) -> None:
        self._max_values_bytes = max_values_bytes
        self._facets: OrderedDict[str, Facet] = OrderedDict()
        self._anchor: Anchor | None = None
        self._guard = threading.Lock()

    def passing(
        self, connection: sqlite3.Connection, index: NamespaceIndex, field: str, condition: Any
    ) -> _Mask | None:
        """Return (n,) which documents pass a condition on a field; None if the file has to be asked.

        The caller holds the index, so that it stands at the transaction's snapshot. The first filter on a field reads
        it from the file: 0.15 s for 100,000 documents; then 0.2 ms.
        """
        with self._guard:
            facet = self._current(connection, index, field)
            return None if facet is None else facet.passing(condition)

    def codes(self, connection: sqlite3.Connection, index: NamespaceIndex, field: str) -> NDArray[np.int32] | None:
        """Return (n,) a number for each document's value in a field, equal for equal values; None if they are too many to keep.

        The caller holds the index, as for :meth:`passing`.
        """
        with self._guard:
            facet = self._current(connection, index, field)
            return None if facet is None else facet.codes

    def numbers(self, connection: sqlite3.Connection, index: NamespaceIndex, field: str) -> NDArray[np.float64]:
        """Return (n,) each document's number in a field; NaN where it has none, or there are too many values to keep."""
        with self._guard:
            facet = self._current(connection, index, field)
            return np.full(len(index.docs), np.nan) if facet is None else facet.numbers()

    def texts(self, connection: sqlite3.Connection, index: NamespaceIndex, field: str) -> list[str]:
        """Return the distinct texts in a field; none if there are too many values to keep."""
        with self._guard:
            facet = self._current(connection, index, field)
            return [] if facet is None else facet.texts()

    def _current(self, connection: sqlite3.Connection, index: NamespaceIndex, field: str) -> Facet | None:
        if not is_plain_key(field):
            return None
        if self._anchor is not None and not self._anchor.holds(index):
            self._facets.clear()
        self._anchor = Anchor(index)
        facet = self._facets.pop(field, None) or Facet(field, self._max_values_bytes)
        self._facets[field] = facet
        if len(self._facets) > MAX_FIELDS:
            self._facets.popitem(last=False)
        for one in self._facets.values():  # all of them, that the anchor holds for each
            if not one.unfit:
                one.catch_up(connection, index)
        return None if facet.unfit else facet
