"""Applying edits that others made in the queue: changed and removed messages, in recall memory and summaries too."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, RemoveMessage, ToolMessage
from langchain_core.runnables import RunnableConfig

from memgpt_agent.events import Mark, digest_of, is_edited, is_event, mark_of, removal, with_mark
from memgpt_agent.memory.corrections import Change, Corrections
from memgpt_agent.memory.hierarchy import SummaryNode, SummaryTree
from memgpt_agent.memory.main_context import results_of
from memgpt_agent.nodes.session import Session
from memgpt_agent.nodes.summary import Summarizer
from memgpt_agent.prompts import plain_digest
from memgpt_agent.state import AgentState, Summary, merge_queue
from memgpt_agent.text.cleaning import clean_content
from memgpt_agent.tools.definition import CONTROL_ARGUMENTS
from memgpt_agent.tools.messages import SEND_MESSAGE

ACTOR = "client"
"""The actor recorded for corrections through the graph's state."""
_DIGEST_CHARS = 1_000
_SESSIONS = 64
"""A summary is rebuilt from at most this many sessions of the conversation, the newest ones."""


@dataclass
class QueueEdits:
    """Changes made to the queue from outside, and what follows from them."""

    state: AgentState
    """The state with the changes applied."""
    messages: list[Any] = field(default_factory=list[Any])
    """The updates to the queue."""
    update: dict[str, Any] = field(default_factory=dict[str, Any])
    """The updates to other registers."""
    edited_event: str = ""
    """The id of the newest message of a person that was edited; empty if none was."""
    others_turn: bool = False
    """Whether the newest turn of the conversation is another agent's, so that its progress is not known here."""


def apply_edits(state: AgentState, session: Session, config: RunnableConfig) -> QueueEdits:
    """Update recall memory, the other places of the queue, and the summary to what the queue says now.

    A message counts as edited if it differs from the agent's note on it. Repeating this changes nothing.
    """
    queue = state["messages"]
    edited = session.resources.caches.unedited.edited(queue)
    removed = [i for m in queue for i in mark_of(m).get("removed", ())]
    emptied = bool(state.get("turn")) and not is_nested(config) and not any(mark_of(m) for m in queue)
    summary = state.get("summary")
    if not (edited or removed or emptied or (summary and summary.get("stale"))):
        return QueueEdits(state)
    corrections = corrections_of(session)
    changes = _Changes(queue)
    for message in sorted(edited, key=lambda m: mark_of(m).get("kind") == "reply"):  # a reply's own words win over its call's
        changes.edit(message)
    for turn, said, text in changes.alone:
        for record in session.memory.journal.of_turn(turn):
            if record.role == "assistant" and digest_of(AIMessage(record.text)) == said:
                changes.records[record.id] = Change(text)
    for message_id in removed:
        changes.remove(message_id)
    if emptied:
        since = summary["until"] if summary else ""
        changes.gone += [m.id for m in session.memory.journal.of_thread(session.thread_id, since=since)]
    edits, removals = corrections.edit(changes.records, actor=ACTOR), corrections.remove(changes.gone, actor=ACTOR)
    drew = [*edits.spans, *removals.spans]
    changes.forget_memories([m.text for m in (*edits.messages.values(), *removals.messages.values())])
    changes.remove_notes()
    again = bool(state.get("turn")) or not is_nested(config)  # a parent's own state could not be rid of the old answer
    edits_made = QueueEdits(state, changes.queue(), edited_event=changes.edited_event if again else "")
    edits_made.state = cast(AgentState, {**state, "messages": merge_queue(queue, edits_made.messages)})
    renew_summary(edits_made, session, config, drew)
    return edits_made


def corrections_of(session: Session) -> Corrections:
    """Return the corrections to what the run's agent stores about its conversations."""
    memory = session.memory
    return Corrections(memory.journal, memory.store, memory.agent_id, memory.clock, memory.time_zone, session.thread_id)


