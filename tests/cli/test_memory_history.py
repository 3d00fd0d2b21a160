"""The history of core memory from the command line: log, diff, undo, redo, restore, a picture, and the tasks."""

import json
import xml.etree.ElementTree as ET

import pytest

from memgpt_agent.testing import call, say


@pytest.fixture
def taught(memgpt):
    """Return a command line whose agent learnt a city and corrected it, in two turns with a quiet one between them."""
    memgpt.script(
        call("core_memory_append", label="human", content="City: Porto", thinking="Worth [keeping].", request_heartbeat=True),
        say("Noted."),
        say("I see."),
        call("core_memory_replace", label="human", old_content="Porto", new_content="Lisbon", thinking="She moved.", request_heartbeat=True),
        say("Corrected."),
    )  # fmt: skip
    for text in ("I live in Porto.", "It rains.", "I moved to Lisbon."):
        memgpt.ok("run", text)
    return memgpt


def human(memgpt) -> str:
    """Return the block about the user."""
    return json.loads(memgpt.ok("memory", "show", "human", "--json"))[0]["value"]


def test_the_log_tells_what_changed_by_whom_when_why_and_in_which_turn(taught) -> None:
    """Newest first; square brackets of the agent's are text."""
    shown = taught.ok("memory", "log")
    newest, older = shown.index("human 3"), shown.index("human 2")
    assert newest < older
    assert "agent  core_memory_replace  turn " in shown
    assert "  She moved.\n  -City: Porto\n  +City: Lisbon\n" in shown
    assert "  Worth [keeping].\n" in shown
    entries = json.loads(taught.ok("memory", "log", "human", "--limit", "1", "--json"))
    assert [(e["version"], e["actor"], e["thinking"]) for e in entries] == [(3, "agent", "She moved.")]
    before = json.loads(taught.ok("memory", "log", "human", "--before", str(entries[0]["revision"]), "--json"))
    assert [e["version"] for e in before] == [2, 1]


def test_what_was_learnt_between_two_turns_is_shown(taught) -> None:
    """Turns by how their ids begin; also from a number, and in JSON."""
    turns = [e["turn"] for e in json.loads(taught.ok("memory", "log", "human", "--json"))]
    assert (
        taught.ok("memory", "diff", "--between-turns", turns[1][:8], turns[0])
        == "--- human\n+++ human\n@@ -1 +1 @@\n-City: Porto\n+City: Lisbon\n"
    )
    assert "-\n" not in taught.ok("memory", "diff", "--from", "1")
    found = json.loads(taught.ok("memory", "diff", "human", "--from", "1", "--to", "2", "--json"))
    assert found == [{"label": "human", "before": "", "after": "City: Porto"}]
    assert taught.ok("memory", "diff", "persona", "--from", "1") == "No difference.\n"


@pytest.mark.parametrize(
    "options", [[], ["--from", "1", "--between-turns", "a", "b"], ["--between-turns", "a", "b", "--to", "2"]]
)
def test_two_states_must_be_named_in_one_way(taught, options: list[str]) -> None:
    """The error says how."""
    result = taught("memory", "diff", *options)
    assert (result.exit_code, result.stderr) == (
        1, "ConfigurationError: Give --from (and --to), or --between-turns: the two states to compare.\n",
    )  # fmt: skip


def test_edits_are_taken_back_done_again_and_restored(taught) -> None:
    """Each prints what the block is now."""
    assert taught.ok("memory", "undo") == "human (version 4) has 11 characters now:\nCity: Porto\n"
    assert json.loads(taught.ok("memory", "undo", "human", "--json"))[0]["kind"] == "undo"
    assert human(taught) == ""
    taught.ok("memory", "redo")
    taught.ok("memory", "redo", "human")
    assert human(taught) == "City: Lisbon"
    taught.ok("memory", "restore", "human", "--at", "2")
    assert human(taught) == "City: Porto"
    assert taught.ok("memory", "restore", "human", "--at", "2") == "It is so already; nothing was changed.\n"
    taught.ok("memory", "undo")
    assert human(taught) == "City: Lisbon"
    result = taught("memory", "redo", "persona")
    assert (
        result.stderr
        == "NothingToUndo: There is nothing to redo in block 'persona': nothing was undone since the last edit.\n"
    )


def test_a_point_that_means_nothing_shows_the_forms(taught) -> None:
    """And nothing is changed."""
    result = taught("memory", "restore", "--at", "yesterday")
    assert result.exit_code == 1
    assert result.stderr.startswith(
        "UnknownVersion: 'yesterday' is no version, day, moment or turn of this agent. Give a number"
    )
    assert human(taught) == "City: Lisbon"


def test_the_log_is_drawn_as_a_picture(taught, tmp_path) -> None:
    """A lane for each block, a dot for each version with its reason, text from outside escaped."""
    taught.ok("memory", "undo")
    picture = tmp_path / "log.svg"
    result = taught("memory", "log", "--plot", str(picture))
    assert result.stderr.replace("\n", "") == f"5 versions drawn in {picture}."
    root = ET.fromstring(picture.read_text())  # noqa: S314  our own picture
    space = "{http://www.w3.org/2000/svg}"
    titles = [circle[0].text or "" for circle in root.iter(f"{space}circle") if len(circle)]
    assert len(titles) == 5
    assert any("agent core_memory_append\nWorth [keeping].\nCity: Porto" in title for title in titles)
    assert sum(circle.get("fill") == "#ffffff" for circle in root.iter(f"{space}circle")) == 1
    assert {text.text for text in root.iter(f"{space}text")} >= {"human", "persona", "agent", "user"}


def test_tasks_are_listed_with_plan_and_date(memgpt) -> None:
    """Open ones first, then what was closed last."""
    memgpt.script(say("Hi."))
    memgpt.ok("run", "Hello")
    assert memgpt.ok("memory", "tasks") == "No tasks.\n"
    from memgpt_agent.memory.tasks import TaskList
    from memgpt_agent.testing import Clock

    with memgpt.make_agent(agent_id="default", settings=settings_of(memgpt), clock=Clock()) as agent:
        tasks = TaskList(agent.memory)
        tasks.add("Call Ana", due="2001-01-01", steps=["dial"], note="at noon")
        tasks.add("Sleep")
        tasks.close(2, "dropped")
    shown = memgpt.ok("memory", "tasks")
    assert (
        shown
        == "1. Call Ana  normal, due 2001-01-01  overdue\n   [ ] dial\n   at noon\n2. dropped on 2026-01-01: Sleep\n"
    )
    told = json.loads(memgpt.ok("memory", "tasks", "--json"))
    assert [(t["title"], t["how"]) for t in (*told["open"], *told["closed"])] == [
        ("Call Ana", ""),
        ("Sleep", "dropped"),
    ]


def settings_of(memgpt):
    """Return the settings of the command line's data folder."""
    from memgpt_agent.config import Settings

    return Settings(home=memgpt.home)
