"""The audit log in both stores: what is added stays as it was, in order, for every process; and it is made when it is first used."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from langgraph.store.memory import InMemoryStore

from memgpt_agent.config import Settings
from memgpt_agent.databases.postgres import split_url
from memgpt_agent.errors import ConfigurationError
from memgpt_agent.owners import Identity
from memgpt_agent.owners.audit import AuditLog, read_audit
from memgpt_agent.store import BaseMemoryStore, open_store
from tests.store.servers import fresh_url


class Place:
    """A store, opened twice, and a way past it."""

    def __init__(self, url: str, first: BaseMemoryStore, second: BaseMemoryStore) -> None:
        self.url, self.first, self.second = url, first, second

    def direct(self, statement: str) -> list[Any]:
        """Run a statement of one's own."""
        if self.url.startswith("sqlite"):
            with closing(sqlite3.connect(self.url.removeprefix("sqlite:///"))) as connection, connection:
                return connection.execute(statement).fetchall()
        bare, schema = split_url(self.url)
        with psycopg.connect(bare, options=f"-csearch_path={schema}") as connection:
            found = connection.execute(statement.encode())
            return found.fetchall() if found.description else []


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """On either store."""
    url = fresh_url() if request.param == "postgres" else f"sqlite:///{tmp_path}/memory.db"
    with open_store(url) as first, open_store(url) as second:
        yield Place(url, first, second)


def test_entries_are_read_back_newest_first_by_whoever_asks(place: Place) -> None:
    """By who, agent, time and page."""
    assert read_audit(place.first) == []
    began = datetime.now(UTC) - timedelta(minutes=1)
    AuditLog(place.first).note(Identity("ann"), "turn", ["a1", "a2"])
    AuditLog(place.second).note("bob", "read", ["a1"], "404")
    AuditLog(place.first).note(None, "start")
    found = read_audit(place.second)
    assert [entry[:4] for entry in found] == [
        ("", "start", "", ""), ("bob", "read", "a1", "404"), ("ann", "turn", "a2", ""), ("ann", "turn", "a1", ""),
    ]  # fmt: skip
    assert [one.act for one in read_audit(place.first, who="ann")] == ["turn", "turn"]
    assert [one.act for one in read_audit(place.first, who="")] == ["start"]
    assert [one.who for one in read_audit(place.first, agent_id="a1")] == ["bob", "ann"]
    assert read_audit(place.first, limit=2, before=found[1].number) == found[2:]
    assert len(read_audit(place.first, since=began)) == 4
    assert read_audit(place.first, since=datetime.now(UTC) + timedelta(minutes=1)) == []
    assert datetime.fromisoformat(found[0].time) > began


def test_nothing_is_changed_or_taken_out(place: Place) -> None:
    """Not even past this package."""
    AuditLog(place.first).note("ann", "turn", ["a1"])
    before = read_audit(place.first)
    for statement in ("DELETE FROM audit", "UPDATE audit SET who = 'bob'", "DELETE FROM audit WHERE id = 1"):
        with pytest.raises((sqlite3.IntegrityError, psycopg.errors.RaiseException), match="append-only"):
            place.direct(statement)
    place.first.compact()
    assert read_audit(place.first) == before


def test_any_name_is_logged(place: Place) -> None:
    """As readable text, cut where it is long: a name can be whatever a provider of identities says."""
    odd = "Zoë\0 \ud83d 'x%s"
    AuditLog(place.first).note(Identity(odd), "turn", ["a" * 900])
    [entry] = read_audit(place.first, who=odd)
    assert entry.who == "Zoë\\0 \\ud83d 'x%s"
    assert len(entry.agent_id) == 500


def test_looking_is_noted_once_a_minute(place: Place) -> None:
    """By each, at each thing; changing something every time."""
    log = AuditLog(place.first)
    for who in ("ann", "ann", "bob"):
        log.note(who, "GET", ["a1"], "200", once_a_minute=True)
        log.note(who, "POST", ["a1"], "200")
    assert [(one.who, one.act) for one in reversed(read_audit(place.first))] == [
        ("ann", "GET"), ("ann", "POST"), ("ann", "POST"), ("bob", "GET"), ("bob", "POST"),
    ]  # fmt: skip


def test_a_store_that_nobody_logs_in_has_no_log(place: Place) -> None:
    """Nothing is made for it."""
    of_postgres = "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()"
    tables = "SELECT name FROM sqlite_master" if place.url.startswith("sqlite") else of_postgres
    assert "audit" not in {row[0] for row in place.direct(tables)}
    assert AuditLog.of(Settings(home=Path("/nowhere")), place.first) is None


def test_a_store_without_a_log_is_refused_where_one_is_asked_for(tmp_path: Path) -> None:
    """A log that is on and keeps nothing would be worse than none."""
    with pytest.raises(ConfigurationError, match="InMemoryStore keeps no audit log"):
        AuditLog.of(Settings(home=tmp_path, audit="on"), InMemoryStore())
    assert read_audit(InMemoryStore()) == []
