"""Reflection: filing what was learned, what is uncertain and what to do next; and when to reflect."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from memgpt_agent.errors import BlockReadOnly, CoreMemoryFull, InvalidArguments, UnknownBlock
from memgpt_agent.events import EventType
from memgpt_agent.memory import namespaces
from memgpt_agent.memory.agent_memory import AgentMemory
from memgpt_agent.memory.core import Block
from memgpt_agent.memory.tasks import MAX_TASKS, MAX_TITLE_CHARS, TaskList
from memgpt_agent.prompts import REFLECT_NOW
from memgpt_agent.store.update import update
from memgpt_agent.tools.definition import memory_tool

REFLECTION_TAG = "reflection"
"""The tag of what was learned or is uncertain, in archival memory."""
OPEN_QUESTIONS = Block(
    "open_questions",
    "",
    "What you are not sure of and mean to find out. Delete a line when it is answered.",
    limit_chars=1_500,
)
"""The block that holds what is uncertain; where an agent has no such block it is filed only."""
_MAX_ITEMS = 10
_MAX_CHARS = 500
_KEPT_TURNS = 32
_KEY = "turns"


def reflect(memory: AgentMemory, learned: list[str], uncertain: list[str], next_steps: list[str]) -> str:
    """Look back on the last turns and keep what follows from them: lessons and doubts are filed, next steps become tasks.

    Args:
        learned: What you learned that is lasting, each understandable on its own; may be empty.
        uncertain: What you are not sure of and should find out; may be empty.
        next_steps: What to do next, a line each; may be empty.
    """
    for name, items in (("learned", learned), ("uncertain", uncertain), ("next_steps", next_steps)):
        _check(name, items, MAX_TITLE_CHARS if name == "next_steps" else _MAX_CHARS)
    key = memory.cause.key
    for kind, texts in (("learned", learned), ("uncertain", uncertain)):
        for place, text in enumerate(texts):
            memory.archival.insert(text, [REFLECTION_TAG, kind], cause=key and f"{key}/{kind}/{place}")
    results = [f"{len(learned)} learned and {len(uncertain)} uncertain are filed"]
    if _ask(memory, uncertain):
        results.append(f"the uncertain stand in block {OPEN_QUESTIONS.label!r}")
    numbers, known = _plan(memory, next_steps)
    if numbers:
        results.append(f"the next steps are tasks {', '.join(map(str, numbers))}")
    if known:
        results.append(f"{known} next steps were not added: they are on the list already, or the list is full")
    _note_reflected(memory)
    return f"{'; '.join(results)}."


def remind_to_reflect(turns: int) -> Callable[[AgentMemory, EventType], str]:
    """Return the reminder that asks for reflection after so many turns without one, and on a heartbeat after any.

    It is called once when a turn begins, with the turn in ``memory.cause.turn``; called again for the same turn it
    returns the same. Asked in vain, it asks again after as many turns.
    """

    def reminder(memory: AgentMemory, event: EventType) -> str:
        place, turn = namespaces.of(memory.agent_id, "reflection"), memory.cause.turn

        def counted(value: dict[str, Any] | None) -> dict[str, Any] | None:
            known = value or _NONE
            if turn in known["seen"]:
                return None
            count = known["count"] + 1
            asks = count % turns == 0 or (event == "heartbeat" and count > 1)
            asked = {**known["asked"], **({turn: count} if asks else {})}
            seen = [*known["seen"], turn][-_KEPT_TURNS:]
            return {"count": count, "seen": seen, "asked": {t: n for t, n in asked.items() if t in seen}}

        asked = update(memory.store, place, _KEY, counted).after["asked"]
        return _words(asked[turn]) if turn in asked else ""

    return reminder


_NONE: dict[str, Any] = {"count": 0, "seen": [], "asked": {}}


def _words(count: int) -> str:
    return REFLECT_NOW.format(turns=count, tool=reflect.__name__)


def _note_reflected(memory: AgentMemory) -> None:
    place = namespaces.of(memory.agent_id, "reflection")
    update(memory.store, place, _KEY, lambda known: {**known, "count": 0} if known else None)


def _ask(memory: AgentMemory, uncertain: Sequence[str]) -> bool:
    """Put what is uncertain in its block; the oldest lines leave where it is full. Return whether there is the block."""
    if not uncertain:
        return False

    def asked(value: str) -> str:
        lines = value.split("\n") if value else []
        lines += [line for line in (" ".join(text.split()) for text in uncertain) if line not in lines]
        while len(lines) > 1 and len("\n".join(lines)) > limit:
            lines.pop(0)
        return "\n".join(lines)

    try:
        limit = memory.core.block(OPEN_QUESTIONS.label).limit_chars
        memory.core.edit(OPEN_QUESTIONS.label, asked, replace(memory.cause, tool=reflect.__name__))
    except (UnknownBlock, BlockReadOnly, CoreMemoryFull):
        return False
    return True


def _plan(memory: AgentMemory, next_steps: Sequence[str]) -> tuple[list[int], int]:
    """Add next steps as tasks; return their numbers, and how many were not added."""
    tasks = TaskList(memory)
    numbers: list[int] = []
    key = memory.cause.key
    for place, step in enumerate(next_steps):
        cause = key and f"{key}/next/{place}"
        still = tasks.open()
        known = any(
            task.title.casefold() == " ".join(step.split()).casefold() and task.cause != cause for task in still
        )
        if not known and (len(still) < MAX_TASKS or any(task.cause == cause for task in still)):
            numbers.append(tasks.add(step, cause=cause).number)
    return numbers, len(next_steps) - len(numbers)


def _check(name: str, items: Sequence[str], limit_chars: int) -> None:
    if len(items) > _MAX_ITEMS:
        raise InvalidArguments(f"{name} has {len(items)} items; give {_MAX_ITEMS} at most, the most important ones.")
    wrong = [item for item in items if not item.strip() or len(item) > limit_chars]
    if wrong:
        raise InvalidArguments(f"An item of {name} has {len(wrong[0].strip())} characters; give 1 to {limit_chars}.")


TOOLS = (memory_tool(reflect),)
