"""The questions to a person that a turn waits for: a tool's own, and approvals that a rule requires."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from langchain_core.messages import AIMessage, AnyMessage, ToolCall, ToolMessage

from memgpt_agent.errors import ConfigurationError, NothingToDecide
from memgpt_agent.memory.agent_memory import AgentMemory
from memgpt_agent.nodes.approval import decision_of
from memgpt_agent.nodes.receiving import call_key, done_calls
from memgpt_agent.tools.registry import parse_call


@dataclass(frozen=True)
class Question:
    """A question that waits for a person's answer."""

    id: str
    """The interrupt's id; the answer is given by it."""
    value: Any
    """What the tool asks: the value that it gave to ``interrupt()``; for an approval, LangChain's request."""
    call_id: str = ""
    """The id of the tool call that asks."""
    tool: str = ""
    """The tool."""
    arguments: dict[str, Any] = field(default_factory=dict[str, Any])
    """What it was called with."""

    @property
    def is_approval(self) -> bool:
        """Whether it asks if a call may be carried out."""
        return isinstance(self.value, dict) and {"action_requests", "call_id"} <= cast(dict[str, Any], self.value).keys()


def questions_of(interrupts: Sequence[Any], values: Mapping[str, Any], memory: AgentMemory, thread_id: str) -> list[Question]:
    """Return the questions of LangGraph's interrupts, each with the call that asks it."""
    if not interrupts:
        return []
    call = _asking_call(values, memory, thread_id)
    given: dict[str, Any] = {}
    if call is not None:
        given = {"call_id": call["id"] or "", "tool": call["name"], "arguments": parse_call(call["args"]).arguments}
    return [Question(interrupt.id, interrupt.value, **given) for interrupt in interrupts]


def _asking_call(values: Mapping[str, Any], memory: AgentMemory, thread_id: str) -> ToolCall | None:
    """Return the first call of the newest answer that has neither a result nor a record of having been carried out."""
    messages, turn = cast(list[AnyMessage], values.get("messages", [])), values.get("turn")
    answer = next((m for m in reversed(messages) if isinstance(m, AIMessage) and m.tool_calls), None)
    if answer is None or turn is None:
        return None
    results = {m.tool_call_id for m in messages if isinstance(m, ToolMessage)}
    left = [(call_key(thread_id, turn, n, c), c) for n, c in enumerate(answer.tool_calls) if c["id"] not in results]
    done = done_calls(memory.journal, [key for key, _ in left])
    return next((call for key, call in left if key not in done), None)


def answers_by_id(answer: Any, waiting: Sequence[Question], thread_id: str) -> dict[str, Any]:
    """Return the answers by the ids of the questions that wait.

    Args:
        answer: one value where one question waits, or a mapping of values by the questions' ids.
        waiting: the questions.
        thread_id: the conversation, for the error.

    Raises:
        NothingToDecide: nothing waits, or not what the mapping names.
        ConfigurationError: one value for several questions, or no decision for an approval.
    """
    if not waiting:
        raise NothingToDecide(f"No question of {thread_id!r} waits. It may have been answered already, or given up by a new message.")
    ids = {question.id: question for question in waiting}
    given: dict[str, Any] = {waiting[0].id: answer}
    if isinstance(answer, Mapping) and answer and all(_is_id(key) for key in cast(Mapping[Any, Any], answer)):
        given = dict(cast(Mapping[str, Any], answer))
    elif len(waiting) > 1:
        raise ConfigurationError(f"{len(waiting)} questions wait; give a mapping of answers by id: {', '.join(ids)}.")
    if unknown := [key for key in given if key not in ids]:
        raise NothingToDecide(f"The question {unknown[0]} of {thread_id!r} does not wait. These do: {', '.join(ids)}.")
    for key, value in given.items():
        if ids[key].is_approval:
            decision_of(value, ids[key].tool)
    return given


def _is_id(key: Any) -> bool:
    return isinstance(key, str) and re.fullmatch("[0-9a-f]{32}", key) is not None
