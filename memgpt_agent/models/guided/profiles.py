"""The later profiles for a guided model: the same actions under their tools' names, reflection, and sleep."""

import json
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage

from memgpt_agent.models.chat_prompt import PromptTurn
from memgpt_agent.models.engine import Usage
from memgpt_agent.models.guided import words
from memgpt_agent.models.guided.lines import Call, Judge, Lines, Said, inner_names, without_questions
from memgpt_agent.models.guided.view import MARK, View, content_words, event_of, human_block, kwargs_of

FINISH = "memory_finish_edits"
SLEEP_TOOLS = frozenset({"memory_insert", "memory_replace", FINISH})
"""With these tools, and none to speak by, it is asleep."""
PART = 8
"""How many messages one step reads, if they fit into MAX_PARTS steps."""
MAX_PARTS = 12
_LINE = re.compile(r"^\[(\d{4}-\d\d-\d\d)[^\]\n]*\] ([^:\n]+): ", re.MULTILINE)
_RECORD = re.compile(r"<record>\n(.*?)(?:\n</record>|\Z)", re.DOTALL)
_READ = re.compile(r"^Read (\d+) of \d+\.")


@dataclass(frozen=True)
class SleepView:
    """A sleep, as far as it has come."""

    said: tuple[Said, ...] = ()
    """What the user said, oldest first; questions are left out."""
    read: int = 0
    """How many of these were read in earlier steps."""
    acted: bool = False
    """Whether there were earlier steps."""
    label: str = "human"
    """The block about the user."""
    value: str = ""
    """Its text."""
    limit_chars: int = 2_000


def read_sleep(messages: Sequence[BaseMessage]) -> SleepView:
    """Return the sleep that the messages stand in: what stands behind the last heartbeat."""
    about: Mapping[str, Any] = {}
    record, read, acted = "", 0, False
    for message in messages:
        if isinstance(message, SystemMessage):
            about = about or cast(Mapping[str, Any], kwargs_of(message).get(MARK) or {})
        elif isinstance(message, AIMessage):
            acted = True
            found = [_READ.match(str(call["args"].get("thinking", ""))) for call in message.tool_calls]
            read = max([read, *(int(match[1]) for match in found if match)])
        elif isinstance(message, HumanMessage):
            kind, text = event_of(message)
            if kind == "heartbeat":
                record, read, acted = "", 0, False
            elif kind == "system_alert" and (match := _RECORD.search(text)):
                record = match[1]
    block = human_block(about)
    limit = int(block.get("limit_chars") or 2_000)
    value = str(block.get("value", ""))
    return SleepView(tuple(_said(record)), read, acted, str(block.get("label", "human")), value, limit)


def _said(record: str) -> list[Said]:
    """Return what the user said, without questions."""
    heads = list(_LINE.finditer(record))
    ends = [*(head.start() for head in heads), len(record)][1:]
    spoken = [
        Said(head[1], record[head.end() : end].strip())
        for head, end in zip(heads, ends, strict=True)
        if head[2] != "assistant"
    ]
    statements = [Said(said.day, without_questions(said.text)) for said in spoken]
    return [said for said in statements if said.text]


def next_calls(view: SleepView, judge: Judge, *, in_parts: bool) -> list[Call]:
    """Return the calls of the next step: edits with how far it has read, or the end of the sleep.

    Args:
        view: the sleep so far.
        judge: the model.
        in_parts: whether a call can say how far it has read, so that the next step continues from there.
    """
    total = len(view.said)
    if view.acted and (not in_parts or view.read >= total):
        return [(FINISH, {})]
    part = max(PART, -(-total // MAX_PARTS)) if in_parts else max(1, total)
    lines, place = Lines(view.value, judge), view.read
    if not view.acted:
        lines.tidy()
    while True:
        for said in view.said[place : place + part]:
            lines.hear(said)
        place = min(total, place + part)
        calls = lines.calls(view.label, view.limit_chars)
        if calls:
            return [(name, {"thinking": f"Read {place} of {total}.", **arguments}) for name, arguments in calls]
        if place >= total:
            return [(FINISH, {})]


@dataclass(frozen=True)
class ModelJudge:
    """What a sleep asks, put to the model."""

    yes: Callable[[Sequence[PromptTurn], Usage], float]
    """Returns how likely the answer to a question is Yes."""
    written: Callable[[str, Usage], list[str]]
    """Returns what the model writes of a message's sender."""
    merges: Callable[[str, str, View, str, Usage], str]
    """Returns a new fact with what else the old line held."""
    usage: Usage
    """Notes what it costs."""

    def facts(self, message: str) -> list[str]:
        """Return what a message says of the user; the message itself where a name is lost."""
        kept = self.written(message, self.usage)
        lost = [name for name in inner_names(message) if name not in " ".join(kept)]
        return [f'The user said: "{message}"'] if lost else kept

    def outdated(self, line: str, message: str) -> float:
        """Return how likely a message makes a line untrue."""
        return self._asked(words.OUTDATED, words.OUTDATED_ASK.format(note=line, message=message))

    def same(self, line: str, fact: str) -> float:
        """Return how likely both say the same."""
        return self._asked(words.SAME, words.SAME_ASK.format(one=line, other=fact))

    def merged(self, line: str, fact: str, message: str, day: str) -> str:
        """Return the fact with what else the line held, which was true until that day."""
        return self.merges(line, fact, View(user=message, now=day), message, self.usage)

    def _asked(self, system: str, question: str) -> float:
        return self.yes([PromptTurn("system", system), PromptTurn("user", question)], self.usage)


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
