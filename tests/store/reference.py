"""What FaissStore is held to: InMemoryStore with the defects that docs/store.md lists put right, and vectors without rounding."""

import hashlib
from typing import Any

from langchain_core.embeddings import Embeddings
from langgraph.store.base import GetOp, Item, ListNamespacesOp, Op, PutOp, Result, SearchItem, SearchOp
from langgraph.store.memory import InMemoryStore, _compare_values

DIMS = 8


class ExactEmbedder(Embeddings):
    """Unit vectors whose products are multiples of a half or a quarter, so that 32 and 64 bits agree and ties are ties."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return an axis, or four halves, for each text."""
        return [self.embed_query(text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        """Return an axis or four halves."""
        digest = hashlib.sha256(text.encode("utf-8", "replace")).digest()
        vector = [0.0] * DIMS
        if digest[0] % 2:
            vector[digest[1] % DIMS] = 1.0
        else:
            for place in range(4):
                vector[(digest[1] + place * (1 + digest[2] % 2)) % DIMS] = 0.5 if digest[3 + place] % 2 else -0.5
        return vector


def passes(value: dict[str, Any], wanted: dict[str, Any] | None) -> bool:
    """Whether InMemoryStore lets a value through; where it raises, what docs/store.md says."""
    return all(_passes(value.get(key), condition) for key, condition in (wanted or {}).items())


def _passes(actual: Any, wanted: Any) -> bool:
    if isinstance(wanted, dict) and any(key.startswith("$") for key in wanted):
        return all(_applies(actual, operator, operand) for operator, operand in wanted.items())
    if isinstance(wanted, dict):
        return isinstance(actual, dict) and all(_passes(actual.get(key), inner) for key, inner in wanted.items())
    if isinstance(wanted, list | tuple):
        same = isinstance(actual, list | tuple) and len(actual) == len(wanted)
        return same and all(_passes(one, inner) for one, inner in zip(actual, wanted, strict=True))
    return _compare_values(actual, wanted)


def _applies(actual: Any, operator: str, operand: Any) -> bool:
    try:
        return _compare_values(actual, {operator: operand})
    except (TypeError, ValueError, OverflowError):
        if isinstance(actual, str) and isinstance(operand, str):  # ISO dates, as SqliteStore compares them
            return {
                "$gt": actual > operand,
                "$gte": actual >= operand,
                "$lt": actual < operand,
                "$lte": actual <= operand,
            }[operator]
        return False


class Reference(InMemoryStore):
    """InMemoryStore, except for what docs/store.md says differs on purpose.

    Namespaces are listed while they hold something; looking into one does not make it; an update forgets the vectors of
    the former value; one text may stand in two items of a batch (InMemoryStore raises); filters as :func:`passes`.
    """

    def batch(self, ops: list[Op]) -> list[Result]:  # type: ignore[override]
        """Answer as FaissStore must."""
        listed = {place: self._listed(op) for place, op in enumerate(ops) if isinstance(op, ListNamespacesOp)}
        unknown = {place for place, op in enumerate(ops) if isinstance(op, GetOp) and op.namespace not in self._data}
        asked = [ListNamespacesOp() if place in unknown else op for place, op in enumerate(ops)]
        results = super().batch(asked)
        return [None if place in unknown else listed.get(place, result) for place, result in enumerate(results)]

    def _listed(self, op: ListNamespacesOp) -> list[tuple[str, ...]]:
        full = InMemoryStore()
        for namespace, items in self._data.items():
            if items:
                full._data[namespace] = items
        return full._handle_list_namespaces(op)

    def _filter_items(self, op: SearchOp) -> list[tuple[Item, list[list[float]]]]:
        every = super()._filter_items(op._replace(filter=None, limit=1 << 40, offset=0))
        return [(item, vectors) for item, vectors in every if passes(item.value, op.filter)]

    def _extract_texts(self, put_ops: dict[tuple[tuple[str, ...], str], PutOp]) -> Any:
        for namespace, key in put_ops:
            if namespace in self._vectors:
                self._vectors[namespace].pop(key, None)
        return super()._extract_texts(put_ops)

    def _insertinmem_store(self, to_embed: Any, embeddings: Any) -> None:
        for indices, embedding in zip(to_embed.values(), embeddings, strict=True):
            for namespace, key, path in indices:
                self._vectors[namespace][key][path] = embedding


def shown(result: Any) -> Any:
    """Return what of a result two stores must agree on."""
    if isinstance(result, SearchItem):
        return result.namespace, result.key, result.value, None if result.score is None else round(result.score, 6)
    if isinstance(result, Item):
        return result.namespace, result.key, result.value
    if isinstance(result, list):
        return [shown(one) for one in result]
    return result
