"""What a file may hold at most: lengths, depth, limits, and no more than it says that it holds."""

from array import array
from collections.abc import Iterable
from typing import Any, cast

from memgpt_agent.agent_file.document import AgentDocument, StoredItem
from memgpt_agent.memory.checking import damaged
from memgpt_agent.memory.core.block_store import MAX_LABELS

MAX_DEPTH = 100
"""Objects and lists within one another. Ours are less than twenty deep."""
MAX_NAME_CHARS = 1_000
"""Of a thread's id, an item's key, a tier, a path, a name in the definition."""
MAX_NAMES = 10_000
"""Threads, and names in one list of the definition."""
MAX_BLOCK_CHARS = 1_000_000
"""The greatest limit of a block. A block is in every prompt."""
_MAX_PATHS = 64
_MAX_SQUARE = 1.02
"""Of a vector's length: rounding of a unit."""


def check_depth(value: Any, name: str) -> None:
    """Refuse a value that is nested too deeply for what reads, writes and prints it later.

    Raises:
        AgentFileError: it is deeper than :data:`MAX_DEPTH`.
    """
    level: list[Any] = [value]
    for _ in range(MAX_DEPTH):
        level = [inner for one in level for inner in _inner(one) if isinstance(inner, dict | list)]
        if not level:
            return
    raise damaged(name, f"it is nested more than {MAX_DEPTH} levels deep")


def check_bounds(document: AgentDocument, name: str) -> None:
    """Refuse a document that holds something longer, larger or more than any agent has.

    Raises:
        AgentFileError: the message names the place.
    """
    _check_names(document.threads, f"{name}: threads")
    for field, value in document.definition.items():
        if isinstance(value, str) and len(value) > MAX_BLOCK_CHARS:
            raise damaged(f"{name}: definition.{field}", f"it has {len(value):,} characters; {MAX_BLOCK_CHARS:,} are the limit")
        if isinstance(value, list):
            _check_names(filter(_is_text, cast(list[Any], value)), f"{name}: definition.{field}")
    for tier, items in document.memory.items():
        _check_names([tier], f"{name}: memory")
        for place, item in enumerate(items):
            _check_item(item, f"{name}: memory.{tier}[{place}]")
    blocks = document.memory.get("core", [])
    if len(blocks) > MAX_LABELS:
        raise damaged(f"{name}: memory.core", f"it holds {len(blocks):,} blocks; {MAX_LABELS:,} are the limit")
    for place, item in enumerate(blocks):
        _check_block(item.value, f"{name}: memory.core[{place}]")


def check_vector(vector: bytes, dims: int, place: str) -> None:
    """Refuse a vector that a search could not compare with others: every search of its tier would fail, or find it first.

    Raises:
        AgentFileError: it has another length than the file says, holds what is no number, or is longer than a unit.
    """
    numbers = array("f", vector if len(vector) % 4 == 0 else b"")
    if len(numbers) != dims:
        raise damaged(place, f"a vector of {len(vector):,} bytes; {4 * dims:,} are what {dims:,} dimensions take")
    if not sum(number * number for number in numbers) <= _MAX_SQUARE:  # also where one is no number
        raise damaged(place, "a vector that is not of unit length, or holds what is no number")


def _check_item(item: StoredItem, place: str) -> None:
    _check_names([item.key], f"{place}.key")
    paths = [*(item.index or ()), *item.vectors]
    if len(paths) > 2 * _MAX_PATHS:
        raise damaged(f"{place}.index", f"it names {len(paths):,} paths; {_MAX_PATHS} are the limit")
    _check_names(paths, f"{place}.index")


def _check_block(value: dict[str, Any], place: str) -> None:
    text, limit = value.get("value"), value.get("limit_chars", 1)
    if not isinstance(text, str) or not isinstance(limit, int):
        return  # the tier's own check says what is wrong
    if not 1 <= limit <= MAX_BLOCK_CHARS:
        raise damaged(f"{place}.limit_chars", f"{limit:,} is no limit from 1 to {MAX_BLOCK_CHARS:,}")
    if "limit_chars" in value and len(text) > limit:
        raise damaged(f"{place}.value", f"it has {len(text):,} characters; the block's limit is {limit:,}")


def _check_names(names: Iterable[str], place: str) -> None:
    for count, one in enumerate(names):
        if count >= MAX_NAMES:
            raise damaged(place, f"it holds more than {MAX_NAMES:,} names")
        if not 1 <= len(one) <= MAX_NAME_CHARS:
            raise damaged(place, f"a name of {len(one):,} characters; give one of 1 to {MAX_NAME_CHARS:,}")


def _inner(value: Any) -> Iterable[Any]:
    return cast(Iterable[Any], value.values() if isinstance(value, dict) else value)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)
