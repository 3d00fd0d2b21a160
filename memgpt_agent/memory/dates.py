"""Parsing the dates of a search: a day means the whole day, in the agent's time zone."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from memgpt_agent.errors import BadDate

FORMS = "'2026-11-21' for a whole day, or '2026-11-21T14:30:00' for a moment"


def range_filter(start_date: str | None, end_date: str | None, time_zone: str = "UTC") -> dict[str, Any]:
    """Return the filter on a ``time`` field (ISO 8601, UTC) for the days or moments from start to end, both included.

    A day is as long as it is in the zone: 23 or 25 hours where the clock changes. A date at the edge of the calendar, such as
    9999-12-31 for "no end", bounds nothing.

    Raises:
        BadDate: a date has another form, or the end lies before the start.
    """
    start = _moment(start_date, "start_date", time_zone)
    end = _moment(end_date, "end_date", time_zone, whole_day=True)
    if start and end and end < start:
        raise BadDate(f"end_date {end_date!r} lies before start_date {start_date!r}; swap them.")
    bounds = {"$gte": stamp(start) if start else None, "$lte": stamp(end) if end else None}
    given = {operator: bound for operator, bound in bounds.items() if bound}
    return {"time": given} if given else {}


def stamp(moment: datetime) -> str:
    """Return a moment as it is stored: ISO 8601 in UTC with microseconds, so that text order is time order."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def _moment(text: str | None, name: str, time_zone: str, *, whole_day: bool = False) -> datetime | None:
    """Return the moment in UTC, of a day its beginning or (``whole_day``) its last microsecond; ``None`` if it bounds nothing."""
    if text is None or not text.strip():
        return None
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise BadDate(f"{name} {text!r} is not a date. Give {FORMS}.") from error
    try:
        ends_day = whole_day and _is_day(text.strip())
        moment = moment + timedelta(days=1) if ends_day else moment  # by the clock on the wall: midnight to midnight
        moment = (moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(time_zone))).astimezone(UTC)
        return moment - timedelta(microseconds=1) if ends_day else moment
    except OverflowError:  # the calendar ends here, and time zones reach beyond it
        return None


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
