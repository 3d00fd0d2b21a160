"""The ordered read and the count, of FaissStore and over a plain store: the same answers."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langgraph.store.base import BaseStore, PutOp
from langgraph.store.memory import InMemoryStore

from memgpt_agent.errors import ConfigurationError
from memgpt_agent.store import FaissStore
from memgpt_agent.store.plain import count, newest
from memgpt_agent.testing import Clock

NS = ("agent", "recall")


@pytest.fixture(params=["faiss", "plain"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BaseStore]:
    """Return a store with nine items, one of them below the namespace, their times out of order."""
    made: BaseStore = InMemoryStore() if request.param == "plain" else FaissStore(tmp_path / "store.sqlite")
    for key, time in {"b": "2026-01-02", "a": "2026-01-01", "d": "2026-01-03", "c": "2026-01-02"}.items():
        made.put(NS, key, {"time": time, "thread_id": "t1" if key in "ab" else "t2", "n": ord(key), "tags": [key, "x"]})
    made.put(NS, "number", {"time": 5, "thread_id": 1})
    made.put(NS, "larger", {"time": 7.5})
    made.put(NS, "none", {"n": 1})
    made.put(NS, "list", {"time": ["2027"], "n": "text"})
    made.put((*NS, "below"), "z", {"time": "2030-01-01"})
    yield made
    if isinstance(made, FaissStore):
        made.close()


def keys(items: Any) -> list[str]:
    """Return the keys, in order."""
    return [item.key for item in items]


def test_texts_come_first_then_numbers_then_what_has_neither(store: BaseStore) -> None:
    """Highest first; equals, and what has no time, as they were stored last."""
    assert keys(newest(store, NS)) == ["d", "c", "b", "a", "larger", "number", "list", "none"]


def test_pages_follow_each_other(store: BaseStore) -> None:
    """Until there is nothing more."""
    pages = [keys(newest(store, NS, limit=3, offset=3 * page)) for page in range(4)]
    assert pages == [["d", "c", "b"], ["a", "larger", "number"], ["list", "none"], []]


def test_another_field_can_be_the_order(store: BaseStore) -> None:
    """Whatever its name and type."""
    assert keys(newest(store, NS, by="n", limit=6)) == ["list", "d", "c", "b", "a", "none"]
    assert keys(newest(store, NS, by="no such.field", limit=2)) == ["list", "none"]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"thread_id": "t1"}, ["b", "a"]),
        ({"thread_id": "t2", "time": {"$lt": "2026-01-03"}}, ["c"]),
        ({"thread_id": 1}, ["number"]),
        ({"thread_id": {"$in": ["t1", "t2"]}}, ["d", "c", "b", "a"]),
        ({"thread_id": {"$ne": "t1"}}, ["d", "c", "larger", "number", "list", "none"]),
        ({"time": "2026-01-02"}, ["c", "b"]),
        ({"time": {"$gte": "2026-01-02", "$lte": "2026-01-02"}}, ["c", "b"]),
        ({"time": {"$gt": 6}}, ["larger"]),
        ({"time": None}, ["none"]),
        ({"tags": {"$any": ["a", "d"]}}, ["d", "a"]),
        ({"n": {"$gt": 97}}, ["d", "c", "b"]),
        ({}, ["d", "c", "b", "a", "larger", "number", "list", "none"]),
        ({"nothing": "x"}, []),
    ],
)
def test_a_filter_comes_before_the_limit_and_counts(store: BaseStore, wanted: dict[str, Any], found: list[str]) -> None:
    """Also where the field has a column of its own in the file."""
    assert keys(newest(store, NS, filter=wanted)) == found
    assert keys(newest(store, NS, filter=wanted, limit=1, offset=1)) == found[1:2]
    assert count(store, NS, wanted) == len(found)


def test_counting_is_of_one_namespace(store: BaseStore) -> None:
    """None below it; an unknown one has none."""
    assert [count(store, NS), count(store, (*NS, "below")), count(store, ("nobody",))] == [8, 1, 0]
    store.delete(NS, "a")
    store.put(NS, "b", {"time": "2026-02-01"})
    assert count(store, NS) == 7
    assert keys(newest(store, NS, limit=2)) == ["b", "d"]
    assert keys(newest(store, NS, filter={"thread_id": "t1"})) == []


async def test_the_async_faces_say_the_same(tmp_path: Path) -> None:
    """In a thread."""
    async with FaissStore(tmp_path / "store.sqlite") as store:
        store.batch([PutOp(NS, str(n), {"time": f"2026-01-0{n}"}) for n in (2, 1, 3)])
        assert keys(await store.anewest(NS, limit=2)) == ["3", "2"]
        assert await store.acount(NS) == 3
        assert await store.acount(NS, {"time": {"$gt": "2026-01-01"}}) == 2


def test_what_has_expired_is_neither_listed_nor_counted(tmp_path: Path) -> None:
    """Where the store omits it; reading lets the time begin anew."""
    clock = Clock()
    with FaissStore(tmp_path / "store.sqlite", ttl={"default_ttl": 10, "omit_expired": True}, clock=clock) as store:
        store.put(NS, "a", {"time": "1"})
        store.put(NS, "b", {"time": "2"})
        store.put(NS, "c", {"time": "3"}, ttl=None)
        clock.advance(minutes=8)
        assert keys(store.newest(NS, filter={"time": "1"})) == ["a"]
        clock.advance(minutes=8)
        assert keys(store.newest(NS)) == ["c", "a"]
        assert store.count(NS) == 2
        assert store.count(NS, {"time": {"$gt": "0"}}) == 2


@pytest.mark.parametrize(
    ("by", "limit", "offset"), [("", 1, 0), ('x"', 1, 0), ("x\\", 1, 0), ("time", -1, 0), ("time", 1, -1)]
)
def test_what_cannot_be_asked_is_said(tmp_path: Path, by: str, limit: int, offset: int) -> None:
    """A name that SQL could not hold, a negative number."""
    with FaissStore(tmp_path / "store.sqlite") as store, pytest.raises(ConfigurationError):
        store.newest(NS, by=by, limit=limit, offset=offset)


@pytest.mark.parametrize("wanted", [None, {"thread_id": "t3"}, {"role": "user"}, {"time": {"$lt": "2026-01-05"}}])
def test_the_newest_page_is_read_from_an_index(tmp_path: Path, wanted: dict[str, Any] | None) -> None:
    """In its order, so that neither a sort nor the rest of the namespace is needed."""
    with FaissStore(tmp_path / "store.sqlite") as store:
        store.batch(
            [
                PutOp(NS, str(n), {"time": f"2026-01-{n:03}", "thread_id": f"t{n % 9}", "role": "user"})
                for n in range(99)
            ]
        )
        told: list[str] = []
        with store._database.read() as connection:
            connection.set_trace_callback(told.append)
        store.newest(NS, filter=wanted, limit=3)
        with store._database.read() as connection:
            connection.set_trace_callback(None)
            asked = next(sql for sql in told if "ORDER BY" in sql)
            plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {asked}")]
        assert not any("TEMP B-TREE" in step for step in plan), plan
        assert "items_by_t" in plan[0], plan
