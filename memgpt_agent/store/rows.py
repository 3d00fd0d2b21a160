"""Converting between LangGraph's items and database rows: values as JSON, times as microseconds, namespaces as paths."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from langgraph.store.base import Item, SearchItem

from memgpt_agent.errors import ValueNotStorable
from memgpt_agent.store.protocol import Namespace

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode
"""Made once: `json.dumps` makes an encoder for each call with arguments, half of its time for a small value."""
_UNREADABLE = re.compile(r'"(?:[^"\\]|\\.)*"|Infinity|NaN')
"""A string, which is skipped, or a number that Python writes and SQLite cannot read."""
_INFINITY = "1e999"
"""A number that JSON has, and that readers take for infinity."""


def encode_value(value: Mapping[str, Any]) -> str:
    """Return a value as JSON text that SQLite can hold and read, whatever characters are in it.

    Raises:
        ValueNotStorable: it holds something that JSON has no word for.
    """
    try:
        try:
            text = _encode(value if isinstance(value, dict) else dict(value))
        except ValueError:  # an infinite number, perhaps
            text = _readable(json.dumps(dict(value), ensure_ascii=False, separators=(",", ":")), nan=None)
        if not text.isascii():
            try:
                text.encode()
            except UnicodeEncodeError:  # half an emoji: keep it as an escape
                text = _readable(json.dumps(dict(value), separators=(",", ":")), nan=None)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueNotStorable(
            f"A value cannot be stored: {error}. Use dicts with string keys, lists, strings, numbers, booleans and None."
        ) from error
    return " " + text if "\\u0000" in text else text  # a mark: SQLite's JSON ends a text at NUL


def standard_json(text: str) -> str:
    """Return what an older version wrote with ``Infinity`` or ``NaN`` as JSON that SQLite reads; NaN becomes null."""
    return _readable(text, nan="null")


def _readable(text: str, nan: str | None) -> str:
    def replaced(found: re.Match[str]) -> str:
        if found[0] == "Infinity":
            return _INFINITY
        if found[0] == "NaN":
            if nan is None:
                raise ValueError("NaN is not a JSON number; store None instead")
            return nan
        return found[0]

    return _UNREADABLE.sub(replaced, text)


def decode_value(text: str) -> dict[str, Any]:
    """Return the value that was encoded."""
    value: dict[str, Any] = json.loads(text)
    return value


def micros(moment: datetime) -> int:
    """Return a time as microseconds since 1970."""
    return (moment - _EPOCH) // _MICROSECOND


def moment(value: int) -> datetime:
    """Return microseconds since 1970 as a time in UTC."""
    return _EPOCH + timedelta(microseconds=value)


def path_of(namespace: Namespace) -> str:
    """Return a namespace as text; labels hold no dot."""
    return ".".join(namespace)


def namespace_of(path: str) -> Namespace:
    """Return the namespace of a path."""
    return tuple(path.split(".")) if path else ()


def as_item(namespace: Namespace, row: Any) -> Item:
    """Return a row that begins with key, value, created, updated as an item."""
    return Item(
        namespace=namespace,
        key=row[0],
        value=decode_value(row[1]),
        created_at=moment(row[2]),
        updated_at=moment(row[3]),
    )


def as_found(namespace: Namespace, row: Any, score: float | None = None) -> SearchItem:
    """Return a row that begins with key, value, created, updated as a search's item."""
    return SearchItem(
        namespace=namespace,
        key=row[0],
        value=decode_value(row[1]),
        created_at=moment(row[2]),
        updated_at=moment(row[3]),
        score=score,
    )
