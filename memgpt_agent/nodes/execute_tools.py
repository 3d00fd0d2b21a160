"""The node that carries out the tool calls of an answer, in order, and decides whether the agent gets another step."""

import asyncio
from collections.abc import Sequence
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.prebuilt import ToolNode
from langgraph.runtime import Runtime

from memgpt_agent.config import Context
from memgpt_agent.nodes.session import Resources, Session
from memgpt_agent.nodes.tool_calls.acting import act, change_queue_again, outcome_of, request
from memgpt_agent.nodes.tool_calls.following import follow
from memgpt_agent.nodes.tool_calls.judging import judge
from memgpt_agent.nodes.tool_calls.noting import note
from memgpt_agent.nodes.tool_calls.step import Call, Done, Outcome, Step
from memgpt_agent.state import AgentState


def execute_tools(
    state: AgentState, config: RunnableConfig, runtime: Runtime[Context], *, resources: Resources
) -> dict[str, Any]:
    """Carry out the calls of the newest answer one after another; return their results and what follows."""
    step = Step.of(state, Session.of(runtime, config, resources, state), runtime.stream_writer)
    done: list[Done] = []
    for given in step.calls:
        call, outcome = _begin(step, given, done)
        if isinstance(outcome, ToolNode):
            outcome = outcome_of(outcome.invoke(request(state, call), config))
        done.append(note(step, call, outcome, done))
    return follow(step, done)


async def aexecute_tools(
    state: AgentState, config: RunnableConfig, runtime: Runtime[Context], *, resources: Resources
) -> dict[str, Any]:
    """The same for an asyncio loop, which is never held up."""
    session = await asyncio.to_thread(Session.of, runtime, config, resources, state)
    step = await asyncio.to_thread(Step.of, state, session, runtime.stream_writer)
    done: list[Done] = []
    for given in step.calls:
        call, outcome = await asyncio.to_thread(_begin, step, given, done)
        if isinstance(outcome, ToolNode):
            outcome = outcome_of(await outcome.ainvoke(request(state, call), config))
        done.append(await asyncio.to_thread(note, step, call, outcome, done))
    return await asyncio.to_thread(follow, step, done)


def _begin(step: Step, given: Call, done: Sequence[Done]) -> tuple[Call, Outcome | ToolNode]:
    """Judge a call and carry it out, unless it is a tool from elsewhere: of that, return the node that does."""
    call, outcome = judge(step, given, done)
    if outcome is None:
        return call, act(step, call)
    change_queue_again(step, call, outcome)
    return call, outcome
