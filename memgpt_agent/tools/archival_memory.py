"""The tools with which the agent files passages and finds them again."""

from typing import Literal

from memgpt_agent.errors import InvalidArguments
from memgpt_agent.events import local_time
from memgpt_agent.memory.agent_memory import AgentMemory
from memgpt_agent.memory.dates import range_filter
from memgpt_agent.tools.definition import memory_tool
from memgpt_agent.tools.recall_memory import check_page, shorten

_MAX_TAGS = 20
_CLOSE_CHARS = 300


def archival_memory_insert(memory: AgentMemory, content: str, tags: list[str] | None = None) -> str:
    """File a note in archival memory, which has no limit. Make it understandable on its own.

    Args:
        content: The text to keep.
        tags: Labels to file it under.
    """
    if len(tags or []) > _MAX_TAGS:
        raise InvalidArguments(f"{len(tags or [])} tags; give {_MAX_TAGS} at most.")
    passage, new = memory.archival.insert(content, tags or (), cause=memory.cause.key)
    if not new:
        return f"This text is stored already, as {passage.id}; its tags are {list(passage.tags)}."
    lines = [
        f"- {p.id} [{local_time(p.time, memory.time_zone)}] {p.text[:_CLOSE_CHARS]}"
        for p in memory.archival.close_to(passage)
    ]
    return "\n".join([f"Stored as {passage.id}.{' Close to it, and kept as well:' if lines else ''}", *lines])


def archival_memory_search(
    memory: AgentMemory,
    query: str,
    tags: list[str] | None = None,
    tag_match_mode: Literal["any", "all"] = "any",
    start_date: str | None = None,
    end_date: str | None = None,
    limit: int = 5,
    page: int = 0,
) -> str:
    """Search archival memory by words and meaning.

    Args:
        query: What to look for; empty for the newest passages.
        tags: Only passages with these tags.
        tag_match_mode: Whether 'any' or 'all' of the tags must be there.
        start_date: Only passages filed from this day on, such as '2026-11-21'.
        end_date: Only passages filed up to and including this day.
        limit: How many passages to show.
        page: 0 for the best ones, 1 for those after them, and so on.
    """
    check_page(limit, page)
    dates = range_filter(start_date, end_date, memory.time_zone)
    found = memory.archival.search(query, tags=tags or (), match=tag_match_mode, dates=dates, limit=limit, page=page)
    if not found:
        return f"Nothing found for {query!r}{' on this page' if page else ''}."
    lines = [f"{len(found)} passages, page {page}:"]
    for p in found:
        about = ", ".join(
            filter(
                None, [local_time(p.time, memory.time_zone), p.source, f"tags: {', '.join(p.tags)}" if p.tags else ""]
            )
        )
        lines.append(f"- {p.id} [{about}] {shorten(p.text, query)}")
    return "\n".join(lines)


TOOLS = (memory_tool(archival_memory_insert), memory_tool(archival_memory_search, reads_memory=True))
