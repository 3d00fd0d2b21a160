"""What the doctor finds."""

import json
import re

import pytest

from memgpt_agent.testing import say


def test_a_model_that_is_not_there_fails_with_what_to_do(memgpt) -> None:
    """Exit code 1, and the advice is the error's own."""
    result = memgpt("doctor", "--json")
    found = {check["name"]: check for check in json.loads(result.stdout)}
    assert result.exit_code == 1
    assert found["chat model"]["status"] == "failed"
    assert "memgpt model pull" in found["chat model"]["advice"] or "[local]" in found["chat model"]["advice"]
    assert {name for name, check in found.items() if check["status"] == "failed"} == {"chat model"}


def test_all_is_well_where_a_model_is_configured(memgpt, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 0; nothing was asked of the provider, and no folder was made."""
    monkeypatch.setenv("MEMGPT_MODEL", "openai:gpt-5.4-mini")
    monkeypatch.setenv("OPENAI_API_KEY", "a-key")
    shown = memgpt.ok("doctor")
    assert "ok     chat model: openai:gpt-5.4-mini is configured (not asked; --ask does)" in shown
    assert not memgpt.home.exists()


def test_a_store_is_shown_with_what_it_holds(memgpt) -> None:
    """Agents, items and size; the database that keeps it has a line of its own."""
    memgpt.script(say("Hello."))
    memgpt.ok("run", "Hi")
    found = {check["name"]: check for check in json.loads(memgpt("doctor", "--json").stdout)}
    assert re.search(r"memory\.db \(1 agent, \d+ items, \d+\.\d MB\)$", found["store"]["found"])
    assert re.fullmatch(r"SQLite 3[\d.]+ with FTS5", found["database"]["found"])


def test_a_store_that_is_damaged_is_found(memgpt, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is no database is named and left as it is."""
    monkeypatch.setenv("MEMGPT_MODEL", "openai:gpt-5.4-mini")
    monkeypatch.setenv("OPENAI_API_KEY", "a-key")
    memgpt.home.mkdir()
    (memgpt.home / "memory.db").write_bytes(b"this is no database" * 100)
    result = memgpt("doctor", "--json")
    store = next(check for check in json.loads(result.stdout) if check["name"] == "store")
    assert (result.exit_code, store["status"], store["found"]) == (1, "failed", "StoreCorrupt")
    assert (memgpt.home / "memory.db").read_bytes() == b"this is no database" * 100
