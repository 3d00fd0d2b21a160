"""The knowledge graph over time: facts, when each held, and where it was said; drawn as a picture."""

from datetime import UTC, datetime
from typing import Any

from starlette.responses import Response

from memgpt_agent.events import utc_now
from memgpt_agent.memory import namespaces
from memgpt_agent.memory.dates import stamp
from memgpt_agent.memory.knowledge import Fact, KnowledgeGraph
from memgpt_agent.memory.knowledge.facts import end_of, valid_at
from memgpt_agent.memory.knowledge.picture import drawing_of, to_svg
from memgpt_agent.server.page.view import Agent, AgentView, Place, pages
from memgpt_agent.store.plain import count, newest

router = pages()
PAGE = 50
_DRAWN = 40
"""So many facts are drawn: laying them out takes up to 0.05 seconds of processor time."""
_LANES = 40
_PICTURE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox"


def _facts(seen: AgentView, *, as_of: str, past: bool, limit: int, offset: int = 0) -> tuple[list[Fact], int | None]:
    """Return a page of facts, those that began to hold last first, and where the next page begins."""
    moment = (end_of(as_of, "as_of", seen.zone) or "") if as_of else stamp(utc_now())
    store, condition = seen.served.agents.store, {} if past else valid_at(moment)
    items = newest(
        store, namespaces.of(seen.agent_id, "facts"), by="valid_from", filter=condition, limit=limit + 1, offset=offset
    )
    shown = KnowledgeGraph(store, seen.agent_id).shown(Fact.from_value(item.value) for item in items[:limit])
    return shown, offset + limit if len(items) > limit else None


@router.get("/a/{agent}/facts")
def listed(seen: Agent, as_of: str = "", past: str = "", after: Place = 0) -> Response:
    """List the facts that held on a day, or all that were ever told."""
    found, further = _facts(seen, as_of=as_of, past=bool(past), limit=PAGE, offset=after)
    total = count(seen.served.agents.store, namespaces.of(seen.agent_id, "facts"))
    said = seen.served.agents.recall(seen.agent_id).get([cause for fact in found for cause in fact.causes[:1]])
    return seen.page(
        "facts.html",
        tab="facts",
        facts=found,
        said=said,
        as_of=as_of,
        past=bool(past),
        further=further,
        total=total,
        lanes=lanes(found) if past else [],
    )


def lanes(facts: list[Fact]) -> list[dict[str, Any]]:
    """Return facts as bars on one line of time, each with where it begins and ends, in thousandths of the whole."""
    now = datetime.now(UTC)
    spans = [
        (fact, _time(fact.valid_from, now), now if fact.open else min(_time(fact.valid_until, now), now))
        for fact in facts[:_LANES]
    ]
    first = min((begin for _, begin, _ in spans), default=now)
    whole = max((now - first).total_seconds(), 1.0)
    return [
        {
            "fact": fact,
            "x": round(1_000 * (begin - first).total_seconds() / whole),
            "open": fact.open,
            "first": first.isoformat(),
            "width": max(4, round(1_000 * (end - begin).total_seconds() / whole)),
        }
        for fact, begin, end in spans
    ]


def _time(text: str, otherwise: datetime) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return otherwise
    return min(found if found.tzinfo else found.replace(tzinfo=UTC), otherwise)


@router.get("/a/{agent}/facts.svg")
def picture(seen: Agent, as_of: str = "", past: str = "") -> Response:
    """Draw the facts."""
    found, _ = _facts(seen, as_of=as_of, past=bool(past), limit=_DRAWN)
    drawn = to_svg(drawing_of(found, _DRAWN)).encode("utf-8", "replace")
    return Response(drawn, media_type="image/svg+xml", headers={"content-security-policy": _PICTURE_POLICY})
