"""One read-modify-write, under real contention between threads and between processes."""

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from langgraph.store.base import BaseStore
from langgraph.store.memory import InMemoryStore

from memgpt_agent.errors import StoreError, ToolError, WriteConflict
from memgpt_agent.store import FaissStore
from memgpt_agent.store.update import MAX_ATTEMPTS, update

PLACE = ("ann", "numbers")
COUNTING = """
import sys
from memgpt_agent.store import FaissStore
from memgpt_agent.store.update import update

with FaissStore(sys.argv[1]) as store:
    print("ready", flush=True)
    sys.stdin.readline()
    for number in range(int(sys.argv[3])):
        name = f"{sys.argv[2]}/{number}"
        update(store, ("ann", "numbers"), "list", lambda v: {"names": [*(v or {"names": []})["names"], name]})
"""


@pytest.fixture(params=["faiss", "plain"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BaseStore]:
    """An empty store of our own, and a plain one."""
    if request.param == "plain":
        yield InMemoryStore()
        return
    with FaissStore(tmp_path / "memory.db") as opened:
        yield opened


def _named(name: str) -> Any:
    """A change that adds a name to a list once: the same cause does nothing again."""

    def change(value: dict[str, Any] | None) -> dict[str, Any]:
        known = value["names"] if value else []
        return {"names": known if name in known else [*known, name]}

    return change


def test_what_is_not_there_yet_is_made_from_nothing(store: BaseStore) -> None:
    """The change gets ``None``, and what it returns is stored."""
    before, after = update(store, PLACE, "list", _named("a"))
    assert (before, after) == (None, {"names": ["a"]})
    item = store.get(PLACE, "list")
    assert item is not None
    assert item.value == {"names": ["a"]}


def test_a_change_that_is_done_again_writes_nothing(store: BaseStore) -> None:
    """An equal value is not written: the time of the item's last write stays."""
    update(store, PLACE, "list", _named("a"))
    first = store.get(PLACE, "list")
    assert update(store, PLACE, "list", _named("a")) == ({"names": ["a"]}, {"names": ["a"]})
    again = store.get(PLACE, "list")
    assert first is not None
    assert again is not None
    assert again.updated_at == first.updated_at


def test_a_change_that_returns_nothing_leaves_the_item_as_it_is(store: BaseStore) -> None:
    """Nothing is made where nothing is, and nothing is changed where something is."""
    assert update(store, PLACE, "list", lambda _: None) == (None, {})
    assert store.get(PLACE, "list") is None
    update(store, PLACE, "list", _named("a"))
    assert update(store, PLACE, "list", lambda _: None).after == {"names": ["a"]}


def test_what_a_change_raises_ends_the_update_and_writes_nothing(store: BaseStore) -> None:
    """The error reaches the caller as it is."""

    def refused(value: dict[str, Any] | None) -> dict[str, Any]:
        raise ToolError("no")

    with pytest.raises(ToolError, match="no"):
        update(store, PLACE, "list", refused)
    assert store.get(PLACE, "list") is None


def test_a_change_sees_what_another_wrote_between_its_reading_and_its_writing(store: BaseStore) -> None:
    """It is called again with the newer value, so that neither of the two is lost."""
    seen: list[Any] = []

    def interrupted(value: dict[str, Any] | None) -> dict[str, Any]:
        seen.append(value)
        if len(seen) == 1:
            store.put(PLACE, "list", {"names": ["other"]}, index=False)
        return _named("mine")(value)

    assert update(store, PLACE, "list", interrupted).after == {"names": ["other", "mine"]}
    assert seen == [None, {"names": ["other"]}]


def test_who_never_gets_to_write_is_told_so_by_a_named_error(store: BaseStore) -> None:
    """After 50 attempts it raises; what the others wrote stands, and the error names the item."""
    calls: list[int] = []

    def always_late(value: dict[str, Any] | None) -> dict[str, Any]:
        calls.append(1)
        store.put(PLACE, "list", {"names": [str(len(calls))]}, index=False)
        return {"names": ["mine"]}

    with pytest.raises(WriteConflict, match="'list' in ann/numbers before each of 50 attempts") as caught:
        update(store, PLACE, "list", always_late)
    assert isinstance(caught.value, StoreError)
    assert isinstance(caught.value, ToolError), "a model is told of it, as of everything that it can try again"
    assert len(calls) == MAX_ATTEMPTS
    item = store.get(PLACE, "list")
    assert item is not None
    assert item.value == {"names": ["50"]}


def test_no_change_of_many_threads_is_lost(store: BaseStore) -> None:
    """Eight threads add 25 names each to one list, all at once, each name twice: all are there, once."""
    names = [f"{thread}/{number}" for number in range(25) for thread in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: update(store, PLACE, "list", _named(name)), [*names, *names]))
    item = store.get(PLACE, "list")
    assert item is not None
    assert sorted(item.value["names"]) == sorted(names)


def test_no_change_of_two_processes_is_lost(tmp_path: Path) -> None:
    """Two processes begin together and add 60 names each to one list in one file."""
    path = tmp_path / "memory.db"
    FaissStore(path).close()
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", COUNTING, str(path), name, "60"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in ("a", "b")
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    assert [process.communicate(timeout=60)[0] for process in processes] == ["", ""]
    assert [process.returncode for process in processes] == [0, 0]
    with FaissStore(path) as store:
        item = store.get(PLACE, "list")
    assert item is not None
    assert sorted(item.value["names"]) == sorted(f"{name}/{number}" for name in "ab" for number in range(60))