def renew_summary(edits: QueueEdits, session: Session, config: RunnableConfig, drew: Sequence[SummaryNode]) -> None:
    """Rebuild the conversation's summary, if it drew on corrected text, from the hierarchy of summaries."""
    summary = edits.state.get("summary")
    if not summary or not (summary.get("stale") or any(span.thread_id == session.thread_id for span in drew)):
        return
    memory = session.memory
    tree = SummaryTree(memory.store, memory.agent_id, memory.clock, memory.time_zone)
    lines = lines_of(tree.newest("session", _SESSIONS, thread_id=session.thread_id)[::-1])
    text = Summarizer(session, config).fold("", lines)
    made = cast(Summary, {**{k: v for k, v in summary.items() if k != "stale"}, "text": text})
    edits.update["summary"] = made
    edits.state = {**edits.state, "summary": made}


def stale_summary(values: Mapping[str, Any], tree: SummaryTree, drew: Sequence[SummaryNode], thread_id: str) -> dict[str, Any]:
    """Return the update that keeps corrected text out of a conversation's summary until the next turn rebuilds it."""
    summary = cast(Summary | None, values.get("summary"))
    if not summary or not any(span.thread_id == thread_id for span in drew):
        return {}
    lines = lines_of(tree.newest("session", _SESSIONS, thread_id=thread_id)[::-1])
    return {"summary": {**summary, "text": plain_digest(lines, max(_DIGEST_CHARS, len(summary["text"]))), "stale": True}}


def edits_of(queue: Sequence[AnyMessage], record_id: str, before: str, text: str) -> list[Any]:
    """Return the updates that change the text of a queue's message, found by its id in recall memory."""
    message, changes = next((m for m in queue if m.id == record_id), None), _Changes(queue)
    if isinstance(message, ToolMessage) and message.name == SEND_MESSAGE:
        changes.say(message.tool_call_id, text)
    elif message is not None:
        changes.edit(message.model_copy(update={"content": text}))
    changes.forget_memories([before])
    return changes.queue()


def without_memories(queue: Sequence[AnyMessage], texts: Sequence[str]) -> list[Any]:
    """Return the updates that remove memories of these texts from a queue's messages."""
    changes = _Changes(queue)
    changes.forget_memories(texts)
    return changes.queue()


def lines_of(nodes: Sequence[SummaryNode]) -> list[str]:
    """Return summaries as lines for a summary of them."""
    return [f"[{node.since[:10]}] {line}" for node in nodes for line in node.text.split("\n") if line.strip()]


def is_nested(config: RunnableConfig) -> bool:
    """Whether the agent runs in a parent graph."""
    return "|" in str(config.get("configurable", {}).get("checkpoint_ns") or "")


def is_stateless(config: RunnableConfig) -> bool:
    """Whether no checkpointer keeps the conversation, so that a client tells all of it each time."""
    return not config.get("configurable", {}).get("__pregel_checkpointer")


