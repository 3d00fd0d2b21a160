"""One definition of a tool: its schema with the control arguments, and its behaviour."""

from typing import Annotated, Any

import pytest
from langchain_core.tools import StructuredTool, tool
from langgraph.prebuilt import InjectedState, ToolRuntime

from memgpt_agent.errors import ConfigurationError
from memgpt_agent.tools.definition import foreign_tool, memory_tool
from memgpt_agent.tools.profiles import MEMGPT_TOOLS


def weather(city: str, days: int = 1) -> str:
    """Tell the weather.

    Args:
        city: Where.
        days: How many days ahead.
    """
    return f"{city}: {days}"


@pytest.mark.parametrize("name", [t.name for t in MEMGPT_TOOLS])
def test_thinking_comes_first_and_the_heartbeat_last(name: str) -> None:
    """The model thinks before it fills in anything, and decides at the end whether to go on."""
    shown = next(t for t in MEMGPT_TOOLS if t.name == name).schema(thinking=True)["function"]["parameters"]
    assert (next(iter(shown["properties"])), list(shown["properties"])[-1]) == ("thinking", "request_heartbeat")
    assert (shown["required"][0], shown["required"][-1]) == ("thinking", "request_heartbeat")
    assert "memory" not in shown["properties"]
    assert all(p.get("description") for p in shown["properties"].values())


def test_a_model_that_reasons_by_itself_is_not_asked_for_its_thoughts() -> None:
    """The heartbeat stays."""
    shown = MEMGPT_TOOLS[0].schema(thinking=False)["function"]["parameters"]
    assert list(shown["properties"]) == ["message", "request_heartbeat"]


def test_a_plain_function_becomes_a_tool_by_its_docstring() -> None:
    """Its ``Args`` describe the arguments and are not repeated in the description."""
    shown = foreign_tool(weather).schema(thinking=False)["function"]
    assert (shown["name"], shown["description"]) == ("weather", "Tell the weather.")
    assert shown["parameters"]["properties"]["city"]["description"] == "Where."
    assert shown["parameters"]["required"] == ["city", "request_heartbeat"]


def test_a_tool_described_by_a_json_schema_gets_the_control_arguments_too() -> None:
    """As MCP servers bring them."""
    schema = {"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"]}
    given = StructuredTool(
        name="remote", description="Far away.", args_schema=schema, func=lambda **arguments: str(arguments)
    )
    shown = foreign_tool(given).schema(thinking=True)["function"]["parameters"]
    assert list(shown["properties"]) == ["thinking", "x", "request_heartbeat"]
    assert list(schema["properties"]) == ["x"]


def test_what_langgraph_injects_is_not_shown() -> None:
    """The model cannot give it."""

    @tool
    def look(word: str, runtime: ToolRuntime, state: Annotated[dict[str, Any], InjectedState]) -> str:
        """Look."""
        return word

    assert list(foreign_tool(look).schema(thinking=False)["function"]["parameters"]["properties"]) == [
        "word",
        "request_heartbeat",
    ]


def test_a_tool_with_an_argument_of_ours_is_refused() -> None:
    """It would never be given it."""

    def ponder(thinking: str) -> str:
        """Ponder."""
        return thinking

    def beat(request_heartbeat: bool) -> str:
        """Beat."""
        return str(request_heartbeat)

    with pytest.raises(ConfigurationError, match=r"'ponder' has an argument 'thinking'.*Rename"):
        foreign_tool(ponder)
    with pytest.raises(ConfigurationError, match="request_heartbeat"):
        foreign_tool(beat)


def test_a_function_without_a_docstring_is_refused() -> None:
    """The model would not know what it is for."""

    def silent(x: str) -> str:
        return x

    with pytest.raises(ConfigurationError, match="docstring"):
        foreign_tool(silent)


def test_a_memory_tool_is_carried_out_only_through_the_agent() -> None:
    """Called as a LangChain tool it says so."""

    def note(memory: object, text: str) -> str:
        """Note."""
        return text

    with pytest.raises(NotImplementedError, match="call it through the agent"):
        memory_tool(note).tool.invoke({"text": "x"})
