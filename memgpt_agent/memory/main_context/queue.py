"""The queue in main context: its exchanges, the model's view of it, and what to evict first."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol, cast

from langchain_core.messages import AIMessage, AnyMessage, BaseMessage, HumanMessage, ToolCall, ToolMessage

from memgpt_agent.events import MARK, attached_to, begins_turn, event_text, is_event, local_time, mark_of, put_to_model
from memgpt_agent.prompts import NO_ANSWER_REPLY, RESULT_UNKNOWN

Exchange = list[AnyMessage]
"""The messages from one event up to the next: whole tool calls with their results."""


def split_exchanges(messages: Sequence[AnyMessage]) -> list[Exchange]:
    """Split the queue before each event that begins a turn; messages before the first one are an exchange too."""
    return _split(messages, begins_turn)


def split_steps(exchange: Exchange) -> list[Exchange]:
    """Split one exchange before each answer of the model, so that a call stays with its results."""
    return _split(exchange, lambda m: isinstance(m, AIMessage) and mark_of(m).get("kind") not in {"reply", "event"})


def _split(messages: Sequence[AnyMessage], starts: Callable[[AnyMessage], bool]) -> list[Exchange]:
    parts: list[Exchange] = []
    for message in messages:
        if not parts or starts(message):
            parts.append([])
        parts[-1].append(message)
    return parts


def choose_evicted(
    messages: Sequence[AnyMessage], tokens_of: Callable[[Exchange], int], to_free: int
) -> list[AnyMessage]:
    """Return the messages that leave main context: the oldest whole exchanges, until ``to_free`` tokens are free.

    The newest exchange stays; where it is the only one, its oldest steps go, never its event and its newest step.
    """
    exchanges = split_exchanges(messages)
    units = exchanges[:-1]
    if not units and exchanges:
        units = [step for step in split_steps(exchanges[0])[:-1] if not any(map(begins_turn, step))]
    evicted: list[AnyMessage] = []
    for unit in units:
        if to_free <= 0:
            break
        to_free -= tokens_of(unit)
        evicted.extend(unit)
    return evicted


Cut = Callable[[str, str], str]
"""Shortens an over-long text of the message of an id, by which the whole is found in recall memory."""


class Packing(Protocol):
    """The form in which the model gets the queue."""

    def event(self, message: BaseMessage, *, time_zone: str, extra: dict[str, Any]) -> BaseMessage:
        """Return an event as the model sees it, with its side notes."""
        ...

    def result(self, text: str, *, failed: bool, time: str, time_zone: str, extra: dict[str, Any]) -> str:
        """Return the text of a tool's result as the model sees it, with its side notes."""
        ...


class _AsEvents:
    """Each event and each result is a JSON object with its time: what the MemGPT agent's prompt says of them."""

    def event(self, message: BaseMessage, *, time_zone: str, extra: dict[str, Any]) -> BaseMessage:
        return put_to_model(message, time_zone=time_zone, extra=extra)

    def result(self, text: str, *, failed: bool, time: str, time_zone: str, extra: dict[str, Any]) -> str:
        packed = {"status": "Failed" if failed else "OK", "message": text, "time": local_time(time, time_zone) if time else ""}
        return json.dumps({**packed, **extra}, ensure_ascii=False)


AS_EVENTS: Packing = _AsEvents()
"""The form of our own graph."""


Beside = Callable[[BaseMessage], dict[str, Any]]
"""Returns the side notes of an event or a result, by field name."""


def results_of(messages: Sequence[AnyMessage]) -> dict[str, ToolMessage]:
    """Return the results of tool calls by the calls' ids, without their artifacts: those are the program's, and the model is not sent them."""
    return {m.tool_call_id: _without_artifact(m) for m in messages if isinstance(m, ToolMessage)}


def _without_artifact(result: ToolMessage) -> ToolMessage:
    return result if result.artifact is None else result.model_copy(update={"artifact": None})


def _is_apology(message: AnyMessage) -> bool:
    """Whether it is the apology for a missing answer: a weak model would take it for its own words and repeat it."""
    return mark_of(message).get("fallback") == "system" and message.text == NO_ANSWER_REPLY


