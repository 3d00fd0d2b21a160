"""Reading a turn from the graph's stream: events for the user interface, and the response at the end."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from pydantic_core import to_jsonable_python

from memgpt_agent.events import mark_of
from memgpt_agent.memory.recall import Message
from memgpt_agent.models.dialects import thoughts_of
from memgpt_agent.node_names import CALL_LLM, SUMMARIZE_OVERFLOW
from memgpt_agent.nodes.token_usage import since, total
from memgpt_agent.prompts import CHECK_ANSWER
from memgpt_agent.state import TokenUsage
from memgpt_agent.tools.messages import SEND_MESSAGE, SENT
from memgpt_agent.tools.registry import parse_call
from memgpt_agent.tools.structured import STRUCTURED
from memgpt_agent.turns.questions import Question


@dataclass(frozen=True)
class Approval:
    """A tool call that waits for a person's decision."""

    call_id: str
    """The call's id."""
    tool: str
    """The tool."""
    arguments: dict[str, Any]
    """Its arguments."""
    thinking: str = ""
    """Why the agent wants to call it."""


@dataclass(frozen=True)
class AgentResponse:
    """The response of one turn."""

    message: str
    """The text to the user; empty if nothing was said."""
    tool_calls: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    """The calls in order: ``name``, ``args``, ``id``, ``result``, ``failed``, ``thinking``."""
    memory_operations: list[str] = field(default_factory=list[str])
    """The calls that read or changed memory and succeeded, as ``name(argument='value', ...)``."""
    context_usage: int = 0
    """Tokens of the last prompt."""
    context_sections: dict[str, int] = field(default_factory=dict[str, int])
    """The same by section, with ``total`` and ``budget``."""
    tokens_used: int = 0
    """Tokens of the turn's model calls, prompts and answers: the provider's figures, or our count if it gives none."""
    input_tokens: int = 0
    """Of these: what the calls were sent, what the provider had cached included. Of a turn that waited for a person, each part is told
    with its own response."""
    cached_tokens: int = 0
    """Input tokens that the provider served from its prompt cache."""
    cache_written_tokens: int = 0
    """Input tokens that were written to that cache, if the provider says."""
    output_tokens: int = 0
    """Output tokens, including reasoning."""
    reasoning_tokens: int = 0
    """Output tokens that were reasoning, if the provider says."""
    usage: dict[str, TokenUsage] = field(default_factory=dict[str, TokenUsage])
    """The same by the model's name; the summarizer's calls are among them, calls that failed are not."""
    cost: float | None = None
    """Their cost by the settings' price table, in its currency; ``None`` without a table, or if a model is not in it."""
    evicted: bool = False
    """Whether messages left main context in this turn."""
    approval: Approval | None = None
    """The call that waits for a decision; the turn continues when it is decided."""
    interrupts: list[Question] = field(default_factory=list[Question])
    """The questions that wait for a person's answer, an approval among them; the turn continues when they are answered."""
    structured: Any = None
    """The result beside the message, where the agent has a ``response_format``; ``None`` if the turn was played before."""
    stopped: Literal["", "cut_off", "paused", "refused"] = ""
    """Why the message is not a full answer: it reached the model's length limit, its provider paused it without end, or one of them refused."""


@dataclass(frozen=True)
class StreamEvent:
    """An event of a running turn."""

    type: Literal["delta", "withdrawn", "thinking", "tool_call", "tool_result", "message", "approval", "done"]
    """A piece of a reply; a reply taken back; a thought; a call; its result; a whole reply that was not streamed; a call that waits for
    a decision; the end."""
    text: str = ""
    """The text of the piece, thought, result or reply."""
    name: str = ""
    """The tool's name."""
    arguments: dict[str, Any] = field(default_factory=dict[str, Any])
    """The call's arguments, without the control arguments."""
    failed: bool = False
    """Whether the tool failed."""
    reply_id: str = ""
    """Which reply the piece belongs to."""
    call_id: str = ""
    """The id of the call, for a call, its result, and one that waits for a decision."""
    response: AgentResponse | None = None
    """At the end: the outcome of the turn."""


MEMORY_TOOL_PREFIXES = ("core_memory_", "archival_memory_", "conversation_", "memory_", "recall", "task_", "reflect", "knowledge_")


