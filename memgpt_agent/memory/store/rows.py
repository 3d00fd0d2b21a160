"""Between LangGraph's items and the file's rows: values as JSON, times as microseconds, namespaces as paths."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from langgraph.store.base import Item, SearchItem

from memgpt_agent.errors import ValueNotStorable

Namespace = tuple[str, ...]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
ITEM_COLUMNS = "namespaces.path, items.key, items.value, items.created, items.updated"


def encode_value(value: Mapping[str, Any]) -> str:
    """Return a value as JSON text that SQLite can hold, whatever characters are in it.

    Raises:
        ValueNotStorable: it holds something that JSON has no word for.
    """
    try:
        text = json.dumps(dict(value), ensure_ascii=False, separators=(",", ":"))
    except (TypeError, ValueError) as error:
        raise ValueNotStorable(
            f"A value cannot be stored: {error}. Use dicts with string keys, lists, strings, numbers, booleans and None."
        ) from error
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:  # half an emoji: keep it as an escape
            return json.dumps(dict(value), separators=(",", ":"))
    return text


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


def as_item(row: Any) -> Item:
    """Return a row of :data:`ITEM_COLUMNS` as an item."""
    return Item(
        namespace=namespace_of(row[0]),
        key=row[1],
        value=decode_value(row[2]),
        created_at=moment(row[3]),
        updated_at=moment(row[4]),
    )


def as_found(row: Any, score: float | None = None) -> SearchItem:
    """Return a row of :data:`ITEM_COLUMNS` as a search's item."""
    return SearchItem(
        namespace=namespace_of(row[0]),
        key=row[1],
        value=decode_value(row[2]),
        created_at=moment(row[3]),
        updated_at=moment(row[4]),
        score=score,
    )