def seen_of(
    message: AnyMessage, results: Mapping[str, ToolMessage], *, time_zone: str, cut: Cut, beside: Beside, packing: Packing = AS_EVENTS
) -> Iterator[BaseMessage]:
    """Yield what the model sees for one message of the queue: an event, a call with its result behind it, a reply only as its call.

    Where a parent graph keeps the reply alone, the model sees it as its answer.
    A call without a result gets one that says so; a result without its call is left out.

    Args:
        message: the message.
        results: the results of the queue's calls, by :func:`results_of`.
        time_zone: the zone for times.
        cut: shortens what is too long.
        beside: returns the side notes of an event or a result.
        packing: the form of events and results.
    """
    if isinstance(message, AIMessage | ToolMessage) and is_event(message):  # another agent's
        message = HumanMessage(event_text(message), id=message.id, additional_kwargs={MARK: mark_of(message)})
    mark = mark_of(message)
    repeats = mark.get("kind") == "reply" and mark.get("call_id", "") in {"", *results}
    if isinstance(message, ToolMessage) or repeats or _is_apology(message):
        return
    if isinstance(message, AIMessage):
        yield from _answer(message, results, time_zone, cut, beside, packing)
    elif is_event(message) or message.type == "human":
        text = message.text
        shown = cut(text, str(message.id))
        yield packing.event(message if shown == text else _with_text(message, shown), time_zone=time_zone, extra=beside(message))


def _with_text(message: AnyMessage, text: str) -> AnyMessage:
    """Return the message with another text, followed by its other content."""
    if isinstance(message.content, str):
        return message.model_copy(update={"content": text})
    return message.model_copy(update={"content": [{"type": "text", "text": text}, *_other_blocks(message)]})


def _other_blocks(message: AnyMessage) -> list[Any]:
    """Return the content blocks that are not text."""
    if isinstance(message.content, str):
        return []
    return [b for b in cast(list[Any], message.content) if not (isinstance(b, str) or b.get("type") == "text")]


def _answer(
    message: AIMessage, results: Mapping[str, ToolMessage], time_zone: str, cut: Cut, beside: Beside, packing: Packing
) -> Iterator[BaseMessage]:
    if not message.tool_calls and not message.text:
        return
    shown: dict[str, Any] = {"name": None}
    if isinstance(message.content, str):
        shown["content"] = cut(message.content, "" if message.tool_calls or mark_of(message).get("kind") == "reply" else str(message.id))
    shown["tool_calls"] = [_call(call, results.get(call["id"] or ""), cut) for call in message.tool_calls]
    yield message.model_copy(update={**shown, "invalid_tool_calls": []})
    for call in message.tool_calls:
        call_id = call["id"] or ""
        yield _result(results.get(call_id), call["name"], call_id, time_zone, cut, beside, packing)


def _call(call: ToolCall, result: ToolMessage | None, cut: Cut) -> ToolCall:
    """Return a call with its texts cut; of a message that was sent, recall holds the words under the result's id."""
    kept = str(result.id) if result is not None and call["name"] == "send_message" else ""
    return {**call, "args": {k: cut(v, kept) if isinstance(v, str) else v for k, v in call["args"].items()}}


def _result(
    message: ToolMessage | None, name: str, call_id: str, time_zone: str, cut: Cut, beside: Beside, packing: Packing
) -> ToolMessage:
    failed = message is None or message.status == "error"
    text = cut(message.text, str(message.id)) if message else RESULT_UNKNOWN
    time, extra = (mark_of(message).get("time", ""), beside(message)) if message else ("", {})
    text = packing.result(text, failed=failed, time=time, time_zone=time_zone, extra=extra)
    blocks = _other_blocks(message) if message else []
    return ToolMessage(
        content=[{"type": "text", "text": text}, *blocks] if blocks else text,
        name=name,
        tool_call_id=call_id,
        status="error" if failed else "success",
    )


def as_lines(messages: Sequence[AnyMessage]) -> list[str]:
    """Return the queue as plain lines, ``who: what``, for a summary; each thing said appears once."""
    lines: list[str] = []
    for message in messages:
        if mark_of(message).get("kind") == "reply":
            continue
        if isinstance(message, AIMessage | ToolMessage) and is_event(message):
            lines.append(f"{mark_of(message).get('sender', 'another agent')}: {event_text(message)}")
        elif isinstance(message, AIMessage):
            lines += [f"assistant: {message.text}"] if message.text else []
            lines += [_call_line(call["name"], call["args"]) for call in message.tool_calls]
        elif isinstance(message, ToolMessage):
            lines += [f"result of {message.name}: {message.text}"] if message.name != "send_message" else []
        else:
            attached = f" [attached: {'; '.join(sent)}]" if (sent := attached_to(message)) else ""
            lines.append(f"{'user' if message.type == 'human' else 'system'}: {message.text}{attached}")
    return lines


def _call_line(name: str, arguments: dict[str, Any]) -> str:
    own = {k: v for k, v in arguments.items() if k not in {"thinking", "request_heartbeat"}}
    if name == "send_message":
        return f"assistant: {own.get('message', '')}"
    return f"assistant called {name}({json.dumps(own, ensure_ascii=False)})"