class TurnReader:
    """Converts the graph's ``custom`` and ``updates`` streams into events, and assembles the response."""

    def __init__(self) -> None:
        self._streamed: set[str] = set()
        self._replies: dict[str, str] = {}
        self._calls: dict[str, dict[str, Any]] = {}
        self._usage: dict[str, int] = {}
        self._speaks = False
        self._before: dict[str, TokenUsage] | None = None
        self._after: dict[str, TokenUsage] = {}
        self._evicted = False
        self._structured: Any = None
        self._approval: Approval | None = None
        self._thought: set[str] = set()
        self.waits = False
        """Whether the turn waits for a person."""
        self.questions: list[Question] = []
        """The questions to the person, once they were read from the state."""
        self._stopped: Literal["", "cut_off", "paused", "refused"] = ""
        self.began = False
        """Whether the model was asked, which is not the case if the event had been handled before."""

        self.answered = False
        """Whether the chat model itself answered, not a fallback."""

    @property
    def spoke(self) -> bool:
        """Whether a reply was seen."""
        return bool(self._replies)

    def feed(self, mode: str, chunk: Any) -> Iterator[StreamEvent]:
        """Yield the events of one piece of the stream."""
        if mode == "custom":
            yield from self._spoken(cast(dict[str, str], chunk))
            return
        for node, update in cast(dict[str, dict[str, Any] | None], chunk).items():
            self.began = self.began or node == CALL_LLM
            self._evicted = self._evicted or (node == SUMMARIZE_OVERFLOW and bool(update and update.get("messages")))
            if node == "__interrupt__":
                yield from self._waits(cast(Any, update))
            if not isinstance(update, dict):
                continue
            self._usage = update.get("context_usage") or self._usage
            self._structured = update.get(STRUCTURED, self._structured)
            turn = update.get("turn")
            if turn:
                self._speaks = turn["type"] == "user_message"
                self._took(turn.get("usage") or {}, called=node == CALL_LLM)
            for message in cast(list[BaseMessage], update.get("messages") or []):
                if not mark_of(message).keys() & {"was", "removed", "left_out"}:  # corrected, or marked: it was said before
                    yield from self._message(message)

    def _took(self, usage: dict[str, TokenUsage], *, called: bool) -> None:
        """Record the turn's usage, without counting earlier parts of it again."""
        if self._before is None:
            self._before = {} if called else usage
        self._after = usage

    def response(self) -> AgentResponse:
        """Return the response so far."""
        calls, used = list(self._calls.values()), since(self._before or {}, self._after)
        summed = total(list(used.values()))
        return AgentResponse(
            message="\n\n".join(self._replies.values()),
            tool_calls=calls,
            memory_operations=_operations(calls),
            context_usage=self._usage.get("total", 0),
            context_sections=dict(self._usage),
            tokens_used=summed["input"] + summed["output"],
            input_tokens=summed["input"],
            cached_tokens=summed["cached"],
            cache_written_tokens=summed["cache_written"],
            output_tokens=summed["output"],
            reasoning_tokens=summed["reasoning"],
            usage=used,
            evicted=self._evicted,
            approval=self._approval,
            interrupts=self.questions,
            structured=self._structured,
            stopped=self._stopped,
        )

    def _spoken(self, piece: dict[str, str]) -> Iterator[StreamEvent]:
        reply_id = piece.get("reply_id", "")
        if "delta" in piece:
            self._streamed.add(reply_id)
            if thoughts := piece.get("thoughts"):
                self._thought.add(thoughts)
                yield StreamEvent("thinking", text=thoughts)
            yield StreamEvent("delta", text=piece["delta"], reply_id=reply_id)
        elif "withdrawn" in piece:
            self._streamed.discard(reply_id)
            yield StreamEvent("withdrawn", text=piece["withdrawn"], reply_id=reply_id)

    def _message(self, message: BaseMessage) -> Iterator[StreamEvent]:
        kind = mark_of(message).get("kind")
        if isinstance(message, ToolMessage):
            yield from self._result(message)
        elif isinstance(message, AIMessage) and kind == "reply":
            yield from self._reply(message)
        elif isinstance(message, AIMessage) and kind == "action":
            yield from self._action(message)

    def _waits(self, interrupts: Sequence[Any]) -> Iterator[StreamEvent]:
        self.waits = True
        self._approval = approval_of(interrupts)
        if self._approval:
            asked = self._approval
            yield StreamEvent("approval", text=asked.thinking, name=asked.tool, arguments=asked.arguments, call_id=asked.call_id)

    def _reply(self, message: AIMessage) -> Iterator[StreamEvent]:
        reply_id = str(message.id)
        if reply_id not in self._replies:
            self._replies[reply_id] = message.text
            if reply_id not in self._streamed:
                yield StreamEvent("message", text=message.text, reply_id=reply_id)

    def _action(self, message: AIMessage) -> Iterator[StreamEvent]:
        if str(message.id) in self._replies:
            return  # it moved to the end of the turn
        self.answered = self.answered or not mark_of(message).get("fallback")
        thoughts = thoughts_of(message)
        for thought in thoughts:
            yield StreamEvent("thinking", text=thought)
        if mark_of(message).get("goes_on"):
            return  # the rest of the reply comes under the same id
        self._stopped = mark_of(message).get("stopped", self._stopped)
        if not message.tool_calls and self._speaks:
            yield from self._reply(message)
        elif message.text.strip():
            yield StreamEvent("thinking", text=message.text)
        for call in message.tool_calls:
            parsed = parse_call(call["args"])
            if parsed.thinking and parsed.thinking not in self._thought:  # else they came with the reply's first piece
                yield StreamEvent("thinking", text=parsed.thinking)
            self._thought.discard(parsed.thinking)
            call_id = call["id"] or ""
            self._calls[call_id] = {
                "name": call["name"], "args": parsed.arguments, "id": call_id, "result": "", "failed": None,
                "thinking": parsed.thinking or "\n\n".join(thoughts),
            }  # fmt: skip
            yield StreamEvent("tool_call", name=call["name"], arguments=parsed.arguments, call_id=call_id)

    def _result(self, message: ToolMessage) -> Iterator[StreamEvent]:
        failed = message.status == "error"
        noted = self._calls.get(message.tool_call_id)
        if noted is not None:
            noted.update(result=message.text, failed=failed)
        yield StreamEvent("tool_result", text=message.text, name=message.name or "", failed=failed, call_id=message.tool_call_id)
        if failed and message.name == SEND_MESSAGE and noted and message.text != CHECK_ANSWER:  # a draft was not streamed
            yield StreamEvent("withdrawn", text=message.text)


