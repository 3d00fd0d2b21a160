"""Correcting from the command line: in an editor and without one, transcripts, names, and the commands of a chat."""

import io
import json
import sys
from pathlib import Path

import pytest
from rich.console import Console

from memgpt_agent.cli.commands import ChatLoop
from memgpt_agent.cli.turn_view import TurnView
from memgpt_agent.config import Settings
from memgpt_agent.testing import call, say


@pytest.fixture
def editor(tmp_path, monkeypatch):
    """Names a program as the editor: Python code that finds the file's path in ``path`` and its text in ``text``."""

    def named(code: str, variable: str = "EDITOR") -> Path:
        seen = tmp_path / "seen"
        program = tmp_path / "editor.py"
        program.write_text(
            "import pathlib, subprocess, sys\npath = pathlib.Path(sys.argv[-1])\ntext = path.read_text(encoding='utf-8')\n"
            f"pathlib.Path({str(seen)!r}).write_text(str(path))\n{code}\n"
        )
        monkeypatch.setenv(variable, f"{sys.executable} {program} --wait")
        return seen

    monkeypatch.delenv("VISUAL", raising=False)
    return named


@pytest.fixture
def known(memgpt):
    """Return a command line with an agent that has said something."""
    memgpt.script(say("Hi Alice", thinking="a guest"))
    memgpt.ok("run", "I am Alice", "--persona", "I am Sam.")
    return memgpt


def shown(memgpt, label: str) -> str:
    """Return what a block says."""
    return json.loads(memgpt.ok("memory", "show", label, "--json"))[0]["value"]


def test_a_block_is_edited_in_the_users_editor(known, editor) -> None:
    """The file is the user's alone and goes; the line end that editors add is not part of the text; VISUAL comes before EDITOR."""
    editor("sys.exit(9)")
    private = "assert not any(one.stat().st_mode & 0o077 for one in (path, path.parent))"
    seen = editor(f"{private}; path.write_text(text + '\\nBrief.\\n')", "VISUAL")
    assert "version 2" in known.ok("memory", "edit", "persona")
    assert shown(known, "persona") == "I am Sam.\nBrief."
    assert not Path(seen.read_text()).parent.exists()
    assert "version 2" not in known.ok("memory", "undo", "persona")
    assert shown(known, "persona") == "I am Sam."


@pytest.mark.parametrize(
    ("code", "told"),
    [("pass", "Nothing was changed"), ("path.write_text(text + '\\n')", "Nothing was changed"), ("path.write_text(' \\n')", "set persona ''")],
)
def test_an_unchanged_or_empty_text_changes_nothing(known, editor, code, told) -> None:
    """And leaves no file."""
    seen = editor(code)
    result = known("memory", "edit", "persona")
    assert (result.exit_code, told in result.stderr) == (0, True)
    assert shown(known, "persona") == "I am Sam."
    assert not Path(seen.read_text()).exists()


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("path.write_text('x' * 2_001)", "CoreMemoryFull"),
        ("path.write_text('mine'); sys.exit(3)", "code 3"),
        ("path.write_bytes(b'\\xff\\xfe')", "cannot be read"),
    ],
)
def test_what_cannot_be_kept_stays_in_the_file(known, editor, code, told) -> None:
    """Too long, an editor that failed, what is no text: nothing is changed, and the user is told where the draft is."""
    seen = editor(code)
    result = known("memory", "edit", "persona")
    draft = Path(seen.read_text())
    assert (result.exit_code, told in result.stderr, str(draft) in result.stderr.replace("\n", "")) == (1, True, True)
    assert draft.exists()
    assert shown(known, "persona") == "I am Sam."


def test_an_editor_that_cannot_be_run_is_told(known, monkeypatch) -> None:
    """With its name."""
    monkeypatch.setenv("VISUAL", "/nowhere/editor")
    result = known("memory", "edit", "persona")
    assert (result.exit_code, "/nowhere/editor" in result.stderr) == (1, True)


