"""Row-level security: what a role that is nobody special sees of two owners' rows, on a real server."""

from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import psycopg
import pytest
from langgraph.store.base import BaseStore, PutOp
from psycopg import sql

from memgpt_agent import agent_for
from memgpt_agent.checkpoints.opening import open_postgres_checkpointer
from memgpt_agent.databases.postgres import split_url
from memgpt_agent.errors import ConfigurationError, NotAllowed, StoreError
from memgpt_agent.memory import namespaces
from memgpt_agent.owners import OWNERS, Identity, assign, claim, share, walled
from memgpt_agent.store import open_store
from memgpt_agent.store.base import MemoryStore
from memgpt_agent.store.plain import count, find
from memgpt_agent.store.postgres.walls import secure
from memgpt_agent.testing import HashingEmbedder, ScriptedModel, call, say
from tests.store.servers import fresh_url

ANN, BOB, ODD = Identity("ann"), Identity("bob"), Identity("Zoë/~.,%'x")
INDEX: dict[str, Any] = {"dims": 64, "embed": HashingEmbedder()}
TABLES = ("namespaces", "items", "postings", "vectors", "tag_counts")
_NOTE_WHO_WRITES = """
CREATE TABLE SCHEMA_NAME.written (path text, owner text);
CREATE FUNCTION SCHEMA_NAME.note() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = SCHEMA_NAME, public AS $$ BEGIN
    INSERT INTO written SELECT encode(path, 'escape'), current_setting('memgpt.owner', true) FROM namespaces WHERE id = NEW.ns;
    RETURN NULL;
END $$;
CREATE TRIGGER note AFTER INSERT ON SCHEMA_NAME.items FOR EACH ROW EXECUTE FUNCTION SCHEMA_NAME.note();
"""


class _Place(NamedTuple):
    admin: str
    """The URL of the tables' owner."""
    url: str
    """The URL of the role that programs connect as."""
    store: MemoryStore
    """Opened as that role, for nobody in particular."""

    def direct(self) -> "psycopg.Connection[tuple[Any, ...]]":
        bare, schema = split_url(self.url)
        connection = psycopg.connect(bare, autocommit=True)
        connection.execute(sql.SQL("SET search_path TO {}, public").format(sql.Identifier(schema)))
        return connection


def _as_role(url: str, role: str) -> str:
    """The same URL for another role; the trial server trusts everybody on its socket."""
    parts = urlsplit(url)
    return parts._replace(netloc=f"{role}:x@{parts.netloc.rpartition('@')[2]}").geturl()


