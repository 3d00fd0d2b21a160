"""What must hold of the file after a kill: all that was acknowledged, and the batch in flight whole or not at all."""

import json
import random
import sqlite3
from pathlib import Path
from typing import NamedTuple

from benchmarks.faults_store.writer import NAMESPACES, open_file
from memgpt_agent.store import FaissStore

State = dict[tuple[int, str], str]
SEARCHED = 5
"""So many items are looked up by their words and by their meaning after each kill."""


class Checked(NamedTuple):
    """How much was checked."""

    batches: int = 0
    """Acknowledged in the life that was ended."""
    items: int = 0
    """Compared with the file."""
    in_flight: int = 0
    """Lives that ended between a batch's beginning and its acknowledgement."""
    kept: int = 0
    """Of these, batches that are in the file."""
    half_snapshots: int = 0
    """Lives that ended while a snapshot was being written."""
    snapshots: int = 0
    """Snapshots that lay beside the file when it was opened again."""

    def plus(self, other: "Checked") -> "Checked":
        """Return the sum."""
        return Checked(*(one + two for one, two in zip(self, other, strict=True)))


def check(folder: Path) -> Checked:
    """Compare the file with its journal, and settle in the journal what became of the batch in flight.

    Raises:
        AssertionError: they differ.
    """
    journal = folder / "journal"
    half, whole = len(list(folder.glob("*.indexes/.new-*"))), len(list(folder.glob("*.indexes/*-*/")))
    state, flying, batches = replay(journal.read_text())
    with open_file(folder) as store:
        found = read(store)
        after = state if flying is None else applied(state, flying)
        assert found in (state, after), f"{folder}: neither the acknowledged state nor that with the last batch whole"
        kept = flying is not None and found == after
        look_up(store, found)
    check_file(folder / "store.sqlite")
    if flying is not None:
        with journal.open("a") as file:
            file.write(json.dumps({"what": "done" if kept else "undone"}) + "\n")
    return Checked(batches, len(found), int(flying is not None), int(kept), int(half > 0), whole - half)


def replay(journal: str) -> tuple[State, list[tuple[int, str, str | None]] | None, int]:
    """Return the acknowledged state, the batch that was neither acknowledged nor settled, and the last life's batches."""
    state: State = {}
    flying = None
    batches = 0
    for line in journal.splitlines():
        entry = json.loads(line)
        match entry["what"]:
            case "open":
                batches = 0
            case "begin":
                flying = [(place, key, text) for place, key, text in entry["batch"]]
            case "done":
                state, flying, batches = applied(state, flying or []), None, batches + 1
            case _:
                flying = None
    return state, flying, batches


def applied(state: State, batch: list[tuple[int, str, str | None]]) -> State:
    """Return the state after a batch."""
    after = dict(state)
    for place, key, text in batch:
        after.pop((place, key), None)
        if text is not None:
            after[place, key] = text
    return after


def read(store: FaissStore) -> State:
    """Return all that the file holds."""
    return {
        (place, item.key): item.value["text"]
        for place, namespace in enumerate(NAMESPACES)
        for item in store.search(namespace, limit=10_000)
    }


def look_up(store: FaissStore, state: State) -> None:
    """The index holds just what the file holds; find some of the items by the word that only they hold, and by their meaning."""
    for place, namespace in enumerate(NAMESPACES):
        hits = store.search(namespace, query="life", limit=10_000)
        indexed = {(place, hit.key): hit.value["text"] for hit in hits if hit.score is not None}
        assert len(hits) == len(indexed), f"{namespace}: {len(hits) - len(indexed)} items without a vector"
        assert indexed == {key: text for key, text in state.items() if key[0] == place}, (
            f"{namespace}: the index differs"
        )
    some = random.Random(len(state)).sample(sorted(state.items()), min(SEARCHED, len(state)))
    for (place, key), text in some:
        word = text.split()[1]
        hits = store.find(NAMESPACES[place], word, mode="words")
        assert [hit.key for hit in hits] == [key], f"{word}: found {[hit.key for hit in hits]} and not {key}"
        hits = store.find(NAMESPACES[place], text, mode="meaning", filter={"text": text}, limit=1)
        assert hits[0].score is not None
        assert hits[0].score > 0.999, f"{text}: closest is {hits[0]}"


def check_file(path: Path) -> None:
    """Let SQLite check its tables, and FTS5 its index against the texts."""
    connection = sqlite3.connect(path)
    try:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        connection.execute("INSERT INTO words (words, rank) VALUES ('integrity-check', 1)")
    finally:
        connection.close()
