"""Running a call: a memory tool right here, any other tool by LangGraph's tool node."""

import asyncio
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import wraps
from typing import Any, cast

from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool
from langgraph.errors import GraphBubbleUp, is_invalid_resume
from langgraph.prebuilt import ToolNode
from langgraph.runtime import Runtime
from langgraph.types import Command

from memgpt_agent.config import Context
from memgpt_agent.errors import InvalidArguments, MemGPTError, ToolError
from memgpt_agent.memory.core import Cause
from memgpt_agent.nodes.answers import is_echo
from memgpt_agent.nodes.session import Session
from memgpt_agent.nodes.tool_calls.reading import unfit
from memgpt_agent.nodes.tool_calls.step import Call, Outcome, Step
from memgpt_agent.prompts import ECHO, UNREADABLE
from memgpt_agent.state import AgentState
from memgpt_agent.text.cleaning import clean
from memgpt_agent.tools.messages import SEND_MESSAGE
from memgpt_agent.tools.registry import validated

_RUNTIME = "__pregel_runtime"
_ENDS_RUN = (KeyboardInterrupt, asyncio.CancelledError)
"""The caller ends a run with these; they are not a tool's exceptions."""
_ERRORS, _ERROR_CHARS = 5, 20_000
"""How many errors of a group are shown, and how many characters of one error's words."""
_MISTAKES = (
    ArithmeticError, AssertionError, AttributeError, LookupError, MemoryError, NotImplementedError, RecursionError, TypeError, ValueError,
)  # fmt: skip
"""Raised by a memory tool for bad arguments. Any other exception comes from the store: the turn ends and can go on later."""


def act(step: Step, call: Call) -> Outcome | ToolNode:
    """Carry out a memory tool and return its outcome; for a foreign tool, return the node that carries it out."""
    session = step.session
    try:
        tool = session.resources.tools.get(call.name)
        if tool.act is None:
            validated(tool, call.parsed.arguments)
            around = session.resources.hooks.around_tools() if session.resources.hooks else {}
            # What wraps a call sees its errors, to try again say; what is left of them becomes the result behind it.
            return ToolNode([_enduring(tool.tool, call.id)], handle_tool_errors=not around and _explained, **around)
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
    """Repeat the effect on the queue of a call carried out earlier: the queue is not in the store."""
    tools = step.session.resources.tools
    if outcome.done_before and not outcome.failed and call.name in tools.names and tools.get(call.name).edits_queue:
        act(step, call)


def request(state: AgentState, step: Step, call: Call) -> dict[str, Any]:
    """Return the input of LangGraph's tool node: the state, with an answer that makes only this call."""
    only = step.answer.model_copy(update={"tool_calls": [{**call.given, "args": call.parsed.arguments}]})
    before = [m for m in state["messages"] if m.id != step.answer.id]
    return {**state, "messages": [*before, only]}


def for_tools(config: RunnableConfig, runtime: Runtime[Context], session: Session) -> RunnableConfig:
    """Return the config under which tools run: it gives them the store that holds the agent's memory."""
    if runtime.store is session.memory.store:
        return config
    given: dict[str, Any] = config.get("configurable", {})
    return {**config, "configurable": {**given, _RUNTIME: runtime.override(store=session.memory.store)}}


@contextmanager
def failures_as_results(failed: list[Outcome]) -> Generator[None]:
    """Turn whatever a tool raises into its result, added to ``failed``; exceptions that end the run pass through."""
    try:
        yield
    except (*_ENDS_RUN, GraphBubbleUp):
        raise
    except BaseException as error:
        if is_invalid_resume(error):  # the person's answer does not fit the question: it can be answered again
            raise
        unfit_result = Outcome(UNREADABLE, refused=str(error)) if isinstance(error, _Unfit) else None
        failed.append(unfit_result or Outcome(_explain(error), failed=True))


def _enduring(tool: BaseTool, call_id: str) -> BaseTool:
    """Return a tool that raises an ordinary error instead of one that would end the loop, the thread or the process.

    It has to be where the tool itself runs: LangChain runs an async tool in a task of its own, out of which asyncio raises SystemExit at once,
    and StopIteration never comes out of a future. What the tool returns is judged here too: LangGraph would drop or hide what it cannot take.
    """
    run, arun = tool._run, tool._arun  # pyright: ignore[reportPrivateUsage] - what LangChain has for tools to override

    @wraps(run)  # what LangChain passes on is found by the signature
    def held_run(*positional: Any, **named: Any) -> Any:
        with _held():
            return _fit(run(*positional, **named), call_id)

    @wraps(arun)
    async def held_arun(*positional: Any, **named: Any) -> Any:
        with _held():
            return _fit(await arun(*positional, **named), call_id)

    held = tool.model_copy()
    object.__setattr__(held, "_run", held_run)
    object.__setattr__(held, "_arun", held_arun)
    return held


@contextmanager
def _held() -> Generator[None]:
    try:
        yield
    except _ENDS_RUN:
        raise
    except (StopIteration, StopAsyncIteration) as error:
        raise _ToolEnded from error
    except BaseException as error:
        if isinstance(error, BaseExceptionGroup) and error.subgroup(KeyboardInterrupt):
            raise KeyboardInterrupt from error
        if isinstance(error, Exception):
            raise
        raise _ToolEnded from error


def _fit(returned: Any, call_id: str) -> Any:
    if what := unfit(returned, call_id):
        raise _Unfit(what)
    return [_kept_whole(item) for item in cast(list[Any], returned)] if isinstance(returned, list) else _kept_whole(returned)


def _kept_whole(item: Any) -> Any:
    """Return what a tool returned so that LangGraph's tool node drops nothing: of a command to a list of ``Send`` it drops the update."""
    if not isinstance(item, Command):
        return item
    command = cast(Command[Any], item)
    goto: Any = command.goto
    return replace(command, goto=tuple(cast(list[Any], goto))) if command.graph == Command.PARENT and isinstance(goto, list) else command


class _Unfit(Exception):
    """A tool was carried out, and returned what cannot be honoured."""


class _ToolEnded(Exception):
    """A tool raised something that is not an ``Exception``; the cause is what it raised."""


def _explain(error: BaseException) -> str:
    """Return an error in words, including those within a group; an error without words, or with too many, is described as such."""
    if isinstance(error, _ToolEnded) and error.__cause__ is not None:
        error = error.__cause__
    shown: Any = error
    try:
        words = str(shown)
    except Exception as failure:  # noqa: BLE001  whatever an exception of somebody else's does
        words = f"(its text cannot be had: {type(failure).__name__})"
    if isinstance(error, BaseExceptionGroup):
        inner: Sequence[BaseException] = cast(Any, error).exceptions
        words += ": " + "; ".join([*map(_explain, inner[:_ERRORS]), *(["..."] if len(inner) > _ERRORS else [])])
    if len(words) > _ERROR_CHARS:
        words = f"{words[:_ERROR_CHARS]} ... ({len(words) - _ERROR_CHARS:,} more characters)"
    return clean(f"{type(shown).__name__}: {words}")


def _explained(error: Exception) -> str:
    if isinstance(error, GraphBubbleUp | _Unfit):
        raise error
    return _explain(error)
