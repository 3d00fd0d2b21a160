"""Search and compare-and-set on stores that know neither."""

from collections.abc import Iterator
from typing import Any

import pytest
from langgraph.store.base import BaseStore
from langgraph.store.memory import InMemoryStore

from memgpt_agent.store import FaissStore
from memgpt_agent.store.plain import best_or_newest, find, matches, newest, put_if
from memgpt_agent.testing import HashingEmbedder

PLACE = ("a", "recall")


def filled(store: InMemoryStore) -> InMemoryStore:
    """Put three items into the namespace, and one below it."""
    for n, text in enumerate(["Alice likes tea.", "Bob likes rain.", "Alice's dog is called Rex."]):
        store.put(PLACE, str(n), {"text": text, "time": f"2026-01-0{n + 1}", "tags": ["x"] if n else ["x", "y"]})
    store.put((*PLACE, "deeper"), "9", {"text": "Alice elsewhere", "time": "2026-02-01"})
    return store


def test_without_an_index_items_are_ranked_by_the_words_they_share() -> None:
    """Punctuation and case do not count; what shares nothing is not found, nor what lies in another namespace."""
    store = filled(InMemoryStore())
    assert [i.key for i in find(store, PLACE, "alice: DOG?")] == ["2", "0"]
    assert find(store, PLACE, "elsewhere") == []


def test_with_an_index_the_stores_own_ranking_holds() -> None:
    """By meaning, as the embedding sees it."""
    store = filled(InMemoryStore(index={"dims": 256, "embed": HashingEmbedder(256), "fields": ["text"]}))
    assert next(i.key for i in find(store, PLACE, "what is Alice's dog called")) == "2"


def test_pages_follow_each_other_after_the_filter() -> None:
    """The filter comes before limit and offset."""
    store = filled(InMemoryStore())
    wanted = {"tags": {"$any": ["x"]}}
    pages = [find(store, PLACE, "likes Alice", filter=wanted, limit=1, offset=n) for n in range(4)]
    assert [[i.key for i in page] for page in pages] == [["0"], ["1"], ["2"], []]


@pytest.fixture(params=["plain", "faiss"])
def either(request: pytest.FixtureRequest) -> Iterator[BaseStore]:
    """Return a plain store, and one of ours."""
    with FaissStore(":memory:") as ours:
        yield ours if request.param == "faiss" else InMemoryStore()


@pytest.mark.parametrize("query", ["apple", "...", ""])
@pytest.mark.parametrize("limit", [1, 2, 3, 7, 8])
def test_pages_of_the_best_or_newest_share_no_item_and_leave_none_out(
    either: BaseStore, limit: int, query: str
) -> None:
    """Page by page gives what one page of all gives: the best, or the newest where nothing is asked for."""
    for number in range(7):
        either.put(PLACE, f"k{number}", {"text": "apple " * (number % 3 + 1), "time": f"2026-01-{number * 5 % 7:02}"})
    every = [item.key for item in best_or_newest(either, PLACE, query, filter=None, limit=100, page=0)]
    assert sorted(every) == [f"k{number}" for number in range(7)]
    if not query.isalpha():
        assert every == [f"k{number}" for number in (4, 1, 5, 2, 6, 3, 0)]
    pages = [
        [item.key for item in best_or_newest(either, PLACE, query, filter=None, limit=limit, page=page)]
        for page in range(8)
    ]
    assert pages == [every[start : start + limit] for start in range(0, 8 * limit, limit)]


def test_newest_come_first_by_their_own_time() -> None:
    """Not by when they were written to the store."""
    assert [i.key for i in newest(filled(InMemoryStore()), PLACE, limit=2)] == ["2", "1"]


def test_a_write_happens_only_on_what_was_expected() -> None:
    """``None`` expects that there is nothing."""
    store = InMemoryStore()
    assert put_if(store, PLACE, "k", {"n": 1}, expected=None)
    assert not put_if(store, PLACE, "k", {"n": 2}, expected=None)
    assert not put_if(store, PLACE, "k", {"n": 2}, expected={"n": 0})
    assert put_if(store, PLACE, "k", {"n": 2}, expected={"n": 1})
    item = store.get(PLACE, "k")
    assert item is not None
    assert item.value == {"n": 2}


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        (None, True), ({"n": 3}, True), ({"n": {"$eq": 3}}, True), ({"n": {"$ne": 3}}, False), ({"n": {"$gte": 3, "$lt": 4}}, True),
        ({"n": {"$gt": 3}}, False), ({"n": {"$lte": 2}}, False), ({"n": {"$in": [1, 3]}}, True), ({"tags": {"$any": ["a", "z"]}}, True),
        ({"tags": {"$all": ["a", "z"]}}, False), ({"tags": {"$all": ["a", "b"]}}, True), ({"missing": {"$gt": 1}}, False),
        ({"missing": {"$ne": 1}}, True), ({"n": {"$any": [3]}}, False), ({"box": {"deep": 1}}, True), ({"n": {"$gt": "x"}}, False),
    ],
)  # fmt: skip
def test_a_filter_holds_or_not(condition: dict[str, Any] | None, holds: bool) -> None:
    """Operators as in the protocol of the store."""
    assert matches({"n": 3, "tags": ["a", "b"], "box": {"deep": 1}}, condition) is holds


def test_an_unknown_operator_is_refused_by_a_plain_store_as_well() -> None:
    """The same judge, the same words."""
    for ask in (
        lambda: find(InMemoryStore(), PLACE, "x", filter={"n": {"$like": 3}}),
        lambda: matches({}, {"n": {"$like": 3}}),
    ):
        with pytest.raises(ValueError, match=r"\$like"):
            ask()
