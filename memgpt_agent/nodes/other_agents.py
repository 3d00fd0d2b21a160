"""A conversation with several agents: which agent this is, and its view of the conversation."""

from collections.abc import Mapping
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

from memgpt_agent.events import HIDDEN, MARK, Mark, digest_of, mark_of, removal, with_mark
from memgpt_agent.nodes.past_messages import known_of
from memgpt_agent.nodes.session import Session, turn_key
from memgpt_agent.nodes.speech import reply_id, speaks
from memgpt_agent.state import AgentState, Turn
from memgpt_agent.text.cleaning import clean_content

Others = Mapping[str, Mark]
"""Other agents' notes on messages that are new to this one, by the messages' ids."""


def view_of_agent(state: AgentState, session: Session) -> tuple[AgentState, Others]:
    """Return the state as the session's agent sees it, and what other agents noted on messages that are new to it.

    A message carries a note of each agent that has received it. This agent's own notes stand alone in what is returned; without
    one, a message is new. The actions, results, alerts and thoughts of other memory agents are left out: only what they say, and that they
    hand the conversation over, is for everybody. The registers of another agent's turn are left out too.

    **Limits**: a parent graph may lose notes: it drops them, or it runs agents in parallel and keeps the notes of one. What stands
    before this agent's own last message then counts as received; where recall memory knows it with other words, it was edited.
    """
    turn = state.get("turn")
    own_turn = turn is not None and turn.get("agent", session.agent) == session.agent
    marks = [mark_of(m) for m in state["messages"]]
    if own_turn and all(m.get("agent", session.agent) == session.agent for m in marks if m):
        return state, {}
    own = [_own(mark, session.agent) for mark in marks]
    if not own_turn and not _vouched(state["messages"], own, session):
        own = [Mark() for _ in own]
    last = max((place for place, m in enumerate(state["messages"]) if _wrote(m, own[place], session)), default=-1)
    answered = {mark.get("turn") for mark in own}
    replaced = _replaced(state["messages"], own, session)
    seen: list[AnyMessage] = []
    others: dict[str, Mark] = {}
    unnoted: list[AnyMessage] = []
    for place, (message, mark) in enumerate(zip(state["messages"], marks, strict=True)):
        if own[place]:
            seen.append(message if own[place] is mark else cast(AnyMessage, with_mark(message, own[place])))
        elif place < last and isinstance(message, HumanMessage) and (mark or not own_turn):
            begun = str(message.id) if message.id in answered else ""
            lost = Mark(kind="event", type="user_message", time=mark.get("time", ""), turn=begun, agent=session.agent)
            unnoted.append(cast(AnyMessage, with_mark(message, lost)))
            seen.append(unnoted[-1])
        elif not mark:
            answer = replaced.get(str(message.id))
            seen.append(cast(AnyMessage, with_mark(message, answer)) if answer else message)
        elif _for_everybody(message, mark):
            seen.append(cast(AnyMessage, _without_mark(message)))
            others[str(message.id)] = mark
    registers = state if own_turn else {k: v for k, v in state.items() if k != "turn"}
    edited = _edited(unnoted, session)
    return cast(AgentState, {**registers, "messages": [edited.get(str(m.id), m) for m in seen]}), others


def signed(update: dict[str, Any], session: Session) -> dict[str, Any]:
    """Return a node's update with the agent's name on each of its notes, and on what it says if its graph has a name of its own.

    Each message also bears the digest of what it says, and each removal that it is the agent's own: see ``nodes/corrected.py``.
    """
    messages = [_signed(m, session) for m in cast(list[Any], update.get("messages") or [])]
    turn = update.get("turn")
    return {
        **update, **({"messages": messages} if "messages" in update else {}),
        **({"turn": {**turn, "agent": session.agent}} if turn else {}),
    }  # fmt: skip


def as_event(
    message: BaseMessage, others: Others, session: Session, callers: Mapping[str | None, str], *, earlier: bool
) -> BaseMessage:
    """Return a new message of another agent or node as the event that it is; a message that is none is returned as it is.

    Args:
        message: one that this agent has not received.
        others: what other agents noted on such messages.
        session: the agent's session.
        callers: who made the calls of the conversation, by the calls' ids.
        earlier: whether a person's new message stands behind it. What such a message finds is history that a client tells,
            unless the message names its author.
    """
    noted = others.get(str(message.id))
    author = message.name  # but of a result, the name is its tool's
    if isinstance(message, ToolMessage):
        author = callers.get(message.tool_call_id)
    if isinstance(message, HumanMessage | SystemMessage) or is_by(message, session):
        return message
    if noted is None and earlier and not author:
        return message
    sender = author or (noted or {}).get("sender") or (noted or {}).get("agent", "").partition(":")[0]
    mark = Mark(kind="event", type="agent_message", sender=sender or "another agent", agent=session.agent)
    return with_mark(message, mark)


