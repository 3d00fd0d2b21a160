"""Converting the messages of an Agent File into recall records and a queue."""

import json
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, cast

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, SystemMessage, ToolCall, ToolMessage

from memgpt_agent.agent_file.af_reading import Data, ForeignAgent, objects, text_of, thoughts_of, unpacked
from memgpt_agent.errors import AgentFileError
from memgpt_agent.events import MARK, EventType, Mark
from memgpt_agent.memory.dates import stamp
from memgpt_agent.memory.recall import Message

_TYPES: dict[str, EventType] = {
    "user_message": "user_message",
    "heartbeat": "heartbeat",
    "login": "login",
    "agent_message": "agent_message",
}
_SPEAKS = "send_message"


@dataclass
class Translated:
    """An agent's messages in our terms."""

    records: list[Message] = field(default_factory=list[Message])
    """All of them, for recall memory, oldest first."""
    queue: list[AnyMessage] = field(default_factory=list[AnyMessage])
    """Those that were in context."""
    not_carried: list[str] = field(default_factory=list[str])
    """What was left out, each with the reason."""


def translate(agent: ForeignAgent, thread_id: str, now: str, name: str) -> Translated:
    """Return an agent's messages as records and as a queue.

    Raises:
        AgentFileError: a message has no role.
    """
    reading = _MessageReader(agent, thread_id, now)
    for place, message in enumerate(agent.messages):
        reading.add(message, place, f"{name}: message {place}")
    reading.finish()
    return reading.done


