"""Where the graph goes after each node."""

from typing import Any

import pytest

from memgpt_agent.graph.routers import route_after_call_llm, route_after_compile_context, route_after_execute_tools

OPEN, OVER = {"over": False}, {"over": True}


@pytest.mark.parametrize(
    ("state", "target"),
    [
        ({}, "__end__"), ({"turn": OVER}, "__end__"),
        ({"turn": OPEN, "context_usage": {"total": 10, "budget": 10}}, "call_llm"),
        ({"turn": OPEN, "context_usage": {"total": 11, "budget": 10}}, "summarize_overflow"),
    ],
)  # fmt: skip
def test_after_compiling(state: Any, target: str) -> None:
    """To the model if it fits, to make room if it does not; to the end if there is nothing to do."""
    assert route_after_compile_context(state) == target


@pytest.mark.parametrize(
    ("state", "target"),
    [
        ({"turn": OPEN, "heartbeat_reason": "unusable_answer"}, "compile_context"), ({"turn": OVER}, "__end__"),
        ({"turn": OPEN}, "execute_tools"),
    ],
)  # fmt: skip
def test_after_the_model(state: Any, target: str) -> None:
    """An unusable answer goes back, plain text ends, calls are carried out."""
    assert route_after_call_llm(state) == target


@pytest.mark.parametrize("reason", ["requested", "tool_failed", "memory_read", "unanswered", None])
def test_after_the_tools(reason: Any) -> None:
    """Any reason to go on is one more step."""
    assert route_after_execute_tools({"heartbeat_reason": reason}) == ("compile_context" if reason else "__end__")
