"""Facts and the times in which they hold."""

import pytest

from memgpt_agent.errors import BadDate
from memgpt_agent.memory.knowledge.facts import FOREVER, Fact, beginning_of, end_of


def test_a_fact_is_stored_and_read_whole() -> None:
    """With the ends and the text by which it is found."""
    fact = Fact("f", "Ann", "lives in", "Porto", "a", "p", "lives in", "2026-01-01", causes=("c",))
    assert Fact.from_value(fact.as_value()) == fact
    assert (fact.as_value()["ends"], fact.as_value()["text"]) == (["a", "p"], "Ann lives in Porto")


def test_a_fact_never_ends_before_it_begins() -> None:
    """One that is corrected at once has held at no time."""
    fact = Fact("f", "Ann", "lives in", "Porto", "a", "p", "lives in", "2026-01-02")
    assert fact.valid_until == FOREVER
    assert fact.ended("2026-01-01", "g").valid_until == "2026-01-02"


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("2026", "2026-01-01T00:00:00.000000+00:00", "2026-12-31T23:59:59.999999+00:00"),
        ("2026-2", "2026-02-01T00:00:00.000000+00:00", "2026-02-28T23:59:59.999999+00:00"),
        ("2026-12", "2026-12-01T00:00:00.000000+00:00", "2026-12-31T23:59:59.999999+00:00"),
        ("2026-02-28", "2026-02-28T00:00:00.000000+00:00", "2026-02-28T23:59:59.999999+00:00"),
        ("2026-02-28T10:00:00+01:00", "2026-02-28T09:00:00.000000+00:00", "2026-02-28T09:00:00.000000+00:00"),
    ],
)
def test_a_year_a_month_and_a_day_are_spans(text: str, first: str, last: str) -> None:
    """They begin with their first moment and end with their last."""
    assert (beginning_of(text, "x"), end_of(text, "x")) == (first, last)


def test_a_day_is_the_agents_own() -> None:
    """In its time zone."""
    assert beginning_of("2026-07-01", "x", "Europe/Lisbon") == "2026-06-30T23:00:00.000000+00:00"
    assert beginning_of(" ", "x") is None


@pytest.mark.parametrize("text", ["yesterday", "2026-13", "2026-02-30", "26", "9999-99"])
def test_what_is_no_date_is_refused_with_the_forms(text: str) -> None:
    """The model is told how to write one."""
    with pytest.raises(BadDate, match=r"valid_from .* is not a date. Give '2026', '2026-11'"):
        beginning_of(text, "valid_from")
