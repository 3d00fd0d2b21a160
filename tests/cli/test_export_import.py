"""Exporting and importing from the command line."""

import json
from pathlib import Path

import pytest

from memgpt_agent.testing import call, say


@pytest.fixture
def talked(memgpt):
    """Return a command line whose agent filed something away."""
    memgpt.script(
        call("archival_memory_insert", content="The boiler was serviced.", request_heartbeat=True), say("Filed.")
    )
    memgpt.ok("run", "The boiler was serviced.")
    return memgpt


def test_an_agent_is_exported_and_imported_under_another_id(talked, tmp_path: Path) -> None:
    """To a file, with what it held on standard error; the new agent remembers."""
    target = tmp_path / "agent.json"
    exported = talked("export", "--output", str(target))
    assert exported.exit_code == 0
    assert exported.stdout == ""
    assert exported.stderr.startswith(f"Exported default to {target}: 1 archival, 2 core, ")
    assert talked.ok("import", str(target), "--as", "copy").startswith("Imported copy: 1 archival, 2 core, ")
    assert "The boiler was serviced." in talked.ok("memory", "search", "boiler", "--agent", "copy", "--in", "archival")


def test_an_export_without_a_file_is_printed_and_the_schema_too(talked) -> None:
    """As JSON, either of them."""
    assert json.loads(talked.ok("export"))["format"] == "memgpt-agent"
    assert json.loads(talked.ok("export", "--schema"))["title"] == "AgentDocument"
    assert json.loads(talked.ok("export", "--format", "af"))["agents"][0]["name"] == "default"


def test_what_an_import_leaves_out_is_listed(talked, tmp_path: Path) -> None:
    """One line each; with --json as data."""
    (tmp_path / "a.af").write_text(json.dumps({"agents": [{"name": "Ann", "system": "Be kind.", "tools": ["fly"]}]}))
    shown = talked.ok("import", str(tmp_path / "a.af"))
    assert shown.splitlines()[1:] == [
        "  not carried over: tool 'fly': only its name is in the file",
        "  not carried over: system prompt: it is the read-only block 'system', behind the profile's own system prompt",
    ]
    again = json.loads(talked.ok("import", str(tmp_path / "a.af"), "--as", "eve", "--json"))
    assert (again[0]["agent_id"], len(again[0]["not_carried"])) == ("eve", 2)


def test_a_bad_file_and_a_taken_id_are_one_red_line(talked, tmp_path: Path) -> None:
    """And exit code 1."""
    (tmp_path / "bad.af").write_text("{")
    result = talked("import", str(tmp_path / "bad.af"))
    assert (result.exit_code, result.stderr.startswith("AgentFileError: bad.af is not JSON")) == (1, True)
    talked("export", "-o", str(tmp_path / "agent.json"))
    result = talked("import", str(tmp_path / "agent.json"))
    assert (result.exit_code, "There is an agent 'default' already" in result.stderr) == (1, True)


def test_a_name_finds_one_agent_and_an_import_takes_nobodys(talked, tmp_path: Path) -> None:
    """A forged export that bears another agent's name or id comes without it, and says so; the name means the same agent as before."""
    talked.ok("agents", "rename", "default", "Zed")
    target = tmp_path / "agent.json"
    talked.ok("export", "--agent", "Zed", "--output", str(target))
    for stolen in ("Zed", "default"):
        data = json.loads(target.read_text())
        data["definition"]["name"] = stolen
        target.write_text(json.dumps(data))
        told = talked.ok("import", str(target), "--as", f"other-{stolen}")
        assert f"name '{stolen}': another agent here has it" in " ".join(told.split())
    agents = {known["agent_id"]: known["name"] for known in json.loads(talked.ok("agents", "list", "--json"))}
    assert agents == {"default": "Zed", "other-Zed": "", "other-default": ""}
