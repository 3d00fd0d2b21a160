"""LangChain's middleware around the agent's model calls and tools, and what has no place there."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from langchain.agents.middleware import (
    AgentMiddleware,
    ModelFallbackMiddleware,
    ModelRetryMiddleware,
    SummarizationMiddleware,
    TodoListMiddleware,
    ToolRetryMiddleware,
    wrap_model_call,
    wrap_tool_call,
)
from langchain.agents.middleware.types import ExtendedModelResponse
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command
from typing_extensions import TypedDict

from memgpt_agent import MemGPTMiddleware, create_graph
from memgpt_agent.errors import ConfigurationError
from memgpt_agent.testing import ScriptedModel, call, say


def said(graph: Any, text: str = "Hello") -> Any:
    """Say something to a graph; return its output."""
    return graph.invoke({"messages": [HumanMessage(text)]}, {"configurable": {"thread_id": "t"}})


class Noting(AgentMiddleware):
    """Adds a sentence to the system prompt, and upper-cases what the model says; sync and async."""

    def __init__(self, name: str, notes: list[str]) -> None:
        super().__init__()
        self._own_name, self.notes = name, notes

    @property
    def name(self) -> str:
        return self._own_name

    def _request(self, request: Any) -> Any:
        self.notes.append(f"{self.name} before {len(request.tools)} tools")
        return request.override(system_message=SystemMessage(request.system_message.text + f"\n{self.name} was here."))

    def wrap_model_call(self, request: Any, handler: Callable[[Any], Any]) -> Any:
        response = handler(self._request(request))
        self.notes.append(f"{self.name} after")
        return response

    async def awrap_model_call(self, request: Any, handler: Callable[[Any], Any]) -> Any:
        response = await handler(self._request(request))
        self.notes.append(f"{self.name} after")
        return response


def test_middleware_sees_each_request_and_answer_the_first_one_outermost() -> None:
    """On both faces; what they change is what the model is sent."""
    notes: list[str] = []
    model = ScriptedModel([say("Hi."), say("Hi again.")])
    graph = create_graph(model=model, middleware=[Noting("A", notes), Noting("B", notes)])
    said(graph)
    asyncio.run(graph.ainvoke({"messages": [HumanMessage("Hello")]}, {"configurable": {"thread_id": "u"}}))
    order = [note.partition(" 1")[0].partition(" 9")[0] for note in notes]
    assert [n.split()[0] + n.split()[1][0] for n in order] == ["Ab", "Bb", "Ba", "Aa"] * 2
    assert model.calls[0][0].text.endswith("A was here.\nB was here.")
    assert model.calls[1][0].text.endswith("A was here.\nB was here.")


def test_an_answer_that_a_middleware_makes_is_the_agents_own() -> None:
    """Without asking the model at all, or in the place of what it said; what was streamed of that is withdrawn."""

    @wrap_model_call
    def instead(request: Any, handler: Any) -> Any:
        handler(request)
        return AIMessage("", tool_calls=[{"name": "send_message", "args": {"message": "Instead."}, "id": "x", "type": "tool_call"}])

    graph = create_graph(model=ScriptedModel([say("Original words.")]), middleware=[instead], checkpointer=InMemorySaver())
    config: Any = {"configurable": {"thread_id": "t"}}
    events = list(graph.stream({"messages": [HumanMessage("Hello")]}, config, stream_mode="custom", durability="sync"))
    shown = "".join(e.get("delta", "") if "withdrawn" not in e else "|" for e in events)
    assert shown.rpartition("|")[2] == "Instead."
    assert graph.get_state(config).values["messages"][-1].text == "Instead."


def test_langchains_own_middleware_works() -> None:
    """Retries of the model and of a tool, and a fallback model."""
    times: list[int] = []

    @tool
    def shaky() -> str:
        """Fail at first."""
        times.append(1)
        if len(times) < 2:
            raise RuntimeError("not yet")
        return "At last."

    broken = ScriptedModel([RuntimeError("down")] * 4)
    working = ScriptedModel([call("shaky", request_heartbeat=True), say("Done.")])
    others: Any = [ModelFallbackMiddleware(working), ToolRetryMiddleware(max_retries=2, initial_delay=0.0)]
    graph = create_graph(model=broken, tools=[shaky], middleware=others)
    out = said(graph)
    assert out["messages"][-1].text == "Done."
    assert next(m.text for m in out["messages"] if m.type == "tool") == "At last."
    again = ScriptedModel([RuntimeError("down"), say("Up again.")])
    assert said(create_graph(model=again, middleware=[ModelRetryMiddleware(initial_delay=0.0)]))["messages"][-1].text == "Up again."


def test_a_tool_from_elsewhere_is_wrapped_on_both_faces() -> None:
    """Its call can be changed, and its result."""

    @tool
    def double(number: int) -> str:
        """Double a number."""
        return str(2 * number)

    class Shifting(AgentMiddleware):
        def wrap_tool_call(self, request: Any, handler: Any) -> Any:
            changed = {**request.tool_call, "args": {"number": request.tool_call["args"]["number"] + 1}}
            return handler(request.override(tool_call=changed))

        async def awrap_tool_call(self, request: Any, handler: Any) -> Any:
            changed = {**request.tool_call, "args": {"number": request.tool_call["args"]["number"] + 1}}
            return await handler(request.override(tool_call=changed))

    script = [call("double", number=1, request_heartbeat=True), say("4"), call("double", number=2, request_heartbeat=True), say("6")]
    graph = create_graph(model=ScriptedModel(script), tools=[double], middleware=[Shifting()])
    assert "4" in [m.text for m in said(graph)["messages"] if m.type == "tool"]
    out = asyncio.run(graph.ainvoke({"messages": [HumanMessage("And?")]}, {"configurable": {"thread_id": "u"}}))
    assert "6" in [m.text for m in out["messages"] if m.type == "tool"]


def test_a_middleware_may_update_keys_that_the_user_added() -> None:
    """ExtendedModelResponse's command; a key of the agent's own is refused."""

    class Mine(TypedDict):
        calls: int

    class Counting(AgentMiddleware):
        key = "calls"

        def wrap_model_call(self, request: Any, handler: Any) -> Any:
            return ExtendedModelResponse(handler(request), Command(update={self.key: 1}))

    graph = create_graph(model=ScriptedModel([say("Hi.")]), middleware=[Counting()], state_schema=Mine)
    assert said(graph)["calls"] == 1
    wrong = Counting()
    wrong.key = "summary"
    with pytest.raises(ConfigurationError, match="'summary'"):
        said(create_graph(model=ScriptedModel([say("Hi.")]), middleware=[wrong], state_schema=Mine))


def test_other_hooks_are_refused_by_name_with_what_to_do() -> None:
    """When the graph is built."""
    with pytest.raises(ConfigurationError, match="before_model.*wrap_model_call"):
        create_graph(middleware=[SummarizationMiddleware(ScriptedModel([]), trigger=("tokens", 10))])
    with pytest.raises(ConfigurationError, match="after_model"):
        create_graph(middleware=[TodoListMiddleware()])
    with pytest.raises(ConfigurationError, match="Leave it out"):
        create_graph(middleware=[MemGPTMiddleware()])
    with pytest.raises(ConfigurationError, match="no AgentMiddleware"):
        create_graph(middleware=["retry"])

    @wrap_tool_call
    def fine(request: Any, handler: Any) -> Any:
        return handler(request)

    assert set(create_graph(middleware=[fine]).nodes) == set(create_graph().nodes)


def test_what_the_agent_decides_itself_is_refused_where_a_middleware_sets_it() -> None:
    """A tool choice would be dropped in silence else."""

    @wrap_model_call
    def forcing(request: Any, handler: Any) -> Any:
        return handler(request.override(tool_choice="any"))

    with pytest.raises(ConfigurationError, match="tool_choice"):
        said(create_graph(model=ScriptedModel([say("Hi.")]), middleware=[forcing]))
