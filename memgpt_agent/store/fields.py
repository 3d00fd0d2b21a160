"""The fields of values that a store keeps ready for ordering, grouping, counting and lookup."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast


class Fields(NamedTuple):
    """The fields of a value's first level that a store keeps ready, each by its name; ``None`` keeps none.

    What a store answers does not depend on it, but for ``tally``; what an answer costs does.
    """

    ordered: str | None = "time"
    """``newest`` by this field costs the same in a namespace of any size."""
    grouped: str | None = "thread_id"
    """So does ``newest`` with a filter that asks for one text in this field."""
    counted: str | None = "tags"
    """A list of texts: ``tally`` knows how many items have each."""
    listed: str | None = "ends"
    """A list of texts: a filter with ``$any`` on it reads the items that have one of them, and no others."""


def order_of(value: Any) -> str | float | None:
    """Return what a value is ordered by: a text or a number as it is, anything else as if it were not there."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    return group_of(value) if isinstance(value, str) else float(value) if abs(value) >= 1 << 63 else value


def group_of(value: Any) -> str | None:
    """Return the text that a value is grouped by; half an emoji is none, as databases cannot hold it."""
    return value if isinstance(value, str) and (value.isascii() or not _has_half_an_emoji(value)) else None


def texts_of(values: Any) -> tuple[str, ...]:
    """Return the distinct texts of a list, but for those that databases cannot compare."""
    if not isinstance(values, list | tuple):
        return ()
    return tuple(dict.fromkeys(one for one in cast("Sequence[Any]", values) if is_text(one)))


def counted_texts(value: Mapping[str, Any], fields: Fields) -> tuple[str, ...]:
    """Return the texts of a value that are counted: its tags."""
    return texts_of(value.get(fields.counted)) if fields.counted else ()


def listed_texts(value: Mapping[str, Any], fields: Fields) -> tuple[str, ...]:
    """Return the texts of a value by which its item is looked up."""
    return texts_of(value.get(fields.listed)) if fields.listed else ()


def is_text(value: Any) -> bool:
    """Whether it is a text that databases can compare: half an emoji and what follows a NUL they cannot."""
    return isinstance(value, str) and not any("\ud800" <= char <= "\udfff" or char == "\x00" for char in value)


def _has_half_an_emoji(text: str) -> bool:
    return any("\ud800" <= char <= "\udfff" for char in text)
