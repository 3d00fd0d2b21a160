"""Receiving input: new messages, known ones, and calls that an interrupted turn left open."""

import json
import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, cast, get_args

from langchain_core.messages import (
    AIMessage,
    AnyMessage,
    BaseMessage,
    HumanMessage,
    ToolCall,
    ToolMessage,
)
from langchain_core.runnables import RunnableConfig

from memgpt_agent.errors import ConfigurationError, LimitReached
from memgpt_agent.events import (
    HIDDEN,
    MARK,
    Event,
    EventType,
    Mark,
    attached_to,
    event_message,
    is_event,
    mark_of,
    removal,
    with_mark,
)
from memgpt_agent.memory.dates import stamp
from memgpt_agent.memory.recall import CONTEXT_LINES, Message, RecallMemory, Role, is_pause, line_of
from memgpt_agent.nodes.corrected import QueueEdits, is_stateless
from memgpt_agent.nodes.other_agents import Others, as_event, is_by
from memgpt_agent.nodes.past_messages import give_up_branch, remember_ids, sift_input
from memgpt_agent.nodes.session import Session, key_of, turn_key
from memgpt_agent.nodes.speech import reply_id, reply_message, speaks
from memgpt_agent.nodes.uploads import keep_attachments
from memgpt_agent.prompts import INTERRUPTED, RESULT_UNKNOWN
from memgpt_agent.state import AgentState, Turn
from memgpt_agent.store.plain import put_then_embed
from memgpt_agent.text.cleaning import clean, clean_content
from memgpt_agent.tools.messages import SENT

_log = logging.getLogger(__name__)


def receive(edits: QueueEdits, session: Session, others: Others, config: RunnableConfig) -> tuple[list[AnyMessage], Turn | None]:
    """Return the queue's updates for new messages, and the turn to continue; ``None`` if there is none.

    Every new message is marked and kept in recall memory. An event handled before, here or in an earlier part of the
    conversation, is removed again. Calls that were left open get their results before what is new: the true one
    where they had been carried out, else that they were interrupted.

    A run that brings nothing new but a person's edited message is asked that message again.
    """
    false = _false_results(edits.state, session)
    if not false:
        return _received_of(edits, session, others, config)
    state: AgentState = {**edits.state, "messages": [m for m in edits.state["messages"] if m not in false]}
    messages, turn = _received_of(replace(edits, state=state), session, others, config)
    closed = close_open_calls(state, session) if turn is state.get("turn") else []
    return cast(list[AnyMessage], [*(removal(str(m.id)) for m in false), *closed, *messages]), turn


def _false_results(state: AgentState, session: Session) -> list[AnyMessage]:
    """Return a client's results of open calls that only the agent carries out: they say that something was done which was not.

    Agent Chat UI sends one ("Successfully handled tool call.") for each call that waits for a person who writes a message instead of
    a decision. Another client's result of a tool from elsewhere, for which no rule wants an approval, is the call's result.
    """
    results = [m for m in state["messages"] if isinstance(m, ToolMessage)]
    unmarked = [m for m in results if not mark_of(m)]
    if not unmarked:  # as at nearly every step
        return []
    own = {c["id"]: c["name"] for m in state["messages"] if isinstance(m, AIMessage) and mark_of(m) for c in m.tool_calls}
    noted = {m.tool_call_id for m in results if mark_of(m)}
    tools, rules = session.resources.tools, session.resources.rules

    def is_false(message: ToolMessage) -> bool:
        name = own[message.tool_call_id]
        elsewhere = name in tools.names and tools.get(name).act is None
        return not elsewhere or rules.needs_approval(name) or str(message.id).startswith(HIDDEN)

    return [m for m in unmarked if m.tool_call_id in own and m.tool_call_id not in noted and is_false(m)]


