"""A fact of the knowledge graph: subject, relation, object, and the period in which it holds."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from memgpt_agent.errors import BadDate
from memgpt_agent.memory.dates import stamp
from memgpt_agent.memory.namespaces import read_as
from memgpt_agent.store.plain import Filter

FOREVER = "9999-12-31T23:59:59.999999+00:00"
"""The end of a fact that still holds: later than every time, so that a filter on the end needs no special case."""
FORMS = "'2026', '2026-11', '2026-11-21' or '2026-11-21T14:30:00'"
_PART = re.compile(r"(\d{4})(?:-(\d{1,2}))?(?:-(\d{1,2}))?")


@dataclass(frozen=True)
class Fact:
    """One fact, in one period of time; the same fact in another period is another record."""

    id: str
    """Its key in the store."""
    subject: str
    """The name of the entity it is about."""
    relation: str
    """The relation of subject and object, as it was said."""
    object: str
    """The name of another entity, or a value."""
    subject_id: str
    """The id of the name under which the subject was given."""
    object_id: str
    """The same for the object; empty for a value."""
    slot: str
    """The relation's normal form, the same for different ways of saying it."""
    valid_from: str
    """From when it holds, ISO 8601, UTC; the time of insertion if nobody said."""
    valid_until: str = FOREVER
    """Until when it holds, itself excluded; :data:`FOREVER` while it does."""
    time: str = ""
    """When it was inserted, ISO 8601, UTC."""
    closed_by: str = ""
    """The id of the fact that contradicted it and ended it, or the act that ended it and put none in its place."""
    causes: tuple[str, ...] = ()
    """The acts that inserted it or said it again, oldest first."""

    @property
    def open(self) -> bool:
        """Whether no end of it is known."""
        return self.valid_until == FOREVER

    @property
    def order(self) -> tuple[str, str, str]:
        """Its place among contradicting facts: the later one wins."""
        return self.valid_from, self.time, self.id

    def as_value(self) -> dict[str, Any]:
        """Return the fact as it is stored, with the text that searches see."""
        ends = [end for end in (self.subject_id, self.object_id) if end]
        text = f"{self.subject} {self.relation} {self.object}"
        return {**asdict(self), "causes": list(self.causes), "ends": ends, "text": text}

    @classmethod
    def from_value(cls, value: Mapping[str, Any]) -> "Fact":
        """Return the fact that was stored."""
        return read_as(cls, value)

    def ended(self, moment: str, closed_by: str = "") -> "Fact":
        """Return the fact with an end; one that would end before it begins was never true."""
        return replace(self, valid_until=max(moment, self.valid_from), closed_by=closed_by)


def valid_at(moment: str) -> Filter:
    """Return a filter for facts that hold at a moment."""
    return {"valid_from": {"$lte": moment}, "valid_until": {"$gt": moment}}


def beginning_of(text: str | None, name: str, time_zone: str = "UTC") -> str | None:
    """Return the first moment of a year, month, day or moment given by the model, as it is stored; ``None`` for nothing.

    Raises:
        BadDate: it has another form.
    """
    return stamp(_span(text, name, time_zone)[0]) if text and text.strip() else None


def end_of(text: str | None, name: str, time_zone: str = "UTC") -> str | None:
    """Return the last moment of a year, month, day or moment, as :func:`beginning_of` does the first."""
    return stamp(_span(text, name, time_zone)[1]) if text and text.strip() else None


def _span(text: str, name: str, time_zone: str) -> tuple[datetime, datetime]:
    part = _PART.fullmatch(text.strip())
    zone, last = ZoneInfo(time_zone), timedelta(microseconds=1)
    try:
        if part is None:
            moment = datetime.fromisoformat(text.strip())
            moment = (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)
            return moment, moment
        year, month, day = int(part[1]), int(part[2] or 1), int(part[3] or 1)
        start = datetime(year, month, day, tzinfo=zone)
        if part[3]:
            after = start + timedelta(days=1)
        else:
            after = datetime(year + (not part[2] or month == 12), month % 12 + 1 if part[2] else 1, 1, tzinfo=zone)
        return start.astimezone(UTC), after.astimezone(UTC) - last
    except (ValueError, OverflowError) as error:
        raise BadDate(f"{name} {text!r} is not a date. Give {FORMS}.") from error
