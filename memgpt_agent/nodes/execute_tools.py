"""The node that runs the tool calls of an answer, in order, and decides whether the agent gets another step."""

import asyncio
from dataclasses import dataclass
from typing import Any

from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import set_config_context
from langgraph.prebuilt import ToolNode
from langgraph.runtime import Runtime
from langgraph.types import Command

from memgpt_agent.config import Context
from memgpt_agent.nodes.other_agents import signed, view_of_agent
from memgpt_agent.nodes.session import Resources, Session
from memgpt_agent.nodes.tool_calls.acting import act, change_queue_again, failures_as_results, for_tools, request
from memgpt_agent.nodes.tool_calls.following import follow, hand_over
from memgpt_agent.nodes.tool_calls.noting import note
from memgpt_agent.nodes.tool_calls.questions import judge, with_own_answers
from memgpt_agent.nodes.tool_calls.reading import read_returned, refuse
from memgpt_agent.nodes.tool_calls.step import Call, Done, Outcome, Step
from memgpt_agent.state import AgentState


def execute_tools(
    state: AgentState, config: RunnableConfig, runtime: Runtime[Context], *, resources: Resources
) -> dict[str, Any] | Command[Any]:
    """Carry out the calls of the newest answer one after another; return their results and what follows.

    A run of the node ends with a call that may ask a person, and the node runs again for the calls after it. So no
    answer can reach another call: LangGraph matches the answers of one run by the order of its questions.
    """
    begun = _begin(state, config, runtime, resources)
    returned, failed = None, list[Outcome]()
    if begun.tool:
        with failures_as_results(failed):
            returned = begun.tool.invoke(begun.request, begun.config)
    return _finish(begun, returned, failed)


async def aexecute_tools(
    state: AgentState, config: RunnableConfig, runtime: Runtime[Context], *, resources: Resources
) -> dict[str, Any] | Command[Any]:
    """Async form, which never blocks the event loop."""
    begun = await asyncio.to_thread(_begin, state, config, runtime, resources)
    returned, failed = None, list[Outcome]()
    if begun.tool:
        with failures_as_results(failed):
            returned = await begun.tool.ainvoke(begun.request, begun.config)
    return await asyncio.to_thread(_finish, begun, returned, failed)


@dataclass(frozen=True)
class _Begun:
    """One run of the node, up to the foreign tool that it calls."""

    step: Step
    done: list[Done]
    config: RunnableConfig
    call: Call | None = None
    tool: ToolNode | None = None
    request: dict[str, Any] | None = None
    update: dict[str, Any] | Command[Any] | None = None


def _begin(state: AgentState, config: RunnableConfig, runtime: Runtime[Context], resources: Resources) -> _Begun:
    """Carry out the calls up to the first that may ask a person; only prepare the call of a foreign tool."""
    session = Session.of(runtime, config, resources, state)
    seen, _ = view_of_agent(state, session)
    step = Step.of(seen, session, config, runtime)
    if step.turn.get("handoffs") and not step.calls:
        return _Begun(step, [], config, update=hand_over(step))
    config = for_tools(with_own_answers(config, runtime.execution_info), runtime, step.session)
    done: list[Done] = []
    for given in step.calls:
        with set_config_context(config) as context:
            call, outcome = context.run(judge, step, given, done)
        outcome = outcome or act(step, call)
        if isinstance(outcome, ToolNode):
            return _Begun(step, done, config, call, outcome, request(state, step, call))
        change_queue_again(step, call, outcome)
        done.append(note(step, call, outcome, done))
        if step.may_ask(given):
            break
    return _Begun(step, done, config, update=follow(step, done))


def _finish(begun: _Begun, returned: Any, failed: list[Outcome]) -> dict[str, Any] | Command[Any]:
    """Note what the foreign tool returned, and return the state's update."""
    if begun.call is None or begun.update is not None:
        return begun.update if isinstance(begun.update, Command) else signed(begun.update or {}, begun.step.session)
    outcome = failed[0] if failed else read_returned(begun.step, begun.call, returned)
    done = note(begun.step, begun.call, outcome, begun.done)
    refuse(begun.call, outcome)
    return signed(follow(begun.step, [*begun.done, done]), begun.step.session)
