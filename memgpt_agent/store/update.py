"""One read-modify-write for the whole package: read an item, change it, write it if nobody wrote it meanwhile."""

import random
import time
from collections.abc import Callable
from typing import Any, Literal, NamedTuple, TypeVar

from langgraph.store.base import BaseStore

from memgpt_agent.errors import WriteConflict
from memgpt_agent.store.plain import put_if

MAX_ATTEMPTS = 50
"""A change is tried this often. Somebody wins each round, so that fewer writers than this never exhaust it in turn."""
_LONGEST_PAUSE_SECONDS = 0.05
Value = dict[str, Any]
Change = Callable[[Value | None], Value | None]
"""Gets the stored value, ``None`` if there is none, and returns the new one; ``None`` or an equal value writes nothing."""
T = TypeVar("T")


class Updated(NamedTuple):
    """What an item was and is."""

    before: Value | None
    """The value that the last call of the change was given."""
    after: Value
    """The value stored now; empty if there was none and the change wrote none."""


def update(
    store: BaseStore,
    namespace: tuple[str, ...],
    key: str,
    change: Change,
    *,
    index: Literal[False] | list[str] | None = False,
    embed_later: bool = False,
) -> Updated:
    """Write what ``change`` makes of an item, and return what the item was and is.

    Args:
        store: where the item lies.
        namespace: its namespace.
        key: its key.
        change: called again for each attempt. It must not alter the value it is given. What it raises ends the update;
            nothing is written then.
        index: what of the value is indexed, as in ``BaseStore.put``; nothing unless given.
        embed_later: whether the write waits for no vectors, where the store can do so.

    Raises:
        WriteConflict: others wrote the item before each of 50 attempts.

    **Limits**: on a plain ``BaseStore`` this is safe between the threads of one process, not between processes.
    """

    def attempt() -> Updated | None:
        item = store.get(namespace, key)
        before = item.value if item else None
        after = change(before)
        if after is None or after == before:
            return Updated(before, before or {})
        written = put_if(store, namespace, key, after, expected=before, index=index, embed_later=embed_later)
        return Updated(before, after) if written else None

    return until_written(f"{key!r} in {'/'.join(namespace)}", attempt)


def until_written(what: str, attempt: Callable[[], T | None]) -> T:
    """Return the first result of ``attempt`` that is not ``None``; for a change that reads or writes several items.

    Args:
        what: names what is being changed, for the error.
        attempt: reads everything again, writes with ``put_if``, and returns ``None`` if a write was refused.

    Raises:
        WriteConflict: 50 attempts returned ``None``.
    """
    for number in range(MAX_ATTEMPTS):
        result = attempt()
        if result is not None:
            return result
        if number:  # from the second refusal on, wait a random moment, so that many writers do not collide in step
            time.sleep(random.uniform(0, min(_LONGEST_PAUSE_SECONDS, 0.001 * 2**number)))  # noqa: S311  spreads writers, keeps no secret
    raise WriteConflict(f"Others changed {what} before each of {MAX_ATTEMPTS} attempts to change it; try again.")
