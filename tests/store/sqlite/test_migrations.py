"""A file of the first schema is opened, brought up to today's and used; a newer one is left alone."""

import json
import sqlite3
from pathlib import Path

import numpy as np
import pytest

from memgpt_agent.errors import StoreError
from memgpt_agent.store import FaissStore
from memgpt_agent.store.sqlite.schema import APPLICATION_ID, MIGRATIONS
from memgpt_agent.testing import HashingEmbedder

NS = ("agent", "recall")
VALUES = [
    {"text": "red apple", "time": "2026-01-02", "thread_id": "t1"},
    {"text": "slow train", "time": "2026-01-01", "thread_id": "t2"},
    {"text": "Infinity and NaN", "time": 3, "odd": [float("inf"), float("-inf"), float("nan")]},
    {"text": "cut\x00here", "time": None},
    {"text": "half \ud83d", "time": "2026-01-03", "thread_id": 7},
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return a file as the first version left it: two indexed items and three that are not, and one deleted document."""
    path = tmp_path / "old.sqlite"
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.executescript(MIGRATIONS[0])
    connection.execute("PRAGMA user_version = 1")
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    run = connection.execute
    run("INSERT INTO meta VALUES ('embedding', 'memgpt_agent.testing.HashingEmbedder'), ('dims', '64')")
    run("INSERT INTO namespaces VALUES (1, 'agent.recall', 5, 3, 1, 0)")
    run("""INSERT INTO path_sets VALUES (1, '["text"]')""")
    run("INSERT INTO tombstones VALUES (1, 1, 1)")
    for number, value in enumerate(VALUES):
        doc = number + 2 if number < 2 else None
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        if number == 4:
            text = json.dumps(value, separators=(",", ":"))
        run("INSERT INTO items VALUES (?,1,?,?,?,?,?,NULL,NULL)", (number + 1, f"k{number}", text, number, number, doc))
        if doc:
            tokens = " ".join(f"1x{word}" for word in str(value["text"]).split())
            vector = np.array(HashingEmbedder(64).embed_documents([str(value["text"])])[0], np.float32)
            run("INSERT INTO docs VALUES (?,1,?,1,2,?)", (doc, number + 1, tokens))
            run("INSERT INTO words (rowid, tokens) VALUES (?,?)", (doc, tokens))
            run("INSERT INTO vectors VALUES (?,1,?,'text',?)", (doc, doc, (vector / np.linalg.norm(vector)).tobytes()))
    connection.close()
    return path


def test_what_the_first_version_stored_is_there_and_found(path: Path) -> None:
    """Values, order, words, vectors, times; only a NaN, which JSON has no word for, has become None."""
    with FaissStore(path, index={"embed": HashingEmbedder(64), "fields": ["text"]}) as store:
        values = [item.value for item in store.search(NS)]
        assert values == [*VALUES[:2], {**VALUES[2], "odd": [float("inf"), float("-inf"), None]}, *VALUES[3:]]
        hits = store.search(NS, query="slow train")
        assert (hits[0].key, hits[0].score) == ("k1", pytest.approx(1.0, abs=1e-5))
        assert [item.key for item in store.find(NS, "apple", mode="words")] == ["k0"]
        assert [item.key for item in store.newest(NS)] == ["k4", "k0", "k1", "k2", "k3"]
        assert [item.key for item in store.newest(NS, filter={"thread_id": "t2"})] == ["k1"]
        assert [item.key for item in store.search(NS, filter={"text": "cut\x00here"})] == ["k3"]
        assert store.search(NS, filter={"text": "cut"}) == []
        assert store.count(NS) == 5


def test_it_can_be_written_to_and_opened_again(path: Path) -> None:
    """An update, a deletion, a new item; the second opening finds the schema as it should be."""
    with FaissStore(path, index={"embed": HashingEmbedder(64), "fields": ["text"]}) as store:
        store.put(NS, "k0", {"text": "green pear", "time": "2027-01-01"})
        store.delete(NS, "k1")
        store.put(NS, "new", {"text": "red apple"})
    with FaissStore(path, index={"embed": HashingEmbedder(64), "fields": ["text"]}) as store:
        assert [item.key for item in store.find(NS, "apple", mode="words")] == ["new"]
        assert store.search(NS, query="green pear", limit=1)[0].key == "k0"
        assert store.newest(NS, limit=1)[0].key == "k0"
        assert store.count(NS) == 5
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA user_version").fetchone()[0] == len(MIGRATIONS)
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert connection.execute("SELECT count(*) FROM vector_rows").fetchone()[0] == 2
    connection.close()


def test_a_migration_that_fails_leaves_the_file_as_it_was(path: Path) -> None:
    """All of its statements or none; here the first one has nothing to read."""
    connection = sqlite3.connect(path)
    connection.execute("INSERT INTO items VALUES (9,1,'bad','no json',0,0,NULL,NULL,NULL)")
    connection.execute("ALTER TABLE namespaces ADD COLUMN pruned_high INTEGER")  # so that a later statement fails
    connection.commit()
    connection.close()
    with pytest.raises(StoreError):
        FaissStore(path)
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA user_version").fetchone()[0] == 1
    assert "time" not in [row[1] for row in connection.execute("PRAGMA table_info(items)")]
    connection.close()


def test_a_newer_schema_is_left_alone(path: Path) -> None:
    """The message says how to get the version that knows it."""
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StoreError, match="Upgrade memgpt-agent"):
        FaissStore(path)
