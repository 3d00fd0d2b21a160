"""Upper bounds on what an imported file may hold: lengths, depth and limits, and no more items than it declares."""

from array import array
from collections.abc import Iterable
from typing import Any, cast

from memgpt_agent.agent_file.document import AgentDocument, StoredItem
from memgpt_agent.config import DEFAULT_PROMPT_TOKENS, Context
from memgpt_agent.memory.checking import MAX_LONG_CHARS, damaged
from memgpt_agent.memory.core.block_store import MAX_LABELS
from memgpt_agent.tokens import resolve_token_counter

Place = tuple[Any, ...]
"""Where a value stands: the place around it and its key there; empty for the whole."""

MAX_DEPTH = 100
"""Objects and lists within one another. Ours are less than twenty deep."""
MAX_NAME_CHARS = 1_000
"""Of a thread's id, an item's key, a tier, a path, a name in the definition."""
MAX_NAMES = 10_000
"""Names in one list, such as the conversations."""
MAX_PARTS = 1_000_000
"""Values in one object or list."""
MAX_NUMBER = 1 << 53
"""Beyond it, programs that read JSON round."""
MAX_PROMPT_TOKENS = 1_000_000
"""Of prompts whose size the file does not say."""
_FIXED_SHARE = 0.8
"""The share of a prompt that the blocks and the system prompt may take; more leaves no room for an answer in any window."""
_MAX_PATHS = 64
_SHOWN_CHARS = 60
_MAX_SQUARE = 1.02
"""Of a vector's length: rounding of a unit."""


def check_values(value: Any, name: str) -> None:
    """Refuse what no reader of a file could take: nested too deeply, too long, or a number that cannot be stored.

    Raises:
        AgentFileError: the message names the place, the value and the limit.
    """
    level: list[tuple[Place, Any]] = [((), value)]
    for _ in range(MAX_DEPTH):
        level = [one for place, outer in level for one in _inner(place, outer) if _is_outer(one, name)]
        if not level:
            return
    raise damaged(_path(name, level[0][0]), f"it is nested more than {MAX_DEPTH} levels deep")


def check_bounds(document: AgentDocument, name: str) -> None:
    """Refuse a document that holds more than any agent has, or an agent that could not be sent to a model.

    The fields of each item have their own bounds, in ``memory/stored.py``.

    Raises:
        AgentFileError: the message names the place.
    """
    _check_names(document.threads, f"{name}: threads")
    for tier, items in document.memory.items():
        _check_names([tier], f"{name}: memory")
        for place, item in enumerate(items):
            _check_item(item, f"{name}: memory.{tier}[{place}]")
    blocks = document.memory.get("core", [])
    if len(blocks) > MAX_LABELS:
        raise damaged(f"{name}: memory.core", f"it holds {len(blocks):,} blocks; {MAX_LABELS:,} are the limit")


def check_fits(document: AgentDocument, context: Context, name: str) -> None:
    """Refuse an agent whose system prompt and blocks leave no room in its prompts: it could never answer.

    Raises:
        AgentFileError: the message says how many tokens they take, and how many there are.
    """
    chosen = context.prompt_tokens or context.context_window_tokens
    window = chosen if isinstance(chosen, int) else DEFAULT_PROMPT_TOKENS if chosen is None and not document.threads else MAX_PROMPT_TOKENS
    values = [item.value for item in document.memory.get("core", ()) if not item.value.get("trail", {}).get("last", {}).get("deleted")]
    texts = [str(document.definition.get("system") or ""), *(f"{v['label']} {v.get('description', '')} {v['value']}" for v in values)]
    if sum(map(len, texts)) <= window * _FIXED_SHARE:  # a token has a character or more
        return
    count = resolve_token_counter().count_text
    taken = sum(map(count, texts))
    if taken > window * _FIXED_SHARE:
        longest = max(values, key=lambda value: len(value["value"]), default={"label": "none"})["label"]
        raise damaged(
            f"{name}: memory.core",
            f"its blocks and its system prompt take {taken:,} tokens of prompts of {window:,}, which leaves no room to answer; the longest "
            f"block is {longest!r}. Shorten it where the file comes from, or choose a larger context_window_tokens there",
        )


def check_vector(vector: bytes, dims: int, place: str) -> None:
    """Refuse a vector that a search could not compare with others: every search of its tier would fail, or find it first.

    Raises:
        AgentFileError: its length differs from the file's, it holds something that is not a number, or it is longer than a unit.
    """
    numbers = array("f", vector if len(vector) % 4 == 0 else b"")
    if len(numbers) != dims:
        raise damaged(place, f"a vector of {len(vector):,} bytes; {4 * dims:,} are what {dims:,} dimensions take")
    if not sum(number * number for number in numbers) <= _MAX_SQUARE:  # also where one is not a number
        raise damaged(place, "a vector that is not of unit length, or holds something that is not a number")


def _check_item(item: StoredItem, place: str) -> None:
    _check_names([item.key], f"{place}.key")
    paths = [*(item.index or ()), *item.vectors]
    if len(paths) > 2 * _MAX_PATHS:
        raise damaged(f"{place}.index", f"it names {len(paths):,} paths; {_MAX_PATHS} are the limit")
    _check_names(paths, f"{place}.index")


def _check_names(names: Iterable[str], place: str) -> None:
    for count, one in enumerate(names):
        if count >= MAX_NAMES:
            raise damaged(place, f"it holds more than {MAX_NAMES:,} names")
        if not 1 <= len(one) <= MAX_NAME_CHARS:
            raise damaged(place, f"a name of {len(one):,} characters; give one of 1 to {MAX_NAME_CHARS:,}")


def _inner(place: Place, value: Any) -> Iterable[tuple[Place, Any]]:
    found = cast(Iterable[tuple[Any, Any]], value.items() if isinstance(value, dict) else enumerate(value))
    return (((place, key), one) for key, one in found)


def _is_outer(found: tuple[Place, Any], name: str) -> bool:
    """Whether a value holds others; one that does not is looked at here."""
    place, value = found
    if isinstance(place[1], str) and len(place[1]) > MAX_NAME_CHARS:
        raise damaged(_path(name, place[0]), f"a name of {len(place[1]):,} characters; {MAX_NAME_CHARS:,} are the limit")
    if isinstance(value, dict | list):
        if len(cast(list[Any], value)) > MAX_PARTS:
            raise damaged(_path(name, place), f"it holds {len(cast(list[Any], value)):,} values; {MAX_PARTS:,} are the limit")
        return True
    if isinstance(value, str) and len(value) > MAX_LONG_CHARS:
        raise damaged(_path(name, place), f"it has {len(value):,} characters; {MAX_LONG_CHARS:,} are the limit")
    if isinstance(value, int | float) and not abs(value) <= MAX_NUMBER:  # also where it is not a number
        shown = f"{value:.6g}" if isinstance(value, float) else f"{str(value)[:30]} ..." if value.bit_length() > 100 else str(value)
        raise damaged(_path(name, place), f"the number {shown} is beyond {MAX_NUMBER:,}, so that not every program reads it alike")
    return False


def _path(name: str, place: Place) -> str:
    keys: list[str] = []
    while place:
        place, key = cast(tuple[Place, Any], place)
        keys.append(f"[{key}]" if isinstance(key, int) else f".{key}"[:_SHOWN_CHARS])
    return f"{name}: {''.join(reversed(keys)).removeprefix('.')}" if keys else name