def _received_of(
    edits: QueueEdits, session: Session, others: Others, config: RunnableConfig
) -> tuple[list[AnyMessage], Turn | None]:
    now, running = session.resources.clock(), edits.state.get("turn")
    new = sift_input(_fresh(edits.state, session, now, others), edits, session, config)
    if not new.wakers:
        marked = [with_mark(m, Mark(kind="history", time=stamp(now))) for m in new.messages]
        goes_on = running if running and not running["over"] and not new.gone else None
        return cast(list[AnyMessage], [*new.gone, *marked]), goes_on
    waker = next((m for m in reversed(new.wakers) if not isinstance(m, AIMessage | ToolMessage)), new.wakers[-1])
    turn_id = str(waker.id)
    admit(session, turn_id, str(mark_of(waker).get("type", "user_message")))
    received, notices = keep_attachments([_received(m, turn_id, now) for m in new.messages], session)
    give_up_branch(received, edits, session, config)
    state: AgentState = {**edits.state, "messages": [m for m in edits.state["messages"] if m.id not in {one.id for one in new.gone}]}
    known = {*new.known, *(_told_again(received, session) if is_stateless(config) else ())}
    remember(session, [m for m in received if m.id not in known], earlier=state["messages"])
    here = {m.id for m in state["messages"]}
    given = {*here, (state.get("event") or {}).get("id")}  # one that was made here follows from the checkpoint: nobody sends it again
    remember_ids(session, [str(m.id) for m in received if not m.text and m.id in given and m.id not in new.known])
    kind: EventType = mark_of(next(m for m in received if m.id == turn_id)).get("type", "user_message")
    if isinstance(waker, AIMessage | ToolMessage):
        kind = "user_message"  # the graph that called this agent waits for its answer
    turn: Turn = {**no_turn(), "id": turn_id, "type": kind, "received": session.checkpoint_id, "agent": session.agent}
    foreign = {m.id for m in new.wakers}
    closed = close_open_calls({**state, "messages": [m for m in state["messages"] if m.id not in foreign]}, session)
    behind: list[Any] = [removal(str(m.id)) for m in received if m.id in here] if closed else []
    remember(session, notices)
    return cast(list[AnyMessage], [*new.gone, *closed, *behind, *received, *notices]), turn


def admit(session: Session, turn_id: str, kind: str) -> None:
    """Count a turn that begins, and note it in the audit log.

    Raises:
        LimitReached: there is no room for it.
    """
    refused: LimitReached | None = None
    in_background = session.resources.profile.in_background
    try:
        if session.quota:
            session.quota.begin_turn(f"{session.thread_id}/{session.agent}/{turn_id}", in_background=in_background)
    except LimitReached as error:
        refused = error
    if session.audit:
        act = "sleep" if in_background else f"turn ({kind})"
        session.audit.note(session.memory.who, act, [session.memory.agent_id], "refused: a limit" if refused else "")
    if refused:
        raise refused


def _told_again(received: Sequence[BaseMessage], session: Session) -> set[str | None]:
    """Return the ids of messages before the last one that recall memory holds from earlier runs of the thread: a client tells them again."""
    history = received[:-1]
    if not history:
        return set()
    held = {(m.role, m.text) for m in session.memory.journal.of_thread(session.thread_id)}
    return {m.id for m in history if (_role(m), m.text) in held}


def no_turn() -> Turn:
    """Return the registers of a new turn."""
    return Turn(id="", type="user_message", step=0, answered=False, reminded=False, unusable=0, over=False)


def _fresh(state: AgentState, session: Session, now: datetime, others: Others) -> list[BaseMessage]:
    new = [m.model_copy(update={"content": clean_content(m.content)}) for m in state["messages"] if not mark_of(m)]
    last_said = max((place for place, m in enumerate(new) if isinstance(m, HumanMessage)), default=-1)
    answers = [m for m in state["messages"] if isinstance(m, AIMessage)]
    own = {call["id"] for m in answers if mark_of(m) or is_by(m, session) for call in m.tool_calls}
    callers = {call["id"]: m.name for m in answers if m.name for call in m.tool_calls}
    fresh: list[BaseMessage] = [
        m if isinstance(m, ToolMessage) and m.tool_call_id in own else as_event(m, others, session, callers, earlier=place < last_said)
        for place, m in enumerate(new)
    ]
    event = _of_known_type(state.get("event"), beside=fresh)
    if event:
        text = str(clean(event.get("text", "")))
        event = cast(Event, {**event, "text": text}) if text else event
        event_id = event.get("id") or HIDDEN + key_of(session.thread_id, session.checkpoint_id, event["type"], text)
        if not any(m.id == event_id for m in state["messages"] if mark_of(m)):
            fresh.append(event_message(event, event_id=event_id, now=now))
    return fresh