def test_a_change_of_others_meanwhile_is_shown_and_both_texts_stay(known, editor) -> None:
    """Another process edits the block while the editor is open."""
    other = (
        f"import os; os.environ['MEMGPT_HOME'] = {str(known.home)!r}\n"
        "from memgpt_agent import MemGPTAgent\n"
        "with MemGPTAgent(agent_id='default') as agent: agent.core_memory.append('persona', 'I sail.')\n"
        "path.write_text('I am Max.')"
    )
    seen = editor(other)
    result = known("memory", "edit", "persona")
    assert result.exit_code == 1
    assert "+I sail." in result.stderr
    assert Path(seen.read_text()).read_text() == "I am Max."
    assert shown(known, "persona") == "I am Sam.\nI sail."


def test_a_text_is_set_from_an_argument_or_standard_input(known) -> None:
    """Of a block that there is; --new makes one. An empty text empties it."""
    known.ok("memory", "set", "persona", "I am Max.")
    assert shown(known, "persona") == "I am Max."
    known.ok("memory", "set", "human", "-", stdin="Name: Alice\nTea\n")
    assert shown(known, "human") == "Name: Alice\nTea"
    known.ok("memory", "set", "human", "")
    assert shown(known, "human") == ""
    refused = known("memory", "set", "plans", "sail")
    assert (refused.exit_code, "no block" in refused.stderr) == (1, True)
    known.ok("memory", "set", "plans", "sail", "--new")
    assert shown(known, "plans") == "sail"
    assert "nothing was changed" in known("memory", "set", "plans", "sail").stderr


def test_a_block_is_renamed_and_the_renaming_undone(known) -> None:
    """From the command line."""
    known.ok("memory", "rename", "human", "user")
    assert shown(known, "user") == ""
    known.ok("memory", "undo")
    assert shown(known, "human") == ""
    assert known("memory", "rename", "human", "persona").exit_code == 1


def test_messages_passages_and_facts_are_edited_by_their_ids(known, editor) -> None:
    """In the editor or by set; the log shows what they said, and undo brings it back. An id from before a correction is told the one of now."""
    said = json.loads(known.ok("transcript", "--format", "json"))
    known.ok("memory", "set", said[0]["id"], "I am Alicia")
    editor("path.write_text(text.replace('Alice', 'Alicia'))")
    known.ok("memory", "edit", said[1]["id"])
    assert [m["text"] for m in json.loads(known.ok("transcript", "--format", "json"))] == ["I am Alicia", "Hi Alicia"]
    assert "- I am Alice" in known.ok("memory", "log", said[0]["id"])
    assert "I am Alice\n" in known.ok("memory", "undo", said[0]["id"])
    with known.make_agent(agent_id="default", settings=Settings(home=known.home)) as agent:
        passage = agent.memory.archival.insert("teh key")[0]
        from memgpt_agent.memory.knowledge import KnowledgeGraph

        fact = KnowledgeGraph(agent.memory.store, "default").insert("Alice", "likes", "te").fact
    new = known.ok("memory", "set", passage.id, "the key").split()[2]
    assert json.loads(known.ok("memory", "log", new, "--json"))[0]["text"] == "teh key"
    editor("assert text == 'Alice\\nlikes\\nte'; path.write_text('Alice\\nlikes\\ntea\\n')")
    assert "Alice - likes - tea" in known.ok("memory", "edit", fact.id)
    assert known("memory", "edit", "no-such-thing").exit_code == 1
    for command in ("log", "undo"):
        assert f"it is {new!r} now (the key)" in known("memory", command, passage.id).stderr
        assert "now (Alice - likes - tea)" in known("memory", command, fact.id).stderr
        assert "There is no fact 'fact-x'" in known("memory", command, "fact-x").stderr
    known.ok("memory", "undo", new)
    assert "was never corrected" in known("memory", "log", passage.id).stderr


