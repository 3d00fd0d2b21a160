"""One contract for filters: nested fields and mixed types, compared as values."""

from typing import Any

import pytest
from langgraph.store.base import BaseStore

from memgpt_agent.store.base import MemoryStore

DOCS = ("docs",)
MIXED: dict[str, dict[str, Any]] = {
    "one": {"n": 1},
    "two": {"n": 2},
    "ten": {"n": 10},
    "half": {"n": 2.5},
    "text": {"n": "2"},
    "true": {"n": True},
    "none": {"n": None},
    "missing": {"m": 1},
    "list": {"n": [1, 2]},
    "nested": {"n": {"deep": {"er": 2}, "lang": "en"}},
}


def passing(store: BaseStore, wanted: Any) -> list[str]:
    """Return the keys of the mixed items that pass ``{"n": wanted}``, in order."""
    return [item.key for item in store.search(DOCS, filter={"n": wanted}, limit=100)]


def fill(store: BaseStore) -> BaseStore:
    """Put the mixed items."""
    for key, value in MIXED.items():
        store.put(DOCS, key, value)
    return store


@pytest.mark.parametrize(
    ("wanted", "keys"),
    [
        (2, {"two"}),
        ("2", {"text"}),
        (2.5, {"half"}),
        (1, {"one", "true"}),  # true is 1, in Python as in SQLite
        (None, {"none", "missing"}),
        ({"$eq": 10}, {"ten"}),
        ({"$eq": "2"}, {"text"}),
        ({"$eq": None}, {"none", "missing"}),
    ],
)
def test_equality_keeps_types_apart(store: BaseStore, wanted: Any, keys: set[str]) -> None:
    """A number is not its text; a missing field is None. All three stores agree."""
    assert set(passing(fill(store), wanted)) == keys


@pytest.mark.parametrize(
    ("wanted", "keys"),
    [
        ([1, 2], ["list"]),
        ([1], []),
        ({"lang": "en"}, ["nested"]),
        ({"lang": {"$ne": "de"}, "deep": {"er": {"$gt": 1, "$lt": 3}}}, ["nested"]),
        ({"deep": {"er": {"$gte": 3}}}, []),
        ({}, ["nested"]),
        ({"$ne": 2}, ["one", "ten", "half", "text", "true", "none", "missing", "list", "nested"]),
        ({"$ne": None}, ["one", "two", "ten", "half", "text", "true", "list", "nested"]),
    ],
)
def test_nested_conditions_lists_and_unequal(ordered: BaseStore, wanted: Any, keys: list[str]) -> None:
    """As InMemoryStore has it, in its order; SqliteStore refuses nested conditions and skips a missing field at ``$ne``."""
    assert passing(fill(ordered), wanted) == keys


@pytest.mark.parametrize(
    ("wanted", "keys"),
    [
        ({"$gt": 2}, ["ten", "half"]),
        ({"$gte": 2, "$lt": 10}, ["two", "half", "text"]),
        ({"$lte": 2}, ["one", "two", "text", "true"]),
        ({"$gt": "1"}, ["two", "ten", "half", "text"]),
        ({"$lt": "x"}, ["text"]),
        ({"$gt": None}, []),
    ],
)
def test_sizes_are_compared_where_they_can_be(either: MemoryStore, wanted: Any, keys: list[str]) -> None:
    """InMemoryStore raises at the first value that is no number: what cannot be compared does not hold."""
    assert passing(fill(either), wanted) == keys


@pytest.mark.parametrize(
    ("wanted", "keys"),
    [
        ({"$in": [2, "2", None]}, ["two", "text", "none", "missing"]),
        ({"$in": ["2", "x"]}, ["text"]),
        ({"$in": []}, []),
        ({"$any": [2, 7]}, ["list"]),
        ({"$all": [2, 1]}, ["list"]),
        ({"$all": [2, 7]}, []),
        ({"$all": []}, ["list"]),
        ({"$any": []}, []),
    ],
)
def test_the_operators_for_lists_compare_values_too(either: MemoryStore, wanted: Any, keys: list[str]) -> None:
    """Beyond LangGraph's: ``$in``, ``$any`` and ``$all``."""
    assert passing(fill(either), wanted) == keys


def test_an_operator_that_nobody_knows_is_refused(store: BaseStore) -> None:
    """Also where no item would be asked, in FaissStore."""
    store.put(DOCS, "a", {"n": 1})
    with pytest.raises(ValueError, match=r"\$regex"):
        store.search(DOCS, filter={"n": {"$regex": "x"}})
