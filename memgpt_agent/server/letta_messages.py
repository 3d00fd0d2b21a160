"""Messages in Letta's schema: from records of recall memory, and from the events of a running turn."""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from memgpt_agent.memory.recall import Message
from memgpt_agent.tools.messages import SEND_MESSAGE
from memgpt_agent.turns.turn_reader import StreamEvent

LettaMessage = dict[str, Any]


def message_id(record: Message) -> str:
    """Return the id of the messages that a record becomes."""
    return f"message-{record.reply_id or record.id}"


def messages_of(record: Message, *, use_assistant_message: bool = True, content: Any = None, otid: str = "") -> list[LettaMessage]:
    """Return the messages that a record becomes: thoughts, call and result each stand alone.

    Args:
        record: one record of recall memory.
        use_assistant_message: whether what is said is a message of its own, not a call of ``send_message``.
        content: what the user sent, where it was more than text.
        otid: the id that the client gave to the user's message.
    """
    base = _base(record)
    if record.role == "user":
        return [{**base, "message_type": "user_message", "content": content or record.text, **({"otid": otid} if otid else {})}]
    if record.role == "system":
        return [{**base, "message_type": "system_message", "content": record.text}]
    found: list[LettaMessage] = []
    if record.thinking:
        found.append({**base, "message_type": "reasoning_message", "reasoning": record.thinking, "source": "non_reasoner_model"})
    if record.role == "assistant" and (use_assistant_message or not record.call_id):
        found.append({**base, "message_type": "assistant_message", "content": record.text})
    else:
        found += _call_and_return(record, base)
    return [_numbered(one, 0 if one["message_type"] == "tool_return_message" else n) for n, one in enumerate(found)]


def _numbered(message: LettaMessage, place: int) -> LettaMessage:
    """Return a message with its place among those of its step at the end of its otid, as clients expect it."""
    return {**message, "otid": f"{message['otid'][:-1]}{place}"}


def _base(record: Message) -> LettaMessage:
    step, run = record.id, record.turn if record.turn.startswith("run-") else None
    return {
        "id": message_id(record), "date": record.time, "name": None, "otid": record.id, "run_id": run, "step_id": f"step-{step}",
        "sender_id": None, "is_err": None,
    }  # fmt: skip


def _call_and_return(record: Message, base: LettaMessage) -> list[LettaMessage]:
    name = record.tool or SEND_MESSAGE
    arguments = record.arguments if record.tool else json.dumps({"message": record.text}, ensure_ascii=False)
    call_id, text = record.call_id or record.id, record.text if record.tool else "Sent."
    call = call_message(base, name, arguments, call_id)
    return [call, return_message({**base, "id": f"{base['id']}-return"}, name, text, call_id, record.failed)]


def call_message(base: LettaMessage, name: str, arguments: str, call_id: str) -> LettaMessage:
    """Return the message that a tool is called."""
    call = {"name": name, "arguments": arguments, "tool_call_id": call_id}
    return {**base, "message_type": "tool_call_message", "tool_call": call, "tool_calls": [call]}


def return_message(base: LettaMessage, name: str, text: str, call_id: str, failed: bool | None) -> LettaMessage:
    """Return the message of what a tool returned."""
    status = "error" if failed else "success"
    returned = {"type": "tool", "tool_return": text, "status": status, "tool_call_id": call_id, "stdout": None, "stderr": None}
    return {
        **base, "message_type": "tool_return_message", "name": name, "tool_return": text, "status": status, "tool_call_id": call_id,
        "stdout": None, "stderr": None, "tool_returns": [returned],
    }  # fmt: skip


def grouped(entries: Iterable[Mapping[str, Any]]) -> list[list[Mapping[str, Any]]]:
    """Return calls that wait, or answers to such, by the time at which they came."""
    return [list(group) for _, group in groupby(entries, key=lambda one: one["time"])]


def request_messages(asked: Sequence[Mapping[str, Any]], run_id: str | None) -> list[LettaMessage]:
    """Return the messages that calls wait for a person, or for the client to carry them out: the thoughts, then the request."""
    if not asked:
        return []
    request, thinking = request_message(asked, run_id), asked[0].get("thinking")
    base = {name: request[name] for name in ("id", "date", "name", "otid", "run_id", "step_id", "sender_id", "is_err")}
    thoughts = {**base, "message_type": "reasoning_message", "reasoning": thinking, "source": "non_reasoner_model"}
    return [thoughts, request] if thinking else [request]


