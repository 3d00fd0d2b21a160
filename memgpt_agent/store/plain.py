"""The memory store's operations, and copying items, over any BaseStore: natively, or with what a plain store can do."""

import asyncio
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

from langgraph.store.base import BaseStore, Item, Op, PutOp, Result, SearchItem

from memgpt_agent.errors import ConfigurationError
from memgpt_agent.store.base import MemoryStore
from memgpt_agent.store.fields import Fields, counted_texts, order_of
from memgpt_agent.store.filters import Filter, check_filter, matches
from memgpt_agent.store.operations import TEXTS_BESIDE_AGENTS
from memgpt_agent.store.protocol import (
    Check,
    Dialogue,
    EmbeddingIdentity,
    Guard,
    IndexedItem,
    Namespace,
    Progress,
    SearchMode,
    StoredSize,
    StoreSizes,
    Tally,
)
from memgpt_agent.store.rows import encode_value
from memgpt_agent.text.never_stored import Redactor

__all__ = [
    "Filter", "best_or_newest", "checked_store", "checking", "count", "find", "finish_embedding", "guarded", "matches", "newest", "put_if",
    "put_then_embed", "redacting", "sizes_under", "tally",
]  # fmt: skip
SCAN_LIMIT = 10_000
"""A plain store is asked for this many items at most when a filter has to be applied here."""

_plain_writes = threading.RLock()


def checked_store(given: Any) -> BaseStore:
    """Return a store that was given.

    Raises:
        ConfigurationError: it is none.
    """
    if isinstance(given, BaseStore):
        return given
    raise ConfigurationError(f"store={given!r} is no LangGraph store. Open one: open_store(path), FaissStore(path), or InMemoryStore().")


def find(
    store: BaseStore,
    namespace: tuple[str, ...],
    query: str,
    *,
    filter: Filter | None = None,
    limit: int = 10,
    offset: int = 0,
    mode: SearchMode = "hybrid",
    near: str | Dialogue | None = None,
) -> list[SearchItem]:
    """Return the best items of one namespace for ``query``, best first; see ``MemoryStore.find``.

    **Limits**: on a plain ``BaseStore`` the ranking is the store's own (by meaning where it has an index; without
    one, by the number of the query's words that an item holds), ``near`` does nothing, and at most 10,000 items are looked at.
    """
    if isinstance(store, MemoryStore):
        return store.find(namespace, query, mode=mode, filter=filter, limit=limit, offset=offset, near=near)
    items = _of_a_plain_store(store, namespace, filter, query)
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
    store: BaseStore,
    namespace: tuple[str, ...],
    *,
    by: str = "time",
    filter: Filter | None = None,
    limit: int = 10,
    offset: int = 0,
) -> list[SearchItem]:
    """Return items of one namespace by a field of their values, newest first; see ``MemoryStore.newest``.

    **Limits**: on a plain ``BaseStore`` the first 10,000 items of the namespace are looked at.
    """
    if isinstance(store, MemoryStore):
        return store.newest(namespace, by=by, filter=filter, limit=limit, offset=offset)
    items = _of_a_plain_store(store, namespace, filter)[::-1]
    items.sort(key=lambda item: _order(item.value.get(by)), reverse=True)
    return items[offset : offset + limit]


def _order(value: Any) -> tuple[int, Any]:
    order = order_of(value)
    return (0, 0) if order is None else (2, order) if isinstance(order, str) else (1, order)


def count(store: BaseStore, namespace: tuple[str, ...], filter: Filter | None = None) -> int:
    """Return how many items of one namespace pass the filter; see ``MemoryStore.count``.

    **Limits**: on a plain ``BaseStore`` the first 10,000 items of the namespace are looked at.
    """
    if isinstance(store, MemoryStore):
        return store.count(namespace, filter)
    return len(_of_a_plain_store(store, namespace, filter))


def tally(store: BaseStore, namespace: tuple[str, ...], *, limit: int = 10) -> Tally:
    """Return how many items one namespace holds, and the tags that most of them have; see ``MemoryStore.tally``.

    **Limits**: on a plain ``BaseStore`` the first 10,000 items of the namespace are looked at, once for both.
    """
    if isinstance(store, MemoryStore):
        return store.tally(namespace, limit=limit)
    items = _of_a_plain_store(store, namespace, None)
    used = Counter(tag for item in items for tag in counted_texts(item.value, Fields()))
    return Tally(len(items), sorted(used.items(), key=lambda pair: (-pair[1], pair[0]))[:limit])


