"""The fields that a file keeps ready: remembered, changed in one transaction, the same in every process."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from memgpt_agent.store import FaissStore, Fields
from memgpt_agent.store.operations import Newest
from memgpt_agent.store.protocol import Tally

NS = ("agent", "recall")
USUAL = Fields()
OTHERS = Fields(ordered="at", grouped="room", counted="labels", listed="about")
VALUES: list[dict[str, Any]] = [
    {
        "at": "2026-01-01",
        "time": "2026-03-01",
        "room": "a",
        "thread_id": "t",
        "labels": ["x", "y"],
        "tags": ["p"],
        "about": ["ann"],
    },
    {
        "at": "2026-01-03",
        "time": "2026-02-01",
        "room": "b",
        "thread_id": "t",
        "labels": ["x"],
        "tags": ["p", "q"],
        "about": ["ann", "bob"],
    },
    {
        "at": 5,
        "time": None,
        "room": "a",
        "thread_id": "u",
        "labels": [7, "x", "half \ud83d"],
        "about": "ann",
        "ends": ["ann"],
    },
    {"text": "has none of them"},
]


def filled(path: Path, fields: Fields | None) -> None:
    """Store the values in a file that is opened with these fields."""
    with FaissStore(path, fields=fields) as store:
        for number, value in enumerate(VALUES):
            store.put(NS, f"k{number}", value, index=False)


def answers(path: Path, fields: Fields | None = None) -> list[Any]:
    """What the file says, asked by both sets of fields."""
    with FaissStore(path, fields=fields) as store:
        said: list[Any] = []
        for by, group, listed in (("time", "thread_id", "ends"), ("at", "room", "about")):
            said.append([item.key for item in store.newest(NS, by=by)])
            said += [
                [item.key for item in store.newest(NS, by=by, filter={group: one})] for one in ("a", "b", "t", "u")
            ]
            said += [store.count(NS, {by: {"$gte": "2026-02"}}), store.count(NS, {listed: {"$any": ["ann"]}})]
            said.append([item.key for item in store.find(NS, "", filter={listed: {"$any": ["bob", "ann"]}})])
        return said


def derived(path: Path) -> list[Any]:
    """What stands in the columns and tables that are made of the fields."""
    connection = sqlite3.connect(path)
    found = [
        connection.execute(sql).fetchall()
        for sql in (
            "SELECT time, thread FROM items ORDER BY id",
            "SELECT tag, items FROM tag_counts ORDER BY tag",
            "SELECT value, item FROM ends ORDER BY value, item",
        )
    ]
    connection.close()
    return found


def test_what_a_store_answers_does_not_depend_on_what_it_keeps_ready(tmp_path: Path) -> None:
    """The usual fields, others, none at all: the same items in the same order."""
    said = []
    for number, fields in enumerate((None, OTHERS, Fields(None, None, None, None))):
        filled(tmp_path / f"{number}.sqlite", fields)
        said.append(answers(tmp_path / f"{number}.sqlite"))
    assert said[0] == said[1] == said[2]


def test_a_change_is_taken_in_when_the_file_is_opened(tmp_path: Path) -> None:
    """The file is then as if it had been made so; and back again."""
    filled(tmp_path / "usual.sqlite", None)
    filled(tmp_path / "others.sqlite", OTHERS)
    usual, others = derived(tmp_path / "usual.sqlite"), derived(tmp_path / "others.sqlite")
    assert usual[0][0] == ("2026-03-01", "t")
    assert others == [
        [("2026-01-01", "a"), ("2026-01-03", "b"), (5, "a"), (None, None)],
        [("x", 3), ("y", 1)],
        [("ann", 1), ("ann", 2), ("bob", 2)],
    ]
    said = answers(tmp_path / "usual.sqlite")
    for fields, right in (
        (OTHERS, others),
        (USUAL, usual),
        (Fields(None, None, None, None), [[(None, None)] * 4, [], []]),
    ):
        assert answers(tmp_path / "usual.sqlite", fields) == said
        assert derived(tmp_path / "usual.sqlite") == right


def test_a_file_keeps_its_fields_where_none_are_named(tmp_path: Path) -> None:
    """Whoever opens it to look at it changes nothing."""
    path = tmp_path / "store.sqlite"
    filled(path, OTHERS)
    before = derived(path)
    answers(path)
    assert derived(path) == before


def test_a_store_that_is_open_goes_by_a_change_at_once(tmp_path: Path) -> None:
    """What it writes and counts afterwards is made of the new fields, though it was opened with others."""
    path = tmp_path / "store.sqlite"
    filled(path, None)
    with FaissStore(path, fields=USUAL) as store:
        assert store.tally(NS) == Tally(4, [("p", 2), ("q", 1)])
        with FaissStore(path, fields=OTHERS):
            pass
        assert store.tally(NS) == Tally(4, [("x", 3), ("y", 1)])
        store.put(NS, "k4", {"at": "2027", "time": "1999", "room": "a", "labels": ["y"], "about": ["bob"]}, index=False)
        store.delete(NS, "k1")
        assert store.tally(NS) == Tally(4, [("x", 2), ("y", 2)])
        assert [item.key for item in store.newest(NS, by="at", limit=2)] == ["k4", "k0"]
        assert [item.key for item in store.find(NS, "", filter={"about": {"$any": ["bob"]}})] == ["k4"]


def test_a_change_that_is_cut_off_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    """A value that cannot be read stops it in the middle; the old fields still answer."""
    path = tmp_path / "store.sqlite"
    filled(path, None)
    connection = sqlite3.connect(path)
    connection.execute("UPDATE items SET value = '{' WHERE key = 'k2'")
    connection.commit()
    connection.close()
    before = derived(path)
    with pytest.raises(ValueError, match="Expecting"):
        FaissStore(path, fields=OTHERS)
    assert derived(path) == before
    with FaissStore(path) as store:
        assert store.tally(NS).tags == [("p", 2), ("q", 1)]


@pytest.mark.parametrize(("field", "index"), [("at", "items_by_time"), ("time", None)])
def test_only_what_is_declared_is_read_from_an_index(tmp_path: Path, field: str, index: str | None) -> None:
    """The newest by another field are sorted."""
    path = tmp_path / "store.sqlite"
    filled(path, OTHERS)
    plans: list[str] = []
    with FaissStore(path) as store, store._database.read() as connection:
        connection.set_trace_callback(plans.append)
        engine: Any = store._engine
        engine._reader(connection, uses_vectors=False).newest(Newest(NS, field, None, 3, 0))
        connection.set_trace_callback(None)
        (sql,) = [one for one in plans if "ORDER BY" in one]
        steps = " ".join(str(row[3]) for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}"))
    assert (index in steps) if index else ("TEMP B-TREE" in steps)