def is_by(message: BaseMessage, session: Session) -> bool:
    """Whether a message bears the name of the agent's graph: the agent's own, or written in its name as supervisors do."""
    return session.resources.name is not None and isinstance(message, AIMessage) and message.name == session.resources.name


def _own(mark: Mark, agent: str) -> Mark:
    noted = (mark.get("also") or {}).get(agent)
    return cast(Mark, noted) if noted else mark if mark.get("agent", agent) == agent else Mark()


def _vouched(messages: list[AnyMessage], own: list[Mark], session: Session) -> bool:
    """Whether notes in this agent's name are its own if no turn of its own says so: its recall memory then knows the events."""
    events = [str(m.id) for m, mark in zip(messages, own, strict=True) if mark.get("kind") == "event" and m.text]
    return not events or bool(session.memory.journal.get(events))


def _edited(unnoted: list[AnyMessage], session: Session) -> dict[str, AnyMessage]:
    """Return those of a person's messages that lost their notes and were edited, by id, each with the note of what it said and when."""
    cleaned = [m.model_copy(update={"content": clean_content(m.content)}) for m in unnoted]
    _, edits = known_of(cleaned, session)
    edited: dict[str, AnyMessage] = {}
    for message in unnoted:
        if record := edits.get(key := str(message.id), (None,))[0]:
            known = Mark(said=digest_of(HumanMessage(record.text)), time=record.time, turn=record.turn)
            edited[key] = cast(AnyMessage, with_mark(message, {**mark_of(message), **known}))
    return edited


def _replaced(messages: list[AnyMessage], own: list[Mark], session: Session) -> dict[str, Mark]:
    """Return this agent's notes on answers in whose places somebody put new messages, by their ids: each says what the answer said.

    A new message has the answer's id and no notes. What another agent said, and an answer that the model wrote as plain text, recall memory
    knows by that id; of an answer that a call sent, the id follows from the call.
    """
    plain = {str(m.id): place for place, m in enumerate(messages) if isinstance(m, AIMessage) and not mark_of(m) and not m.tool_calls}
    if not plain or not any(own):
        return {}
    found: dict[str, Mark] = {}
    for i, record in session.memory.journal.get(list(plain)).items():
        if record.thread_id == session.thread_id and record.role in {"assistant", "user"}:
            known = Mark(turn=record.turn, time=record.time, said=digest_of(AIMessage(record.text)), agent=session.agent)
            event = Mark(kind="event", type="agent_message", sender=record.user_id)
            found[i] = {**known, **(event if record.role == "user" else Mark(kind="action"))}
    there = {mark.get("call_id") for mark in own if mark.get("kind") == "reply"}
    for place, (message, mark) in enumerate(zip(messages, own, strict=True)):
        calls = message.tool_calls if isinstance(message, AIMessage) and mark.get("kind") == "action" else []
        for ordinal, call in enumerate(calls):
            if call["id"] in there or not speaks(session.resources.tools, call["name"]):
                continue
            turn, said = mark.get("turn", ""), digest_of(AIMessage(str(call["args"].get("message", ""))))
            key = turn_key(cast(Turn, {"id": turn, "agent": session.agent}))
            ids = {reply_id(session.thread_id, key, step, ordinal) for step in range(session.context.max_steps + 1)}
            reply = Mark(kind="reply", turn=turn, time=mark.get("time", ""), call_id=call["id"] or "", said=said, agent=session.agent)
            found |= {i: reply for i in ids.intersection(plain) if plain[i] > place}
    return found


def _wrote(message: AnyMessage, own: Mark, session: Session) -> bool:
    return is_by(message, session) or own.get("kind") in {"action", "result", "reply"}


def _for_everybody(message: AnyMessage, noted: Mark) -> bool:
    """Whether a message that another memory agent received or wrote is for the others too."""
    if noted.get("kind") in {"action", "result"}:
        says = isinstance(message, AIMessage) and not message.tool_calls and not str(message.id).startswith(HIDDEN)
        return says or noted.get("hands_over", False)
    return not isinstance(message, SystemMessage)


def _without_mark(message: BaseMessage) -> BaseMessage:
    given = cast(dict[str, Any], message.additional_kwargs)  # pyright: ignore[reportUnknownMemberType]
    return message.model_copy(update={"additional_kwargs": {k: v for k, v in given.items() if k != MARK}})


def _signed(message: Any, session: Session) -> Any:
    if isinstance(message, RemoveMessage):
        return removal(str(message.id))
    if not isinstance(message, BaseMessage) or not (mark := mark_of(message)):
        return message
    if mark.get("agent") != session.agent or "said" not in mark:
        message = with_mark(message, {**mark, "agent": session.agent, "said": mark.get("said") or digest_of(message)})
    says = isinstance(message, AIMessage) and mark.get("kind") in {"reply", "action"} and not message.tool_calls
    return message.model_copy(update={"name": session.resources.name}) if says and session.resources.name else message