def test_a_transcript_is_printed_or_written(known, tmp_path) -> None:
    """By conversation; with thoughts and ids; an unknown conversation names those there are."""
    plain = known.ok("transcript")
    assert [line for line in plain.splitlines() if not line.startswith("[")] == ["  I am Alice", "", "  Hi Alice"]
    assert "a guest" not in plain
    assert "a guest" in known.ok("transcript", "--format", "markdown", "--thoughts")
    known.ok("transcript", "--out", str(tmp_path / "talk.txt"))
    assert "Hi Alice" in (tmp_path / "talk.txt").read_text()
    assert "default" in known("transcript", "--thread", "nowhere").stderr


def test_an_agent_is_found_by_its_name_too(known) -> None:
    """By every command that takes one; an id comes before a name."""
    known.ok("agents", "rename", "default", "Sam")
    assert "Sam" in known.ok("agents", "list")
    assert "Hi Alice" in known.ok("transcript", "--agent", "Sam")
    known.script(say("Again"))
    assert known.ok("run", "Hello", "--agent", "Sam") == "Again\n"
    assert len(json.loads(known.ok("agents", "list", "--json"))) == 1
    known.script(say("New"))
    known.ok("run", "Hello", "--agent", "other")
    refused = known("agents", "rename", "other", "Sam")
    assert (refused.exit_code, "AgentExists" in refused.stderr) == (1, True)
    assert known("agents", "rename", "nobody", "x").exit_code == 1
    known.ok("agents", "delete", "Sam", "--yes")
    assert [a["agent_id"] for a in json.loads(known.ok("agents", "list", "--json"))] == ["other"]


def chat(memgpt, spoken, *lines):
    """Type lines into a chat; return the agent and what the screen shows."""
    screen = Console(record=True, width=120, highlight=False, markup=False, emoji=False, file=io.StringIO())
    agent = memgpt.make_agent(agent_id="default", settings=Settings(home=memgpt.home))
    loop = ChatLoop(lambda: agent, screen, TurnView(screen, screen, live=True, thoughts=False))
    loop.run(spoken(lines))
    loop.close()
    return agent, screen.export_text()


def test_in_a_chat_a_turn_is_taken_back_or_said_in_other_words(memgpt, spoken, editor) -> None:
    """With what was written because of it; in the editor where no words are given."""
    noting = call("core_memory_append", label="human", content="Name: Ailce", request_heartbeat=True)
    memgpt.script(noting, say("Hi Ailce"), say("Hi Alice"), say("Hi Al"))
    editor("assert text == 'I am Alice'; path.write_text('I am Al')")
    agent, seen = chat(memgpt, spoken, "I am Ailce", "/edit I am Alice", "/edit", "/undo", "/undo")
    assert "Memory is as before: block human" in seen
    order = [seen.index(text) for text in ("Hi Ailce", "Hi Alice", "Hi Al\n", "Taken back: I am Al", "NothingToUndo")]
    assert order == sorted(order)
    assert (agent.core_memory["human"], agent.messages()) == ("", [])
    agent.close()


def test_in_a_chat_a_new_conversation_begins(memgpt, spoken) -> None:
    """And the old one can be gone on with."""
    memgpt.script(say("first"), say("second"))
    agent, seen = chat(memgpt, spoken, "one", "/new", "two")
    assert f"memgpt chat --thread {agent.thread_id}" in seen
    assert [m.text for m in agent.messages()] == ["one", "first"]
    agent.close()
    threads = json.loads(memgpt.ok("agents", "list", "--json"))[0]["threads"]
    assert "two" in memgpt.ok("transcript", "--thread", threads[1])


def test_in_a_chat_something_is_forgotten_if_one_says_yes(memgpt, spoken) -> None:
    """What is found is shown first; anything but yes leaves it."""
    memgpt.script(say("Noted."), say("Well."))
    lines = ["My code is zanzibar", "/forget zanzibar", "no", "/forget zanzibar", "yes", "/forget", "/forget nothing-of-it", "And now?"]
    agent, seen = chat(memgpt, spoken, *lines)
    assert seen.count("[x] message") == 2
    assert seen.index("Nothing was erased.") < seen.index("Erased 1 message") < seen.index("Say what to forget")
    assert "zanzibar" not in str([m.content for m in memgpt.model.calls[-1]])
    agent.close()
