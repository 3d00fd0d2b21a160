"""Noting a call's outcome: in recall memory, in the stream, and how often it has failed."""

import json
from collections.abc import Sequence
from dataclasses import replace

from langchain_core.messages import AIMessage, ToolMessage

from memgpt_agent.events import mark_of
from memgpt_agent.memory.dates import stamp
from memgpt_agent.memory.recall import Message
from memgpt_agent.nodes.receiving import spoken_lines
from memgpt_agent.nodes.tool_calls.step import Call, Done, Outcome, Step, same_call, unread_calls
from memgpt_agent.prompts import CHECK_ANSWER, EDITED, REPEATED
from memgpt_agent.store.plain import put_then_embed
from memgpt_agent.tools.messages import SEND_MESSAGE

HINT_AFTER_FAILURES = 3
"""How often the same call may fail in a turn before the model gets a hint that it repeats itself."""


def note(step: Step, call: Call, outcome: Outcome, done: Sequence[Done]) -> Done:
    """Keep the call and its result in recall memory; return it with the result as the model will see it.

    A reply is kept as the assistant's words. A send that failed is withdrawn from the stream.
    """
    if call.edited and not outcome.done_before:
        arguments = json.dumps(call.parsed.arguments, ensure_ascii=False, default=str)
        outcome = replace(outcome, text=EDITED.format(arguments=arguments, result=outcome.text))
    if outcome.failed:
        outcome = _counted(step, call, outcome, done)
    draft = outcome.text == CHECK_ANSWER
    if call.name == SEND_MESSAGE and outcome.failed and call.parsed.arguments.get("message") and not draft:
        step.write({"reply_id": step.reply_id(call), "withdrawn": outcome.text})
    if not outcome.done_before:
        _remember(step, Done(call, outcome))
    return Done(call, outcome)


def _remember(step: Step, done: Done) -> None:
    call, outcome = done
    session, tools, said = step.session, step.session.resources.tools, done.outcome.said
    spoken = bool(said) and call.name == SEND_MESSAGE  # by another tool, what is said is its result
    reads = call.name in tools.names and tools.get(call.name).reads_memory
    record = Message(
        id=call.key, role="assistant" if said else "tool", text=said or outcome.text,
        time=stamp(session.resources.clock()), thread_id=session.thread_id, turn=step.turn["id"],
        ordinal=call.ordinal, tool="" if spoken else call.name,
        arguments="" if spoken else json.dumps(call.parsed.arguments, ensure_ascii=False, default=str),
        failed=outcome.failed, echo=(reads and not outcome.failed) or outcome.text == CHECK_ANSWER, thinking=call.parsed.thinking,
        beyond=outcome.beyond.encoded() if outcome.beyond else "", call_id=call.given["id"] or "",
        reply_id=step.reply_id(call) if spoken else "",
    )  # fmt: skip
    lines = spoken_lines(step.queue)[-2:] if said else ()
    put_then_embed(session.memory.store, [session.memory.journal.put_operation(record, lines)])


def _counted(step: Step, call: Call, outcome: Outcome, done: Sequence[Done]) -> Outcome:
    """Count how often this exact call has failed in this turn; from the third time on, the model gets a hint."""
    times = 1 + times_failed(step, call, done)
    hint = REPEATED.format(times=times) if times >= HINT_AFTER_FAILURES and not outcome.done_before else ""
    return replace(outcome, text=outcome.text + hint, times_failed=times)


def times_failed(step: Step, call: Call, done: Sequence[Done] = ()) -> int:
    """Return how often this very call has failed in this turn, in the queue and in this run of the node."""
    unread = unread_calls(step.answer)
    wanted = same_call(call.given, unread)
    past = {c["id"]: same_call(c, unread_calls(m)) for m in step.queue if isinstance(m, AIMessage) for c in m.tool_calls}
    failed = [
        m.tool_call_id for m in step.queue
        if isinstance(m, ToolMessage) and m.status == "error" and mark_of(m).get("turn") == step.turn["id"]
    ]  # fmt: skip
    here = sum(o.failed and same_call(c.given, unread) == wanted for c, o in done)
    return here + sum(past.get(call_id) == wanted for call_id in failed)
