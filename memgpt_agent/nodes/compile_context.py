"""The node that receives what came in and compiles main context: what the next model call is sent."""

from collections.abc import Sequence
from typing import Any, cast

from langchain_core.messages import AIMessage, AnyMessage, BaseMessage, HumanMessage, RemoveMessage, ToolMessage
from langchain_core.runnables import RunnableConfig
from langgraph.runtime import Runtime

from memgpt_agent.config import Context
from memgpt_agent.events import Event, EventType, Mark, event_message, mark_of, with_mark
from memgpt_agent.memory.core import HUMAN_DESCRIPTION, PERSONA_DESCRIPTION, Block, Cause, default_blocks
from memgpt_agent.memory.dates import stamp
from memgpt_agent.memory.queue import choose_evicted
from memgpt_agent.memory.recall import Message, Role
from memgpt_agent.nodes.main_context import compile_prompt, squeeze
from memgpt_agent.nodes.session import Resources, Session, key_of
from memgpt_agent.prompts import MEMORY_PRESSURE
from memgpt_agent.state import AgentState, Turn, merge_queue


def compile_context(
    state: AgentState, config: RunnableConfig, runtime: Runtime[Context], *, resources: Resources
) -> dict[str, Any]:
    """Receive a new event, if there is one, and compile what the model sees; or end a turn that has nothing to do."""
    session = Session.of(runtime, config, resources)
    update: dict[str, Any] = {"event": None, "heartbeat_reason": None}
    received, turn = receive(state, session)
    messages = merge_queue(state["messages"], received)
    if turn is None:
        over: Turn = {**_no_turn(), **(state.get("turn") or {}), "over": True}  # pyright: ignore[reportAssignmentType]
        return {**update, "messages": received, "turn": over, "prompt": None}
    blocks = stored_blocks(session)
    summary = state.get("summary")
    prompt, usage = compile_prompt(session, messages, blocks, summary, turn)
    pressed = usage["total"] > usage["budget"] * session.context.memory_pressure_share
    if pressed and not state.get("memory_pressure_warned") and usage["total"] <= usage["budget"]:
        warning = alert(MEMORY_PRESSURE.format(used=usage["total"] / usage["budget"]), session, turn, "pressure")
        received.append(warning)
        messages = merge_queue(messages, [warning])
        prompt, usage = compile_prompt(session, messages, blocks, summary, turn)
        update["memory_pressure_warned"] = True
    if usage["total"] > usage["budget"] and not choose_evicted(messages, lambda _: 1, 1):
        prompt, usage = squeeze(session, prompt, usage, messages)
    return {
        **update, "messages": received, "turn": turn, "prompt": prompt, "context_usage": usage,
        "core_memory": {block.label: block.value for block in blocks},
    }  # fmt: skip


def stored_blocks(session: Session) -> list[Block]:
    """Return the agent's blocks; a new agent's are seeded from the context first."""
    core = session.memory.core
    blocks = core.blocks()
    if blocks:
        return blocks
    given = {block.label: block for block in session.resources.blocks}
    defaults = {block.label: block for block in default_blocks(session.context.persona, session.context.human)}
    about = {"persona": PERSONA_DESCRIPTION, "human": HUMAN_DESCRIPTION}
    seeds = {**defaults, **given}
    for label, text in (("persona", session.context.persona), ("human", session.context.human)):
        if text is not None:
            seeds[label] = Block(label, text, about[label])
    core.create(list(seeds.values()), Cause(tool="create"), keep_existing=True)
    return core.blocks()


