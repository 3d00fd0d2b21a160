"""Copying items to another store: the value, what of it is indexed, and on request its vectors."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from langgraph.store.base import BaseStore, PutOp

from memgpt_agent.store.base import MemoryStore
from memgpt_agent.store.protocol import EmbeddingIdentity, IndexedItem, Namespace, Progress

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
    found: dict[str, dict[str, Any]] = {}
    offset = 0
    while page := store.search(namespace, limit=_PAGE, offset=offset):
        offset += len(page)
        found.update({item.key: item.value for item in page if item.namespace == namespace})
    for key, value in found.items():
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
