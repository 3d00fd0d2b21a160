"""FaissStore beyond LangGraph's contract: durability, words, compare-and-set, sharing, TTL."""

import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from memgpt_agent.errors import (
    ConfigurationError,
    EmbeddingMismatch,
    StoreClosed,
    StoreCorrupt,
    StoreError,
    ValueNotStorable,
)
from memgpt_agent.store import FaissStore, MemoryStore, check_store_backend, open_store
from memgpt_agent.testing import Clock, HashingEmbedder

NS = ("agent", "recall")


def index(dims: int = 64) -> dict[str, object]:
    """Return an index over ``text`` with a hashing embedder."""
    return {"embed": HashingEmbedder(dims), "fields": ["text"]}


def keys(items: object) -> list[str]:
    """Return the keys, in order."""
    return [item.key for item in items]  # type: ignore[attr-defined]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return a file that is not there yet, in a folder that is not there yet."""
    return tmp_path / "deep" / "store.sqlite"


def test_it_is_a_memory_store(path: Path) -> None:
    """The tiers recognise it by the protocol."""
    with FaissStore(path) as store:
        assert isinstance(store, MemoryStore)


def test_what_was_put_is_found_by_the_next_process(path: Path) -> None:
    """Close, open, search: by meaning and by words."""
    with FaissStore(path, index=index()) as store:
        store.put(NS, "a", {"text": "red apple"})
        store.put(NS, "b", {"text": "slow train"})
        store.delete(NS, "b")
    with FaissStore(path, index=index()) as store:
        assert keys(store.search(NS, query="red apple")) == ["a"]
        assert keys(store.find(NS, "train")) == ["a"]
        assert keys(store.find(NS, "apples", mode="words")) == ["a"]


@pytest.mark.parametrize(
    ("query", "key"),
    [
        ("94071d67-86df-4d2c", "uuid"),
        ("what's the invoice 1042?", "invoice"),
        ("CAFÉS", "accent"),
        ("running", "stem"),
        ("東京", "japanese"),
        ("alice.smith@example.org", "mail"),
    ],
)
def test_words_find_what_is_said_exactly(path: Path, query: str, key: str) -> None:
    """Ids, codes, accents, word forms, scripts without spaces: the first hit is the one that says it."""
    texts = {
        "uuid": "key 94071d67-86df-4d2c value 1",
        "decoy": "key 94071d67-86df-4d2d value 2, 4d2c",
        "invoice": "Invoice 1042 was paid",
        "other": "Invoice 1041 was paid",
        "accent": "the cafe at the corner",
        "stem": "he runs every day",
        "japanese": "私は東京に住んでいます",
        "mail": "write to alice.smith@example.org",
    }
    with FaissStore(path) as store:
        for name, text in texts.items():
            store.put(NS, name, {"text": text}, index=["text"])
        assert keys(store.find(NS, query))[:1] == [key]


@pytest.mark.parametrize("query", ['"', "a OR", "NEAR(", "*", "-", "x" * 5000, "\ud83d", "it's", "col:x", "😀", "\x00"])
def test_any_text_is_a_valid_query(path: Path, query: str) -> None:
    """No query is a syntax error."""
    with FaissStore(path, index=index()) as store:
        store.put(NS, "a", {"text": "red apple"})
        assert isinstance(store.find(NS, query), list)
        assert store.find(NS, query, mode="words") == []


def test_words_of_one_namespace_are_not_found_in_another(path: Path) -> None:
    """Not by find, and not below it either."""
    with FaissStore(path) as store:
        store.put(("a", "recall"), "k", {"text": "secret"})
        store.put(("b", "recall"), "k", {"text": "public"})
        assert store.find(("b", "recall"), "secret") == []
        assert store.find(("a",), "secret") == []


def test_a_filter_is_applied_before_the_limit(path: Path) -> None:
    """The only item that passes is found though a hundred others fit the query better."""
    with FaissStore(path, index=index()) as store:
        for number in range(100):
            store.put(NS, str(number), {"text": "red apple", "role": "user", "time": "2026-01-01", "tags": ["x"]})
        store.put(NS, "it", {"text": "apple", "role": "tool", "time": "2026-02-01", "tags": ["y", "z"]})
        for passing in (
            {"role": {"$in": ["tool", "none"]}},
            {"time": {"$gte": "2026-01-15", "$lt": "2026-03"}},
            {"tags": {"$any": ["y", "q"]}},
            {"tags": {"$all": ["z", "y"]}},
            {"role": {"$ne": "user"}},
        ):
            for mode in ("hybrid", "words", "meaning"):
                assert keys(store.find(NS, "red apple", filter=passing, limit=1, mode=mode)) == ["it"]  # type: ignore[arg-type]
            assert keys(store.search(NS, query="red apple", filter=passing)) == ["it"]
        with pytest.raises(ValueError, match=r"\$regex"):
            store.find(NS, "red", filter={"role": {"$regex": "x"}})


