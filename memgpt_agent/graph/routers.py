"""The routers after each node; their return types name the targets, so that drawings show them."""

from typing import Literal

from memgpt_agent.state import Registers


def route_after_compile_context(state: Registers) -> Literal["call_llm", "summarize_overflow", "__end__"]:
    """To the model if the context fits; to make room if it does not; to the end if there is nothing to do.

    Over budget means that something can leave; if nothing can, compiling has made the context fit or has raised.
    """
    turn, usage = state.get("turn"), state.get("context_usage", {})
    if turn is None or turn["over"]:
        return "__end__"
    return "summarize_overflow" if usage["total"] > usage["budget"] else "call_llm"


def route_after_call_llm(state: Registers) -> Literal["execute_tools", "compile_context", "__end__"]:
    """To the tools if any were called; back if the answer was unusable; to the end if it was plain text."""
    if state.get("heartbeat_reason"):
        return "compile_context"
    turn = state.get("turn")
    return "__end__" if turn is None or turn["over"] else "execute_tools"


def route_after_execute_tools(state: Registers) -> Literal["execute_tools", "compile_context", "__end__"]:
    """Back for remaining calls or to hand over to the parent graph; on to another step if there is a reason; else to the end."""
    turn = state.get("turn")
    if turn is not None and (turn.get("handoffs") or (turn.get("calls_left") and not turn["over"])):
        return "execute_tools"
    return "compile_context" if state.get("heartbeat_reason") else "__end__"
