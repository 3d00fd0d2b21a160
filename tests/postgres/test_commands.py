"""The command line on Postgres: speaking, searching, carrying, forgetting, deleting; what the server's own tools are for."""

import json
import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from memgpt_agent.databases.postgres import split_url
from memgpt_agent.testing import call, say
from tests.cli.conftest import ScriptedCommandLine, memgpt

__all__ = ["memgpt"]


@pytest.fixture(autouse=True)
def _database(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEMGPT_DATABASE_URL", url)


def bytes_in(url: str, text: str) -> list[str]:
    """Return the tables in whose files a text stands."""
    server, schema = split_url(url)
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute("CHECKPOINT")
        found = connection.execute(
            "SELECT relname, current_setting('data_directory') || '/' || pg_relation_filepath(oid) FROM pg_class"
            " WHERE relnamespace = %s::regnamespace AND relkind IN ('r', 'i')", [schema]
        ).fetchall()  # fmt: skip
    return [name for name, path in found if text.encode() in Path(path).read_bytes()]


def test_an_agent_lives_on_postgres(memgpt: ScriptedCommandLine, url: str, tmp_path: Path) -> None:
    """It speaks, remembers across processes, is exported and imported, forgets one thing, and is deleted: its bytes are gone."""
    memgpt.script(
        call("core_memory_append", label="human", content="Plays the zither", request_heartbeat=True), say("Noted."), say("The zither."),
        say("The oboe."),
    )  # fmt: skip
    assert "Noted." in memgpt.ok("run", "I play the zither")
    assert not (memgpt.home / "memory.db").exists()
    assert not (memgpt.home / "checkpoints.db").exists()
    assert "zither" in memgpt.ok("run", "What do I play?")
    file = tmp_path / "agent.json"
    memgpt.ok("export", "--output", str(file))
    assert "zither" in file.read_text()
    memgpt.ok("import", str(file), "--as", "copy")
    assert {one["agent_id"] for one in json.loads(memgpt.ok("agents", "list", "--json"))} == {"default", "copy"}
    assert bytes_in(url, "zither")
    memgpt.ok("agents", "delete", "copy", "--yes")
    memgpt.ok("forget", "zither", "--yes")
    assert bytes_in(url, "zither") == []
    assert "oboe" in memgpt.ok("run", "And now?")
    memgpt.ok("agents", "delete", "default", "--yes")
    assert bytes_in(url, "oboe") == []


def test_backups_and_checks_say_what_the_server_does_itself(memgpt: ScriptedCommandLine, url: str, tmp_path: Path) -> None:
    """Nothing pretends to have copied what is on a server; a password is not shown."""
    memgpt.script(say("Hi."))
    memgpt.ok("run", "hello")
    assert "pg_dump" in memgpt("backup", str(tmp_path / "copy")).stderr
    assert "pg_restore" in memgpt("restore", str(tmp_path / "copy")).stderr
    shown = memgpt("doctor").stdout
    assert "1 agent" in shown
    assert "PostgreSQL" in shown


def test_row_level_security_is_switched_on_by_a_command(memgpt: ScriptedCommandLine, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A role that is not there is refused with what to do; afterwards the role speaks for its owner, and the admin sees everybody's agents."""
    memgpt.script(say("Hello."), say("Hello, Ann."))
    memgpt.ok("run", "Hello")
    server, schema = split_url(url)
    assert "CREATE ROLE" in memgpt("postgres", "--secure", f"{schema}_web").stderr
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {schema}_web LOGIN".encode())
    assert "is on" in memgpt.ok("postgres", "--secure", f"{schema}_web")
    monkeypatch.setenv("MEMGPT_DATABASE_URL", url.replace("postgres:@", f"{schema}_web:@"))
    monkeypatch.setenv("MEMGPT_OWNER", "ann")
    assert "Hello, Ann." in memgpt.ok("run", "--agent", "user:ann", "Hello")
    assert {one["agent_id"] for one in json.loads(memgpt.ok("agents", "list", "--json"))} == {"user:ann"}
    monkeypatch.delenv("MEMGPT_OWNER")
    assert {one["agent_id"] for one in json.loads(memgpt.ok("agents", "list", "--json"))} == {"default", "user:ann"}


def test_a_trial_server_starts_beside_a_url_that_is_malformed(tmp_path: Path) -> None:
    """Its own URL is what is to be set instead."""
    command = [sys.executable, "-W", "ignore", "-c", "from memgpt_agent.cli import main; main()", "--home", str(tmp_path), "postgres"]
    environment = {**os.environ, "MEMGPT_DATABASE_URL": "no url"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment) as process:
        assert process.stdout
        assert process.stdout.readline().startswith("postgresql://")
        process.terminate()
        assert process.wait(60) == 0
