"""One contract for LangGraph's own stores and for FaissStore: values and order."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from langgraph.store.base import BaseStore, GetOp, InvalidNamespaceError, ListNamespacesOp, PutOp, SearchOp
from langgraph.store.memory import InMemoryStore
from langgraph.store.sqlite import SqliteStore

from memgpt_agent.memory.store import FaissStore
from memgpt_agent.testing import HashingEmbedder

DOCS = ("docs",)


@pytest.fixture(params=["in-memory", "sqlite", "faiss"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BaseStore]:
    """Return each store without an index for meaning."""
    if request.param == "in-memory":
        yield InMemoryStore()
    elif request.param == "sqlite":
        with SqliteStore.from_conn_string(":memory:") as made:
            made.setup()
            yield made
    else:
        with FaissStore(tmp_path / "store.sqlite") as made:
            yield made


@pytest.fixture(params=["in-memory", "faiss"])
def ordered(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BaseStore]:
    """Return the stores whose order is InMemoryStore's, with an index."""
    index = {"dims": 64, "embed": HashingEmbedder(64), "fields": ["text"]}
    if request.param == "in-memory":
        yield InMemoryStore(index=index)  # type: ignore[arg-type]
    else:
        with FaissStore(tmp_path / "store.sqlite", index=index) as made:
            yield made


def keys(items: object) -> list[str]:
    """Return the keys, in order."""
    return [item.key for item in items]  # type: ignore[attr-defined]


def test_what_was_put_is_got_and_what_was_deleted_is_not(store: BaseStore) -> None:
    """An item is its last value; a deleted or unknown one is None."""
    store.put(DOCS, "a", {"text": "one", "nested": {"list": [1, 2.5, None, True]}})
    store.put(DOCS, "a", {"text": "two"})
    store.put(DOCS, "b", {"text": "three"})
    store.delete(DOCS, "b")
    found = store.get(DOCS, "a")
    assert found is not None
    assert (found.value, found.key, found.namespace) == ({"text": "two"}, "a", DOCS)
    assert found.created_at <= found.updated_at
    assert store.get(DOCS, "b") is None
    assert store.get(("other",), "a") is None


def test_reads_of_a_batch_see_the_state_before_its_writes(store: BaseStore) -> None:
    """Wherever in the batch a read stands, the batch's own writes are not in it; of several writes the last holds."""
    store.put(DOCS, "a", {"n": 1})
    results = store.batch(
        [
            PutOp(DOCS, "a", {"n": 2}),
            GetOp(DOCS, "a"),
            PutOp(DOCS, "a", {"n": 3}),
            SearchOp(DOCS),
            PutOp(("new",), "x", {"n": 4}),
            ListNamespacesOp(),
            PutOp(("new",), "x", None),
        ]
    )
    assert results[0] is results[2] is results[4] is results[6] is None
    assert results[1].value == {"n": 1}  # type: ignore[union-attr]
    assert [item.value for item in results[3]] == [{"n": 1}]  # type: ignore[union-attr]
    assert results[5] == [DOCS]
    assert store.get(DOCS, "a").value == {"n": 3}  # type: ignore[union-attr]
    assert store.get(("new",), "x") is None


def test_a_filter_compares_values_not_text(store: BaseStore) -> None:
    """Numbers are compared as numbers, and equality knows strings, booleans and numbers apart from their text."""
    for number in (2, 10, 9.5):
        store.put(DOCS, str(number), {"n": number, "even": number % 2 == 0, "name": f"no {number}"})
    assert sorted(keys(store.search(DOCS, filter={"n": {"$gt": 9}}))) == ["10", "9.5"]
    assert sorted(keys(store.search(DOCS, filter={"n": {"$gte": 2, "$lt": 10}}))) == ["2", "9.5"]
    assert keys(store.search(DOCS, filter={"n": {"$lte": 2}})) == ["2"]
    assert keys(store.search(DOCS, filter={"n": 10})) == ["10"]
    assert sorted(keys(store.search(DOCS, filter={"n": {"$ne": 10}}))) == ["2", "9.5"]
    assert keys(store.search(DOCS, filter={"name": {"$eq": "no 2"}, "even": True})) == ["2"]


