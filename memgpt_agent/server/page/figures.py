"""Tokens, cost, latency and failures of each day, as charts."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from langgraph.store.base import BaseStore
from starlette.responses import Response

from memgpt_agent.memory import namespaces
from memgpt_agent.memory.dates import stamp
from memgpt_agent.server.page.view import Agent, pages
from memgpt_agent.store.plain import newest

router = pages()
SPANS = (7, 30, 90)
_PAGE = 2_500
_MOST = 10_000
"""So many runs are looked at, the newest."""
_WIDTH, _HEIGHT = 720, 120


@dataclass
class Day:
    """What one day's turns took."""

    day: str
    """The day, ISO 8601."""
    turns: int = 0
    """How many turns were taken."""
    failed: int = 0
    """Of these: how many failed."""
    sent: int = 0
    """Tokens that models were sent."""
    answered: int = 0
    """Tokens that they answered with."""
    cost: float = 0.0
    """What that cost, by the table of prices."""
    seconds: list[float] = field(default_factory=list[float])
    """How long each turn took."""

    @property
    def typical(self) -> float:
        """How long half of the turns took at most, in seconds."""
        return round(median(self.seconds), 2) if self.seconds else 0.0

    @property
    def slow(self) -> float:
        """How long 95 of 100 turns took at most, in seconds."""
        ordered = sorted(self.seconds)
        return round(ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))], 2) if ordered else 0.0


class Bar(NamedTuple):
    """One bar of a chart."""

    x: float
    width: float
    low: tuple[float, float]
    """Where the lower part begins, from the top, and how high it is."""
    high: tuple[float, float]
    """The same of the part above it."""
    title: str
    """What it says in words."""


class Chart(NamedTuple):
    """A chart: bars of one or two parts, a day each."""

    title: str
    unit: str
    parts: tuple[str, ...]
    """What the parts of a bar are."""
    bars: Sequence[Bar]
    most: float
    """The value of the highest bar."""


@router.get("/a/{agent}/figures")
def shown(seen: Agent, days: int = 30) -> Response:
    """Show the charts of the last days."""
    days = days if days in SPANS else 30
    found, cut = read(seen.served.agents.store, seen.agent_id, days, seen.zone)
    charts = [
        chart("Tokens", "tokens", found, ("sent", "answered"), [(day.sent, day.answered) for day in found]),
        chart(
            "Time of a turn",
            "seconds",
            found,
            ("half of them", "up to 95 of 100"),
            [(day.typical, day.slow - day.typical) for day in found],
        ),
        chart("Turns", "turns", found, ("done", "failed"), [(day.turns - day.failed, day.failed) for day in found]),
    ]
    if any(day.cost for day in found):
        charts.insert(1, chart("Cost", "by your table of prices", found, ("cost",), [(day.cost, 0) for day in found]))
    return seen.page(
        "figures.html",
        tab="figures",
        charts=charts,
        days=days,
        spans=SPANS,
        found=[day for day in found if day.turns],
        cut=cut,
        width=_WIDTH,
        height=_HEIGHT,
    )


def read(store: BaseStore, agent_id: str, days: int, zone: str) -> tuple[list[Day], bool]:
    """Return what the turns of the last days took, oldest day first, and whether there were more turns than are looked at."""
    local = ZoneInfo(zone)
    today = datetime.now(local).date()
    found = {day: Day(day) for day in ((today - timedelta(days=n)).isoformat() for n in range(days - 1, -1, -1))}
    since = stamp(datetime.now(UTC) - timedelta(days=days + 1))
    offset = 0
    while items := newest(
        store,
        namespaces.of(agent_id, "runs"),
        by="created",
        filter={"created": {"$gte": since}},
        limit=_PAGE,
        offset=offset,
    ):
        for item in items:
            _count(found, item.value, local)
        offset += len(items)
        if len(items) < _PAGE or offset >= _MOST:
            break
    return list(found.values()), offset >= _MOST


def _count(found: dict[str, Day], run: dict[str, Any], zone: ZoneInfo) -> None:
    day = found.get(datetime.fromisoformat(run["created"]).astimezone(zone).date().isoformat())
    if day is None or run.get("status") == "running":
        return
    usage: dict[str, Any] = run.get("usage") or {}
    day.turns += 1
    day.failed += run.get("status") == "failed"
    day.sent += usage.get("prompt_tokens", 0)
    day.answered += usage.get("completion_tokens", 0)
    day.cost += usage.get("cost", 0.0)
    day.seconds.append(usage.get("duration_ms", 0) / 1_000)


def chart(
    title: str, unit: str, days: Sequence[Day], parts: tuple[str, ...], pairs: Sequence[tuple[float, float]]
) -> Chart:
    """Return a chart of two values of each day, one upon the other."""
    most = max((low + high for low, high in pairs), default=0)
    step = _WIDTH / max(1, len(days))
    bars: list[Bar] = []
    for place, (day, (low, high)) in enumerate(zip(days, pairs, strict=True)):
        heights = [round(_HEIGHT * value / most, 1) if most else 0.0 for value in (low, high)]
        range_text = ", ".join(f"{round(value, 4):,} {part}" for part, value in zip(parts, (low, high), strict=False))
        bars.append(
            Bar(
                round(place * step + step * 0.12, 1),
                round(step * 0.76, 1),
                (_HEIGHT - heights[0], heights[0]),
                (_HEIGHT - heights[0] - heights[1], heights[1]),
                f"{day.day}: {range_text}",
            )
        )
    return Chart(title, unit, parts, bars, round(most, 4))
