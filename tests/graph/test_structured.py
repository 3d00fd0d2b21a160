"""A structured result beside the reply: ``response_format`` of a graph and of an agent."""

import json
from dataclasses import dataclass
from typing import Any

import pytest
from langchain.agents.structured_output import ProviderStrategy, StructuredOutputValidationError, ToolStrategy
from langchain_core.messages import HumanMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.store.memory import InMemoryStore
from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from memgpt_agent import MemGPTAgent, create_graph
from memgpt_agent.errors import ConfigurationError
from memgpt_agent.testing import ScriptedModel, call, calls, say


class Weather(BaseModel):
    """The weather of a place."""

    place: str
    degrees: int = Field(ge=-90, le=60)


@dataclass
class Climate:
    """The climate of a place."""

    place: str
    degrees: int


class Plain(TypedDict):
    """The same as a dict."""

    place: str
    degrees: int


JSON = {
    "title": "Raw", "type": "object", "properties": {"place": {"type": "string"}, "degrees": {"type": "integer"}},
    "required": ["place", "degrees"],
}  # fmt: skip
ROME: Any = {"place": "Rome", "degrees": 20}


def said(graph: Any, text: str = "Rome?") -> Any:
    """Say something to a graph; return its output."""
    return graph.invoke({"messages": [HumanMessage(text)]}, {"configurable": {"thread_id": "t"}})


@pytest.mark.parametrize(
    ("schema", "name", "expected"),
    [(Weather, "Weather", Weather(**ROME)), (Climate, "Climate", Climate(**ROME)), (Plain, "Plain", ROME), (JSON, "Raw", ROME),
     (ToolStrategy(Weather | Climate), "Climate", Climate(**ROME))],
)  # fmt: skip
def test_the_result_stands_beside_the_reply(schema: Any, name: str, expected: Any) -> None:
    """Whatever kind of schema it is: the state has the result, and ``messages[-1]`` is what the user was told."""
    graph = create_graph(model=ScriptedModel([calls((name, ROME)), say("It is mild.")]), response_format=schema)
    out = said(graph)
    assert out["structured_response"] == expected
    assert out["messages"][-1].text == "It is mild."


def test_a_result_that_does_not_fit_goes_back_to_the_model() -> None:
    """It is told what is wrong, and gives it again."""
    model = ScriptedModel([calls(("Weather", {"place": "Rome", "degrees": 900})), calls(("Weather", ROME)), say("Mild.")])
    out = said(create_graph(model=model, response_format=Weather))
    assert out["structured_response"] == Weather(**ROME)
    assert "less than or equal to 60" in model.calls[1][-1].text


def test_a_turn_does_not_end_without_its_result_whichever_way_the_user_is_answered() -> None:
    """The model that only speaks, by its tool or in plain text, is asked for the result; the reply stays the last message."""
    for answer in (say("Mild."), "Mild."):
        model = ScriptedModel([answer, calls(("Weather", ROME))])
        out = said(create_graph(model=model, response_format=Weather))
        assert out["structured_response"] == Weather(**ROME)
        assert out["messages"][-1].text == "Mild."
        assert "call Weather" in model.calls[1][-1].text


def test_each_turn_has_its_own_result_and_a_heartbeat_needs_none() -> None:
    """The result of a turn is gone when the next one begins."""
    model = ScriptedModel([calls(("Weather", ROME)), say("Mild."), "Thinking to myself."])
    graph = create_graph(model=model, response_format=Weather, checkpointer=InMemorySaver())
    assert said(graph)["structured_response"] == Weather(**ROME)
    out = graph.invoke({"event": {"type": "heartbeat"}}, {"configurable": {"thread_id": "t"}}, durability="sync")  # type: ignore[call-overload]
    assert out["structured_response"] is None


def test_the_strategys_way_with_errors_is_followed() -> None:
    """A text of one's own for the model, or the error itself for the developer."""
    wrong = calls(("Weather", {"place": "Rome"}), ("Weather", {"place": "Rome", "degrees": "hot"}))
    model = ScriptedModel([wrong, calls(("Weather", ROME)), say("Mild.")])
    said(create_graph(model=model, response_format=ToolStrategy(Weather, handle_errors="Degrees are whole numbers.")))
    assert "Degrees are whole numbers." in model.calls[1][-1].text
    strict = create_graph(model=ScriptedModel([wrong]), response_format=ToolStrategy(Weather, handle_errors=False))
    with pytest.raises(StructuredOutputValidationError, match="Weather"):
        said(strict)


@pytest.mark.parametrize("answer", [say("Mild."), "Mild."])
def test_the_providers_own_format_gives_the_result_in_a_step_behind_the_reply(answer: Any) -> None:
    """No tools, the schema as the provider takes it; an answer that does not fit goes back; the reply stays the last message."""
    model = ScriptedModel([answer, "no JSON", json.dumps({**ROME, "degrees": 900}), json.dumps(ROME), say("Hello again."), json.dumps(ROME)])
    graph = create_graph(model=model, response_format=ProviderStrategy(Weather), checkpointer=InMemorySaver())
    out = said(graph)
    assert out["structured_response"] == Weather(**ROME)
    assert out["messages"][-1].text == "Mild."
    assert [len(tools) > 0 for tools in model.tools_offered] == [True, False, False, False]
    assert "less than or equal to 60" in model.calls[3][-1].text
    assert said(graph, "And now?")["messages"][-1].text == "Hello again."
    assert not any("result of this turn" in m.text for m in model.calls[4])


def test_the_model_is_bound_to_the_providers_format_in_that_step_alone() -> None:
    """The options are those that create_agent sends."""
    given: list[Any] = []

    class Bound(ScriptedModel):
        def _next(self, messages: Any, **kwargs: Any) -> Any:
            given.append(kwargs.get("response_format"))
            return super()._next(messages, **kwargs)

    said(create_graph(model=Bound(script=[say("Mild."), json.dumps(ROME)]), response_format=ProviderStrategy(Weather, strict=True)))
    assert given == [None, ProviderStrategy(Weather, strict=True).to_model_kwargs()["response_format"]]


def test_what_cannot_be_a_form_is_refused_when_the_graph_is_built() -> None:
    """A class that is no schema, and a field that the agent adds itself."""

    class Thinking(BaseModel):
        thinking: str

    with pytest.raises(ConfigurationError, match="cannot be used"):
        create_graph(response_format=int)
    with pytest.raises(ConfigurationError, match="'thinking'"):
        create_graph(response_format=Thinking)


def test_the_schemas_and_the_nodes_of_the_graph_say_so() -> None:
    """The result is part of the output and no part of the input; the nodes are the same."""
    graph = create_graph(response_format=Weather)
    assert "structured_response" in graph.get_output_jsonschema()["properties"]
    assert "structured_response" not in graph.get_input_jsonschema()["properties"]
    assert set(graph.nodes) == set(create_graph().nodes)


def test_an_agent_gives_it_with_its_response() -> None:
    """``AgentResponse.structured``, beside the message."""
    edit = call("core_memory_append", label="human", content="Asks about Rome", request_heartbeat=True)
    model = ScriptedModel([edit, "Mild.", calls(("Weather", ROME))])
    with MemGPTAgent(model=model, store=InMemoryStore(), checkpointer=InMemorySaver(), response_format=Weather) as agent:
        response = agent.step("Rome?", event_id="e1")
        assert response.structured == Weather(**ROME)
        assert response.message == "Mild."
