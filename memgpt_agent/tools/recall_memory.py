"""The tool with which the agent searches its messages."""

from memgpt_agent.errors import InvalidArguments
from memgpt_agent.events import local_time
from memgpt_agent.memory.agent_memory import AgentMemory
from memgpt_agent.memory.dates import range_filter
from memgpt_agent.memory.recall import ROLES, Message, Role
from memgpt_agent.text.cleaning import chunk_with_most
from memgpt_agent.text.english import FUNCTION_WORDS
from memgpt_agent.text.words import tokens
from memgpt_agent.tools.definition import memory_tool

MAX_RESULTS = 50
_SHOWN_CHARS = 1_500


def conversation_search(
    memory: AgentMemory,
    query: str,
    roles: list[Role] | None = None,
    start_date: str | None = None,
    end_date: str | None = None,
    limit: int = 5,
    page: int = 0,
) -> str:
    """Search everything that was ever said in your conversations, also what is no longer in view.

    Args:
        query: What to look for, by words or meaning; empty for the newest messages.
        roles: Only messages of these: 'user', 'assistant', 'tool', 'system'. All if left out.
        start_date: Only from this day on, such as '2026-11-21'.
        end_date: Only up to and including this day.
        limit: How many messages to show.
        page: 0 for the best ones, 1 for those after them, and so on.
    """
    check_page(limit, page)
    dates = range_filter(start_date, end_date, memory.time_zone)
    found = memory.recall.search(
        query, roles=roles, dates=dates, limit=limit, page=page, without_event=memory.cause.turn
    )
    if not found:
        return f"Nothing found for {query!r}{' on this page' if page else ''} (roles: {', '.join(roles or ROLES)})."
    return "\n".join([f"{len(found)} messages, page {page}:", *(_line(m, memory.time_zone, query) for m in found)])


def check_page(limit: int, page: int) -> None:
    """Refuse a page that cannot be.

    Raises:
        InvalidArguments: limit is not from 1 to 50, or page is negative.
    """
    if not 1 <= limit <= MAX_RESULTS or page < 0:
        raise InvalidArguments(f"limit = {limit}, page = {page}: limit goes from 1 to {MAX_RESULTS}, page from 0.")


def shorten(text: str, query: str = "") -> str:
    """Return the text, cut with a note if it is too long to be shown among others; what is shown holds most of the query's words.

    Its later lines are indented, so that none of them can pass for another of the entries.
    """
    return "\n  ".join(_cut(text, query).splitlines())


def _cut(text: str, query: str) -> str:
    if len(text) <= _SHOWN_CHARS:
        return text
    start = chunk_with_most(text, set(tokens(query)) - FUNCTION_WORDS) if query else 0
    start = min(start, len(text) - _SHOWN_CHARS)
    rest = len(text) - start - _SHOWN_CHARS
    before = f"[{start:,} characters before this ...] " if start else ""
    return f"{before}{text[start : start + _SHOWN_CHARS]}{f' [... {rest:,} more characters]' if rest else ''}"


def _line(message: Message, time_zone: str, query: str) -> str:
    who = f"tool {message.tool}({message.arguments})" if message.tool else message.user_id or message.role
    return f"- [{local_time(message.time, time_zone)}] {who}: {shorten(message.whole, query)}"


TOOLS = (memory_tool(conversation_search, reads_memory=True),)
