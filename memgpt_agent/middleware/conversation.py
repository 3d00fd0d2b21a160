"""The conversation as the middleware sees it: new messages, our marks on them, and what recall memory keeps."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from langchain_core.messages import (
    AIMessage,
    AnyMessage,
    BaseMessage,
    HumanMessage,
    RemoveMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_core.runnables import RunnableConfig

from memgpt_agent.events import Mark, digest_of, mark_of, merged_marks, with_mark
from memgpt_agent.memory.dates import stamp
from memgpt_agent.memory.recall import Message
from memgpt_agent.middleware.state import MiddlewareRegisters
from memgpt_agent.nodes.corrected import QueueEdits, apply_edits
from memgpt_agent.nodes.past_messages import give_up_branch
from memgpt_agent.nodes.receiving import admit, no_turn, remember
from memgpt_agent.nodes.session import Session, key_of
from memgpt_agent.state import AgentState, Turn
from memgpt_agent.text.cleaning import clean, clean_content

_BEFORE = 16
"""How many earlier messages are read for the lines that a message is searched with."""
_SUMMARIZED = "summarization"
"""So LangChain's and deepagents' summaries name their source; they are nobody's words."""


def own_mark(message: BaseMessage, agent: str) -> Mark:
    """Return what this agent noted on a message; empty if it is new to it."""
    mark = mark_of(message)
    noted = (mark.get("also") or {}).get(agent)
    return cast(Mark, noted) if noted else mark if mark and mark.get("agent") == agent else Mark()


def noted(message: AnyMessage, mark: Mark, agent: str) -> AnyMessage:
    """Return the message with this agent's note beside those of others, its text such as every store and provider takes it.

    The note has the digest of what the message says: another one later means that somebody has edited it.
    """
    content = clean_content(message.content)
    cleaned = message if content == message.content else message.model_copy(update={"content": content})
    own: Mark = {"said": digest_of(cleaned), **mark, "agent": agent}
    return cast(AnyMessage, with_mark(cleaned, merged_marks(mark_of(message), own)))


def is_summary_of_others(message: BaseMessage) -> bool:
    """Whether another middleware put the message in the place of what it took out."""
    return cast(dict[str, Any], message.additional_kwargs).get("lc_source") == _SUMMARIZED  # pyright: ignore[reportUnknownMemberType]


def give_up_other_branch(
    session: Session, registers: MiddlewareRegisters, messages: Sequence[AnyMessage], config: RunnableConfig
) -> None:
    """Take out of recall memory what was said after the place from which the conversation continues, where a client went back to it.

    **Limits**: a branch from before the first message is not told from a conversation that begins.
    """
    fresh = [m for m in messages if not own_mark(m, session.agent)]
    if registers.get("turn") and any(isinstance(m, HumanMessage) and not is_summary_of_others(m) for m in fresh):
        own = [with_mark(m, mark) for m in messages if (mark := own_mark(m, session.agent))]
        state = cast(AgentState, {"messages": own, "turn": registers.get("turn")})
        give_up_branch(fresh, QueueEdits(state), session, config)