def request_message(asked: Sequence[Mapping[str, Any]], run_id: str | None) -> LettaMessage:
    """Return the message that calls wait, one or more."""
    first = asked[0]
    base = {"id": f"message-{first['call_id']}", "date": first["time"], "name": None, "otid": first["call_id"], "run_id": run_id,
            "step_id": f"step-{first['call_id']}", "sender_id": None, "is_err": None}  # fmt: skip
    calls = [call_message(base, one["tool"], json.dumps(one["arguments"], ensure_ascii=False), one["call_id"]) for one in asked]
    return {**calls[0], "message_type": "approval_request_message", "tool_calls": [one["tool_call"] for one in calls]}


def response_message(answers: Sequence[Mapping[str, Any]], run_id: str | None) -> LettaMessage:
    """Return the message that somebody answered such a request."""
    first = answers[0]
    call_id = first["tool_call_id"]
    approvals = [{name: value for name, value in one.items() if name not in ("time", "tool", "arguments")} for one in answers]
    return {
        "id": f"message-{call_id}-answer", "date": first["time"], "name": None, "otid": f"{call_id}-answer", "run_id": run_id, "step_id": None,
        "message_type": "approval_response_message", "sender_id": None, "is_err": None, "approval_request_id": call_id,
        "approve": bool(first.get("approve", True)), "reason": first.get("reason"), "approvals": approvals,
    }  # fmt: skip


class LettaStream:
    """Turns the events of a running turn into messages, whole ones or pieces of them.

    Args:
        run_id: the turn's run.
        tokens: whether what is said comes in pieces, all under one id.
        use_assistant_message: as in :func:`messages_of`.
        now: the time, ISO 8601.
        held: tools whose calls wait for a person or the client; a request for it takes the place of the call.
    """

    def __init__(
        self, run_id: str, now: str, *, tokens: bool, use_assistant_message: bool = True, held: Collection[str] = ()
    ) -> None:
        self._run_id, self._now, self._tokens, self._assistant, self._held = run_id, now, tokens, use_assistant_message, held
        self._streamed: dict[str, str] = {}
        self._thoughts: list[str] = []
        self._last_reply = self._thought_of = ""

    def messages(self, event: StreamEvent) -> Iterator[LettaMessage]:
        """Yield the messages of one event."""
        if event.type == "delta":
            self._streamed[event.reply_id] = self._streamed.get(event.reply_id, "") + event.text
            self._last_reply = event.reply_id
            if self._tokens:
                yield from self._reasoning(f"message-{event.reply_id}")
                yield self._said(event.reply_id, event.text)
        elif event.type == "thinking":
            self._thoughts.append(event.text)
        elif event.type == "tool_call":
            yield from self._called(event)
        elif event.type == "tool_result" and not (event.name == SEND_MESSAGE and self._assistant):
            yield return_message(self._base(f"message-{event.call_id}-return"), event.name, event.text, event.call_id, event.failed)
        elif event.type == "message":
            yield from self._reasoning(f"message-{event.reply_id}")
            yield self._said(event.reply_id, event.text)
        elif event.type == "done":
            yield from self._reasoning(f"message-{self._last_reply or self._run_id}")

    def _called(self, event: StreamEvent) -> Iterator[LettaMessage]:
        speaks = event.name == SEND_MESSAGE and self._assistant
        base = self._base(f"message-{self._last_reply if speaks and self._last_reply else event.call_id}")
        yield from self._reasoning(base["id"])
        base = self._base(base["id"])
        if not speaks:
            if event.name not in self._held:
                yield call_message(base, event.name, json.dumps(event.arguments, ensure_ascii=False, default=str), event.call_id)
        elif not self._tokens or not self._last_reply:
            yield {**base, "message_type": "assistant_message", "content": str(event.arguments.get("message", ""))}
        self._last_reply = ""

    def _reasoning(self, message: str) -> Iterator[LettaMessage]:
        if self._thoughts:
            text, self._thoughts = "\n\n".join(self._thoughts), []
            thoughts = {**self._base(message), "message_type": "reasoning_message", "reasoning": text, "source": "non_reasoner_model"}
            self._thought_of = message
            yield _numbered(thoughts, 0)

    def _said(self, reply_id: str, text: str) -> LettaMessage:
        return {**self._base(f"message-{reply_id}"), "message_type": "assistant_message", "content": text}

    def _base(self, message: str) -> LettaMessage:
        otid = f"{message.removeprefix('message-')[:-1]}{int(message == self._thought_of)}"
        return {"id": message, "date": self._now, "name": None, "otid": otid, "run_id": self._run_id,
                "step_id": message.replace("message-", "step-", 1), "sender_id": None, "is_err": None}  # fmt: skip


def filtered(messages: Sequence[LettaMessage], types: Sequence[str] | None) -> list[LettaMessage]:
    """Return the messages of these types; all if none is named."""
    return [one for one in messages if not types or one["message_type"] in types]