def _of_a_plain_store(
    store: BaseStore, namespace: tuple[str, ...], filter: Filter | None, query: str | None = None
) -> list[SearchItem]:
    check_filter(filter)
    found = store.search(namespace, query=query, limit=SCAN_LIMIT)
    return [item for item in found if item.namespace == namespace and matches(item.value, filter)]


def all_items(store: BaseStore, namespace: tuple[str, ...], filter: Filter | None = None) -> Iterator[Item]:
    """Yield all items of exactly this namespace that pass the filter, page by page: nothing may be deleted meanwhile."""
    offset = 0
    while page := store.search(namespace, filter=filter, limit=_PAGE, offset=offset):
        offset += len(page)
        yield from (item for item in page if item.namespace == namespace)


def best_or_newest(
    store: BaseStore,
    namespace: tuple[str, ...],
    query: str,
    *,
    filter: Filter | None,
    limit: int,
    page: int,
    near: str | Dialogue | None = None,
) -> list[SearchItem]:
    """Return one page (from 0) of the items that fit ``query`` best, or of the newest where it holds no word."""
    if re.search(r"\w", query):
        return find(store, namespace, query, filter=filter, limit=limit, offset=page * limit, near=near)
    return newest(store, namespace, filter=filter, limit=limit, offset=page * limit)


def put_if(
    store: BaseStore,
    namespace: tuple[str, ...],
    key: str,
    value: dict[str, Any],
    *,
    expected: dict[str, Any] | None,
    index: Literal[False] | list[str] | None = None,
    durable: bool = True,
    embed_later: bool = False,
) -> bool:
    """Write ``value`` only if what is stored equals ``expected``; return whether it was written.

    What is not ``durable`` need not outlive a power failure, and waits for no disk where the store can do so. Nor does a write wait for
    its vectors with ``embed_later``.

    **Limits**: on a plain ``BaseStore`` this is safe between the threads of one process, not between processes.
    """
    if isinstance(store, MemoryStore):
        return store.put_if(namespace, key, value, expected=expected, index=index, durable=durable, embed_later=embed_later)
    with _plain_writes:
        item = store.get(namespace, key)
        if (item.value if item else None) != expected:
            return False
        store.put(namespace, key, value, index=index)
        return True


def put_then_embed(store: BaseStore, puts: Sequence[PutOp]) -> None:
    """Write items without waiting for their vectors where the store can do so; see ``MemoryStore.put_then_embed``."""
    if isinstance(store, MemoryStore):
        store.put_then_embed(puts)
    else:
        store.batch(puts)


def finish_embedding(store: BaseStore) -> None:
    """Wait for the vectors that follow; see ``MemoryStore.finish_embedding``."""
    if isinstance(store, MemoryStore):
        store.finish_embedding()


def guarded(store: BaseStore, guard: Guard) -> BaseStore:
    """Return a view of the store whose writes are refused once the guard's number has risen; see ``MemoryStore.guarded``.

    **Limits**: on a plain ``BaseStore`` this is safe between the threads of one process, not between processes.
    """
    return store.guarded(guard) if isinstance(store, MemoryStore) else _Guarded(store, guard)


def redacting(store: BaseStore, redactor: Redactor | None) -> BaseStore:
    """Return a view of the store whose values lose what is never stored before they are written; the store itself without a redactor."""
    if redactor is None:
        return store
    if isinstance(store, MemoryStore):
        return store.redacting(redactor)

    def redacted(op: Op) -> Op:
        if not isinstance(op, PutOp) or op.value is None or (len(op.namespace) == 1 and op.namespace not in TEXTS_BESIDE_AGENTS):
            return op
        return op._replace(value=redactor.in_value(op.value))

    return _Before(store, lambda ops: list(map(redacted, ops)))