def test_a_blank_query_lists_what_passes_the_filter(path: Path) -> None:
    """In the order in which the items were put."""
    with FaissStore(path, index=index()) as store:
        for key in "cab":
            store.put(NS, key, {"text": key, "n": ord(key)})
        assert keys(store.find(NS, " ", filter={"n": {"$gt": 97}})) == ["c", "b"]


def test_a_path_can_be_for_words_only(path: Path) -> None:
    """``words:`` keeps a text out of the embedding, and in the word search."""
    embedder = HashingEmbedder(64)
    with FaissStore(path, index={"embed": embedder}) as store:
        store.put(NS, "a", {"text": "red apple", "note": "zebra"}, index=["text", "words:note"])
        assert embedder.texts == ["red apple"]
        assert keys(store.find(NS, "zebra", mode="words")) == ["a"]


def test_an_update_is_found_by_what_it_says_now(path: Path) -> None:
    """Neither its old words nor its old vector remain, though ``index=False`` takes it out of both."""
    with FaissStore(path, index=index()) as store, FaissStore(path, index=index()) as other:
        store.put(NS, "a", {"text": "red apple"})
        assert keys(other.find(NS, "apple", mode="words")) == ["a"]
        store.put(NS, "a", {"text": "slow train"})
        assert other.find(NS, "apple", mode="words") == []
        assert keys(other.find(NS, "train", mode="words")) == ["a"]
        assert other.search(NS, query="slow train")[0].score == pytest.approx(1.0, abs=1e-5)
        store.put(NS, "a", {"text": "slow train"}, index=False)
        assert other.find(NS, "train") == []
        assert other.search(NS, query="slow train")[0].score is None


def test_of_writers_with_the_same_expectation_one_wins(path: Path) -> None:
    """Eight threads on two stores add one to a number a hundred times in all: none is lost."""
    with FaissStore(path) as one, FaissStore(path) as two:

        def count_up(store: FaissStore) -> None:
            for _ in range(12):
                while True:
                    item = store.get(NS, "n")
                    old = item.value if item else None
                    if store.put_if(NS, "n", {"n": (old or {"n": 0})["n"] + 1}, expected=old, index=False):
                        break

        threads = [threading.Thread(target=count_up, args=(store,)) for store in (one, two) * 4]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert one.get(NS, "n").value == {"n": 96}  # type: ignore[union-attr]


def test_threads_search_while_another_writes(path: Path) -> None:
    """An item that is always there is always found, whatever is put, changed and deleted beside it."""
    with FaissStore(path, index=index()) as store:
        store.put(NS, "always", {"text": "red apple", "n": -1})
        missed: list[object] = []
        stop = threading.Event()

        def look() -> None:
            while not stop.is_set():
                if keys(store.search(NS, query="red apple", limit=1)) != ["always"]:
                    missed.append("search")
                if keys(store.find(NS, "red apple", limit=1)) != ["always"]:
                    missed.append("find")

        threads = [threading.Thread(target=look) for _ in range(3)]
        for thread in threads:
            thread.start()
        for number in range(150):
            store.put(NS, "always", {"text": "red apple", "n": number})
            store.put(NS, f"k{number % 7}", {"text": f"slow train {number}"})
            store.delete(NS, f"k{(number + 3) % 7}")
        stop.set()
        for thread in threads:
            thread.join()
        assert missed == []


