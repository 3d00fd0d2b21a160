"""The lists in values: how many items have each tag, and which have an end, known without a look at the items."""

import json
import sqlite3
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langgraph.store.base import PutOp
from langgraph.store.memory import InMemoryStore

from memgpt_agent.store import FaissStore, Tally
from memgpt_agent.store.fields import texts_of
from memgpt_agent.store.plain import matches, tally
from memgpt_agent.store.sqlite.schema import APPLICATION_ID, MIGRATIONS
from memgpt_agent.testing import Clock

NS, OTHER = ("ann", "archival"), ("ben", "archival")
TAGS: Any = st.one_of(
    st.none(),
    st.just("no list"),
    st.just({"a": "b"}),
    st.lists(st.sampled_from(["home", "work", "", "ä", "a\x00b", "half \ud83d", "[1]", 3, None, ["x"]]), max_size=4),
)
ACTS: Any = st.lists(
    st.tuples(st.sampled_from([NS, OTHER]), st.sampled_from("abcd"), st.sampled_from(["put", "if", "delete"]), TAGS),
    max_size=25,
)


@settings(max_examples=60, deadline=None)
@given(ACTS)
def test_whatever_is_written_the_counts_are_those_of_the_items(acts: list[Any]) -> None:
    """Puts, puts over others, compare-and-set and deletions, one at a time and in one batch; a plain store says the same."""
    plain = InMemoryStore()
    with FaissStore(":memory:") as store, FaissStore(":memory:") as batched:
        for namespace, key, act, tags in acts:
            value = None if act == "delete" else {"text": "x", "tags": tags, "ends": tags}
            if act == "if":
                known = store.get(namespace, key)
                assert store.put_if(namespace, key, value or {}, expected=known.value if known else None)
                assert not store.put_if(namespace, key, {"tags": ["never"]}, expected={"other": 1})
            else:
                store.batch([PutOp(namespace, key, value)])
            plain.batch([PutOp(namespace, key, value)])
        batched.batch(
            [
                PutOp(namespace, key, None if act == "delete" else {"tags": tags, "ends": tags})
                for namespace, key, act, tags in acts
            ]
        )
        for namespace in (NS, OTHER):
            right = Counter(tag for item in plain.search(namespace) for tag in texts_of(item.value.get("tags")))
            found = store.tally(namespace)
            assert dict(found.tags) == right
            assert found.items == len(plain.search(namespace))
            assert found == tally(plain, namespace) == batched.tally(namespace)
            for wanted in (["home"], ["work", "ä"], ["a\x00b"], ["half \ud83d", "home"], []):
                asked: Any = {"ends": {"$any": wanted}}
                passing = [item.key for item in plain.search(namespace) if matches(item.value, asked)]
                for one in (store, batched):
                    assert sorted(item.key for item in one.find(namespace, "", filter=asked)) == sorted(passing)
                    assert sorted(item.key for item in one.newest(namespace, filter=asked)) == sorted(passing)
        assert (
            ends_kept(store)
            == ends_kept(batched)
            == sorted(
                (".".join(item.namespace), end, item.key)
                for namespace in (NS, OTHER)
                for item in plain.search(namespace)
                for end in texts_of(item.value.get("ends"))
            )
        )


def ends_kept(store: FaissStore) -> list[Any]:
    """What stands in the table of ends."""
    connection = sqlite3.connect(store.path)
    sql = (
        "SELECT path, ends.value, key FROM ends JOIN items ON items.id = item JOIN namespaces ON namespaces.id = ends.ns"
        " UNION ALL SELECT 'left over', value, item FROM ends WHERE item NOT IN (SELECT id FROM items)"
    )
    found = sorted(connection.execute(sql).fetchall())
    connection.close()
    return found


def test_the_most_used_come_first_and_no_more_than_asked_for(store: FaissStore) -> None:
    """Of equals the first by name."""
    for number in range(6):
        store.put(NS, str(number), {"tags": ["all", *(["most"] if number else []), f"one-{number}"]})
    assert store.tally(NS, limit=4) == Tally(6, [("all", 6), ("most", 5), ("one-0", 1), ("one-1", 1)])
    assert store.tally(NS, limit=0) == Tally(6, [])
    assert store.tally(OTHER) == Tally(0, [])


@pytest.fixture
def store() -> Any:
    """Return an empty store."""
    with FaissStore(":memory:") as made:
        yield made


async def test_the_async_face_says_the_same(store: FaissStore) -> None:
    """Without blocking the loop."""
    store.put(NS, "a", {"tags": ["home"]})
    assert await store.atally(NS) == store.tally(NS) == Tally(1, [("home", 1)])


def test_what_has_expired_and_is_swept_counts_no_more() -> None:
    """As any deletion."""
    clock = Clock()
    with FaissStore(":memory:", ttl={"default_ttl": 1, "refresh_on_read": False}, clock=clock) as store:
        store.put(NS, "a", {"tags": ["home"]})
        store.put(NS, "b", {"tags": ["home"]}, ttl=None)
        clock.advance(minutes=2)
        store.sweep_ttl()
        assert store.tally(NS) == Tally(1, [("home", 1)])


def old_file(folder: Path, values: list[dict[str, Any]]) -> Path:
    """A file of the first version that holds these."""
    path = folder / "old.sqlite"
    connection = sqlite3.connect(path, isolation_level=None)
    connection.executescript(MIGRATIONS[0])
    connection.execute("PRAGMA user_version = 1")
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute("INSERT INTO namespaces VALUES (1, 'ann.archival', ?, 0, 0, 0)", (len(values),))
    for number, value in enumerate(values):
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        connection.execute("INSERT INTO items VALUES (?,1,?,?,0,0,NULL,NULL,NULL)", (number + 1, f"k{number}", text))
    connection.close()
    return path


def test_in_a_file_of_before_ends_are_found(tmp_path: Path) -> None:
    """They are taken in when it is opened."""
    path = old_file(tmp_path, [{"ends": ["a", "b"]}, {"ends": "a"}, {"ends": ["b", 3]}, {"text": "a"}])
    with FaissStore(path) as store:
        assert [item.key for item in store.find(NS, "", filter={"ends": {"$any": ["a"]}})] == ["k0"]
        assert [item.key for item in store.find(NS, "", filter={"ends": {"$any": ["a", "b"]}})] == ["k0", "k2"]


def test_a_file_of_before_is_counted_when_it_is_opened(tmp_path: Path) -> None:
    """Once; from then on its items are like any."""
    path = old_file(
        tmp_path,
        [{"tags": ["home", "home", "work"]}, {"tags": ["home", "a\x00b"]}, {"text": '"tags"'}, {"tags": "none"}],
    )
    with FaissStore(path) as store:
        assert store.tally(NS) == Tally(4, [("home", 2), ("work", 1)])
        store.delete(NS, "k0")
    with FaissStore(path) as store:
        assert store.tally(NS) == Tally(3, [("home", 1)])


def test_the_counts_are_read_from_an_index(store: FaissStore) -> None:
    """No look at the items, and no sorting of all tags."""
    store.put(NS, "a", {"tags": ["home"]})
    connection = sqlite3.connect(store.path)
    sql = "EXPLAIN QUERY PLAN SELECT tag, items FROM tag_counts WHERE ns = 1 ORDER BY items DESC, tag LIMIT 10"
    plan = [row[3] for row in connection.execute(sql)]
    connection.close()
    assert plan == ["SEARCH tag_counts USING COVERING INDEX tags_by_use (ns=?)"]
