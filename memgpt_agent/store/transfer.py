"""Items as they are carried to another store: value, what of it is indexed, and on demand its vectors."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from langgraph.store.base import BaseStore, PutOp

from memgpt_agent.store.embedding import TEXTS_AT_ONCE, Embedder
from memgpt_agent.store.index.arrays import Floats
from memgpt_agent.store.sqlite.rows import Namespace, decode_value, path_of
from memgpt_agent.store.sqlite.store import FaissStore
from memgpt_agent.store.texts import texts_at

_PAGE = 1_000
_VECTORS = "SELECT path, vector FROM vectors WHERE ns = (SELECT ns FROM docs WHERE id = ?) AND doc = ? ORDER BY path"
"""The index of the vectors begins with the namespace."""


@dataclass(frozen=True)
class TransferItem:
    """One item, complete."""

    key: str
    """Its key."""
    value: dict[str, Any]
    """Its value."""
    index: tuple[str, ...] | None
    """The paths that are searched; ``None``: it is not searched."""
    vectors: Mapping[str, bytes]
    """The vector (float32, little-endian, unit length) of each embedded path; empty where they were not asked for."""


def items_of(store: BaseStore, namespace: Namespace, *, vectors: bool = False) -> Iterator[TransferItem]:
    """Yield the items of exactly this namespace in the order in which they were first stored.

    Searches put what is otherwise equal in this order: whoever stores the items again in it finds them as before.

    **Limits**: a plain ``BaseStore`` does not say what of a value is indexed: that is inferred from its fields. It gives
    no vectors.
    """
    if isinstance(store, FaissStore):
        yield from _from_file(store, namespace, with_vectors=vectors)
        return
    found: dict[str, dict[str, Any]] = {}
    offset = 0
    while page := store.search(namespace, limit=_PAGE, offset=offset):
        offset += len(page)
        found.update({item.key: item.value for item in page if item.namespace == namespace})
    for key, value in found.items():
        yield TransferItem(key, value, usual_index(value), {})


def _from_file(store: FaissStore, namespace: Namespace, *, with_vectors: bool) -> Iterator[TransferItem]:
    sql = (
        "SELECT items.key, items.value, path_sets.paths, items.doc FROM items "
        "LEFT JOIN docs ON docs.id = items.doc LEFT JOIN path_sets ON path_sets.id = docs.paths "
        "WHERE items.ns = (SELECT id FROM namespaces WHERE path = ?) ORDER BY items.id"
    )
    with store._database.read() as connection:  # pyright: ignore[reportPrivateUsage]
        for key, value, paths, doc in connection.execute(sql, (path_of(namespace),)):
            rows = connection.execute(_VECTORS, (doc, doc)) if with_vectors else ()
            index: tuple[str, ...] | None = tuple(decode_value(paths)) if paths else None
            yield TransferItem(key, decode_value(value), index, {path: bytes(vector) for path, vector in rows})


def usual_index(value: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Return the paths that the tiers index of such a value, where the store does not say."""
    if value.get("echo") is True:
        return None
    if "indexed" in value:
        whole = "indexed[*]" if isinstance(value["indexed"], list) else "indexed"
        return (whole, "words:beside") if "beside" in value else (whole,)
    if isinstance(value.get("text"), str):
        return ("text",)
    return ("name",) if "same_as" in value else None


def put_all(
    store: BaseStore,
    items: Sequence[tuple[Namespace, TransferItem]],
    also: Sequence[PutOp] = (),
    *,
    take_vectors: bool,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write items, and other puts with them, in one batch: all or, where the store has transactions, nothing.

    Args:
        store: where to.
        items: namespace and item; of one key only the last must be given.
        also: what is written in the same batch.
        take_vectors: use the vectors that the items carry; else, and where one is missing, texts are embedded anew.
        progress: told how many texts have been embedded, of how many.
    """
    puts = [PutOp(ns, i.key, i.value, list(i.index) if i.index is not None else False) for ns, i in items]
    if not isinstance(store, FaissStore):
        store.batch([*puts, *also])
        return
    engine, planner = store._engine, store._planner  # pyright: ignore[reportPrivateUsage]
    plan = planner.plan([*puts, *also])
    known = _carried_vectors(items, engine.embedder.dims) if take_vectors and engine.embedder else {}
    missing = [text for text in plan.texts if text not in known]
    engine.execute(plan, {**known, **_embedded(engine.embedder, missing, progress)}, {})


def _carried_vectors(items: Sequence[tuple[Namespace, TransferItem]], dims: int) -> dict[str, Floats]:
    known: dict[str, Floats] = {}
    for _, item in items:
        if item.vectors and item.index:
            for field in texts_at(item.value, item.index):
                if field.embed and field.path in item.vectors and len(item.vectors[field.path]) == dims * 4:
                    known[field.text] = np.frombuffer(item.vectors[field.path], dtype="<f4").astype(np.float32)
    return known


def _embedded(
    embedder: Embedder | None, texts: Sequence[str], progress: Callable[[int, int], None] | None
) -> dict[str, Floats]:
    rows: dict[str, Floats] = {}
    for start in range(0, len(texts) if embedder else 0, TEXTS_AT_ONCE):
        assert embedder is not None  # noqa: S101  the range is empty without one
        rows.update(embedder.documents(texts[start : start + TEXTS_AT_ONCE]))
        if progress:
            progress(min(start + TEXTS_AT_ONCE, len(texts)), len(texts))
    return rows
