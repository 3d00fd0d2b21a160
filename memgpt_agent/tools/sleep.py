"""The sleep-time agent's tools: tidying archival memory, and reporting what it has read."""

from memgpt_agent.errors import InvalidArguments
from memgpt_agent.events import EventType, local_time
from memgpt_agent.memory import namespaces
from memgpt_agent.memory.agent_memory import AgentMemory
from memgpt_agent.memory.archival import RetiredPassages, StoreArchive
from memgpt_agent.memory.knowledge.facts import beginning_of
from memgpt_agent.memory.waking import SleepDiary
from memgpt_agent.prompts import NOTHING_TO_READ, WHILE_AWAKE, as_data
from memgpt_agent.tools.definition import memory_tool
from memgpt_agent.tools.recall_memory import check_page, shorten

PORTION_SHARE = 0.3
"""What is read in one sleep may fill this share of the budget."""
OBSERVATION = "observation"
"""The tag of observations."""
_CHARS_PER_TOKEN = 3
_MESSAGE_CHARS = 2_000
_LEAST_SHARED = 0.3
"""Passages of which fewer words are shared are not shown as alike (share of the words of both)."""


def archival_memory_review(memory: AgentMemory, limit: int = 10, page: int = 0) -> str:
    """List the newest archival passages, each with those that are much like it, to merge or retire what is said twice or no longer true.

    Args:
        limit: How many passages to look at.
        page: 0 for the newest, 1 for those before them, and so on.
    """
    check_page(limit, page)
    passages = memory.archival.search("", dates={"file": ""}, limit=limit, page=page)
    if not passages:
        return f"There are no passages{' on this page' if page else ''}."
    lines: list[str] = [f"{len(passages)} passages, page {page}:"]
    for passage in passages:
        lines.append(f"- {passage.id} [{local_time(passage.time, memory.time_zone)}] {shorten(passage.text)}")
        others = memory.archival.search(passage.text, dates={"file": ""}, limit=5)
        lines += [
            f"    like {other.id} [{local_time(other.time, memory.time_zone)}] {shorten(other.text)}"
            for other in others
            if other.id != passage.id and _shared(passage.text, other.text) >= _LEAST_SHARED
        ]
    return "\n".join(lines)


def archival_memory_retire(memory: AgentMemory, passage_id: str, reason: str, replaced_by: str | None = None) -> str:
    """Take a passage out of archival memory because it is said elsewhere, or no longer true. It is kept aside, not lost.

    Args:
        passage_id: The passage, as it was listed or found.
        reason: Why, in a few words.
        replaced_by: The passage that says it now, if there is one.
    """
    if not reason.strip():
        raise InvalidArguments("The reason is empty; say in a few words why the passage is no longer needed.")
    filed = memory.store.get(namespaces.of(memory.agent_id, "archival"), passage_id)
    if filed is not None and filed.value.get("message"):
        raise InvalidArguments(f"{passage_id} is an observation, and stays. If it no longer holds, observe what holds now.")
    shelf = RetiredPassages(memory.store, memory.agent_id, memory.clock)
    retired = shelf.retire(passage_id, reason, replaced_by=replaced_by or "", cause=memory.cause.key)
    return f"{retired.id} is retired."


def observe(memory: AgentMemory, text: str, source: int, event_date: str | None = None) -> str:
    """Add an observation: what happened, or how something is, as somebody said it. It is never changed; if it changes, observe again.

    Args:
        text: The observation in one sentence, with names, understandable on its own.
        source: The number of the line of the record in which it was said.
        event_date: The day, month or year in which it happened or began, such as '2026-11-21' or '2026-11'; leave out if unknown.
    """
    record = SleepDiary(memory.store, memory.agent_id).reading(memory.cause.turn)
    if not 1 <= source <= len(record):
        raise InvalidArguments(f"source = {source}: the record has {len(record)} lines. Give the number of the line that says it.")
    if not text.strip():
        raise InvalidArguments("The text is empty; say in one sentence what you observed.")
    beginning_of(event_date, "event_date", memory.time_zone)
    said, when = record[source - 1], (event_date or "").strip()
    dated = f"{f'{when}: ' if when else ''}{text.strip()} (said {local_time(said.time, memory.time_zone)[:10]} by {said.user_id or said.role})"
    archive = memory.archival
    if isinstance(archive, StoreArchive):
        passage, new = archive.insert(dated, [OBSERVATION], cause=memory.cause.key, message=said.id)
    else:
        passage, new = archive.insert(dated, [OBSERVATION], cause=memory.cause.key)
    return f"{'Observed' if new else 'Observed already'}, as {passage.id}: {dated}"


def memory_finish_edits(memory: AgentMemory) -> str:
    """Say that memory is in order: what you were given to read counts as read, and you go on sleeping."""
    count_as_read(memory)
    return "Finished."


def count_as_read(memory: AgentMemory) -> None:
    """Count what was read in this turn as read, as it has ended."""
    SleepDiary(memory.store, memory.agent_id).finish(memory.cause.turn)


def read_while_awake(memory: AgentMemory, event: EventType) -> str:
    """Return what was said since the agent last slept, as the sleeping agent sees it."""
    limit = int(memory.budget_tokens * PORTION_SHARE * _CHARS_PER_TOKEN)
    portion = SleepDiary(memory.store, memory.agent_id).begin(memory.cause.turn, limit)
    if not portion.messages:
        return NOTHING_TO_READ
    lines = [
        f"[{local_time(m.time, memory.time_zone)}, line {number}] {m.user_id or m.role}: {_cut(m.whole)}"
        for number, m in enumerate(portion.messages, start=1)
    ]
    return WHILE_AWAKE.format(messages=as_data("\n".join(lines), "record"), left=portion.left)


def _cut(text: str) -> str:
    rest = len(text) - _MESSAGE_CHARS
    return text if rest <= 0 else f"{text[:_MESSAGE_CHARS]} [... {rest:,} more characters]"


def _shared(one: str, other: str) -> float:
    words, others = set(one.casefold().split()), set(other.casefold().split())
    return len(words & others) / max(1, len(words | others))


TOOLS = (
    memory_tool(archival_memory_review, reads_memory=True),
    memory_tool(archival_memory_retire),
    memory_tool(observe),
    memory_tool(memory_finish_edits, ends_turn=True),
)
