"""What a note of forgetting changes in a conversation's checkpoints: messages, their calls, the summary, and all else that holds it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from functools import cached_property
from typing import Any, cast

from langchain_core.messages import AIMessage, AnyMessage, BaseMessage, SystemMessage, ToolMessage

from memgpt_agent.events import MARK, Mark, SideNotes, begins_turn, mark_of, with_mark
from memgpt_agent.memory.forgetting.note import ForgetNote
from memgpt_agent.memory.forgetting.store_changes import shortened
from memgpt_agent.memory.forgetting.stored_items import texts_of
from memgpt_agent.memory.forgetting.words import Needles, normal, without
from memgpt_agent.memory.main_context import split_exchanges
from memgpt_agent.prompts import FORGOTTEN

ERASED_CALL = {"forgotten": True}
"""The arguments of a call that was erased. No tool takes them: a call that is replayed with them does nothing."""


@dataclass(frozen=True)
class ConversationChanges:
    """Changes the values of checkpoints; doing it again changes nothing more."""

    note: ForgetNote
    """What is erased."""
    keyed: Callable[[str], str]
    """Gives the key under which an erased call is kept: its result's id was made of the call's arguments."""
    digest: Callable[[str, str, int], str]
    """Gives the digest of what remains of a conversation up to a time, within so many characters."""
    calls: set[str] = field(default_factory=set[str])
    """The ids of the calls that are erased, as far as their results were looked at: a call may lie apart from its result."""

    @cached_property
    def needles(self) -> Needles:
        """What is looked for."""
        return self.note.needles()

    @cached_property
    def _of_speech(self) -> "ConversationChanges":
        """The same for what people and agents say: they say many a thing twice, so of theirs only the very words count."""
        return replace(self, note=replace(self.note, quoted=()))

    def look(self, value: Any) -> None:
        """Note the calls of which the results are erased."""
        if isinstance(value, ToolMessage):
            if value.id in self.note.said or self._goes(value):
                self.calls.add(value.tool_call_id)
        elif isinstance(value, dict):
            for part in cast(dict[Any, Any], value).values():
                self.look(part)
        elif isinstance(value, list | tuple):
            for part in cast(Sequence[Any], value):
                self.look(part)

    def values(self, thread_id: str, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return a checkpoint's values without what is erased."""
        changed = {name: self._channel(name, value) for name, value in values.items()}
        if summary := changed.get("summary"):
            changed["summary"] = self._summary(thread_id, summary, cast(list[BaseMessage], values.get("messages") or []))
        return changed

    def written(self, channel: str, value: Any) -> Any:
        """Return what a step wrote into a channel without what is erased."""
        return self._channel(channel, value)

    def about(self, metadata: dict[str, Any]) -> dict[str, Any]:
        """Return a checkpoint's metadata without what is erased."""
        return cast(dict[str, Any], self._anything(metadata))

    def _channel(self, name: str, value: Any) -> Any:
        if _is_queue(value):
            return self.queue(cast(list[BaseMessage], value))
        if name == "core_memory" and isinstance(value, dict):
            blocks = {label: self.note.without_lines(label, str(text)) for label, text in cast(dict[str, Any], value).items()}
            return shortened(blocks, self.needles, frozenset(self.note.kept))
        if name == "turn_notes" and isinstance(value, dict):
            notes = cast(dict[str, Any], value)
            return {**notes, "memories": [text for text in notes.get("memories", []) if not self._holds(text)]}
        changed = self._anything(value)
        return {} if name == "sent_memory" and changed != value else changed  # shown again: erasing goes before what was sent

    def _summary(self, thread_id: str, summary: dict[str, Any], queue: Sequence[BaseMessage]) -> dict[str, Any]:
        """Make the running summary again of what remains, if it drew on a message that is erased or holds the words."""
        until, here = str(summary.get("until", "")), {m.id for m in queue}
        folded = [i for i, (thread, time) in self.note.said.items() if thread == thread_id and time <= until and i not in here]
        text = str(summary["text"])
        if not folded and not self._holds(text):
            return summary
        digest = self.digest(thread_id, until, max(1_000, len(text)))
        return {**summary, "text": digest if not self._holds(digest) else "", "messages": max(0, summary["messages"] - len(folded))}

    def queue(self, messages: Sequence[BaseMessage]) -> list[BaseMessage]:
        """Return messages without what is erased; an exchange of which nothing is left goes as a whole."""
        self.look(list(messages))
        changed = [self._message(m) for m in messages]
        if changed == list(messages):
            return list(messages)
        kept: list[BaseMessage] = []
        for exchange in split_exchanges(cast(list[AnyMessage], changed)):
            if not (any(map(_is_blank, exchange)) and all(_is_blank(m) or _is_aside(m) for m in exchange)):
                kept += exchange
        return kept

    def _goes(self, message: BaseMessage) -> bool:
        if message.id in self.note.kept:
            return False
        said = message.id in self.note.said or (message.name in self.note.names and message.type == "human")
        return said or self._says(message)

    def _says(self, message: BaseMessage) -> bool:
        """Whether all that a message says goes, because it holds it."""
        changes = self._of_speech if message.type == "human" else self
        return not isinstance(message, AIMessage) and changes._holds(str(message.content))

    def _message(self, message: BaseMessage) -> BaseMessage:
        mark = mark_of(message)
        if self._goes(message) or (mark.get("kind") == "reply" and mark.get("call_id") in self.calls):
            return self._blank(message)
        if message.id in self.note.kept:
            return message
        return self._ridden((self._of_speech if message.type in ("human", "ai") else self)._parts(message))

    def _ridden(self, message: BaseMessage) -> BaseMessage:
        """Return a message without what is erased of what rides with it: that is memory's, whoever speaks."""
        mark = mark_of(message)
        if "rides" not in mark:
            return message
        notes = cast(SideNotes, self._anything(mark["rides"]))
        return with_mark(message, {**mark, "rides": notes}) if notes != mark["rides"] else message

    def _parts(self, message: BaseMessage) -> BaseMessage:
        update: dict[str, Any] = {}
        if isinstance(message, AIMessage) and (message.tool_calls or message.invalid_tool_calls):
            update["tool_calls"] = [self._call(dict(call)) for call in message.tool_calls]
            update["invalid_tool_calls"] = [self._anything(call) for call in message.invalid_tool_calls]
        for name in ("content", "additional_kwargs", "response_metadata", "artifact"):
            if (part := message.__dict__.get(name)) is not None:
                update[name] = self._anything(part)
        update = {name: part for name, part in update.items() if part != message.__dict__[name]}
        return _undigested(message.model_copy(update=update)) if update else message

    def _call(self, call: dict[str, Any], *, erased: bool = False) -> dict[str, Any]:
        if not erased and call["id"] not in self.calls and not any(self._holds(text) for text in texts_of(list(call["args"].values()))):
            return call
        kept = {k: v for k, v in call["args"].items() if k == "request_heartbeat"}
        return {**call, "args": {**ERASED_CALL, **kept}}

    def _blank(self, message: BaseMessage) -> BaseMessage:
        mark = self._anything(dict(mark_of(message)))  # what rode along with the message as it was sent may hold it too
        update: dict[str, Any] = {"content": FORGOTTEN, "additional_kwargs": {MARK: mark} if mark else {}}
        if isinstance(message, ToolMessage):
            update |= {"id": self.keyed(str(message.id)) if message.id in self.note.said else message.id, "artifact": None}
        if isinstance(message, AIMessage):
            update |= {"tool_calls": [self._call(dict(call), erased=True) for call in message.tool_calls], "invalid_tool_calls": []}
        if message.name in self.note.names:
            update["name"] = None
        return _undigested(message.model_copy(update=update))

    def _holds(self, text: object) -> bool:
        return isinstance(text, str) and (text in self.note.names or (self.needles.within(text) and normal(text) not in self.note.kept))

    def _anything(self, value: Any) -> Any:
        """Return a value of any kind without the texts that hold what is erased."""
        if isinstance(value, str):
            return (without(value, self.needles) or FORGOTTEN) if self._holds(value) else value
        if isinstance(value, BaseMessage):
            return self._message(value)
        if _is_queue(value):
            return self.queue(cast(list[BaseMessage], value))
        if isinstance(value, dict):
            return {name: self._anything(part) for name, part in cast(dict[Any, Any], value).items()}
        if isinstance(value, list | tuple) and type(cast(object, value)) in (list, tuple):
            parts = [self._anything(part) for part in cast(Sequence[Any], value)]
            return parts if isinstance(value, list) else tuple(parts)
        return self._object(value)

    def _object(self, value: Any) -> Any:
        """Return a command, a question that waits, or another object made of fields, with its fields changed."""
        whole = is_dataclass(value) and not isinstance(value, type)
        names = [f.name for f in fields(value)] if whole else list(cast(Sequence[str], getattr(value, "__slots__", ())))
        parts = {name: getattr(value, name) for name in names if hasattr(value, name)}
        changed = {name: self._anything(part) for name, part in parts.items()}
        if changed == parts:
            return value
        copy: Any = object.__new__(cast(type[Any], type(value)))
        for name, part in changed.items():
            object.__setattr__(copy, name, part)
        return copy


