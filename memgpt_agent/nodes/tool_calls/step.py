"""The tool calls of one answer as values: what the model asked for, and the outcome."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Self, cast

from langchain_core.messages import AIMessage, AnyMessage, ToolCall, ToolMessage
from langchain_core.runnables import RunnableConfig
from langgraph.runtime import Runtime

from memgpt_agent.config import Context
from memgpt_agent.events import HIDDEN, is_event, mark_of
from memgpt_agent.memory.main_context import QueueView, results_of
from memgpt_agent.models.dialects import thoughts_of
from memgpt_agent.nodes.profile_rules import called_in
from memgpt_agent.nodes.receiving import call_key
from memgpt_agent.nodes.reply_stream import Speaker
from memgpt_agent.nodes.session import Session, turn_key
from memgpt_agent.nodes.speech import reply_id, speaks
from memgpt_agent.nodes.tool_calls.returned import Returned
from memgpt_agent.state import AgentState, Turn
from memgpt_agent.tools.definition import CONTROL_ARGUMENTS
from memgpt_agent.tools.registry import ParsedCall, parse_call
from memgpt_agent.tools.rules import Called

MAX_WHY_CHARS = 2_000
"""How much of native thoughts, which may run to many pages, is kept as the reason for a call."""
PIECE_SHARE = 0.2
"""A tool that pages through a text shows this share of the budget at a time: less than one result may fill."""


@dataclass(frozen=True)
class Call:
    """One tool call of the answer."""

    given: ToolCall
    """The call as the queue holds it."""
    parsed: ParsedCall
    """Its arguments, as the model gave them or as a person edited them, without the control arguments."""
    key: str
    """The call's key in recall memory: the same in every process and replay."""
    ordinal: int
    """Its place in the answer."""
    unread: str = ""
    """Why its arguments could not be read; empty if they could."""
    edited: bool = False
    """Whether a person changed its arguments."""

    @property
    def name(self) -> str:
        """The tool's name, as the model wrote it."""
        return self.given["name"]

    @property
    def id(self) -> str:
        """The id of its result in the queue."""
        return self.given["id"] or ""


@dataclass(frozen=True)
class Outcome:
    """The outcome of a call."""

    text: str
    """The result, for the model."""
    failed: bool = False
    """Whether it failed."""
    done_before: bool = False
    """Whether it was carried out earlier, because the process died since or the step is replayed."""
    said: str = ""
    """What it says to the user: the text of a sent message."""
    beyond: Returned | None = None
    """What it returned beyond its text."""
    refused: str = ""
    """The parts of its result that cannot be honoured, for the developer."""
    times_failed: int = 0
    """How often this very call has failed in the turn, this time included."""


class Done(NamedTuple):
    """A call with its outcome."""

    call: Call
    outcome: Outcome


@dataclass(frozen=True)
class Step:
    """The answer whose calls are carried out, and where."""

    session: Session
    """The run; its memory sees the queue."""
    turn: Turn
    """The registers of the running turn."""
    queue: Sequence[AnyMessage]
    """The queue at the beginning of the step."""
    answer: AIMessage
    """The model's answer."""
    calls: tuple[Call, ...]
    """Its calls that have no result in the queue, in order."""
    earlier: tuple[Done, ...]
    """Its calls that have one."""
    view: QueueView
    """The queue as tools see and change it."""
    write: Callable[[Any], None]
    """Writes replies to the streams."""
    nested: bool
    """Whether the agent runs in a parent graph."""

    @classmethod
    def of(cls, state: AgentState, session: Session, config: RunnableConfig, runtime: Runtime[Context]) -> Self:
        """Read the newest answer of the queue, and which of its calls were carried out in runs of the node before this one."""
        answer = next(m for m in reversed(state["messages"]) if isinstance(m, AIMessage) and m.tool_calls and not is_event(m))
        turn = state.get("turn")
        assert turn is not None, "compile_context begins every turn"  # noqa: S101  the graph's wiring says so
        view = QueueView(
            session.thread_id, state["messages"], int(session.budget_tokens * PIECE_SHARE), session.counter.truncate
        )
        session = replace(session, memory=replace(session.memory, queue=view))
        unread, results = unread_calls(answer), results_of(state["messages"])
        calls = [
            Call(
                call, _with_why(parse_call(call["args"]), answer), _shown_key(session, turn, nth, call), nth,
                unread.get(call["id"] or "", ""),
            )
            for nth, call in enumerate(answer.tool_calls)
        ]  # fmt: skip
        earlier = tuple(Done(call, _outcome_in(results[call.id])) for call in calls if call.id in results)
        left = tuple(call for call in calls if call.id not in results)
        nested = runtime.execution_info is not None and "|" in runtime.execution_info.checkpoint_ns
        write = Speaker(runtime.stream_writer, config)
        return cls(session, turn, state["messages"], answer, left, earlier, view, write, nested)

    def may_ask(self, call: Call) -> bool:
        """Whether a call may ask a person: a foreign tool's call, or one for which a rule requires approval."""
        tools, rules = self.session.resources.tools, self.session.resources.rules
        return (call.name in tools.names and tools.get(call.name).act is None) or rules.needs_approval(call.name)

    def reply_id(self, call: Call) -> str:
        """Return the id of the reply that a call speaks."""
        step = self.turn["step"] - 1  # the step in which the model spoke; the count has moved on since
        return reply_id(self.session.thread_id, turn_key(self.turn), step, call.ordinal)

    def called(self, done: Sequence[Done]) -> list[Called]:
        """Return the calls that were carried out in this turn; ``done`` are those of this run of the node, which come last."""
        here = [Called(call.name, outcome.text, outcome.failed) for call, outcome in done]
        return [*called_in(self.turn, self.queue), *here]


def _shown_key(session: Session, turn: Turn, ordinal: int, call: ToolCall) -> str:
    key = call_key(session.thread_id, turn, ordinal, call)
    return HIDDEN + key if speaks(session.resources.tools, call["name"]) else key


def _outcome_in(result: ToolMessage) -> Outcome:
    return Outcome(result.text, result.status == "error", done_before=True)


def _with_why(parsed: ParsedCall, answer: AIMessage) -> ParsedCall:
    """Return a call with the reason for it: its own thoughts, else the model's native ones."""
    return parsed if parsed.thinking else replace(parsed, thinking="\n\n".join(thoughts_of(answer))[:MAX_WHY_CHARS])


def unread_calls(answer: AIMessage) -> dict[str, str]:
    """Return why a call's arguments could not be read, by the ids of those calls."""
    return cast(dict[str, str], cast(Any, mark_of(answer)).get("unread", {}))


def same_call(call: ToolCall, unread: dict[str, str]) -> tuple[str, str]:
    """Return what identifies equal calls: the tool and its arguments, even unreadable ones."""
    own = {k: v for k, v in call["args"].items() if k not in CONTROL_ARGUMENTS}
    return call["name"], unread.get(call["id"] or "", json.dumps(own, sort_keys=True, default=str))