def test_what_was_acknowledged_survives_a_kill(path: Path) -> None:
    """The process ends without closing anything."""
    script = (
        "import os, sys; from memgpt_agent.store import FaissStore\n"
        f"s = FaissStore({str(path)!r})\n"
        f"[s.put({NS!r}, str(i), {{'text': f'word{{i}}'}}) for i in range(20)]\n"
        "os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == -9
    with FaissStore(path) as store:
        assert len(store.search(NS, limit=100)) == 20
        assert keys(store.find(NS, "word13")) == ["13"]


def test_a_file_that_is_not_ours_is_refused_and_left_alone(tmp_path: Path) -> None:
    """Other bytes, another program's database, a database cut short."""
    import sqlite3

    (other := tmp_path / "other.txt").write_bytes(b"not a database" * 100)
    connection = sqlite3.connect(foreign := tmp_path / "foreign.db")
    connection.execute("CREATE TABLE t (x)")
    connection.close()
    with FaissStore(cut := tmp_path / "cut.db") as store:
        for number in range(50):
            store.put(NS, str(number), {"text": "x" * 500})
    cut.write_bytes(cut.read_bytes()[:-20_000])
    for file in (other, foreign, cut):
        before = file.read_bytes()
        with pytest.raises(StoreCorrupt, match=file.name):
            FaissStore(file)
        assert file.read_bytes() == before


def test_another_embedding_is_noticed_on_opening(path: Path) -> None:
    """By its size or its name; the message says what can be done. Words alone need no embedding."""
    with FaissStore(path, index=index(64)) as store:
        store.put(NS, "a", {"text": "red apple"})
    with pytest.raises(EmbeddingMismatch, match="memgpt reindex"):
        FaissStore(path, index=index(32))
    with FaissStore(path) as store:
        assert keys(store.find(NS, "apple")) == ["a"]


def test_vectors_of_another_size_than_dims_are_refused(path: Path) -> None:
    """Nothing is written."""
    with FaissStore(path, index={"embed": HashingEmbedder(64), "dims": 32}) as store:
        with pytest.raises(EmbeddingMismatch, match="dims=32"):
            store.put(NS, "a", {"text": "red apple"})
        assert store.get(NS, "a") is None


def test_a_value_that_is_not_json_is_refused_and_half_an_emoji_is_kept(path: Path) -> None:
    """A batch with such a value writes nothing."""
    with FaissStore(path) as store:
        with pytest.raises(ValueNotStorable, match="set"):
            store.put(NS, "a", {"text": {1, 2}})
        store.put(NS, "b", {"text": "\ud83d", "nan": float("inf")})
        assert store.get(NS, "b").value == {"text": "\ud83d", "nan": float("inf")}  # type: ignore[union-attr]


def test_items_expire_are_refreshed_by_reading_and_swept(path: Path) -> None:
    """Minutes are counted from the last read or write."""
    clock = Clock()
    with FaissStore(path, ttl={"default_ttl": 10, "omit_expired": True}, clock=clock) as store:
        store.put(NS, "read", {"text": "a"})
        store.put(NS, "unread", {"text": "b"})
        store.put(NS, "forever", {"text": "c"}, ttl=None)
        clock.advance(minutes=8)
        store.get(NS, "read")
        clock.advance(minutes=8)
        assert store.get(NS, "unread") is None
        assert keys(store.search(NS, refresh_ttl=False)) == ["read", "forever"]
        assert store.sweep_ttl() == 1
        clock.advance(minutes=8)
        assert store.sweep_ttl() == 1
        assert keys(store.search(NS)) == ["forever"]


def test_a_closed_store_says_so(path: Path) -> None:
    """Closing twice is fine."""
    store = FaissStore(path)
    store.close()
    store.close()
    with pytest.raises(StoreClosed):
        store.get(NS, "a")


def test_a_url_names_a_store(tmp_path: Path) -> None:
    """Files, memory; others are refused."""
    with open_store(f"sqlite:///{tmp_path}/a.db") as store:
        assert isinstance(store, FaissStore)
        assert store.path == tmp_path / "a.db"
    with open_store("memory://") as store:
        store.put(NS, "a", {"text": "x"})
        assert isinstance(store, FaissStore)
        file = store.path
    assert not file.exists()
    for url in ("postgresql://host/db?schema=No", "redis://x", "sqlite://"):
        with pytest.raises(ConfigurationError):
            open_store(url)


def test_a_store_that_is_not_there_is_not_made_unasked(tmp_path: Path) -> None:
    """The error says so; one in memory is never there before."""
    for url in (f"sqlite:///{tmp_path}/none.db", "memory://"):
        with pytest.raises(StoreError, match="no store"):
            open_store(url, create=False)
    assert not list(tmp_path.iterdir())


def test_what_keeps_a_store_is_said_without_opening_one(tmp_path: Path) -> None:
    """By the kind of URL."""
    for url in (f"sqlite:///{tmp_path}/none.db", tmp_path / "none.db", "memory://"):
        assert check_store_backend(url) == f"SQLite {sqlite3.sqlite_version} with FTS5"
    with pytest.raises(ConfigurationError, match="redis"):
        check_store_backend("redis://x")
    assert not list(tmp_path.iterdir())
