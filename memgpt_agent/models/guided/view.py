"""A guided model's view of its messages: the user's words, the facts in core memory, and recent results."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage

MARK = "memgpt"

_STOP_TEXT = """
a about actually afternoon again all also am an and any are as ask asked at be because been before but by bye
called can could day did do does doing don't evening for from good had haha has have he hello her hers hey hi
him his how i if in into is it its just know last like likes make me mention mentioned month more morning my
name named new night no not now of ok okay on or our out over please remember said say she so some tell than
thank thanks that the their them then there these they thing things this those time to told too us user user's
very was we week were what when where which who whom whose why will with would year yes yesterday you your
"""
_STOP_WORDS = frozenset(_STOP_TEXT.split())


@dataclass(frozen=True)
class ToolOutcome:
    """One tool's result since the user spoke."""

    tool: str
    ok: bool
    text: str

    @property
    def empty(self) -> bool:
        """Whether a search found nothing."""
        return not self.ok or self.text.startswith("Nothing found")


@dataclass(frozen=True)
class View:
    """A turn, as far as it has come."""

    user: str | None
    """What the user said last; ``None`` if nobody is waiting for an answer."""
    facts: tuple[str, ...] = ()
    """The lines of the block about the user."""
    persona: str = ""
    """The block about the agent."""
    other_blocks: tuple[tuple[str, str], ...] = ()
    """Label and text of the remaining blocks."""
    summary: str = ""
    """What is known of messages no longer in view."""
    now: str = ""
    """The time now, ISO 8601."""
    exchanges: tuple[tuple[str, str], ...] = ()
    """What the user said and was answered before, oldest first."""
    found: tuple[ToolOutcome, ...] = ()
    """Results of tools since the user spoke."""
    steps: int = 0
    """Answers of the model since the user spoke."""
    alerts: tuple[str, ...] = ()
    """What the system told the agent since the user spoke, or since the heartbeat."""
    human_label: str = "human"
    """The label of the block about the user."""


@dataclass
class _PromptReader:
    pairs: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    user: str | None = None
    said: list[str] = field(default_factory=list[str])
    found: list[ToolOutcome] = field(default_factory=list[ToolOutcome])
    steps: int = 0
    alerts: list[str] = field(default_factory=list[str])
    tasks: str = ""

    def hear(self, text: str) -> None:
        self.close()
        self.user = text

    def close(self) -> None:
        if self.user is not None:
            self.pairs.append((self.user, " ".join(self.said)))
        self.user, self.said, self.found, self.steps, self.alerts = None, [], [], 0, []

    def act(self, message: AIMessage) -> None:
        self.steps += 1
        for call in message.tool_calls:
            if call["name"] == "send_message":
                self.said.append(str(call["args"].get("message", "")))
        if not message.tool_calls and message.text:
            self.said.append(message.text)


def read_view(messages: Sequence[BaseMessage]) -> View:
    """Return the turn that the messages stand in."""
    reader = _PromptReader()
    about: Mapping[str, Any] = {}
    for message in messages:
        if isinstance(message, SystemMessage):
            about = about or cast(Mapping[str, Any], kwargs_of(message).get(MARK) or {})
            shown = cast(Mapping[str, str], about.get("sections") or {})
            reader.tasks = reader.tasks or _tasks_in(shown.get("tasks") or message.text)
        elif isinstance(message, HumanMessage):
            kind, text = event_of(message)
            if kind == "user_message":
                reader.hear(text)
            elif kind == "system_alert":
                reader.alerts.append(text)
            elif reader.said:  # a heartbeat after the user was answered: nobody is waiting
                reader.close()
        elif isinstance(message, AIMessage):
            reader.act(message)
        elif isinstance(message, ToolMessage):
            reader.found.append(_result(message))
            if message.name == "send_message" and not reader.found[-1].ok and reader.said:
                reader.said.pop()  # it was not said
    return _with_memory(reader, about)


def _tasks_in(system: str) -> str:
    """Return the open tasks from the text in which the agent sees them."""
    found = re.search(r"<tasks [^>]*>\n(.*?)\n?</tasks>", system, re.DOTALL)
    return found[1] if found else ""


def content_words(text: str) -> set[str]:
    """Return the words of a text that carry meaning, shortened to a common stem."""
    words = [word.removesuffix("'s") for word in re.findall(r"[^\W_]+(?:'[^\W_]+)?", text.lower())]
    return {_stem(word) for word in words if word not in _STOP_WORDS and (len(word) > 1 or word.isdigit())}


def _stem(word: str) -> str:
    for ending in ("ing", "ies", "ed", "es", "s", "y", "e"):
        if len(word) - len(ending) >= 3 and word.endswith(ending):
            return word[: -len(ending)]
    return word


def _with_memory(reader: _PromptReader, about: Mapping[str, Any]) -> View:
    values = {str(block["label"]): str(block["value"]) for block in _blocks(about)}
    label = str(human_block(about).get("label", "human"))
    return View(
        user=reader.user,
        facts=tuple(line.strip() for line in values.get(label, "").splitlines() if line.strip()),
        persona=values.get("persona", ""),
        other_blocks=tuple(
            (k, v) for k, v in [*values.items(), ("Your open tasks", reader.tasks)] if k not in {label, "persona"} and v
        ),
        summary=str(about.get("summary") or ""),
        now=str(about.get("now") or ""),
        exchanges=tuple(reader.pairs),
        found=tuple(reader.found),
        steps=reader.steps,
        alerts=tuple(reader.alerts),
        human_label=label,
    )


def kwargs_of(message: BaseMessage) -> dict[str, Any]:
    """Return what the agent notes beside a message."""
    return cast(dict[str, Any], message.additional_kwargs)  # pyright: ignore[reportUnknownMemberType]


def _blocks(about: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [cast(Mapping[str, Any], block) for block in cast(Sequence[Any], about.get("blocks") or ())]


def human_block(about: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the block about the user: ``human``, else the first one that may be written; empty if there is none."""
    blocks = {str(block["label"]): block for block in _blocks(about)}
    writable = [name for name, block in blocks.items() if not block.get("read_only") and name != "persona"]
    label = "human" if "human" in writable or not writable else writable[0]
    return blocks.get(label, {})


def event_of(message: HumanMessage) -> tuple[str, str]:
    """Return an event's type and text, from the agent's note on it, its JSON, or as plain text."""
    mark: Mapping[str, Any] = kwargs_of(message).get(MARK) or {}
    if "text" in mark:
        return str(mark.get("type", "user_message")), str(mark["text"])
    try:
        packed: Any = json.loads(message.text)
    except (ValueError, RecursionError):
        return "user_message", message.text
    if isinstance(packed, dict) and "message" in packed:
        given = cast(dict[str, Any], packed)
        return str(given.get("type", "user_message")), str(given["message"])
    return "user_message", message.text


def _result(message: ToolMessage) -> ToolOutcome:
    try:
        packed: Any = json.loads(message.text)
    except (ValueError, RecursionError):
        packed = None
    if isinstance(packed, dict) and "message" in packed:
        given = cast(dict[str, Any], packed)
        return ToolOutcome(message.name or "", str(given.get("status", "OK")) == "OK", str(given["message"]))
    return ToolOutcome(message.name or "", message.status != "error", message.text)