def _undigested(message: BaseMessage) -> BaseMessage:
    """Return a message without the digests by which an edit is recognised: they reveal what is erased.

    It is noted that something was, so that a client with an old copy does not bring it back.
    """
    mark = mark_of(message)
    kept = {name: part for name, part in mark.items() if name not in {"said", "was"}}
    return with_mark(message, cast(Mark, {**kept, "erased": True})) if mark else message


def _is_queue(value: Any) -> bool:
    items = cast(list[Any], value) if isinstance(value, list) else []
    return bool(items) and all(isinstance(m, BaseMessage) for m in items)


def _is_blank(message: BaseMessage) -> bool:
    """Whether nothing of a message is left."""
    calls = message.tool_calls if isinstance(message, AIMessage) else []
    silent = message.content in (FORGOTTEN, "") or (isinstance(message, AIMessage) and bool(calls) and not message.text)
    erased = all("forgotten" in call["args"] for call in calls)
    return silent and erased and bool(calls or message.content == FORGOTTEN or isinstance(message, ToolMessage))


def _is_aside(message: BaseMessage) -> bool:
    """Whether a message only goes along with others: what the system told within a turn, a result such as ``Sent.``."""
    is_alert = isinstance(message, SystemMessage) and not begins_turn(message)
    return is_alert or isinstance(message, ToolMessage)
