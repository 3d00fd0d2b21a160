"""Looking into memory from the command line."""

import json

import pytest

from memgpt_agent.testing import call, say


@pytest.fixture
def filled(memgpt):
    """Return a command line whose agent was told two things, one of them filed away."""
    memgpt.script(
        call("archival_memory_insert", content="The boiler was serviced in May.", tags=["house"], request_heartbeat=True),
        say("Filed."),
        say("A fine name for a cat."),
    )
    memgpt.ok("run", "The boiler was serviced in May.")
    memgpt.ok("run", "My cat is called Bolota.")
    return memgpt


def test_core_memory_is_shown_with_its_limits(filled) -> None:
    """Each block with its label, how full it is, and its text."""
    shown = filled.ok("memory", "show")
    assert "persona (" in shown
    assert "human (0 of 2,000 characters)\n(empty)" in shown


def test_core_memory_as_json_has_every_field_that_means_something(filled) -> None:
    """The keys of edits, which only the machinery uses, are left out."""
    blocks = json.loads(filled.ok("memory", "show", "--json"))
    assert [block["label"] for block in blocks] == ["persona", "human"]
    assert sorted(blocks[0]) == ["description", "label", "limit_chars", "read_only", "updated_at", "value", "version"]


def test_an_unknown_block_is_an_error_that_names_the_known(filled) -> None:
    """As the model would be told."""
    result = filled("memory", "show", "humans")
    assert (result.exit_code, result.stderr) == (
        1, "UnknownBlock: There is no core memory block 'humans'. The blocks are: 'persona', 'human'.\n",
    )  # fmt: skip


def test_a_search_looks_into_both_tiers(filled) -> None:
    """What was said and what was filed away."""
    found = json.loads(filled.ok("memory", "search", "boiler", "--json"))
    assert "The boiler was serviced in May." in [message["text"] for message in found["recall"]]
    assert [(p["text"], p["tags"]) for p in found["archival"]] == [("The boiler was serviced in May.", ["house"])]


def test_a_search_can_be_narrowed(filled) -> None:
    """To a tier, a side, a tag, days and a number."""
    assert json.loads(filled.ok("memory", "search", "cat", "--in", "archival", "--tag", "garden", "--json")) == {"recall": [], "archival": []}
    said = json.loads(filled.ok("memory", "search", "cat", "--in", "recall", "--role", "user", "--limit", "1", "--json"))["recall"]
    assert [message["text"] for message in said] == ["My cat is called Bolota."]
    assert filled.ok("memory", "search", "cat", "--to", "2001-01-01") == "Nothing found.\n"


def test_a_bad_date_shows_the_form(filled) -> None:
    """It is one line on standard error."""
    result = filled("memory", "search", "cat", "--from", "yesterday")
    assert result.exit_code == 1
    assert result.stderr.startswith("BadDate: start_date 'yesterday' is not a date. Give '2026-11-21'")


def test_what_was_found_is_shown_with_time_and_speaker(filled) -> None:
    """A line for who and when, and the text below it."""
    shown = filled.ok("memory", "search", "Bolota", "--in", "recall", "--role", "user", "--limit", "1")
    assert "  user\n  My cat is called Bolota.\n" in shown