@dataclass
class MiddlewareConversation:
    """The messages of the state, each with this agent's own note, and what is to be changed in the state."""

    session: Session
    messages: list[AnyMessage]
    """As this agent sees them."""
    changed: list[AnyMessage]
    """Messages of the state with a new note of ours."""
    turn: Turn
    """The running turn."""

    @classmethod
    def received(
        cls, session: Session, registers: MiddlewareRegisters, messages: Sequence[AnyMessage], *, stateless: bool
    ) -> "MiddlewareConversation":
        """Take in what is new, note it, and keep it in recall memory; what recall knows is not kept again.

        The newest thing that a person said begins a turn.

        Args:
            session: whose conversation it is.
            registers: the middleware's.
            messages: the state's.
            stateless: whether no checkpointer keeps the conversation, so that the client tells all of it each time, under new ids:
                a repeated message is then recognised by its place and its text.

        Raises:
            LimitReached: there is no room for a turn that begins; nothing of it was kept.
        """
        made = cls(session, [], [], registers.get("turn") or no_turn())
        names, unkept = _Names(session, messages) if stateless else None, set(registers.get("unkept") or [])
        fresh = [m for m in messages if not own_mark(m, session.agent)]
        known = session.memory.journal.get([_recalled(m, names) for m in fresh]) if fresh else {}
        due: list[AnyMessage] = []
        answered = max((place for place, m in enumerate(messages) if isinstance(m, AIMessage)), default=-1)
        event, begins = made.turn["id"], not made.turn["id"]
        for place, message in enumerate(messages):
            mark, name = own_mark(message, session.agent), _recalled(message, names)
            wanted = message.id in unkept
            # What is seen in the state for the first time: other middleware may have changed it before it was stored.
            unseen = wanted or (place > answered and isinstance(message, ToolMessage))
            if mark:
                event = mark.get("turn", event)
                mark = cast(Mark, {**mark, "said": digest_of(message)}) if unseen and "said" in mark else mark
            else:
                speaks = isinstance(message, HumanMessage) and not is_summary_of_others(message)
                event = name if speaks or not event else event
                record = known.get(name)
                mark, wanted = made._mark_of_new(message, event, record, kept_by_id=not (names or unseen))
                begins = begins or (speaks and (wanted or ("said" in mark and place == len(messages) - 1)))
            own = made._noted(message, mark, name if names else "")
            due += [_as_authors(own, own_answer=message.id in unkept)] if wanted else []
        if begins:
            admit(session, event, "user_message")
            made.turn = {**no_turn(), "id": event, "agent": session.agent, "received": session.checkpoint_id}
        made._keep(due)
        return made

    def _mark_of_new(self, message: AnyMessage, turn: str, record: Message | None, *, kept_by_id: bool) -> tuple[Mark, bool]:
        """Return the note on a message without one, and whether recall memory is to keep it.

        Where recall has other words under its id, somebody put it into the place of the message that said these: it is edited.
        """
        same = record is not None and record.text == clean(message.text)
        mark = _mark_of_new(message, turn, record.time if record and same else stamp(self.session.resources.clock()))
        if record and not same and kept_by_id and record.thread_id == self.session.thread_id:
            return {**mark, "said": digest_of(message.model_copy(update={"content": record.text}))}, False
        return mark, not same and not is_summary_of_others(message)

    def _noted(self, message: AnyMessage, mark: Mark, recalled: str) -> AnyMessage:
        """Take a message into view with our own note alone, under the id by which recall memory knows it; note what is new of it."""
        mark = cast(Mark, {**mark, "recalled": recalled}) if recalled else mark
        if mark != own_mark(message, self.session.agent):
            self.changed.append(noted(message, mark, self.session.agent))
        own = message
        if mark != mark_of(message):  # else it is as we noted it before
            own = cast(AnyMessage, with_mark(message, mark).model_copy(update={"content": clean_content(message.content)}))
        own = own.model_copy(update={"id": recalled}) if recalled else own
        self.messages.append(own)
        return own

    def _keep(self, due: Sequence[AnyMessage]) -> None:
        """Keep messages in recall memory: those that are new, and answers that are checkpointed by now, as the state has them."""
        said: list[AnyMessage] = []
        for message in due:
            if isinstance(message, ToolMessage):
                self._keep_result(message)
            elif message.text or not isinstance(message, AIMessage):
                said.append(message)
        if said:
            first = next(nth for nth, m in enumerate(self.messages) if m.id == said[0].id)
            remember(self.session, _as_replies(said), earlier=_as_replies(self.messages[max(0, first - _BEFORE) : first]))

    def _keep_result(self, message: ToolMessage) -> None:
        call = next(
            (c for m in self.messages if isinstance(m, AIMessage) for c in m.tool_calls if c["id"] == message.tool_call_id), None
        )
        keep_result(self.session, message, call["args"] if call else {}, str(message.id), mark_of(message).get("turn", ""))

    def apply_edits(self, given: Sequence[AnyMessage], registers: MiddlewareRegisters, config: RunnableConfig) -> None:
        """Bring recall memory and the summary to what messages of the state say now that somebody has edited there."""
        state = cast(AgentState, {"messages": self.messages, "summary": registers.get("summary"), "turn": registers.get("turn")})
        edits = apply_edits(state, self.session, config)
        new = {m.id: m for m in edits.messages if not isinstance(m, RemoveMessage)}
        changed = {m.id: m for m in self.changed}
        changed |= {m.id: noted(changed.get(m.id, m), mark_of(new[m.id]), self.session.agent) for m in given if m.id in new}
        self.changed = list(changed.values())
        self.messages = [new.get(m.id, m) for m in self.messages]
        if summary := edits.update.get("summary"):
            registers["summary"] = summary

    def leave(self, gone: Sequence[AnyMessage]) -> None:
        """Take messages out of view."""
        ids = {m.id for m in gone}
        self.messages = [m for m in self.messages if m.id not in ids]