def test_namespaces_are_listed_by_prefix_suffix_wildcard_and_depth(store: BaseStore) -> None:
    """Sorted, without repetition, a page at a time."""
    for namespace in [("a", "b", "c"), ("a", "b", "d", "e"), ("a", "b", "d", "i"), ("a", "c", "f"), ("ab", "x")]:
        store.put(namespace, "k", {"v": 1})
    assert store.list_namespaces(prefix=("a", "b"), max_depth=3) == [("a", "b", "c"), ("a", "b", "d")]
    assert store.list_namespaces(prefix=("a", "*", "d")) == [("a", "b", "d", "e"), ("a", "b", "d", "i")]
    assert store.list_namespaces(suffix=("f",)) == [("a", "c", "f")]
    assert store.list_namespaces(suffix=("*", "e")) == [("a", "b", "d", "e")]
    assert store.list_namespaces(limit=2, offset=3) == [("a", "c", "f"), ("ab", "x")]
    assert len(store.search(("a",))) == 4, "the prefix ('a',) does not take in ('ab', 'x')"
    assert len(store.search((), limit=100)) == 5


def test_a_label_with_a_dot_is_refused(store: BaseStore) -> None:
    """Namespaces cannot be confused with one another."""
    with pytest.raises(InvalidNamespaceError):
        store.put(("a.b",), "k", {"v": 1})
    with pytest.raises(InvalidNamespaceError):
        store.put((), "k", {"v": 1})


def test_without_a_query_items_come_in_the_order_in_which_they_were_first_put(ordered: BaseStore) -> None:
    """An update keeps the place; a delete and a new put take the last one; pages follow on."""
    for key in "dacb":
        ordered.put(DOCS, key, {"text": key})
    ordered.put(DOCS, "a", {"text": "new"})
    ordered.delete(DOCS, "d")
    ordered.put(DOCS, "d", {"text": "again"})
    assert keys(ordered.search(DOCS)) == ["a", "c", "b", "d"]
    assert keys(ordered.search(DOCS, limit=2, offset=1)) == ["c", "b"]
    assert keys(ordered.search(DOCS, limit=0)) == []


def test_a_query_ranks_by_cosine_with_equals_in_order_and_fills_up_with_what_has_no_vector(ordered: BaseStore) -> None:
    """``index=False`` and a missing field leave an item without a score, after those that have one."""
    ordered.put(DOCS, "plain", {"text": "red apple"}, index=False)
    ordered.put(DOCS, "far", {"text": "slow train"})
    ordered.put(DOCS, "near", {"text": "red apple"})
    ordered.put(DOCS, "same", {"text": "red apple"})
    ordered.put(DOCS, "other", {"title": "red apple"})
    ordered.put(DOCS, "title", {"title": "green apple"}, index=["title"])
    found = ordered.search(DOCS, query="red apple")
    assert keys(found) == ["near", "same", "title", "far", "plain", "other"]
    assert [item.score and round(item.score, 4) for item in found[:2]] == [1.0, 1.0]
    assert [item.score for item in found[4:]] == [None, None]
    assert keys(ordered.search(DOCS, query="red apple", limit=1, offset=1)) == ["same"]
    assert keys(ordered.search(DOCS, query="red apple", filter={"text": "slow train"}))[0] == "far"


def test_an_item_counts_by_the_closest_of_its_fields(ordered: BaseStore) -> None:
    """Several paths and several texts at one path give one hit."""
    ordered.put(DOCS, "a", {"parts": [{"t": "blue sea"}, {"t": "green hill"}]}, index=["parts[*].t"])
    ordered.put(DOCS, "b", {"one": "green", "two": "hill top"}, index=["one", "two"])
    found = ordered.search(DOCS, query="green hill")
    assert keys(found) == ["a", "b"]
    assert found[0].score == pytest.approx(1.0, abs=1e-5)


async def test_the_async_face_gives_what_the_sync_face_gives(ordered: BaseStore) -> None:
    """The same values in the same order."""
    await ordered.aput(DOCS, "a", {"text": "red apple"})
    await ordered.aput(DOCS, "b", {"text": "slow train"})
    found = await ordered.aget(DOCS, "a")
    assert found is not None
    assert found.value == {"text": "red apple"}
    assert keys(await ordered.asearch(DOCS, query="train")) == ["b", "a"]
    await ordered.adelete(DOCS, "a")
    assert await ordered.alist_namespaces() == [DOCS]
    assert keys(await ordered.asearch(DOCS)) == ["b"]


def test_sqlite_is_the_truth_and_can_be_read_by_sqlite_alone(tmp_path: Path) -> None:
    """Nobody needs this package to get their memories out."""
    with FaissStore(tmp_path / "store.sqlite") as store:
        store.put(("agent", "recall"), "m1", {"text": "héllo"})
    with sqlite3.connect(tmp_path / "store.sqlite") as connection:
        rows = connection.execute("SELECT path, key, value FROM items JOIN namespaces ON namespaces.id = ns").fetchall()
    connection.close()
    assert rows == [("agent.recall", "m1", '{"text":"héllo"}')]
