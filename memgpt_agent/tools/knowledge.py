"""The tools with which the agent adds facts to its knowledge graph and finds them again."""

from memgpt_agent.errors import InvalidArguments
from memgpt_agent.events import local_time
from memgpt_agent.memory.agent_memory import AgentMemory
from memgpt_agent.memory.dates import stamp
from memgpt_agent.memory.knowledge import Fact, KnowledgeGraph
from memgpt_agent.memory.knowledge.facts import beginning_of, end_of
from memgpt_agent.memory.knowledge.graph import MAX_HOPS
from memgpt_agent.memory.knowledge.words import is_alias
from memgpt_agent.tools.definition import memory_tool
from memgpt_agent.tools.recall_memory import check_page

_ENDED = 5
"""So many facts that have ended are shown beside those that hold."""


def graph_of(memory: AgentMemory) -> KnowledgeGraph:
    """Return the agent's knowledge graph."""
    return KnowledgeGraph(memory.store, memory.agent_id, memory.clock)


def search(memory: AgentMemory, query: str, limit: int = 10) -> list[Fact]:
    """Return the facts that fit ``query`` best, those that hold now before a few that have ended; for a search over several tiers."""
    graph = graph_of(memory)
    return [*graph.search(query, limit=limit), *_over(memory, graph.search(query, past=True, limit=limit))]


def no_longer(memory: AgentMemory, fact: Fact) -> bool:
    """Whether a fact has ended by now."""
    return not fact.open and fact.valid_until <= stamp(memory.clock())


def _over(memory: AgentMemory, found: list[Fact]) -> list[Fact]:
    """Return what held once and has ended; what was taken back or corrected held at no time, and is no answer."""
    return [fact for fact in found if no_longer(memory, fact) and fact.valid_from < fact.valid_until][:_ENDED]


def knowledge_insert(
    memory: AgentMemory,
    subject: str,
    relation: str,
    object: str,
    valid_from: str | None = None,
    valid_until: str | None = None,
    replaces: bool | None = None,
) -> str:
    """Keep a fact as subject, relation, object, such as 'Ann', 'lives in', 'Porto'. A newer fact ends the one it contradicts.

    Args:
        subject: Whom or what it is about; always use the same name for the same one.
        relation: A short verb phrase. 'also known as' says that subject and object are two names of one.
        object: Another person, place or thing, or a value such as a date or a number.
        valid_from: Since when it holds, such as '2026', '2026-11' or '2026-11-21'; leave out if unknown.
        valid_until: Until when it held, or 'now'; ends a fact that is known.
        replaces: True if the subject can have only one object of this relation, false if several; leave out if unsure.
    """
    graph = graph_of(memory)
    if is_alias(relation):
        entity = graph.merge(subject, object)
        return f"Known under one entity now: {', '.join(graph.entities.names(entity))}."
    begins = beginning_of(valid_from, "valid_from", memory.time_zone)
    if (valid_until or "").strip().lower() == "now":
        ended = graph.shown(graph.end(subject, relation, object, cause=memory.cause.key))
        return "\n".join(["No longer true:", *(f"- {_line(fact, memory.time_zone)}" for fact in ended)])
    ends = end_of(valid_until, "valid_until", memory.time_zone)
    done = graph.insert(
        subject, relation, object, valid_from=begins, valid_until=ends, replaces=replaces, cause=memory.cause.key
    )
    lines = [f"{'Stored' if done.new else 'Known already'}: {_line(done.fact, memory.time_zone)}"]
    lines += [f"This ended: {_line(fact, memory.time_zone)}" for fact in graph.shown(done.closed)]
    return "\n".join(lines)


def knowledge_search(
    memory: AgentMemory,
    query: str,
    hops: int = 1,
    as_of: str | None = None,
    include_past: bool = False,
    limit: int = 20,
) -> str:
    """Search the facts you keep about people, places and things, and follow them from one to the next.

    Args:
        query: The name of a person, place or thing, or any words.
        hops: 1 for the facts about what you name, 2 or 3 to go on to the facts about its neighbours.
        as_of: What held at this time, such as '2025-06'; leave out for now.
        include_past: Show facts that no longer hold as well.
        limit: How many facts to show.
    """
    check_page(limit, 0)
    if not 1 <= hops <= MAX_HOPS:
        raise InvalidArguments(f"hops = {hops}: it goes from 1 to {MAX_HOPS}.")
    graph = graph_of(memory)
    moment = end_of(as_of, "as_of", memory.time_zone)
    found = graph.search(query, hops=hops, as_of=moment, past=include_past, limit=limit)
    ended = [] if include_past or moment else _over(memory, graph.search(query, hops=hops, past=True, limit=limit))
    over = ["No longer true:", *(f"- {_line(fact, memory.time_zone)}" for fact in ended)] if ended else []
    if not found:
        return "\n".join([f"Nothing is known about {query!r}{f' as of {as_of}' if as_of else ' that holds now'}.", *over])
    aliases = [graph.entities.names(entity) for entity in graph.entities.mentioned(query)[:5]]
    lines = [f"{len(found)} fact{'s' * (len(found) != 1)}:", *(f"- {_line(fact, memory.time_zone)}" for fact in found)]
    return "\n".join(
        [*lines, *over, *(f"({names[0]} is also known as {', '.join(names[1:10])}.)" for names in aliases if len(names) > 1)]
    )


def knowledge_merge(memory: AgentMemory, entity: str, same_as: str) -> str:
    """Say that two names mean the same person, place or thing; all that is known about either then belongs to both.

    Args:
        entity: The name to keep using.
        same_as: The other name.
    """
    graph = graph_of(memory)
    merged = graph.merge(entity, same_as)
    return f"Known under one entity now: {', '.join(graph.entities.names(merged))}."


def _line(fact: Fact, time_zone: str) -> str:
    return f"{fact.subject} - {fact.relation} - {fact.object} ({when(fact, time_zone)})"


def when(fact: Fact, time_zone: str) -> str:
    """Return since when a fact holds, and until when it did, as the model reads it."""
    since = local_time(fact.valid_from, time_zone)[:10]
    return f"since {since}" if fact.open else f"since {since}, until {local_time(fact.valid_until, time_zone)[:10]}"


TOOLS = (
    memory_tool(knowledge_insert),
    memory_tool(knowledge_search, reads_memory=True),
    memory_tool(knowledge_merge),
)
