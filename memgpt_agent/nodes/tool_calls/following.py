"""What follows when the calls of an answer are done: results and replies for the queue, another step, or the turn's end."""

from collections.abc import Sequence
from typing import Any

from langchain_core.messages import AIMessage, RemoveMessage, ToolMessage

from memgpt_agent.events import MARK, Mark, mark_of
from memgpt_agent.memory.dates import stamp
from memgpt_agent.nodes.arrivals import alert, apology
from memgpt_agent.nodes.profile_rules import ended
from memgpt_agent.nodes.tool_calls.noting import times_failed
from memgpt_agent.nodes.tool_calls.step import Done, Step
from memgpt_agent.prompts import (
    CHECK_ANSWER,
    NO_ANSWER_REPLY,
    REPEATED_REPLY,
    STEP_LIMIT_REPLY,
    STILL_REQUIRED,
    UNANSWERED,
)
from memgpt_agent.state import HeartbeatReason, Turn

GIVE_UP_AFTER = 5
"""The turn ends when the same call has failed so often in it."""


def follow(step: Step, done: Sequence[Done]) -> dict[str, Any]:
    """Return the state's update: results and replies in order, and why the agent goes on, or that the turn is over.

    ``done`` are the calls that were carried out in this run of the node. While others are left, the node runs again for them.
    """
    messages: list[Any] = []
    for one in done:
        messages.append(_result(step, one))
        if one.outcome.said:
            messages.append(_reply(step, one))
    answered = step.turn["answered"] or any(one.outcome.said for one in done)
    left = len(done) < len(step.calls)
    turn: Turn = {**step.turn, "answered": answered, "calls_left": left, "over": False}
    if any(one.outcome.text == CHECK_ANSWER for one in done):
        turn["checked"] = True
    if left:
        return {"messages": [*messages, *step.view.changes], "turn": turn, "heartbeat_reason": None}
    return _decide(step, done, messages, turn)


def _decide(step: Step, done: Sequence[Done], messages: list[Any], turn: Turn) -> dict[str, Any]:
    """Return the update after the last call of an answer: another step, or the end of the turn."""
    every = [*step.earlier, *done]
    reason, told = _reason(step, every), []
    if reason is None:
        reason, told, turn = _still_owed(step, done, turn)
    farewell = _farewell(step, every, reason)
    if farewell:
        reason = None
    messages += [*told, *(apology(farewell, step.session, turn) if farewell else ()), *step.view.changes]
    if reason is None:
        messages, turn = _reply_last(step, messages), ended(step.session, turn)
    return {"messages": messages, "turn": turn, "heartbeat_reason": reason}


def _reason(step: Step, done: Sequence[Done]) -> HeartbeatReason | None:
    tools, rules = step.session.resources.tools, step.session.resources.rules
    if any(outcome.failed for _, outcome in done):
        return "tool_failed"
    if any(tools.get(call.name).ends_turn or rules.ends(call.name) for call, _ in done):
        return None
    if any(call.parsed.request_heartbeat or rules.goes_on(call.name) for call, _ in done):
        return "requested"
    return "memory_read" if all(tools.get(call.name).reads_memory for call, _ in done) else None


def _still_owed(step: Step, done: Sequence[Done], turn: Turn) -> tuple[HeartbeatReason | None, list[Any], Turn]:
    """Return why a turn that could end goes on, what the model is told of it, and the registers: a user waits, a rule wants a call."""
    if turn["type"] == "user_message" and not turn["answered"] and not turn["reminded"]:
        turn = {**turn, "reminded": True}
        return "unanswered", [alert(UNANSWERED, step.session, turn, "unanswered")], turn
    if missing := step.session.resources.rules.missing(step.called(done)):
        return "rule", [alert(STILL_REQUIRED.format(tools=", ".join(missing)), step.session, turn, "required")], turn
    return None, [], turn


def _farewell(step: Step, done: Sequence[Done], reason: HeartbeatReason | None) -> str:
    """Return what a user who was not answered is told where the turn ends here, against the model's wish or not; else nothing."""
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
    return ToolMessage(
        outcome.text, id=call.key, name=call.name, tool_call_id=call.id,
        status="error" if outcome.failed else "success", additional_kwargs={MARK: mark},
    )  # fmt: skip


def _reply(step: Step, done: Done) -> AIMessage:
    """Return what was spoken, as the plain message that chat clients, chains and protocols expect."""
    mark = Mark(kind="reply", time=stamp(step.session.resources.clock()), turn=step.turn["id"], call_id=done.call.id)
    return AIMessage(done.outcome.said, id=step.reply_id(done.call), additional_kwargs={MARK: mark})


def _reply_last(step: Step, messages: list[Any]) -> list[Any]:
    """Move the turn's last reply behind everything else, so that it is ``messages[-1]``."""
    new = [m for m in messages if mark_of(m).get("kind") == "reply"]
    old = [m for m in step.queue if mark_of(m).get("kind") == "reply" and mark_of(m).get("turn") == step.turn["id"]]
    if new:
        return [*(m for m in messages if m is not new[-1]), new[-1]]
    return [*messages, RemoveMessage(id=str(old[-1].id)), old[-1]] if old else messages