def checking(store: BaseStore, check: Check) -> BaseStore:
    """Return a view of the store that has ``check`` look at the puts of each batch first; see ``MemoryStore.checking``."""
    if isinstance(store, MemoryStore):
        return store.checking(check)

    def checked(ops: list[Op]) -> list[Op]:
        puts = [op for op in ops if isinstance(op, PutOp) and op.value is not None]
        if puts:
            check([StoredSize(op.namespace, op.key, len(encode_value(op.value or {}).encode())) for op in puts])
        return ops

    return _Before(store, checked)


def sizes_under(store: BaseStore, labels: Sequence[str], counted: str) -> StoreSizes:
    """Return how much lies under first labels; see ``MemoryStore.sizes_under``.

    **Limits**: on a plain ``BaseStore`` the first 10,000 items of each label are looked at.
    """
    if isinstance(store, MemoryStore):
        return store.sizes_under(labels, counted)
    found = [item for label in labels for item in store.search((label,), limit=SCAN_LIMIT)]
    return StoreSizes(
        sum(item.namespace[1:] == (counted,) for item in found), sum(len(encode_value(item.value).encode()) for item in found)
    )


class _Before(BaseStore):
    """A plain store whose batches are changed, or refused, before it gets them."""

    def __init__(self, store: BaseStore, change: Callable[[list[Op]], list[Op]]) -> None:
        self._store, self._change = store, change
        self.supports_ttl, self.ttl_config = store.supports_ttl, store.ttl_config

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        return self._store.batch(self._change(list(ops)))

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        return await self._store.abatch(await asyncio.to_thread(self._change, list(ops)))


class _Guarded(BaseStore):
    """A plain store whose writes ask for the guard's number first."""

    def __init__(self, store: BaseStore, guard: Guard) -> None:
        self._store, self._guard = store, guard
        self.supports_ttl, self.ttl_config = store.supports_ttl, store.ttl_config

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        ops = list(ops)
        if not any(isinstance(op, PutOp) for op in ops):
            return self._store.batch(ops)
        with _plain_writes:
            item = self._store.get(self._guard.namespace, self._guard.key)
            if item is None or item.value.get("number") != self._guard.number:
                raise self._guard.refused()
            return self._store.batch(ops)

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        return await asyncio.to_thread(self.batch, list(ops))


_PAGE = 1_000
IndexOf = Callable[[Namespace, Mapping[str, Any]], tuple[str, ...] | None]
"""Says what of a value is searched, where the store does not."""


def _nothing(_: Namespace, __: Mapping[str, Any]) -> None:
    return None


def embedding_of(store: BaseStore) -> EmbeddingIdentity | None:
    """Return the embedding of the vectors that a store can hand over; ``None`` if it hands over none.

    **Limits**: a plain ``BaseStore`` hands over none, whatever it has.
    """
    return store.embedding() if isinstance(store, MemoryStore) else None


def items_of(
    store: BaseStore, namespace: Namespace, *, vectors_by: EmbeddingIdentity | None = None, index_of: IndexOf = _nothing
) -> Iterator[IndexedItem]:
    """Yield the items of exactly this namespace in the order in which they were first stored; see ``MemoryStore.items``.

    Searches put what is otherwise equal in this order: whoever stores the items again in it finds them as before.

    **Limits**: a plain ``BaseStore`` does not say what of a value is indexed: ``index_of`` does. It gives
    no vectors, and is read page by page, not in one state.
    """
    if isinstance(store, MemoryStore):
        yield from store.items(namespace, vectors_by=vectors_by)
        return
    for key, value in {item.key: item.value for item in all_items(store, namespace)}.items():
        yield IndexedItem(namespace, key, value, index_of(namespace, value))


def put_all(
    store: BaseStore,
    items: Sequence[IndexedItem],
    also: Sequence[PutOp] = (),
    *,
    vectors_by: EmbeddingIdentity | None,
    progress: Progress | None = None,
) -> None:
    """Put items, and ``also`` after them, in one batch; see ``MemoryStore.put_items``.

    **Limits**: a plain ``BaseStore`` embeds again, without progress, and writes all or nothing only if its ``batch`` does.
    """
    if isinstance(store, MemoryStore):
        store.put_items(items, also, vectors_by=vectors_by, progress=progress)
        return
    store.batch([*(PutOp(i.namespace, i.key, i.value, False if i.index is None else list(i.index)) for i in items), *also])