def _of_known_type(event: Event | None, *, beside: Sequence[BaseMessage]) -> Event | None:
    """Return the event that came, if its type is known.

    Raises:
        ConfigurationError: the type is unknown, and nothing else is new. Beside other messages such an event is left out with a warning:
            the checkpoint keeps one that was refused, and it would come again with everything that is said later.
    """
    if not event or event.get("type") in get_args(EventType):
        return event
    text = f"There is no event of the type {event.get('type')!r}; the types are {', '.join(get_args(EventType))}."
    if not beside:
        raise ConfigurationError(text)
    _log.warning("%s It is left out.", text)
    return None


def _received(message: BaseMessage, turn_id: str, now: datetime) -> Any:
    mark = mark_of(message)
    if not mark and isinstance(message, HumanMessage):
        mark = Mark(kind="event", type="user_message")
    mark = Mark(**{"kind": "history", "time": stamp(now), **mark, "turn": turn_id})  # pyright: ignore[reportArgumentType]
    return with_mark(message, mark)


# Calls that were left open


def call_key(thread_id: str, turn: Turn, ordinal: int, call: ToolCall) -> str:
    """Return the key of one call of the newest answer: the same call of the same step has it in every process and replay.

    Recall memory keeps the call under it, and its result has it as id; behind ``HIDDEN`` where the call speaks.
    """
    return key_of(
        thread_id,
        turn_key(turn),
        turn["step"],
        ordinal,
        call["name"],
        json.dumps(call["args"], sort_keys=True, default=str),
    )


def done_calls(journal: RecallMemory, keys: Iterable[str]) -> dict[str, Message]:
    """Return recall memory's records of calls, by their keys."""
    wanted = [name for key in keys for name in (key, HIDDEN + key)]
    return {i.removeprefix(HIDDEN): record for i, record in journal.get(wanted).items()} if wanted else {}


def close_open_calls(state: AgentState, session: Session) -> list[AnyMessage]:
    """Return a result for every call of the queue that has none, with the replies already sent.

    A call of the running turn may have been carried out without its result having been stored: new input came before the
    pending step was finished. Its result is then the one in recall memory.
    """
    results = {m.tool_call_id for m in state["messages"] if isinstance(m, ToolMessage)}
    turn = state.get("turn") or no_turn()
    closed: list[AnyMessage] = []
    for message in state["messages"]:
        calls = message.tool_calls if isinstance(message, AIMessage) and not is_event(message) else []  # another agent's is an event
        left_open = [(nth, call) for nth, call in enumerate(calls) if call["id"] not in results]
        if not left_open:
            continue
        own = mark_of(message).get("turn") == turn["id"]
        keys = {nth: call_key(session.thread_id, turn, nth, call) for nth, call in left_open} if own else {}
        done = done_calls(session.memory.journal, keys.values())
        for nth, call in left_open:
            closed += _closing_messages(session, turn, nth, call, done.get(keys.get(nth, "")), mark_of(message).get("turn", ""))
    return closed


def _closing_messages(
    session: Session, turn: Turn, ordinal: int, call: ToolCall, done: Message | None, turn_id: str
) -> list[Any]:
    mark = Mark(kind="result", time=stamp(session.resources.clock()), turn=turn_id)
    spoken = done is not None and done.role == "assistant"
    unknown = INTERRUPTED if turn_id == turn["id"] else RESULT_UNKNOWN
    unseen = HIDDEN if speaks(session.resources.tools, call["name"]) else ""
    result = ToolMessage(
        unknown if done is None else SENT if spoken and not done.tool else done.text,
        id=done.id if done else unseen + key_of(session.thread_id, "open", call["id"]),
        name=call["name"], tool_call_id=call["id"] or "", status="success" if done and not done.failed else "error",
        additional_kwargs={MARK: mark},
    )  # fmt: skip
    if done is None or not spoken:
        return [result]
    said = Mark(kind="reply", time=done.time, turn=turn_id, call_id=call["id"] or "")
    reply = reply_id(session.thread_id, turn_key(turn), turn["step"] - 1, ordinal)
    return [result, reply_message(done.text, reply, said, done.thinking)]