def update_of(state: Sequence[AnyMessage], conversation: MiddlewareConversation, evicted: Sequence[AnyMessage]) -> list[Any]:
    """Return the update of the state's messages: our notes, and the removal of what was evicted."""
    agent = conversation.session.agent
    changed = {m.id: m for m in conversation.changed}
    gone = {m.id for m in evicted}
    left: set[str | None] = set()
    for message in state:
        mark = own_mark(changed.get(message.id, message), agent)
        if mark.get("recalled", message.id) in gone:
            left.add(message.id)
    return [*(RemoveMessage(id=str(i)) for i in left), *(m for i, m in changed.items() if i not in left)]


def keep_result(
    session: Session, result: ToolMessage, arguments: dict[str, Any], key: str, turn: str, *, ordinal: int = 0, echo: bool = False
) -> None:
    """Keep the outcome of a tool call in recall memory."""
    record = Message(
        id=key, role="tool", text=clean(result.text), time=stamp(session.resources.clock()), thread_id=session.thread_id, turn=turn,
        ordinal=ordinal, tool=str(result.name or ""), arguments=clean(json.dumps(arguments, ensure_ascii=False, default=str)),
        failed=result.status == "error", echo=echo,
    )  # fmt: skip
    session.memory.store.batch([session.memory.journal.put_operation(record)])


def _recalled(message: AnyMessage, names: "_Names | None") -> str:
    return names.of(message) if names else str(message.id)


class _Names:
    """Names for the messages of a conversation that no checkpointer keeps: each follows from those said before it and its words."""

    def __init__(self, session: Session, messages: Sequence[AnyMessage]) -> None:
        self._names: dict[int, str] = {}
        before = ""
        for message in messages:
            noted = own_mark(message, session.agent).get("recalled", "")
            name = noted or key_of("told", session.thread_id, before, message.type, message.text, getattr(message, "tool_call_id", ""))
            self._names[id(message)] = name
            if message.text and not isinstance(message, ToolMessage):
                before = name

    def of(self, message: AnyMessage) -> str:
        """Return the name of one of the messages."""
        return self._names[id(message)]


def _mark_of_new(message: AnyMessage, turn: str, time: str) -> Mark:
    if is_summary_of_others(message):
        return Mark(kind="history", time=time, turn=turn)
    if isinstance(message, HumanMessage):
        return Mark(kind="event", type="user_message", time=time, turn=turn)
    if isinstance(message, SystemMessage):
        return Mark(kind="event", type="system_alert", time=time, turn=turn)
    return Mark(kind="result" if isinstance(message, ToolMessage) else "action", time=time, turn=turn)


def _as_authors(message: AnyMessage, *, own_answer: bool) -> AnyMessage:
    """Return another agent's message as what its author said; it names its author."""
    if own_answer or not isinstance(message, AIMessage) or not message.name:
        return message
    return cast(AnyMessage, with_mark(message, {**mark_of(message), "kind": "event", "type": "agent_message", "sender": message.name}))


def _as_replies(messages: Sequence[AnyMessage]) -> list[AnyMessage]:
    """Return the messages with each answer's text as what it is here: something said to the user."""
    return [
        cast(AnyMessage, with_mark(m, {**mark_of(m), "kind": "reply"})) if isinstance(m, AIMessage) and mark_of(m).get("kind") == "action" else m
        for m in messages
    ]