@pytest.fixture
def place() -> Iterator[_Place]:
    """A store of two owners with row-level security, whose role has a pool of one connection."""
    admin = fresh_url()
    bare, schema = split_url(admin)
    role = f"{schema}_app"
    with open_store(admin, index=INDEX) as before:
        before.put(namespaces.archival("user:ann"), "old", {"text": "written before the wall", "tags": ["old"]})
        claim(before, "agent-before", "ann")
        before.put(namespaces.archival("agent-before"), "old", {"text": "of an agent that was claimed before"})
    with psycopg.connect(bare, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'x'").format(sql.Identifier(role)))
    assert secure(admin, role) == secure(admin, role)
    url = _as_role(admin, role)
    with open_store(url, index=INDEX) as store:
        yield _Place(admin, url, store)


def _seen(store: BaseStore) -> set[str]:
    return {f"{'.'.join(item.namespace)}:{item.key}" for item in store.search((), limit=1_000)}


def _put(store: BaseStore, agent_id: str, key: str = "k") -> None:
    store.put(namespaces.archival(agent_id), key, {"text": f"bees of {agent_id}", "tags": [agent_id[:20]]})


def test_two_owners_by_turns_over_one_connection_see_their_own_rows_only(place: _Place) -> None:
    """Each reads, finds, lists and writes its own; nothing of the one before stays with the connection."""
    pool = place.store._database._pool  # type: ignore[attr-defined]
    pool.resize(1, 1)
    views = {who: walled(place.store, who) for who in (ANN, BOB, ODD)}
    for turn in range(6):
        for who, view in views.items():
            _put(view, who.agent_id, f"k{turn}")
            _put(view, who.agent_named("more"), f"k{turn}")
            labels = set(map(namespaces.encode_label, [who.agent_id, who.agent_named("more"), *["agent-before"] * (who == ANN)]))
            assert {item.namespace[0] for item in view.search((), limit=1_000)} - {"~owners"} == labels
            assert {one[0] for one in view.list_namespaces(limit=1_000)} - {"~owners"} == labels
            assert [item.key for item in view.search(("~owners",))] == ["agent-before"] * (who == ANN)
            assert len(view.search((namespaces.encode_label(who.agent_id),), query="bees", limit=100)) >= turn + 1
    assert {item.namespace[0] for item in place.store.search((), limit=1_000)} >= {namespaces.encode_label(who.agent_id) for who in views}


def test_without_an_owner_direct_sql_sees_and_writes_nothing(place: _Place) -> None:
    """Neither a new connection, nor one whose transaction of an owner is over, nor one with an owner who does not exist."""
    _put(place.store, BOB.agent_id)
    with place.direct() as connection:
        for owner in ("", "common", "named:*", "*", "is:", "under:"):
            with connection.transaction():
                if owner:
                    connection.execute("SELECT set_config('memgpt.owner', %s, true)", [owner])
                for table in TABLES:
                    rows = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table))).fetchone()
                    assert rows == (int(owner == "common" and table == "namespaces"),), (owner, table)
                assert connection.execute("UPDATE items SET value = '{}'").rowcount == 0
                assert connection.execute("DELETE FROM items").rowcount == 0
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("UPDATE namespaces SET readers = '{common}'")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("INSERT INTO namespaces (path) VALUES ('user%3Abob.archival')")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("DELETE FROM rights")


def test_a_mistake_finds_and_writes_nothing_of_another_owner(place: _Place) -> None:
    """Bob's store asked for Ann's namespace, by every operation; what she has is as it was."""
    where = namespaces.archival(ANN.agent_id)
    bobs, before = walled(place.store, BOB), place.store.get(where, "old")
    assert isinstance(bobs, MemoryStore)
    assert before is not None
    assert bobs.get(where, "old") is None
    assert bobs.search(where[:1]) == bobs.search(where, query="wall") == bobs.find(where, "wall") == bobs.newest(where) == []
    assert (bobs.count(where), bobs.tally(where).items, bobs.list_namespaces(prefix=where[:1]), list(bobs.items(where))) == (0, 0, [], [])
    for attempt in (
        lambda: bobs.put(where, "old", {"text": "overwritten"}),
        lambda: bobs.put(where, "new", {"text": "added"}, index=False),
        lambda: bobs.delete(where, "old"),
        lambda: bobs.put_if(where, "old", {"text": "x"}, expected=before.value),
        lambda: bobs.batch([PutOp(namespaces.archival(BOB.agent_id), "mine", {"text": "x"}), PutOp(where, "old", None)]),
        lambda: bobs.put(("agents",), ANN.agent_id, {"name": "hers"}, index=False),
        lambda: share(bobs, ANN.agent_id, "bob", "write"),
        lambda: bobs.put(namespaces.archival("nobodys"), "k", {"text": "x"}),
    ):
        with pytest.raises(NotAllowed):
            attempt()
    assert bobs.get(namespaces.archival(BOB.agent_id), "mine") is None
    assert place.store.get(where, "old") == before
    assert place.store.count(where) == 1


def test_rights_follow_the_records_at_once(place: _Place) -> None:
    """Given away, shared to read or write, with everybody, and taken back; an assigned agent is no longer its form's."""
    _put(place.store, "agent-7")
    bobs, where = walled(place.store, BOB), namespaces.archival("agent-7")
    assert bobs.get(where, "k") is None
    share(place.store, "agent-7", "bob", "read")
    assert bobs.get(where, "k") is not None
    with pytest.raises(NotAllowed):
        bobs.put(where, "k", {"text": "changed"})
    share(place.store, "agent-7", "*", "write")
    _put(bobs, "agent-7", "of bob")
    share(place.store, "agent-7", "*", None)
    share(place.store, "agent-7", "bob", None)
    assert bobs.get(where, "k") is None
    assign(place.store, "user:bob", "ann")
    _put(walled(place.store, ANN), "user:bob")
    with pytest.raises(NotAllowed):
        _put(bobs, "user:bob")
    assert walled(place.store, Identity("root", frozenset({"admin"}))).get(where, "k") is not None