class _MessageReader:
    """Goes through the messages once, oldest first."""

    def __init__(self, agent: ForeignAgent, thread_id: str, now: str) -> None:
        self.done = Translated()
        self._thread_id, self._time, self._turn = (
            thread_id,
            stamp(moment_of(agent.agent.get("created_at")) or moment_of(now) or datetime.now(UTC)),
            "",
        )
        self._in_context = {key: place for place, key in enumerate(agent.in_context)}
        self._queued: list[tuple[int, AnyMessage]] = []
        self._calls: dict[str, tuple[str, Data, str]] = {}
        self._skipped: Counter[str] = Counter()
        self._unanswered: set[str] = set()

    def add(self, message: Data, place: int, where: str) -> None:
        role = str(message.get("role") or "")
        if not role:
            raise AgentFileError(f"{where} has no role. Nothing was imported.")
        moment = moment_of(message.get("created_at"))
        self._time = stamp(moment) if moment else self._time
        key = str(message.get("id") or f"message-{place}")
        content = message.get("content") if message.get("content") is not None else message.get("text")
        if role == "user":
            self._event(key, text_of(content), place)
        elif role == "assistant":
            self._answer(key, content, objects(message, "tool_calls", where), place)
        elif role in ("tool", "function"):
            self._results(key, message, text_of(content), place, where)
        elif role == "summary":
            self._event(key, json.dumps({"type": "system_alert", "message": text_of(content)}), place)
        else:
            self._skipped[role] += 1

    def _event(self, key: str, text: str, place: int) -> None:
        packed = unpacked(text)
        kind = _TYPES.get(str(packed.get("type")), "system_alert") if packed.get("type") else "user_message"
        said = (
            str(packed.get("message") or packed.get("reason") or packed.get("last_login") or "")
            if packed.get("type")
            else text
        )
        within = kind in ("heartbeat", "system_alert") and self._turn
        self._turn = self._turn if within else key
        mark = Mark(kind="event", type=kind, time=self._time, turn=self._turn)
        made = HumanMessage if kind == "user_message" else SystemMessage
        self._queue(key, made(said, id=key, additional_kwargs={MARK: dict(mark)}))
        self._record(Message(key, "user" if kind == "user_message" else "system", said, self._time, ordinal=place))

    def _answer(self, key: str, content: Any, calls: list[Data], place: int) -> None:
        text, thoughts = text_of(content), thoughts_of(content)
        asked: list[ToolCall] = []
        for number, call in enumerate(calls):
            given: Any = call.get("function")
            function = cast(Data, given) if isinstance(given, dict) else {}
            arguments = _arguments(function.get("arguments"))
            call_id = str(call.get("id") or f"{key}-{number}")
            tool = str(function.get("name") or call.get("name") or "")
            thinking = "\n".join(
                filter(None, [thoughts, text, str(arguments.get("thinking") or arguments.get("inner_thoughts") or "")])
            )
            own = {k: v for k, v in arguments.items() if k not in ("thinking", "inner_thoughts", "request_heartbeat")}
            self._calls[call_id] = (tool, own, thinking)
            self._unanswered.add(call_id)
            asked.append(ToolCall(name=tool, args=arguments, id=call_id, type="tool_call"))
        mark = Mark(kind="action", time=self._time, turn=self._turn)
        if not asked and not text:
            self._skipped["empty answer"] += 1
            return
        self._queue(key, AIMessage(text, id=key, tool_calls=asked, additional_kwargs={MARK: dict(mark)}))
        if not asked:
            self._record(Message(key, "assistant", text, self._time, ordinal=place, thinking=thoughts))

    def _results(self, key: str, message: Data, text: str, place: int, where: str) -> None:
        call_id = message.get("tool_call_id")
        if call_id:
            self._result(key, key, str(call_id), text, str(message.get("name") or ""), place)
            return
        for number, one in enumerate(objects(message, "tool_returns", where)):
            result = text_of(one.get("func_response")) or text_of(one.get("stdout")) or text
            failed = '{"status": "Failed"}' if one.get("status") == "error" and not unpacked(result) else ""
            self._result(
                key, f"{key}-{number}" if number else key, str(one.get("tool_call_id") or ""), result or failed, "", place
            )

    def _result(self, source: str, key: str, call_id: str, text: str, name: str, place: int) -> None:
        packed = unpacked(text)
        is_packed = "status" in packed
        content = packed.get("message") if is_packed else text
        said = "" if content in (None, "None") else content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
        failed = is_packed and str(packed["status"]).lower() not in ("ok", "success")
        tool, arguments, thinking = self._calls.get(call_id, (name, {}, ""))
        self._unanswered.discard(call_id)
        mark = Mark(kind="result", time=self._time, turn=self._turn)
        spoken = tool == _SPEAKS and not failed and bool(arguments.get("message"))
        self._queue(source, ToolMessage(
            said, id=key, name=tool, tool_call_id=call_id, status="error" if failed else "success", additional_kwargs={MARK: dict(mark)},
        ))  # fmt: skip
        if spoken:
            reply = Mark(kind="reply", time=self._time, turn=self._turn, call_id=call_id)
            self._queue(
                source, AIMessage(str(arguments["message"]), id=f"{key}-reply", additional_kwargs={MARK: dict(reply)})
            )
            self._record(
                Message(key, "assistant", str(arguments["message"]), self._time, ordinal=place, thinking=thinking)
            )
            return
        arguments_json = json.dumps(arguments, ensure_ascii=False)
        self._record(
            Message(
                key,
                "tool",
                said,
                self._time,
                ordinal=place,
                tool=tool or "unknown",
                arguments=arguments_json,
                failed=failed,
                thinking=thinking,
            )
        )

    def _queue(self, source: str, message: AnyMessage) -> None:
        if source in self._in_context:
            self._queued.append((self._in_context[source], message))

    def _record(self, record: Message) -> None:
        if record.text or record.tool:
            self.done.records.append(replace(record, thread_id=self._thread_id, turn=self._turn))

    def finish(self) -> None:
        """Bring the queue into the order of the file, which may not be that of time, and list what was left out."""
        self.done.queue = [message for _, message in sorted(self._queued, key=lambda pair: pair[0])]
        reasons = {
            "system": "compiled system prompts; ours is built again at each step",
            "approval": "requests for approval and their answers",
            "empty answer": "answers without text and without a call",
        }
        for role, count in sorted(self._skipped.items()):
            self.done.not_carried.append(
                f"{count} messages: {reasons.get(role, f'the role {role!r} is not known here')}"
            )
        if self._unanswered:
            self.done.not_carried.append(
                f"{len(self._unanswered)} tool calls have no result in the file; the model sees them as interrupted"
            )


def _arguments(given: Any) -> Data:
    if isinstance(given, dict):
        return cast(Data, given)
    packed = unpacked(str(given or ""))
    return packed if packed or not given or str(given).strip() in ("", "{}") else {"arguments": str(given)}


def moment_of(text: Any) -> datetime | None:
    """Return the time of an ISO 8601 text, UTC where it names no zone; ``None`` if it is none."""
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
