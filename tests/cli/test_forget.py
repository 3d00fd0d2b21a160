"""Forgetting from the terminal: shown, asked, erased."""

import json

import pytest

from memgpt_agent.testing import say

WORD = "Fennimore"


@pytest.fixture
def told(memgpt):
    """A command line whose agent was told a word, and something else."""
    memgpt.script(say("Noted."), say("Fine."))
    memgpt.ok("run", f"My street is {WORD} Lane", "--user", "zoltan")
    memgpt.ok("run", "I like pears", "--user", "bea")
    return memgpt


def files_with(memgpt, word: str) -> list[str]:
    """Return the names of the files in the data folder that hold a word."""
    return [path.name for path in memgpt.home.rglob("*") if path.is_file() and word.encode() in path.read_bytes()]


def test_it_shows_asks_and_erases(told) -> None:
    """A no leaves everything, a yes erases what is ticked."""
    refused = told("forget", WORD, stdin="n\n")
    assert refused.exit_code == 1
    assert "[x] message" in refused.stdout
    assert f"(holds the words): My street is {WORD} Lane" in refused.stdout
    assert files_with(told, WORD)
    printed = told.ok("forget", WORD.lower(), stdin="y\n")
    assert "Erased 1 message in " in printed
    assert files_with(told, WORD) == []
    assert "pears" in told.ok("memory", "search", "pears")


def test_what_only_comes_near_is_ticked_by_its_number(told) -> None:
    """By meaning nothing is ticked; an empty line keeps it so."""
    listed = json.loads(told.ok("forget", "which street do I live in", "--dry-run", "--json"))["found"]
    assert not any(one["ticked"] for one in listed)
    number = 1 + next(place for place, one in enumerate(listed) if WORD in one["text"])
    assert "Erased 1 message in " in told.ok("forget", "which street do I live in", stdin=f"{number}\ny\n")
    assert files_with(told, WORD) == []


def test_yes_keep_and_json(told) -> None:
    """For scripts: without a question; what is named by --keep stays; the answer as data."""
    (found,) = json.loads(told.ok("forget", WORD, "--dry-run", "--json"))["found"]
    assert json.loads(told.ok("forget", WORD, "--keep", found["id"], "--yes", "--json"))["erased"] == {}
    assert files_with(told, WORD)
    assert json.loads(told.ok("forget", WORD, "--yes", "--json"))["erased"] == {"message": 1}
    assert files_with(told, WORD) == []


@pytest.mark.parametrize("options", [("--user", "zoltan"), ("--thread", "default"), ("--before", "2999-01-01")])
def test_a_user_a_conversation_and_what_is_old(told, options: tuple[str, str]) -> None:
    """Each by an option of its own."""
    told.ok("forget", *options, "--yes")
    assert files_with(told, WORD) == []
    assert (files_with(told, "I like pears") == []) == (options[0] != "--user")


def test_nothing_and_too_much_are_refused(told) -> None:
    """One thing at a time, of an agent that there is."""
    assert "one of them" in told("forget").stderr
    assert "one of them" in told("forget", WORD, "--user", "zoltan").stderr
    assert "There is no agent 'nobody'" in told("forget", WORD, "--agent", "nobody").stderr


def test_a_temporary_chat_from_the_terminal(told) -> None:
    """It answers, and nothing of it is in the folder."""
    told.script(say("I will not remember."))
    assert "I will not remember." in told.ok("chat", "--temporary", stdin="My code is Larkspur\n")
    assert files_with(told, "Larkspur") == []