class _Changes:
    """The changes to the queue and to its messages' records in recall memory."""

    def __init__(self, queue: Sequence[AnyMessage]) -> None:
        self._there: dict[str, AnyMessage] = {str(m.id): m for m in queue}
        self._results = results_of(queue)
        self._calls = {call["id"] or "": str(m.id) for m in queue if isinstance(m, AIMessage) and not is_event(m) for call in m.tool_calls}
        self._replies = {mark_of(m).get("call_id"): str(m.id) for m in queue if mark_of(m).get("kind") == "reply"}
        self._updates: dict[str, Any] = {}
        self.records: dict[str, Change] = {}
        """Records of recall memory with their new form."""
        self.gone: list[str] = []
        """The ids of records to remove."""
        self.alone: list[tuple[str, str, str]] = []
        """Edited replies whose calls a parent graph did not keep: the turn, the digest of the old words, and the new ones."""
        self.edited_event = ""
        """The newest message of a person among those that were edited."""

    def queue(self) -> list[Any]:
        """Return the updates to the queue."""
        return list(self._updates.values())

    def remove_notes(self) -> None:
        """Delete the notes of removals from the messages once they are applied."""
        for key in [key for key, message in self._there.items() if mark_of(message).get("removed")]:
            if not isinstance(message := self._now(key), RemoveMessage):
                self._updates[key] = with_mark(message, {**mark_of(message), "removed": []})

    def forget_memories(self, texts: Sequence[str]) -> None:
        """Remove memories of deleted texts from the messages: they ride with the events for which they were found."""
        for key, message in self._there.items():
            notes = mark_of(message).get("rides")
            lines = notes.get("memories", []) if notes else []
            kept = [line for line in lines if not any(_quotes(line, text) for text in texts)]
            if notes and len(kept) < len(lines) and not isinstance(message := self._now(key), RemoveMessage):
                self._updates[key] = with_mark(message, {**mark_of(message), "rides": {**notes, "memories": kept}})

    def edit(self, message: AnyMessage) -> None:
        """Apply an edited message."""
        message = message.model_copy(update={"content": clean_content(message.content)})
        mark, text, key = mark_of(message), message.text, str(message.id)
        self._updates[key] = _noted(message)
        if not is_edited(message) and "said" in mark:
            return  # it says what it did, but for what no store can hold
        if mark.get("kind") == "reply" and mark.get("call_id"):
            self.say(mark.get("call_id", ""), text)
            if mark.get("call_id") not in self._results:
                self.alone.append((mark.get("turn", ""), mark.get("said", ""), text))
        elif isinstance(message, AIMessage) and message.tool_calls:
            for call in message.tool_calls:
                self._call(call["id"] or "", call["name"], call["args"])
        else:
            self._record(key, text=text)
        if isinstance(message, HumanMessage) and is_event(message):
            self.edited_event = key

    def say(self, call_id: str, text: str) -> None:
        """Put these words into a ``send_message`` call, its reply and its record."""
        if call_id in self._results:
            self._record(str(self._results[call_id].id), text=text)
        if call_id in self._calls:
            answer = cast(AIMessage, self._now(self._calls[call_id]))
            calls = [{**c, "args": {**c["args"], "message": text}} if c["id"] == call_id else c for c in answer.tool_calls]
            self._updates[str(answer.id)] = _noted(answer.model_copy(update={"tool_calls": calls}))
        if call_id in self._replies:
            reply = self._now(self._replies[call_id])
            self._updates[str(reply.id)] = _noted(reply.model_copy(update={"content": text}))

    def _call(self, call_id: str, name: str, arguments: dict[str, Any]) -> None:
        """Put these arguments into a call's record."""
        if name == SEND_MESSAGE and isinstance(arguments.get("message"), str) and call_id in self._replies:
            self.say(call_id, arguments["message"])
        elif call_id in self._results:
            own = {k: v for k, v in arguments.items() if k not in CONTROL_ARGUMENTS}
            self._record(str(self._results[call_id].id), arguments=json.dumps(own, ensure_ascii=False, default=str))

    def remove(self, message_id: str) -> None:
        """Apply the removal of a message; for a reply, by the id of its call, so that the call and its result go too."""
        self.gone.append(message_id)
        if message_id not in self._calls:
            return
        answer = cast(AIMessage, self._now(self._calls[message_id]))
        left = [call for call in answer.tool_calls if call["id"] != message_id]
        spoken = any(call["id"] == message_id and call["name"] == SEND_MESSAGE for call in answer.tool_calls)
        if not spoken:
            return
        key = str(answer.id)
        stays = bool(left or answer.text)
        self._updates[key] = _noted(answer.model_copy(update={"tool_calls": left})) if stays else removal(key)
        result = self._results.get(message_id)
        if isinstance(result, ToolMessage):
            self._updates[str(result.id)] = removal(str(result.id))
            self.gone.append(str(result.id))

    def _record(self, key: str, **becomes: str) -> None:
        self.records[key] = self.records.get(key, Change())._replace(**becomes)

    def _now(self, key: str) -> AnyMessage:
        return self._updates.get(key, self._there[key])


def _quotes(line: str, text: str) -> bool:
    """Whether a memory shows a text, whole or cut: ``[day] who: text [...]``."""
    shown = line.partition(": ")[2].removesuffix(" [...]").strip()
    return bool(text.strip()) and (text.strip() in line or (bool(shown) and shown in text))


def _noted(message: AnyMessage) -> AnyMessage:
    """Return a message with a note of its present text; a part that a provider refused is sent again in its new form."""
    mark, now = mark_of(message), digest_of(message)
    if mark.get("said") == now:
        return message
    before = [d for d in (*mark.get("was", ()), mark.get("said", "")) if d]
    kept: dict[str, Any] = {k: v for k, v in mark.items() if k != "left_out"}
    return cast(AnyMessage, with_mark(message, cast(Mark, {**kept, "said": now, "was": before})))

