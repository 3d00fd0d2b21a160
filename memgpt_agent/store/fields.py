"""The texts and fields of a value that a store indexes: for searching, ordering, grouping, counting and lookup."""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, cast

from langgraph.store.base import get_text_at_path, tokenize_path


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


WORDS_ONLY = "words:"
"""A path that begins so is indexed for word search and not embedded: ``index=["summary", "words:text"]``."""


_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
"""A path that is one key and nothing else."""


class FieldText(NamedTuple):
    """One text to be indexed."""

    path: str
    text: str
    embed: bool


def texts_at(value: Mapping[str, Any], paths: Sequence[str]) -> list[FieldText]:
    """Return the texts at the paths, as ``InMemoryStore`` names them (``tags.0`` where a path gives several)."""
    found: list[FieldText] = []
    for path in paths:
        if _PLAIN.fullmatch(path) and isinstance(plain := value.get(path, 0), str):  # by far the most frequent case
            found.append(FieldText(path, plain, True))
            continue
        place = path.removeprefix(WORDS_ONLY)
        texts = get_text_at_path(value, _tokenized(place))
        for number, text in enumerate(texts):
            name = f"{place}.{number}" if len(texts) > 1 else place
            found.append(FieldText(name, text, not path.startswith(WORDS_ONLY)))
    return found


@lru_cache(maxsize=512)
def _tokenized(path: str) -> Any:
    return path if path == "$" else tokenize_path(path)
