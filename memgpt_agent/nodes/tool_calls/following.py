"""What follows the calls of an answer: results and replies for the queue, another step, or the turn's end."""

from collections.abc import Sequence
from itertools import takewhile
from typing import Any, cast

from langchain_core.messages import AIMessage, BaseMessage, RemoveMessage, ToolMessage, convert_to_messages
from langgraph.types import Command

from memgpt_agent.events import HIDDEN, MARK, Mark, is_event, mark_of, with_mark
from memgpt_agent.memory.dates import stamp
from memgpt_agent.memory.main_context import results_of
from memgpt_agent.nodes import structuring
from memgpt_agent.nodes.profile_rules import ended, still_required
from memgpt_agent.nodes.receiving import alert, apology
from memgpt_agent.nodes.speech import reply_message
from memgpt_agent.nodes.tool_calls.noting import times_failed
from memgpt_agent.nodes.tool_calls.returned import Returned
from memgpt_agent.nodes.tool_calls.step import Done, Step
from memgpt_agent.prompts import (
    CHECK_ANSWER,
    NO_ANSWER_REPLY,
    REPEATED_REPLY,
    SAID_ALREADY,
    STEP_LIMIT_REPLY,
    STILL_REQUIRED,
    UNANSWERED,
)
from memgpt_agent.state import HeartbeatReason, Turn
from memgpt_agent.tools.structured import STRUCTURED

GIVE_UP_AFTER = 5
"""The turn ends when the same call has failed this often in it."""


def follow(step: Step, done: Sequence[Done]) -> dict[str, Any]:
    """Return the state's update: results and replies in order, and why the agent continues, or that the turn is over.

    ``done`` are the calls that were carried out in this run of the node. While calls remain, the node runs again for them.
    """
    messages: list[Any] = []
    turn: Turn = {**step.turn, "calls_left": len(done) < len(step.calls), "over": False}
    values: dict[str, Any] = {}
    for one in done:
        beyond = one.outcome.beyond or Returned()
        messages += [_result(step, one), *beyond.messages, *([_reply(step, one)] if one.outcome.said else [])]
        values |= {**beyond.update, **_structured(step, one)}
        turn["answered"] = turn["answered"] or bool(one.outcome.said)
        if beyond.ends:
            turn["ends"] = True
        if beyond.handoffs:
            turn["handoffs"] = [*turn.get("handoffs", []), *beyond.handoffs]
        if one.outcome.text == CHECK_ANSWER:
            turn["checked"] = True
    if turn["calls_left"]:
        return {**values, "messages": [*messages, *step.view.changes], "turn": turn, "heartbeat_reason": None}
    if turn.get("handoffs"):
        return {**values, "messages": _reply_last(step, messages), "turn": ended(step.session, turn), "heartbeat_reason": None}
    return {**values, **_decide(step, done, messages, turn)}


def _structured(step: Step, done: Done) -> dict[str, Any]:
    """Return the turn's structured result, if this call gave it."""
    structured = step.session.resources.structured
    if structured is None or done.outcome.failed or done.call.name not in structured.names:
        return {}
    return {STRUCTURED: structured.read(done.call.name, done.call.parsed.arguments)}


def _decide(step: Step, done: Sequence[Done], messages: list[Any], turn: Turn) -> dict[str, Any]:
    """Return the update after the last call of an answer: another step, or the end of the turn."""
    every = [*step.earlier, *done]
    reason, alerts = _reason(step, every, messages), []
    turn["ends"] = False
    if reason is None:
        reason, alerts, turn = _still_owed(step, done, turn)
    if turn.get("structuring"):
        messages = _reply_last(step, messages)
    farewell = _farewell(step, every, reason)
    if farewell:
        reason = None
    messages += [*alerts, *(apology(farewell, step.session, turn) if farewell else ()), *step.view.changes]
    if reason is None:
        messages, turn = _reply_last(step, messages), ended(step.session, turn)
    return {"messages": messages, "turn": turn, "heartbeat_reason": reason}


def _reason(step: Step, done: Sequence[Done], messages: Sequence[Any]) -> HeartbeatReason | None:
    tools, rules = step.session.resources.tools, step.session.resources.rules
    if done and all(outcome.text == SAID_ALREADY for _, outcome in done) and _was_told(step, SAID_ALREADY):
        return None  # the user has read it, and the model has nothing else to say
    if any(outcome.failed for _, outcome in done):
        return "tool_failed"
    if step.turn.get("ends") or any(outcome.beyond and outcome.beyond.ends for _, outcome in done):
        return None
    if any(tools.get(call.name).ends_turn or rules.ends(call.name) for call, _ in done):
        return None
    behind = takewhile(lambda m: m.id != step.answer.id, reversed(step.queue))
    if any(is_event(m) for m in (*behind, *messages)):
        return "told"
    if any(call.parsed.request_heartbeat or rules.goes_on(call.name) for call, _ in done):
        return "requested"
    return "memory_read" if all(tools.get(call.name).reads_memory for call, _ in done) else None


def _was_told(step: Step, text: str) -> bool:
    """Whether a call of an earlier step of the turn had this result."""
    results = (m for m in step.queue if isinstance(m, ToolMessage) and mark_of(m).get("turn") == step.turn["id"])
    return any(m.text == text for m in results)


