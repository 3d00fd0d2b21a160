"""One tool that searches everything outside main context: conversation, archive, files, knowledge and summaries."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from memgpt_agent.errors import InvalidArguments
from memgpt_agent.events import local_time
from memgpt_agent.memory.agent_memory import AgentMemory
from memgpt_agent.memory.archival import Passage, passage_id
from memgpt_agent.memory.dates import range_filter
from memgpt_agent.memory.hierarchy import SummaryNode
from memgpt_agent.memory.knowledge import Fact
from memgpt_agent.memory.recall import Role
from memgpt_agent.prompts import ASK_AGAIN
from memgpt_agent.store.plain import Filter, matches
from memgpt_agent.text.words import telling_words
from memgpt_agent.tools import knowledge, summaries
from memgpt_agent.tools.definition import memory_tool
from memgpt_agent.tools.recall_memory import check_page, shorten

_MAX_DEPTH = 500
"""How many hits of each source are read at most; a page beyond them is refused."""

_MISSING_SHOWN = 5
"""How many of a query's words that no hit holds are named."""


@dataclass(frozen=True)
class Ask:
    """What is looked for, in every source."""

    query: str
    """Words or meaning; empty for the newest."""
    limit: int
    """How many hits to return at most."""
    dates: Filter
    """The filter on ``time``."""
    roles: Sequence[Role] | None = None
    """For the conversation: who said it."""
    tags: Sequence[str] = ()
    """For the archive and files: one of these must be there."""


@dataclass(frozen=True)
class Hit:
    """Something that was found."""

    where: str
    """Its source, and its place there, as the model reads it."""
    about: str
    """When it was said or filed, and whatever else the source knows of it."""
    text: str
    """What it says."""


Source = Callable[[AgentMemory, Ask], list[Hit]]
"""Finds in one tier what fits best, best first."""


def _conversation(memory: AgentMemory, ask: Ask) -> list[Hit]:
    found = memory.recall.search(ask.query, roles=ask.roles, dates=ask.dates, limit=ask.limit, without_event=memory.cause.turn)
    return [
        Hit("conversation", f"{local_time(m.time, memory.time_zone)}, {f'tool {m.tool}' if m.tool else m.user_id or m.role}", m.whole)
        for m in found
    ]  # fmt: skip


def _archival(memory: AgentMemory, ask: Ask) -> list[Hit]:
    return [Hit(f"archival {p.id}", _filed(p, memory), p.text) for p in _passages(memory, ask, {"source": ""})]


def _files(memory: AgentMemory, ask: Ask) -> list[Hit]:
    found = _passages(memory, ask, {"source": {"$ne": ""}})
    hits = [Hit(f"file {p.source}", _filed(p, memory), p.text) for p in found]
    if memory.archive is not None and not ask.tags:  # attached files lie in the store, wherever the archive is
        attached = memory.files.search(ask.query, limit=ask.limit)
        hits += [Hit(f"file {item.value['source']}", "", item.value["text"]) for item in attached]
    return hits


def _passages(memory: AgentMemory, ask: Ask, condition: Filter) -> list[Passage]:
    return memory.archival.search(ask.query, tags=ask.tags, dates={**ask.dates, **condition}, limit=ask.limit)


def _filed(passage: Passage, memory: AgentMemory) -> str:
    tags = f", tags: {', '.join(passage.tags)}" if passage.tags else ""
    return f"{local_time(passage.time, memory.time_zone)}{tags}"


def _knowledge(memory: AgentMemory, ask: Ask) -> list[Hit]:
    if not ask.query.strip():
        return []
    found = knowledge.search(memory, ask.query, limit=ask.limit)
    return [
        Hit("knowledge", _when(memory, f), f"{f.subject} - {f.relation} - {f.object}")
        for f in found if matches({"time": f.time}, ask.dates)
    ]  # fmt: skip


def _when(memory: AgentMemory, fact: Fact) -> str:
    held = knowledge.when(fact, memory.time_zone)
    return f"no longer true: {held}" if knowledge.no_longer(memory, fact) else held


def _summaries(memory: AgentMemory, ask: Ask) -> list[Hit]:
    if not ask.query.strip():
        return []
    found = summaries.search(memory, ask.query, limit=ask.limit)

    def about(node: SummaryNode) -> str:
        since, until = (local_time(time, memory.time_zone)[:10] for time in (node.since, node.until))
        return f"{node.level}, {since} to {until}"

    return [Hit(f"summary {s.id}", about(s), s.text) for s in found if matches({"time": s.until}, ask.dates)]


