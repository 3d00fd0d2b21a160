"""Dates that the model gives to a search: a day is the whole day, in the agent's time zone."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from memgpt_agent.errors import BadDate

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
FORMS = "'2026-11-21' for a whole day, or '2026-11-21T14:30:00' for a moment"


def range_filter(start_date: str | None, end_date: str | None, time_zone: str = "UTC") -> dict[str, Any]:
    """Return the filter on a ``time`` field (ISO 8601, UTC) for the days or moments from start to end, both included.

    Raises:
        BadDate: a date has another form, or the end lies before the start.
    """
    start = _moment(start_date, "start_date", time_zone)
    end = _moment(end_date, "end_date", time_zone)
    if end is not None and end_date is not None and _DAY.fullmatch(end_date.strip()):
        end = end + timedelta(days=1) - timedelta(microseconds=1)
    if start and end and end < start:
        raise BadDate(f"end_date {end_date!r} lies before start_date {start_date!r}; swap them.")
    bounds = {"$gte": stamp(start) if start else None, "$lte": stamp(end) if end else None}
    given = {operator: bound for operator, bound in bounds.items() if bound}
    return {"time": given} if given else {}


def stamp(moment: datetime) -> str:
    """Return a moment as it is stored: ISO 8601 in UTC with microseconds, so that text order is time order."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def _moment(text: str | None, name: str, time_zone: str) -> datetime | None:
    if text is None or not text.strip():
        return None
    try:
        moment = datetime.fromisoformat(text.strip())
        moment = moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(time_zone))
        return moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise BadDate(f"{name} {text!r} is not a date. Give {FORMS}.") from error
