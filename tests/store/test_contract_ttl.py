"""One contract for time to live: SqliteStore's, where InMemoryStore has none."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langgraph.store.base import BaseStore, GetOp, PutOp, SearchOp
from langgraph.store.sqlite import SqliteStore

from memgpt_agent.store import FaissStore
from memgpt_agent.testing import Clock
from tests.store.servers import fresh_url

NS = ("agent",)
pytestmark = pytest.mark.filterwarnings(
    "ignore:The default datetime adapter is deprecated:DeprecationWarning"
)  # SqliteStore's


class Aging(NamedTuple):
    """A store and what lets minutes pass for it."""

    store: Any
    passed: Callable[[int], None]


def sqlite_aging(ttl: Any) -> Iterator[Aging]:
    """SqliteStore reads the computer's clock: instead of waiting, bring the ends nearer."""
    with SqliteStore.from_conn_string(":memory:", ttl=ttl) as store:
        store.setup()

        def passed(minutes: int) -> None:
            store.conn.execute("UPDATE store SET expires_at = datetime(expires_at, ?)", (f"-{minutes} minutes",))

        yield Aging(store, passed)


def faiss_aging(ttl: Any, path: Path | str = ":memory:") -> Iterator[Aging]:
    """FaissStore takes a clock."""
    clock = Clock()
    with FaissStore(path, ttl=ttl, clock=clock) as store:
        yield Aging(store, lambda minutes: clock.advance(minutes=minutes))


def postgres_aging(ttl: Any) -> Iterator[Aging]:
    """PostgresMemoryStore takes a clock in place of the database's."""
    url = fresh_url()  # skips where there is no server
    from memgpt_agent.store.postgres.store import PostgresMemoryStore

    clock = Clock()
    with PostgresMemoryStore(url, ttl=ttl, clock=clock) as store:
        yield Aging(store, lambda minutes: clock.advance(minutes=minutes))


@pytest.fixture(params=[faiss_aging, postgres_aging], ids=["faiss", "postgres"])
def aging(request: pytest.FixtureRequest) -> Callable[[Any], Iterator[Aging]]:
    """Return what makes one of our stores with TTL settings."""
    return request.param


@pytest.fixture(params=[sqlite_aging, faiss_aging, postgres_aging], ids=["sqlite", "faiss", "postgres"])
def make(request: pytest.FixtureRequest) -> Iterator[Callable[..., Aging]]:
    """Return what makes a store with TTL settings; it is closed at the end."""
    opened: list[Iterator[Aging]] = []

    def made(**ttl: Any) -> Aging:
        opened.append(request.param(ttl))
        return next(opened[-1])

    yield made
    for one in opened:
        next(one, None)


def keys(store: BaseStore, **how: Any) -> set[str]:
    """Return the keys that a search gives."""
    return {item.key for item in store.search(NS, limit=100, **how)}


def test_an_item_lives_for_its_ttl_or_the_default_or_for_ever(make: Callable[..., Aging]) -> None:
    """Minutes, counted from the last put; a sweep says how many it deleted."""
    store, passed = make(default_ttl=10, refresh_on_read=True)
    store.put(NS, "default", {"n": 1})
    store.put(NS, "short", {"n": 1}, ttl=4)
    store.put(NS, "ever", {"n": 1}, ttl=None)
    passed(5)
    store.put(NS, "default", {"n": 2})
    assert store.sweep_ttl() == 1
    assert keys(store, refresh_ttl=False) == {"default", "ever"}
    passed(9)
    assert store.sweep_ttl() == 0
    passed(2)
    assert store.sweep_ttl() == 1
    assert keys(store) == {"ever"}


@pytest.mark.parametrize("read", ["get", "search", "batch"])
@pytest.mark.parametrize("refresh", [True, False])
def test_a_read_begins_the_time_anew_if_it_is_asked_to(make: Callable[..., Aging], read: str, refresh: bool) -> None:
    """By ``refresh_ttl`` of a get, a search or an operation of a batch."""
    store, passed = make(default_ttl=10, refresh_on_read=True)
    store.put(NS, "a", {"n": 1})
    passed(8)
    if read == "get":
        store.get(NS, "a", refresh_ttl=refresh)
    elif read == "search":
        store.search(NS, refresh_ttl=refresh)
    else:
        store.batch([PutOp(NS, "b", {"n": 1}, ttl=100), GetOp(NS, "a", refresh), SearchOp(("none",), refresh_ttl=True)])
    passed(8)
    assert store.sweep_ttl() == (0 if refresh else 1)


def test_the_setting_says_whether_reads_refresh_by_themselves(make: Callable[..., Aging]) -> None:
    """``refresh_on_read`` is the default of every read."""
    for refresh in (True, False):
        store, passed = make(default_ttl=10, refresh_on_read=refresh)
        store.put(NS, "a", {"n": 1})
        passed(8)
        store.get(NS, "a")
        store.search(NS)
        passed(8)
        assert store.sweep_ttl() == (0 if refresh else 1)


@pytest.mark.parametrize("refresh", [True, False])
def test_what_a_read_is_told_goes_before_the_setting(
    aging: Callable[[Any], Iterator[Aging]], refresh: bool
) -> None:
    """As LangGraph's TTLConfig says; SqliteStore refreshes only where both say so."""
    for store, passed in aging({"default_ttl": 10, "refresh_on_read": not refresh}):
        store.put(NS, "a", {"n": 1})
        passed(8)
        store.get(NS, "a", refresh_ttl=refresh)
        passed(8)
        assert store.sweep_ttl() == (0 if refresh else 1)


