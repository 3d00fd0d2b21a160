"""Carrying out a call: a memory tool right here, a tool from elsewhere by LangGraph's tool node."""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.errors import GraphBubbleUp, is_invalid_resume
from langgraph.prebuilt import ToolNode
from langgraph.runtime import Runtime

from memgpt_agent.config import Context
from memgpt_agent.errors import InvalidArguments, MemGPTError, ToolError
from memgpt_agent.memory.core import Cause
from memgpt_agent.nodes.answers import is_echo
from memgpt_agent.nodes.session import Session
from memgpt_agent.nodes.tool_calls.step import Call, Outcome, Step
from memgpt_agent.prompts import ECHO
from memgpt_agent.state import AgentState
from memgpt_agent.text.cleaning import clean
from memgpt_agent.tools.messages import SEND_MESSAGE
from memgpt_agent.tools.registry import validated

_RUNTIME = "__pregel_runtime"
_MISTAKES = (
    ArithmeticError, AssertionError, AttributeError, LookupError, MemoryError, NotImplementedError, RecursionError, TypeError, ValueError,
)  # fmt: skip
"""What a memory tool that stumbles over its arguments raises. Any other exception comes from the store: the turn ends and can go on later."""


def act(step: Step, call: Call) -> Outcome | ToolNode:
    """Carry out a memory tool and return its outcome; of a tool from elsewhere, return the node that carries it out."""
    session = step.session
    try:
        tool = session.resources.tools.get(call.name)
        if tool.act is None:
            validated(tool, call.parsed.arguments)
            around = session.resources.hooks.around_tools() if session.resources.hooks else {}
            # What wraps a call sees its errors, to try again say; what is left of them becomes the result behind it.
            return ToolNode([tool.tool], handle_tool_errors=not around and _explained, **around)
        if call.name == SEND_MESSAGE and is_echo(str(call.parsed.arguments.get("message", "")), session.resources.system_prompt):
            raise InvalidArguments(ECHO)
        cause = Cause(call.key, session.resources.profile.actor, call.name, call.parsed.thinking, step.turn["id"])
        text = session.resources.tools.act_on_memory(call.name, session.memory.because(cause), call.parsed.arguments)
        return Outcome(clean(text), said=str(call.parsed.arguments["message"]) if call.name == SEND_MESSAGE else "")
    except ToolError as error:
        return Outcome(clean(str(error)), failed=True)
    except _MISTAKES as error:
        if isinstance(error, MemGPTError):
            raise
        return Outcome(_explain(error), failed=True)


def change_queue_again(step: Step, call: Call, outcome: Outcome) -> None:
    """Repeat what a call that was carried out before did to the queue: the queue is not in the store."""
    tools = step.session.resources.tools
    if outcome.done_before and not outcome.failed and call.name in tools.names and tools.get(call.name).edits_queue:
        act(step, call)


def request(state: AgentState, step: Step, call: Call) -> dict[str, Any]:
    """Return what LangGraph's tool node is invoked with: the state, in which the answer makes this call alone."""
    only = step.answer.model_copy(update={"tool_calls": [{**call.given, "args": call.parsed.arguments}]})
    before = [m for m in state["messages"] if m.id != step.answer.id]
    return {**state, "messages": [*before, only]}


def for_tools(config: RunnableConfig, runtime: Runtime[Context], session: Session) -> RunnableConfig:
    """Return the config under which tools run: they are given the store in which the agent's memory lives."""
    if runtime.store is session.memory.store:
        return config
    given: dict[str, Any] = config.get("configurable", {})
    return {**config, "configurable": {**given, _RUNTIME: runtime.override(store=session.memory.store)}}


@contextmanager
def failures_as_results(failed: list[Outcome]) -> Generator[None]:
    """Turn whatever a tool raises into its result, put into ``failed``; what ends the run goes on."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit, GeneratorExit, asyncio.CancelledError, GraphBubbleUp):
        raise
    except BaseException as error:
        if is_invalid_resume(error):  # the person's answer does not fit the question: it can be answered again
            raise
        failed.append(Outcome(_explain(error), failed=True))


def _explain(error: BaseException) -> str:
    return clean(f"{type(error).__name__}: {error}")


def _explained(error: Exception) -> str:
    if isinstance(error, GraphBubbleUp):
        raise error
    return _explain(error)