def approval_of(interrupts: Sequence[Any]) -> Approval | None:
    """Return the call that waits for a decision, by LangGraph's interrupts; ``None`` if none of them is ours."""
    for interrupt in interrupts:
        asked: Any = interrupt.value
        if isinstance(asked, dict) and "action_requests" in asked and "call_id" in asked:
            action: dict[str, Any] = cast(dict[str, Any], asked)["action_requests"][0]
            call_id = str(cast(dict[str, Any], asked)["call_id"])
            return Approval(call_id, str(action["name"]), dict(action["args"]), str(action.get("description", "")))
    return None


def response_of(records: Sequence[Message]) -> AgentResponse:
    """Return the outcome of a turn by what recall memory keeps of it, oldest first."""
    spoken = [record for record in records if record.role == "assistant"]
    calls = [
        {
            "name": record.tool or SEND_MESSAGE, "args": json.loads(record.arguments) if record.tool else {"message": record.text},
            "id": record.id, "result": record.text if record.tool else SENT, "failed": record.failed, "thinking": record.thinking,
        }
        for record in records if record.tool or record in spoken
    ]  # fmt: skip
    return AgentResponse(
        message="\n\n".join(r.text for r in spoken), tool_calls=calls, memory_operations=_operations(calls)
    )


def _operations(calls: Sequence[dict[str, Any]]) -> list[str]:
    done = [c for c in calls if c["failed"] is False and c["name"].startswith(MEMORY_TOOL_PREFIXES)]
    return [f"{c['name']}({', '.join(f'{k}={v!r}' for k, v in c['args'].items())})" for c in done]


def as_json(response: AgentResponse) -> str:
    """Return a response as one line of JSON."""
    return json.dumps(response.__dict__, ensure_ascii=False, default=lambda value: to_jsonable_python(value, fallback=str))
