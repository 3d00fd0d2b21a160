"""Dates given by the model: days are whole, forms are strict."""

from datetime import datetime, timedelta

import pytest

from memgpt_agent.errors import BadDate
from memgpt_agent.memory.dates import range_filter, stamp


def test_a_day_is_the_whole_day() -> None:
    """From its first to its last microsecond, both included."""
    assert range_filter("2026-11-21", "2026-11-21") == {
        "time": {"$gte": "2026-11-21T00:00:00.000000+00:00", "$lte": "2026-11-21T23:59:59.999999+00:00"}
    }


def test_a_day_is_meant_in_the_agents_zone() -> None:
    """A day in Tokyo begins nine hours before one in UTC."""
    assert range_filter("2026-11-21", "2026-11-21", "Asia/Tokyo")["time"] == {
        "$gte": "2026-11-20T15:00:00.000000+00:00", "$lte": "2026-11-21T14:59:59.999999+00:00",
    }  # fmt: skip


def test_a_moment_is_a_moment() -> None:
    """With its own zone, or in the agent's."""
    assert range_filter(None, "2026-11-21T14:30:00", "Asia/Tokyo") == {"time": {"$lte": "2026-11-21T05:30:00.000000+00:00"}}
    assert range_filter("2026-11-21T14:30:00+01:00", None) == {"time": {"$gte": "2026-11-21T13:30:00.000000+00:00"}}


@pytest.mark.parametrize("nothing", [None, "", "  "])
def test_no_date_is_no_filter(nothing: str | None) -> None:
    """Models give empty texts for what they leave out."""
    assert range_filter(nothing, nothing) == {}


@pytest.mark.parametrize("bad", ["yesterday", "21.11.2026", "2026-02-30", "2026-13-01"])
def test_a_bad_date_is_told_the_form(bad: str) -> None:
    """Which argument, what was given, and what a good one looks like."""
    with pytest.raises(BadDate, match="'2026-11-21' for a whole day") as caught:
        range_filter(bad, None)
    assert f"start_date {bad!r}" in str(caught.value)


@pytest.mark.parametrize("zone", ["UTC", "Europe/Lisbon", "Asia/Tokyo", "America/Los_Angeles"])
@pytest.mark.parametrize("end", ["9999-12-31", "9999-12-31T23:59:59", "99991231", "9999-W52-5"])
def test_a_date_without_end_bounds_nothing_or_nearly_nothing(zone: str, end: str) -> None:
    """Models write the last day there is for "no end", and the first for "always"."""
    bounds = range_filter("0001-01-01", end, zone).get("time", {})
    assert bounds.get("$gte", "0001") <= "0001-01-02"
    assert bounds.get("$lte", "9999-12-31") >= "9999-12-30"
    assert range_filter("0001-01-01T00:00:00+23:59", None) == {}


@pytest.mark.parametrize(
    ("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25), ("20261025", 25), ("2026-W43-7", 25), ("2026-10-26", 24)]
)
def test_a_day_on_which_the_clock_changes_is_as_long_as_it_is(day: str, hours: int) -> None:
    """In whatever form the day is written."""
    bounds = range_filter(day, day, "Europe/Lisbon")["time"]
    length = datetime.fromisoformat(bounds["$lte"]) - datetime.fromisoformat(bounds["$gte"])
    assert length == timedelta(hours=hours) - timedelta(microseconds=1)


def test_an_end_before_its_start_is_an_error() -> None:
    """It would find nothing, and the model would believe it."""
    with pytest.raises(BadDate, match="swap them"):
        range_filter("2026-11-22", "2026-11-21")


def test_the_order_of_stamps_as_text_is_the_order_in_time() -> None:
    """Also where one has no microseconds, or another zone."""
    times = [datetime.fromisoformat(t) for t in ("2026-01-01T00:00:00+00:00", "2026-01-01T00:00:00.5+00:00", "2026-01-01T02:00:01+02:00")]
    assert sorted(map(stamp, times)) == [stamp(t) for t in times]