SOURCES: Mapping[str, Source] = {
    "conversation": _conversation,
    "archival": _archival,
    "files": _files,
    "knowledge": _knowledge,
    "summaries": _summaries,
}
"""Where ``recall`` looks, by the names that the model gives; a tier that is added is added here."""


def recall(
    memory: AgentMemory,
    query: str,
    sources: list[str] | None = None,
    roles: list[Role] | None = None,
    tags: list[str] | None = None,
    start_date: str | None = None,
    end_date: str | None = None,
    limit: int = 10,
    page: int = 0,
) -> str:
    """Search all that you cannot see: what was said, what you filed, documents, facts you keep, summaries. Each hit says where from.

    Args:
        query: What to look for, by words or meaning; empty for the newest.
        sources: Only these: 'conversation', 'archival', 'files', 'knowledge', 'summaries'.
        roles: Of the conversation, only what these said: 'user', 'assistant', 'tool', 'system'.
        tags: Of what was filed, only what has one of these tags.
        start_date: Only from this day on, such as '2026-11-21'.
        end_date: Only up to and including this day.
        limit: How many hits to show.
        page: 0 for the best ones, 1 for those after them, and so on.
    """
    check_page(limit, page)
    chosen = _chosen(sources, roles, tags)
    if (page + 1) * limit > _MAX_DEPTH:
        raise InvalidArguments(
            f"page = {page} with limit = {limit}: only the first {_MAX_DEPTH} hits can be seen. Narrow the search by dates."
        )
    ask = Ask(query, (page + 1) * limit, range_filter(start_date, end_date, memory.time_zone), roles, tags or ())
    hits = merged([SOURCES[name](memory, ask) for name in chosen])[page * limit : (page + 1) * limit]
    if not hits:
        where = f"Nothing found for {query!r}{' on this page' if page else ''} (looked into: {', '.join(chosen)})."
        return where if page or not query.strip() else f"{where} {ASK_AGAIN}"
    order = ", the best of each source by turns" if len({h.where.split()[0] for h in hits}) > 1 else ""
    lines = [f"{len(hits)} found, page {page}{order}:", *(f"- {h.where} [{h.about}] {shorten(h.text)}" for h in hits)]
    missing = [] if page else _not_held(query, hits)
    if missing:
        lines.append(f"None of these holds {', '.join(map(repr, missing))}: they may not be what you look for. {ASK_AGAIN}")
    return "\n".join(lines)


def _not_held(query: str, hits: Sequence[Hit]) -> list[str]:
    """Return the telling words of a query that stand in no hit, if these are more than half of them."""
    words = telling_words(query)
    held = {stem for hit in hits for stem in telling_words(f"{hit.text} {hit.about}").values()}
    missing = [word for word, stem in words.items() if stem not in held]
    return missing[:_MISSING_SHOWN] if 2 * len(missing) > len(words) else []


def _chosen(sources: Sequence[str] | None, roles: Sequence[Role] | None, tags: Sequence[str] | None) -> list[str]:
    """Return where to look: what only one kind of source knows, such as a role, leaves the others out."""
    unknown = [name for name in sources or () if name not in SOURCES]
    if unknown:
        raise InvalidArguments(f"There is no source {unknown[0]!r}. The sources are: {', '.join(SOURCES)}.")
    knows = set(SOURCES)
    if roles:
        knows &= {"conversation"}
    if tags:
        knows &= {"archival", "files"}
    chosen = [name for name in SOURCES if name in (sources or SOURCES) and name in knows]
    if not chosen:
        raise InvalidArguments(
            "roles are known of the conversation only, tags of archival and files only; ask for one of the two."
        )
    return chosen


def merged(found: Sequence[Sequence[Hit]]) -> list[Hit]:
    """Return the hits of several sources by turns: the best of each, then the second of each, and so on; no text twice.

    Their scores cannot be compared, as each source scores its own way; their ranks can.
    """
    kept: dict[str, Hit] = {}
    for row in zip_longest(*found):
        for hit in row:
            if hit is not None:
                kept.setdefault(passage_id(hit.text), hit)
    return list(kept.values())


TOOLS = (memory_tool(recall, reads_memory=True),)