def _still_owed(step: Step, done: Sequence[Done], turn: Turn) -> tuple[HeartbeatReason | None, list[Any], Turn]:
    """Return why a turn that could end continues, the notice to the model, and the registers: a user waits, or a rule requires a call."""
    if turn["type"] == "user_message" and not turn["answered"] and not turn["reminded"]:
        turn = {**turn, "reminded": True}
        return "unanswered", [alert(UNANSWERED, step.session, turn, "unanswered")], turn
    if missing := still_required(step.session, turn, step.called(done)):
        return "rule", [alert(STILL_REQUIRED.format(tools=", ".join(missing)), step.session, turn, "required")], turn
    if structuring.is_due(step.session, turn):
        turn, asked = structuring.begin(step.session, turn)
        return "rule", [asked], turn
    return None, [], turn


def _farewell(step: Step, done: Sequence[Done], reason: HeartbeatReason | None) -> str:
    """Return the notice to an unanswered user if the turn ends here; otherwise nothing."""
    failed = [(call, outcome) for call, outcome in done if outcome.failed]
    stuck = max((outcome.times_failed or times_failed(step, call) for call, outcome in failed), default=0)
    if stuck >= GIVE_UP_AFTER:
        return REPEATED_REPLY.format(times=stuck)
    if step.turn["step"] >= step.session.context.max_steps:
        return STEP_LIMIT_REPLY.format(steps=step.session.context.max_steps)
    return NO_ANSWER_REPLY if reason is None else ""


def _result(step: Step, done: Done) -> ToolMessage:
    call, outcome = done
    mark = Mark(kind="result", time=stamp(step.session.resources.clock()), turn=step.turn["id"])
    beyond = outcome.beyond or Returned()
    content: Any = [{"type": "text", "text": outcome.text}, *beyond.blocks] if beyond.blocks else outcome.text
    return ToolMessage(
        content, id=call.key, name=call.name, tool_call_id=call.id,
        status="error" if outcome.failed else "success", additional_kwargs={MARK: mark},
        artifact=beyond.artifact,
    )  # fmt: skip


def _reply(step: Step, done: Done) -> AIMessage:
    mark = Mark(kind="reply", time=stamp(step.session.resources.clock()), turn=step.turn["id"], call_id=done.call.id)
    return reply_message(done.outcome.said, step.reply_id(done.call), mark, done.call.parsed.thinking)


def _reply_last(step: Step, messages: list[Any]) -> list[Any]:
    """Move the turn's last reply to the end, so that it is ``messages[-1]``."""
    new = [m for m in messages if mark_of(m).get("kind") == "reply"]
    old = [m for m in step.queue if _is_reply(m) and mark_of(m).get("turn") == step.turn["id"]]
    if new:
        return [*(m for m in messages if m is not new[-1]), new[-1]]
    return [*messages, RemoveMessage(id=str(old[-1].id)), old[-1]] if old else messages


def _is_reply(message: BaseMessage) -> bool:
    """Whether a message repeats a reply already sent, or is a plain-text reply after which the turn continued."""
    plain = isinstance(message, AIMessage) and not message.tool_calls and not str(message.id).startswith(HIDDEN)
    return mark_of(message).get("kind") == "reply" or (plain and mark_of(message).get("kind") == "action")


def hand_over(step: Step) -> Command[Any]:
    """Return the command with which the parent graph continues, once the turn's own state is stored.

    The parent gets what the tools gave for it, and behind it what was said to the user, which would be lost else. Before a tool's message
    stands its call: providers refuse a result without one.
    """
    goto: list[Any] = []
    update: list[tuple[str, Any]] = []
    messages: list[BaseMessage] = []
    for handoff in step.turn.get("handoffs", []):
        goto += [place for place in handoff["goto"] if place not in goto]
        given = handoff["update"]
        for key, value in cast(dict[str, Any], given).items() if isinstance(given, dict) else list(given or []):
            if key == "messages":
                messages += convert_to_messages(cast(list[Any], value) if isinstance(value, list) else [value])
            elif (key, value) not in update:  # a key without a reducer takes one value
                update.append((key, value))
    if messages := _paired(step, messages):
        update.append(("messages", messages))
    return Command(graph=Command.PARENT, goto=goto, update=update)


def _paired(step: Step, messages: Sequence[BaseMessage]) -> list[BaseMessage]:
    """Return the messages for the parent with the answer's calls before their results, and the turn's replies behind them.

    Of the answer's calls, those stand there whose results do. A tool may have given the answer too, and two tools the same messages.
    """
    ids = {c["id"] for c in step.answer.tool_calls}
    results = {i: m for i, m in results_of(step.queue).items() if i in ids}
    shown = [results.get(m.tool_call_id, m) if isinstance(m, ToolMessage) else m for m in messages]
    given = {m.id or str(id(m)): m for m in shown if m.id != step.answer.id}
    answered = {m.tool_call_id for m in given.values() if isinstance(m, ToolMessage)}
    asked = {c["id"] for m in given.values() if isinstance(m, AIMessage) for c in m.tool_calls}
    own = [c for c in step.answer.tool_calls if c["id"] in answered - asked]
    called = {c["id"] for c in own}
    handed = {handoff.get("call") for handoff in step.turn.get("handoffs", [])}
    listed = [_handing(m) if isinstance(m, ToolMessage) and m.tool_call_id in called & handed else m for m in given.values()]
    first = next((n for n, m in enumerate(listed) if isinstance(m, ToolMessage) and m.tool_call_id in called), 0)
    answer = [_handing(step.answer.model_copy(update={"tool_calls": own}))] if own else []
    replies = [m for m in step.queue if mark_of(m).get("kind") == "reply" and mark_of(m).get("turn") == step.turn["id"]]
    return [*listed[:first], *answer, *listed[first:], *(m for m in replies if m.id not in given)]


def _handing(message: BaseMessage) -> BaseMessage:
    """Return a message of the agent's own of which the other agents hear: by it they are handed the conversation."""
    return with_mark(message, {**mark_of(message), "hands_over": True})
