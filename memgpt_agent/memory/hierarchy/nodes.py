"""One summary of the hierarchy: its level, text, time, and the ids that it covers."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, NamedTuple
from zoneinfo import ZoneInfo

from memgpt_agent.memory.dates import stamp
from memgpt_agent.memory.namespaces import read_as

Level = Literal["span", "session", "week", "month", "year"]
LEVELS: tuple[Level, ...] = ("span", "session", "week", "month", "year")
"""From the bottom: messages that left together, a conversation without a long pause, and the calendar."""
INDEXED = ["indexed"]
_INDEXED_CHARS = 4_000


@dataclass(frozen=True)
class SummaryNode:
    """One summary."""

    id: str
    """Its key, made from what it covers, so that nothing is summarised twice."""
    level: Level
    """How much it covers, from a span to a year."""
    text: str
    """Its text."""
    since: str
    """The time of the first message beneath it, ISO 8601, UTC."""
    until: str
    """The time of the last."""
    children: tuple[str, ...]
    """The ids of the summaries beneath it, oldest first; of a span those of its messages in recall memory."""
    parent: str = ""
    """The id of the summary above it; empty for a year."""
    messages: int = 0
    """How many messages it covers."""
    thread_id: str = ""
    """The conversation of a span or session; weeks and longer are of all conversations."""
    by: Literal["digest", "model"] = "digest"
    """Whether a model wrote the text; otherwise it is the beginnings of the texts beneath it."""

    def as_value(self) -> dict[str, Any]:
        """Return the node as it is stored, with the text that searches see."""
        indexed = f"[{self.since[:10]} to {self.until[:10]}] {self.text}"[:_INDEXED_CHARS]
        return {**asdict(self), "children": list(self.children), "time": self.until, "indexed": indexed}

    @classmethod
    def from_value(cls, value: Mapping[str, Any]) -> "SummaryNode":
        """Return the node that was stored."""
        return read_as(cls, value)


class Period(NamedTuple):
    """A week, month or year, and the moment at which it is over."""

    level: Level
    key: str
    ends: str


def key_of(level: Level, *parts: str) -> str:
    """Return the id of a span or session, made from its parts."""
    return f"{level}-{hashlib.sha256(chr(31).join(parts).encode()).hexdigest()[:16]}"


def moment_of(time: str) -> datetime:
    """Return a stored time; one without a zone counts as UTC, an unreadable one as the beginning of time."""
    try:
        moment = datetime.fromisoformat(time)
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def periods_of(time: str, time_zone: str) -> tuple[Period, Period, Period]:
    """Return the week, month and year to which a time belongs; a week belongs to the month and year of its Thursday."""
    zone = ZoneInfo(time_zone)
    day = max(moment_of(time), datetime(2, 1, 1, tzinfo=UTC)).astimezone(zone).date()
    year, week, weekday = day.isocalendar()
    monday = datetime(day.year, day.month, day.day, tzinfo=zone) - timedelta(days=weekday - 1)
    thursday = monday + timedelta(days=3)
    next_month = datetime(thursday.year + thursday.month // 12, thursday.month % 12 + 1, 1, tzinfo=zone)
    return (
        Period("week", f"week-{year}-W{week:02d}", stamp(monday + timedelta(days=7))),
        Period("month", f"month-{thursday.year}-{thursday.month:02d}", stamp(next_month + timedelta(days=4))),
        Period("year", f"year-{thursday.year}", stamp(datetime(thursday.year + 1, 1, 5, tzinfo=zone))),
    )
