"""The later profiles for a guided model: the same actions under their tools' names, and reflection."""

import json
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, cast

from memgpt_agent.models.chat_prompt import PromptTurn
from memgpt_agent.models.guided import words
from memgpt_agent.models.guided.view import View, content_words

REFLECT = "reflect"
LATER_TOOLS = frozenset(
    {
        "memory_insert", "memory_replace", "memory_rethink", "memory_finish_edits", "recall", "task_update", "task_drop", REFLECT,
        "knowledge_insert", "knowledge_search", "knowledge_merge", "open_summary",
    }
)  # fmt: skip
"""Tools that no message asks for by itself; ``task_add`` and ``task_complete`` are asked for, and so are not among them."""
_LATER: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "core_memory_append": ("memory_insert", {"content": "new_string"}),
    "core_memory_replace": ("memory_replace", {"old_content": "old_string", "new_content": "new_string"}),
    "conversation_search": ("recall", {}),
    "archival_memory_search": ("recall", {}),
}
_TASK = re.compile(r"\b(tasks?|to-?dos?|remind\w*|deadline|due)\b", re.IGNORECASE)
_CLOSES = re.compile(r"\b(done|finished|completed?|tick|check off)\b", re.IGNORECASE)
_LOOK_BACK = 8
_MAX_ITEMS = 3

Call = tuple[str, dict[str, Any]]


def translated(calls: Sequence[Call], available: Collection[str], done: Collection[str]) -> list[Call]:
    """Return the calls of tools that there are; an act of the paper's tools is done by the later agent's where it has those.

    What was searched is not searched again: the later agent's one search looks everywhere.
    """
    made: list[Call] = []
    for name, arguments in calls:
        later, names = _LATER.get(name, ("", {}))
        if name in available:
            made.append((name, arguments))
        elif later in available and not (
            later == "recall" and (later in done or any(call[0] == later for call in made))
        ):
            made.append((later, {names.get(key, key): value for key, value in arguments.items()}))
    return made


def may_ask_for(tool: str, user: str) -> bool:
    """Whether a message might ask for a tool, so that the model is to judge it.

    Of tasks the model alone says yes too easily: a message must speak of one, and a question asks for neither tool.
    """
    if tool not in {"task_add", "task_complete"}:
        return True
    speaks = bool(_TASK.search(user)) and not user.rstrip().endswith("?")
    return speaks and bool(_CLOSES.search(user)) == (tool == "task_complete")


def wants_reflection(view: View, available: Collection[str]) -> bool:
    """Whether the agent was asked to reflect, has not done so, and nobody waits for an answer."""
    asked = REFLECT in available and any(f"call {REFLECT}" in alert for alert in view.alerts)
    done = {found.tool for found in view.found if found.ok}
    return asked and REFLECT not in done and (view.user is None or "send_message" in done)


def owes_reflection(view: View, available: Collection[str]) -> bool:
    """Whether it has to go on after its answer, because it was asked to reflect."""
    return REFLECT in available and any(f"call {REFLECT}" in alert for alert in view.alerts)


def reflection_turns(view: View) -> list[PromptTurn]:
    """Return what the model is asked: to look back on the last exchanges."""
    pairs = [*view.exchanges, *([(view.user, "")] if view.user else [])][-_LOOK_BACK:]
    lines = [
        line for said, answer in pairs for line in (f"User: {said}", f"Assistant: {answer}" if answer else "") if line
    ]
    return [PromptTurn("system", words.REFLECT), PromptTurn("user", "\n".join(lines) or words.NOBODY)]


def reflection_arguments(text: str, view: View) -> dict[str, Any]:
    """Return the arguments of ``reflect`` that the model wrote; an item none of whose words was said is dropped."""
    try:
        written: Any = json.loads(text)
    except (ValueError, RecursionError):
        written = {}
    given = cast(dict[str, Any], written) if isinstance(written, dict) else {}
    heard = content_words(" ".join([view.user or "", *(f"{said} {answer}" for said, answer in view.exchanges)]))
    kept: dict[str, Any] = {}
    for name in ("learned", "uncertain", "next_steps"):
        items = [str(item).strip() for item in cast(list[Any], given.get(name) or [])]
        kept[name] = [item[:150] for item in dict.fromkeys(items) if content_words(item) & heard][:_MAX_ITEMS]
    return kept


REFLECTION_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        name: {"type": "array", "items": {"type": "string"}} for name in ("learned", "uncertain", "next_steps")
    },
    "required": ["learned", "uncertain", "next_steps"],
}
"""The form of what the model writes."""
