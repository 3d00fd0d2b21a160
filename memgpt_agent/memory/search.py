"""Search and compare-and-set over any BaseStore: by the memory store's own operations, or with what a plain store can do."""

import re
import threading
from collections.abc import Sequence
from typing import Any, Literal, cast

from langgraph.store.base import BaseStore, SearchItem

from memgpt_agent.memory.store.protocol import MemoryStore, SearchMode

Filter = dict[str, Any]
SCAN_LIMIT = 10_000
"""A plain store is asked for this many items at most when a filter has to be applied here."""

_plain_writes = threading.Lock()


def find(
    store: BaseStore,
    namespace: tuple[str, ...],
    query: str,
    *,
    filter: Filter | None = None,
    limit: int = 10,
    offset: int = 0,
    mode: SearchMode = "hybrid",
) -> list[SearchItem]:
    """Return the best items of one namespace for ``query``, best first.

    **Limits**: on a plain ``BaseStore`` the ranking is the store's own (by meaning where it has an index; without
    one, by the number of the query's words that an item holds), and at most 10,000 items are looked at.
    """
    if isinstance(store, MemoryStore):
        return store.find(namespace, query, mode=mode, filter=filter, limit=limit, offset=offset)
    items = [i for i in store.search(namespace, query=query, limit=SCAN_LIMIT) if matches(i.value, filter)]
    items = [i for i in items if i.namespace == namespace]
    if items and all(item.score is None for item in items):
        items = _by_shared_words(items, query)
    return items[offset : offset + limit]


def _by_shared_words(items: list[SearchItem], query: str) -> list[SearchItem]:
    wanted = _words(query)
    scored = [(len(wanted & _words(str(i.value.get("text", "")))), i) for i in items]
    return [item for shared, item in sorted(scored, key=lambda pair: -pair[0]) if shared or not wanted]


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.lower()))


def newest(
    store: BaseStore, namespace: tuple[str, ...], *, filter: Filter | None = None, limit: int = 10, offset: int = 0
) -> list[SearchItem]:
    """Return items of one namespace by their ``time`` field, newest first.

    **Limits**: looks at 10,000 items at most; a store that orders by a field itself would do better.
    """
    found = store.search(namespace, limit=SCAN_LIMIT)
    items = [i for i in found if i.namespace == namespace and matches(i.value, filter)]
    items.sort(key=lambda i: (str(i.value.get("time", "")), i.value.get("ordinal", 0)), reverse=True)
    return items[offset : offset + limit]


def best_or_newest(
    store: BaseStore, namespace: tuple[str, ...], query: str, *, filter: Filter | None, limit: int, page: int
) -> list[SearchItem]:
    """Return one page (from 0) of the items that fit ``query`` best, or of the newest where it holds no word."""
    if re.search(r"\w", query):
        return find(store, namespace, query, filter=filter, limit=limit, offset=page * limit)
    return newest(store, namespace, filter=filter, limit=limit, offset=page * limit)


def put_if(
    store: BaseStore,
    namespace: tuple[str, ...],
    key: str,
    value: dict[str, Any],
    *,
    expected: dict[str, Any] | None,
    index: Literal[False] | list[str] | None = None,
) -> bool:
    """Write ``value`` only if what is stored equals ``expected``; return whether it was written.

    **Limits**: on a plain ``BaseStore`` this is safe between the threads of one process, not between processes.
    """
    if isinstance(store, MemoryStore):
        return store.put_if(namespace, key, value, expected=expected, index=index)
    with _plain_writes:
        item = store.get(namespace, key)
        if (item.value if item else None) != expected:
            return False
        store.put(namespace, key, value, index=index)
        return True


def matches(value: dict[str, Any], filter: Filter | None) -> bool:
    """Whether an item's value passes a filter; a field that is missing passes only ``$ne``."""
    return all(_holds(value.get(field), condition) for field, condition in (filter or {}).items())


def _holds(actual: Any, condition: Any) -> bool:
    operators = cast(dict[str, Any], condition) if isinstance(condition, dict) else {}
    if not operators or not all(str(operator).startswith("$") for operator in operators):
        return bool(actual == condition)
    return all(_compare(actual, operator, wanted) for operator, wanted in operators.items())


def _compare(actual: Any, operator: str, wanted: Any) -> bool:
    match operator:
        case "$eq":
            return bool(actual == wanted)
        case "$ne":
            return bool(actual != wanted)
        case "$in":
            return actual in wanted
        case "$any":
            return bool(set(_as_list(actual)) & set(wanted))
        case "$all":
            return set(wanted) <= set(_as_list(actual))
        case "$gt" | "$gte" | "$lt" | "$lte" if actual is not None:
            tests = {"$gt": actual > wanted, "$gte": actual >= wanted, "$lt": actual < wanted, "$lte": actual <= wanted}
            return tests[operator]
        case _:
            return False


def _as_list(value: Any) -> Sequence[Any]:
    return cast(list[Any], value) if isinstance(value, list) else []
