"""One contract for LangGraph's own stores and for FaissStore: values and order."""

import sqlite3
from datetime import timedelta
from pathlib import Path

import pytest
from langgraph.store.base import (
    BaseStore,
    GetOp,
    InvalidNamespaceError,
    ListNamespacesOp,
    MatchCondition,
    PutOp,
    SearchOp,
)
from langgraph.store.sqlite import SqliteStore

from memgpt_agent.store import FaissStore

DOCS = ("docs",)


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


def test_a_batch_answers_in_its_own_order_and_its_puts_stand_in_the_order_of_first_mention(ordered: BaseStore) -> None:
    """Each result stands where its operation stood; a key put, deleted and put again in one batch keeps its first place."""
    ordered.put(DOCS, "old", {"text": "old"})
    results = ordered.batch(
        [
            SearchOp(DOCS),
            PutOp(DOCS, "b", {"text": "1"}),
            GetOp(DOCS, "old"),
            PutOp(DOCS, "a", {"text": "2"}),
            PutOp(DOCS, "b", None),
            GetOp(DOCS, "none"),
            PutOp(DOCS, "b", {"text": "3"}),
            SearchOp(DOCS, query="old", limit=1),
        ]
    )
    assert keys(results[0]) == keys(results[7]) == ["old"]
    assert results[2].key == "old"  # type: ignore[union-attr]
    assert results[1] is results[3] is results[4] is results[5] is results[6] is None
    assert keys(ordered.search(DOCS)) == ["old", "b", "a"]
    assert ordered.get(DOCS, "b").value == {"text": "3"}  # type: ignore[union-attr]
    assert ordered.batch([]) == []


def test_a_put_of_none_deletes_and_deleting_nothing_is_fine(store: BaseStore) -> None:
    """By ``delete``, by a put of None, in a batch, and where there is nothing."""
    for key in "abc":
        store.put(DOCS, key, {"text": key})
    store.batch([PutOp(DOCS, "a", None), PutOp(DOCS, "none", None), PutOp(("nowhere",), "a", None)])
    store.delete(DOCS, "b")
    store.delete(("nowhere",), "b")
    assert keys(store.search((), limit=10)) == ["c"]


def test_an_item_has_the_times_of_its_first_and_its_last_put(store: BaseStore) -> None:
    """``updated_at`` moves on with an update and not with a read, and a search gives the same. SqliteStore's have no zone."""
    store.put(DOCS, "a", {"n": 1})
    first = store.get(DOCS, "a")
    store.put(DOCS, "a", {"n": 2})
    second = store.get(DOCS, "a")
    assert first is not None
    assert second is not None
    assert isinstance(store, SqliteStore) or first.created_at.utcoffset() == timedelta(0)
    assert first.created_at <= first.updated_at <= second.updated_at
    assert second.updated_at - first.updated_at < timedelta(minutes=1)
    found = store.search(DOCS)[0]
    again = store.get(DOCS, "a")
    assert again is not None
    assert (
        (found.created_at, found.updated_at)
        == (again.created_at, again.updated_at)
        == (second.created_at, second.updated_at)
    )


def test_an_update_keeps_the_time_of_the_first_put(tmp_path: Path) -> None:
    """On purpose unlike LangGraph's stores, which set it anew."""
    with FaissStore(tmp_path / "store.sqlite") as store:
        store.put(DOCS, "a", {"n": 1})
        first = store.get(DOCS, "a")
        store.put(DOCS, "a", {"n": 2})
        second = store.get(DOCS, "a")
    assert first is not None
    assert second is not None
    assert second.created_at == first.created_at
    assert second.updated_at > first.updated_at


def test_pages_follow_on_without_a_gap_or_a_repetition(indexed: BaseStore) -> None:
    """With and without a query and a filter; a page beyond the end is empty."""
    for number in range(7):
        indexed.put(DOCS, str(number), {"text": f"apple {number}", "even": number % 2 == 0})
    for query in (None, "apple 3"):
        pages = [keys(indexed.search(DOCS, query=query, limit=3, offset=start)) for start in (0, 3, 6, 9)]
        assert [len(page) for page in pages] == [3, 3, 1, 0]
        assert sorted(key for page in pages for key in page) == [str(number) for number in range(7)]
        even = keys(indexed.search(DOCS, query=query, filter={"even": True}, limit=2, offset=1))
        assert len(even) == 2
        assert set(even) < {"0", "2", "4", "6"}
    assert keys(indexed.search(DOCS, query="apple 3", limit=1)) == ["3"]


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