def test_what_has_expired_is_read_until_it_is_swept_unless_the_setting_omits_it(make: Callable[..., Aging]) -> None:
    """SqliteStore knows no ``omit_expired``; FaissStore hides the item from reads and lists, and refreshes nothing."""
    store, passed = make(default_ttl=10, refresh_on_read=False)
    store.put(NS, "a", {"n": 1})
    passed(11)
    assert keys(store) == {"a"}
    assert store.get(NS, "a") is not None


def test_hidden_means_hidden_everywhere(aging: Callable[[Any], Iterator[Aging]]) -> None:
    """Get, search, find and, by ``expected=None``, compare-and-set; a put brings the item back."""
    for store, passed in aging({"default_ttl": 10, "omit_expired": True}):
        store.put(NS, "a", {"text": "red apple"})
        passed(11)
        assert store.get(NS, "a") is None
        assert keys(store) == keys(store, query="apple") == set()
        assert store.find(NS, "apple") == []
        assert store.put_if(NS, "a", {"text": "pear"}, expected=None)
        assert keys(store) == {"a"}


def seen(store: Any) -> dict[str, Any]:
    """Whether each kind of read shows the item ``a``, which says ``red apple``; none of them refreshes it."""
    return {
        "get": store.get(NS, "a") is not None,
        "search": "a" in keys(store),
        "search with a query": "a" in keys(store, query="apple"),
        "find": [item.key for item in store.find(NS, "apple")] == ["a"],
        "find with a filter": [item.key for item in store.find(NS, "apple", filter={"n": 1})] == ["a"],
        "find without words": [item.key for item in store.find(NS, "")] == ["a"],
        "newest": [item.key for item in store.newest(NS)] == ["a"],
        "count": store.count(NS) == 1,
        "count with a filter": store.count(NS, {"n": 1}) == 1,
        "items in the tally": store.tally(NS).items == 1,
        "namespaces": store.list_namespaces() == [NS],
        "put_if expects none": not store.put_if(NS, "a", {"n": 2}, expected=None),
    }


def test_an_item_lives_until_the_moment_of_its_end_and_not_in_it() -> None:
    """A microsecond before, every read shows it and a sweep leaves it; at its end none does, and a sweep takes it."""
    clock = Clock()
    settings: Any = {"default_ttl": 10, "omit_expired": True, "refresh_on_read": False}
    with FaissStore(":memory:", ttl=settings, clock=clock) as store:
        store.put(NS, "a", {"text": "red apple", "n": 1})
        clock.advance(minutes=10, microseconds=-1)
        assert store.sweep_ttl() == 0
        assert {what for what, shown in seen(store).items() if not shown} == set()
        clock.advance(microseconds=1)
        assert store.sweep_ttl() == 1
        store.put(NS, "a", {"text": "red apple", "n": 1})
        clock.advance(minutes=10)
        assert {what for what, shown in seen(store).items() if shown} == set()


def test_a_namespace_of_which_all_is_hidden_is_not_listed(aging: Callable[[Any], Iterator[Aging]]) -> None:
    """LangGraph's ``omit_expired``: not "included in namespace listings, even before a TTL sweep"."""
    for store, passed in aging({"default_ttl": 10, "omit_expired": True}):
        store.put(NS, "a", {"text": "red apple"})
        store.put(("other",), "b", {"text": "pear"}, ttl=None)
        passed(11)
        assert store.list_namespaces() == [("other",)]


def test_a_sweeper_deletes_by_itself_until_it_is_stopped() -> None:
    """Cancelling its future, ``stop_ttl_sweeper`` or closing the store ends it."""
    import time

    with FaissStore(":memory:", ttl={"default_ttl": 0.0001, "sweep_interval_minutes": 5}) as store:
        store.put(NS, "a", {"n": 1})
        future = store.start_ttl_sweeper(sweep_interval_minutes=0.0005)
        deadline = time.monotonic() + 20
        while store.get(NS, "a", refresh_ttl=False) is not None and time.monotonic() < deadline:
            time.sleep(0.01)
        assert store.get(NS, "a") is None
        assert store.stop_ttl_sweeper(timeout=20)
        future.result(timeout=20)


STEPS = st.one_of(
    st.tuples(st.just("put"), st.sampled_from("abc"), st.sampled_from([None, 2, 4, 6])),
    st.tuples(st.just("get"), st.sampled_from("abc"), st.booleans()),
    st.tuples(st.just("search"), st.just(""), st.booleans()),
    st.tuples(st.just("delete"), st.sampled_from("abc"), st.none()),
    st.tuples(st.just("pass"), st.just(""), st.sampled_from([1, 3, 5])),
    st.tuples(st.just("sweep"), st.just(""), st.none()),
)


def step(aging: Aging, what: str, key: str, how: Any) -> Any:
    """Do one step and return what it shows."""
    store = aging.store
    match what:
        case "put":
            return store.put(NS, key, {"n": 1}, ttl=how)
        case "get":
            return store.get(NS, key, refresh_ttl=how) is not None
        case "search":
            return keys(store, refresh_ttl=how)
        case "delete":
            return store.delete(NS, key)
        case "pass":
            return aging.passed(how)
        case _:
            return store.sweep_ttl()


@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(STEPS, max_size=20))
def test_any_sequence_gives_what_sqlite_store_gives(steps: list[tuple[str, str, Any]]) -> None:
    """Times to live are even and what passes is odd, so that SqliteStore's whole seconds decide nothing."""
    settings = {"default_ttl": 6, "refresh_on_read": True}
    for theirs in sqlite_aging(settings):
        for ours in faiss_aging(settings):
            for one in steps:
                assert step(ours, *one) == step(theirs, *one), one