def test_definitions_of_agents_are_seen_by_who_may_use_the_agent(place: _Place) -> None:
    """They lie in one namespace for all agents."""
    for who in (ANN, BOB, ODD):
        walled(place.store, who).put(("agents",), who.agent_id, {"name": who.name}, index=False)
    for who in (ANN, BOB, ODD):
        assert [item.key for item in walled(place.store, who).search(("agents",))] == [who.agent_id]
    assert len(place.store.search(("agents",))) == 3


def test_the_database_writes_labels_as_the_package_does(place: _Place) -> None:
    """For every kind of id, and for the roots that are no agent's; otherwise a record would be about another agent's rows."""
    ids = ["ann", "a.b~c", "Zoë/ %2F", *namespaces._RESERVED, "~x", "-_", "\x01'\\", "漢字🐝", ODD.agent_id]  # type: ignore[attr-defined]
    with place.direct() as connection:
        for one in ids:
            row = connection.execute("SELECT label_of(%s)", [one.encode()]).fetchone()
            assert row == (namespaces.encode_label(one),)
        for root in (*namespaces._RESERVED, *(one[0] for one in (namespaces.TOOLS, namespaces.FOLDERS, OWNERS))):  # type: ignore[attr-defined]
            assert connection.execute("SELECT (rights_of(%s)).readers", [root]).fetchone() == (["common"],)


def test_roles_that_see_everything_anyway_are_refused(place: _Place) -> None:
    """A superuser, the tables' owner, one that is not there; and nobody but the owner builds walls."""
    for role, words in (("postgres", "sees every row"), ("nobody_there", "no role")):
        with pytest.raises(ConfigurationError, match=words):
            secure(place.admin, role)
    with pytest.raises(StoreError, match="owns the tables"):
        secure(place.url, f"{split_url(place.url)[1]}_app")


def test_a_store_without_a_wall_is_as_before() -> None:
    """A view of an owner is the store itself."""
    with open_store(fresh_url()) as store:
        _put(walled(store, ANN), "user:bob")
        assert store.get(namespaces.archival("user:bob"), "k") is not None


def test_erasing_rewrites_the_tables_as_the_role(place: _Place) -> None:
    """From PostgreSQL 17 on the role may."""
    assert isinstance(place.store.compact(), int)
    assert _seen(walled(place.store, ANN))


def test_an_agent_of_an_owner_takes_turns_behind_the_wall(place: _Place) -> None:
    """It remembers and finds, each write of a turn in its owner's name; the memory that its object shows is the owner's view."""
    bare, schema = split_url(place.admin)
    with psycopg.connect(bare, autocommit=True) as connection:
        connection.execute(_NOTE_WHO_WRITES.replace("SCHEMA_NAME", schema).encode())
    with open_postgres_checkpointer(place.admin):
        pass  # the tables of conversations are made by the owner of the schema
    with open_postgres_checkpointer(place.url) as saver:
        for who in ("ann", "bob"):
            said = [call("archival_memory_insert", content=f"{who} keeps bees", request_heartbeat=True), say(f"Hello, {who}")]
            with agent_for(who, llm_client=ScriptedModel(said), store=place.store, checkpointer=saver) as agent:
                agent.step("I keep bees.")
                found = find(agent.memory.store, namespaces.archival(agent.agent_id), "bees")
                assert found[0].value["text"] == f"{who} keeps bees"
                assert count(agent.memory.store, namespaces.archival("user:ann" if who == "bob" else "user:bob")) == 0
        with psycopg.connect(bare) as connection:
            written = connection.execute(f"SELECT DISTINCT path, owner FROM {schema}.written".encode()).fetchall()  # noqa: S608 - ours
    tiers = {path: owner for path, owner in written if path.startswith("user%3A") and "checkpoints" not in path}
    assert {path.split(".")[1] for path in tiers} >= {"recall", "archival"}
    assert all(f"is:{path.split('.')[0]}" in (owner or "").split(",") for path, owner in tiers.items()), tiers
