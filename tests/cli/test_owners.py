"""Owners, shares and tokens on the command line, and a process that acts for an owner."""

import json
from typing import Any

import pytest

from memgpt_agent.testing import say


def test_whose_an_agent_is_is_shown_and_changed(memgpt: Any) -> None:
    """Where nothing has an owner, nothing of owners is shown."""
    memgpt.script(say("One."), say("Two."))
    memgpt.ok("run", "Hi", "--agent", "boat")
    assert "owner" not in memgpt.ok("agents", "list")
    assert "only the admin may use it" in memgpt.ok("agents", "owner", "boat")
    assert memgpt.ok("agents", "owner", "boat", "ann") == "boat belongs to ann.\n"
    assert memgpt.ok("agents", "share", "boat", "bob") == "boat belongs to ann; shared with bob (read).\n"
    assert "everybody (write), bob (read)" in memgpt.ok("agents", "share", "boat", "*", "--write")
    shown = json.loads(memgpt.ok("agents", "owner", "boat", "--json"))
    assert shown == {"agent_id": "boat", "owner": "ann", "shared": {"bob": "read", "*": "write"}}
    memgpt.ok("agents", "share", "boat", "*", "--stop")
    assert "owner" in memgpt.ok("agents", "list").splitlines()[0]
    assert json.loads(memgpt.ok("agents", "list", "--json"))[0]["owner"] == "ann"
    assert "only the admin" in memgpt.ok("agents", "owner", "boat", "--nobody")


def test_a_process_that_acts_for_an_owner_talks_to_the_owners_own_agent(memgpt: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the one that is meant where none is named; others are not there; giving agents away and making tokens is the admin's."""
    memgpt.script(say("One."), say("Two."))
    memgpt.ok("run", "Hi", "--agent", "boat")
    monkeypatch.setenv("MEMGPT_OWNER", "ann")
    memgpt.ok("run", "I am Ann.")
    assert [agent["agent_id"] for agent in json.loads(memgpt.ok("agents", "list", "--json"))] == ["user:ann"]
    for command in (("run", "Hi", "--agent", "boat"), ("agents", "delete", "boat", "--yes"), ("agents", "owner", "boat"),
                    ("agents", "share", "boat", "ann"), ("agents", "repair", "boat"), ("export", "--agent", "boat")):  # fmt: skip
        refused = memgpt(*command)
        assert refused.exit_code != 0
        assert "no agent 'boat'" in refused.stderr, command
    assert "Unset" in memgpt("agents", "owner", "user:ann", "bob").stderr
    assert "Unset" in memgpt("tokens", "create", "bob").stderr


def test_tokens_are_made_shown_without_themselves_and_revoked(memgpt: Any) -> None:
    """The token is printed once, alone on standard output, for scripts."""
    assert "No token yet" in memgpt.ok("tokens", "list")
    token = memgpt.ok("tokens", "create", "ann").strip()
    admin = json.loads(memgpt.ok("tokens", "create", "root", "--scope", "admin", "--days", "7", "--json"))
    assert admin["scopes"] == ["admin"]
    shown = memgpt.ok("tokens", "list")
    assert "ann" in shown
    assert "chat, read" in shown
    assert token not in shown
    assert admin["token"] not in shown
    listed = json.loads(memgpt.ok("tokens", "list", "--json"))
    assert [one["owner"] for one in listed] == ["ann", "root"]
    assert "hash" not in listed[0]
    assert "Revoked" in memgpt.ok("tokens", "revoke", listed[0]["id"])
    assert [one["owner"] for one in json.loads(memgpt.ok("tokens", "list", "--json"))] == ["root"]
    for wrong in (("tokens", "revoke", "nothing"), ("tokens", "create", " "), ("tokens", "create", "ann", "--scope", "root")):
        assert memgpt(*wrong).exit_code == 1


def test_the_audit_log_is_shown_by_owner_agent_and_page(memgpt: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """An owner sees their own acts only."""
    assert "Set MEMGPT_AUDIT=on" in memgpt.ok("audit")
    monkeypatch.setenv("MEMGPT_AUDIT", "on")
    assert memgpt.ok("audit") == "Nothing was logged.\n"
    memgpt.script(say("One."), say("Two."))
    memgpt.ok("run", "The key is under the stone.", "--agent", "boat")
    memgpt.ok("agents", "owner", "boat", "ann")
    monkeypatch.setenv("MEMGPT_OWNER", "ann")
    memgpt.ok("run", "Hi", "--agent", "boat")
    shown = memgpt.ok("audit")
    assert "turn (user_message)" in shown
    assert "agents owner" not in shown
    monkeypatch.delenv("MEMGPT_OWNER")
    logged = json.loads(memgpt.ok("audit", "--json"))
    assert [(one["who"], one["act"], one["agent_id"]) for one in logged] == [
        ("ann", "turn (user_message)", "boat"), ("", "agents owner", "boat"), ("", "turn (user_message)", "boat"),
    ]  # fmt: skip
    assert "stone" not in str(logged)
    assert [one["act"] for one in json.loads(memgpt.ok("audit", "--json", "--owner", "ann"))] == ["turn (user_message)"]
    assert len(json.loads(memgpt.ok("audit", "--json", "--agent", "boat", "-n", "1", "--before", str(logged[0]["number"])))) == 1
    assert json.loads(memgpt.ok("audit", "--json", "--before", "9" * 30)) == logged
    assert json.loads(memgpt.ok("audit", "--json", "--since", "2999-01-01")) == []
    assert "is no time" in memgpt("audit", "--since", "yesterday").stderr