def receive(state: AgentState, session: Session) -> tuple[list[AnyMessage], Turn | None]:
    """Return the updates to the queue that take in what is new, and the turn that is to go on; ``None`` if there is none.

    Every new message is marked and kept in recall memory. An event that was handled before, here or in an earlier
    part of the conversation, is taken out again.
    """
    now = session.resources.clock()
    fresh: list[BaseMessage] = [m for m in state["messages"] if not mark_of(m)]
    event = state.get("event")
    if event:
        text = event.get("text", "")
        event_id = event.get("id") or key_of(session.thread_id, session.checkpoint_id, event["type"], text)
        if not any(m.id == event_id for m in state["messages"] if mark_of(m)):
            fresh.append(event_message(event, event_id=event_id, now=now))
    handled = _handled(fresh, session)
    news = [m for m in fresh if m.id not in handled]
    wakers = [m for m in news if isinstance(m, HumanMessage) or mark_of(m).get("kind") == "event"]
    gone: list[Any] = [RemoveMessage(id=str(i)) for i in handled if any(m.id == i for m in state["messages"])]
    if not wakers:
        running = state.get("turn")
        marked = [with_mark(m, Mark(kind="history", time=stamp(now))) for m in news]
        goes_on = running if running and not running["over"] and not gone else None
        return cast(list[AnyMessage], [*gone, *marked]), goes_on
    waker = wakers[-1]
    turn_id = str(waker.id)
    received = [_received(m, turn_id, now) for m in news]
    remember(session, received, earlier=state["messages"])
    kind: EventType = mark_of(next(m for m in received if m.id == waker.id)).get("type", "user_message")
    return cast(list[AnyMessage], [*gone, *received]), {**_no_turn(), "id": turn_id, "type": kind}


def _no_turn() -> Turn:
    return Turn(id="", type="user_message", step=0, answered=False, reminded=False, unusable=0, over=False)


def _received(message: BaseMessage, turn_id: str, now: Any) -> Any:
    mark = mark_of(message)
    if not mark and isinstance(message, HumanMessage):
        mark = Mark(kind="event", type="user_message")
    mark = Mark(**{"kind": "history", "time": stamp(now), **mark, "turn": turn_id})  # pyright: ignore[reportArgumentType]
    return with_mark(message, mark)


def _handled(fresh: Sequence[BaseMessage], session: Session) -> set[str]:
    """The ids of those that are in recall memory already, unless by this very step, which is then being tried again."""
    known = session.memory.recall.get([str(m.id) for m in fresh]) if fresh else {}
    texts = {str(m.id): m.text for m in fresh}
    return {i for i, record in known.items() if record.checkpoint != session.checkpoint_id and record.text == texts[i]}


def remember(session: Session, messages: Sequence[BaseMessage], earlier: Sequence[AnyMessage] = ()) -> None:
    """Keep messages of the conversation in recall memory, each indexed with the two things said before it."""
    lines = spoken_lines([m for m in earlier if mark_of(m)])[-2:]
    operations: list[Any] = []
    for ordinal, message in enumerate(messages):
        text = message.text
        role = _role(message)
        if role is None or not text:
            continue
        mark = mark_of(message)
        record = Message(
            id=str(message.id), role=role, text=text, time=_utc(mark.get("time", ""), session), thread_id=session.thread_id,
            turn=mark.get("turn", ""), ordinal=ordinal, user_id=(session.context.user_id or "") if role == "user" else "",
            checkpoint=session.checkpoint_id,
        )  # fmt: skip
        operations.append(session.memory.recall.put_operation(record, lines))
        lines = [*lines, f"[{record.time[:10]}] {role}: {text[:500]}"][-2:]
    if operations:
        session.memory.store.batch(operations)


def _utc(time: str, session: Session) -> str:
    from datetime import datetime

    try:
        return stamp(datetime.fromisoformat(time))
    except ValueError:
        return stamp(session.resources.clock())


def spoken_lines(messages: Sequence[AnyMessage]) -> list[str]:
    """Return what was said in the queue by both sides, one line each, dated, shortened."""
    said = [m for m in messages if m.type == "human" or mark_of(m).get("kind") == "reply"]
    return [f"[{mark_of(m).get('time', '')[:10]}] {_role(m)}: {m.text[:500]}" for m in said]


def _role(message: BaseMessage) -> Role | None:
    if isinstance(message, HumanMessage):
        return "user"
    if isinstance(message, AIMessage):
        return "assistant"
    return None if isinstance(message, ToolMessage) else "system"


def alert(text: str, session: Session, turn: Turn, why: str) -> Any:
    """Return the message by which the system tells the agent something within a turn; the user does not see it."""
    event = Event(type="system_alert", text=text)
    event_id = key_of(session.thread_id, turn["id"], turn["step"], why)
    return event_message(event, event_id=event_id, now=session.resources.clock(), turn=turn["id"])