@pytest.mark.parametrize(
    ("conditions", "depth", "wanted"),
    [
        ([("prefix", ("*",))], None, [("a",), ("a", "b"), ("a", "b", "c"), ("b", "c"), ("c", "b", "a")]),
        ([("prefix", ("*", "b"))], None, [("a", "b"), ("a", "b", "c"), ("c", "b", "a")]),
        ([("suffix", ("b", "*"))], None, [("a", "b", "c"), ("b", "c"), ("c", "b", "a")]),
        ([("prefix", ("a",)), ("suffix", ("c",))], None, [("a", "b", "c")]),
        ([("prefix", ("a", "b")), ("suffix", ("b",))], None, [("a", "b")]),
        ([("prefix", ("a", "*", "*", "*"))], None, []),
        ([("suffix", ("c",))], 1, [("a",), ("b",)]),
        ([], 2, [("a",), ("a", "b"), ("b", "c"), ("c", "b")]),
    ],
)
def test_conditions_on_namespaces_hold_together(
    store: BaseStore, conditions: list[tuple[str, tuple[str, ...]]], depth: int | None, wanted: list[tuple[str, ...]]
) -> None:
    """Prefix and suffix with wildcards, then the depth, sorted and each once."""
    for namespace in [("c", "b", "a"), ("a",), ("a", "b", "c"), ("b", "c"), ("a", "b")]:
        store.put(namespace, "k", {"v": 1})
    fits = tuple(MatchCondition(match_type=kind, path=path) for kind, path in conditions)  # type: ignore[arg-type]
    assert store.batch([ListNamespacesOp(fits, depth, 100)]) == [wanted]


def test_a_search_takes_in_the_namespaces_below_its_prefix_in_the_order_of_their_first_put(ordered: BaseStore) -> None:
    """Without a query by namespace, then by item; with one by cosine across them, equals in that same order."""
    for namespace, key in [(("a", "z"), "1"), (("a", "b"), "2"), (("ab",), "3"), (("a",), "4"), (("a", "z"), "5")]:
        ordered.put(namespace, key, {"text": "red apple"})
    assert keys(ordered.search(("a",))) == ["1", "5", "2", "4"]
    assert keys(ordered.search(("a",), query="red apple")) == ["1", "5", "2", "4"]
    assert keys(ordered.search((), query="red apple", limit=3, offset=2)) == ["2", "3", "4"]
    assert ordered.search(("a", "none"), query="red apple") == []


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


async def test_the_async_face_of_every_store_gives_the_same_values(async_store: BaseStore) -> None:
    """Batch, put, get, search, list and delete; reads before writes there too."""
    results = await async_store.abatch(
        [PutOp(DOCS, "a", {"n": 1}), GetOp(DOCS, "a"), PutOp(DOCS, "b", {"n": 2}), SearchOp(())]
    )
    assert results == [None, None, None, []]
    await async_store.aput(("x", "y"), "c", {"n": 3})
    assert sorted(keys(await async_store.asearch((), filter={"n": {"$gte": 2}}))) == ["b", "c"]
    assert await async_store.alist_namespaces(suffix=("y",)) == [("x", "y")]
    await async_store.adelete(DOCS, "a")
    assert await async_store.aget(DOCS, "a") is None
    found = await async_store.aget(DOCS, "b")
    assert found is not None
    assert found.value == {"n": 2}


def test_sqlite_is_the_truth_and_can_be_read_by_sqlite_alone(tmp_path: Path) -> None:
    """Nobody needs this package to get their memories out."""
    with FaissStore(tmp_path / "store.sqlite") as store:
        store.put(("agent", "recall"), "m1", {"text": "héllo"})
    with sqlite3.connect(tmp_path / "store.sqlite") as connection:
        rows = connection.execute("SELECT path, key, value FROM items JOIN namespaces ON namespaces.id = ns").fetchall()
    connection.close()
    assert rows == [("agent.recall", "m1", '{"text":"héllo"}')]
