"""FaissStore against InMemoryStore, over any sequence of operations."""

import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from langgraph.store.base import GetOp, Item, ListNamespacesOp, Op, PutOp, SearchOp
from langgraph.store.memory import InMemoryStore

from memgpt_agent.memory.store import FaissStore

NAMESPACES = st.sampled_from([("a",), ("a", "b"), ("a", "b", "c"), ("ab",), ("c",)])
PREFIXES = st.sampled_from([(), ("a",), ("a", "b"), ("ab",), ("b",)])
KEYS = st.sampled_from(["k", "l", "m", "é.x"])
SCALARS = st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from([0.5, "", "x", "2", "😀", "it's"])
VALUES = st.dictionaries(st.sampled_from(["n", "text"]), SCALARS | st.lists(SCALARS, max_size=2), max_size=2)
CONDITIONS = SCALARS | st.fixed_dictionaries({"$eq": SCALARS}) | st.fixed_dictionaries({"$ne": SCALARS})
FILTERS = st.none() | st.fixed_dictionaries({"n": CONDITIONS})
OPERATIONS: st.SearchStrategy[Op] = st.one_of(
    st.tuples(NAMESPACES, KEYS, VALUES | st.none()).map(lambda given: PutOp(*given)),
    st.tuples(NAMESPACES, KEYS).map(lambda given: GetOp(*given)),
    st.tuples(PREFIXES, FILTERS, st.integers(0, 5), st.integers(0, 3)).map(lambda given: SearchOp(*given)),
    (st.none() | st.integers(1, 3)).map(lambda depth: ListNamespacesOp(max_depth=depth, limit=100)),
)


def shown(result: Any) -> Any:
    """Return what of a result both stores must agree on."""
    if isinstance(result, Item):
        return result.namespace, result.key, result.value
    if isinstance(result, list) and result and isinstance(result[0], Item):
        return [shown(item) for item in result]
    return result


def listed(memory: InMemoryStore, operation: ListNamespacesOp) -> list[tuple[str, ...]]:
    """Return the namespaces that hold something; InMemoryStore's own list has emptied ones too (docs/store.md)."""
    full = [namespace for namespace, items in memory._data.items() if items]
    return sorted({namespace[: operation.max_depth] for namespace in full})


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.lists(st.lists(OPERATIONS, min_size=1, max_size=4), max_size=12))
def test_any_sequence_of_batches_gives_what_in_memory_store_gives(batches: list[list[Op]]) -> None:
    """Values and order of every get, search without a query and list of namespaces, and all that is there at the end."""
    with tempfile.TemporaryDirectory() as folder, FaissStore(Path(folder) / "store.sqlite") as store:
        memory = InMemoryStore()
        for batch in [*batches, [SearchOp((), limit=1000)]]:
            names = [listed(memory, op) if isinstance(op, ListNamespacesOp) else None for op in batch]
            results = memory.batch(batch)
            wanted = [shown(result) if name is None else name for result, name in zip(results, names, strict=True)]
            assert [shown(result) for result in store.batch(batch)] == wanted