# What is kept of it


def remember(session: Session, messages: Sequence[BaseMessage], earlier: Sequence[AnyMessage] = ()) -> None:
    """Keep messages of the conversation in recall memory, each indexed with the two things said before it.

    Where several people speak to one agent, a message's own ``name`` says who did; else it is the run's user.
    Messages before a pause of six hours belong to another talk.
    """
    user = session.context.user_id or ""
    spoken = [m for m in earlier if mark_of(m)]
    operations: list[Any] = []
    for ordinal, message in enumerate(messages):
        text = message.text
        role = _role(message)
        attached = attached_to(message)
        if role is None or not (text or attached):
            continue
        mark = mark_of(message)
        author = (mark.get("sender") if isinstance(message, AIMessage) else message.name) or user
        record = Message(
            id=str(message.id), role=role, text=text, time=_utc(mark.get("time", ""), session), thread_id=session.thread_id,
            turn=mark.get("turn", ""), ordinal=ordinal, user_id=author if role == "user" else "",
            checkpoint=session.checkpoint_id, attached=tuple(attached),
        )  # fmt: skip
        operations.append(
            session.memory.journal.put_operation(record, spoken_lines([*spoken, *messages[:ordinal]], user, record.time))
        )
    if operations:
        put_then_embed(session.memory.store, operations)


def _utc(time: str, session: Session) -> str:
    try:
        return stamp(datetime.fromisoformat(time))
    except ValueError:
        return stamp(session.resources.clock())


def spoken_lines(messages: Sequence[BaseMessage], user: str = "", until: str = "") -> list[str]:
    """Return the last words of both sides, shortened, one line each with its speaker; nothing from before a pause.

    Args:
        messages: oldest first.
        user: who speaks where a message names nobody.
        until: the time of what is said next; the time of the last message if empty.
    """
    lines: list[str] = []
    for message in reversed(messages):
        mark = mark_of(message)
        other = isinstance(message, AIMessage) and mark.get("kind") == "event"
        if not message.text or not (message.type == "human" or mark.get("kind") == "reply" or other):
            continue
        time = mark.get("time", "")
        if len(lines) == CONTEXT_LINES or is_pause(time, until or time):
            break
        until = time
        own = mark.get("sender", "") if other else "assistant"
        speaker = message.name or user or "user" if message.type == "human" else own
        lines.append(line_of(speaker, message.text))
    return lines[::-1]


def _role(message: BaseMessage) -> Role | None:
    if isinstance(message, HumanMessage):
        return "user"
    if isinstance(message, AIMessage):
        return "user" if mark_of(message).get("kind") == "event" else "assistant"
    return None if isinstance(message, ToolMessage) else "system"


def alert(text: str, session: Session, turn: Turn, why: str) -> Any:
    """Return a system message to the agent within a turn; the user does not see it."""
    event = Event(type="system_alert", text=text)
    event_id = HIDDEN + key_of(session.thread_id, turn_key(turn), turn["step"], why)
    return event_message(event, event_id=event_id, now=session.resources.clock(), turn=turn["id"])


def apology(text: str, session: Session, turn: Turn) -> list[AIMessage]:
    """Return the reply to end a user's turn if the model gave none; nothing if the user has been answered."""
    if turn["type"] != "user_message" or turn["answered"]:
        return []
    mark = Mark(kind="action", time=stamp(session.resources.clock()), turn=turn["id"], fallback="system")
    message = AIMessage(text, id=key_of("apology", session.thread_id, turn_key(turn)), additional_kwargs={MARK: mark})
    remember(session, [message])
    return [message]
