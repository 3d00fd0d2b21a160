"""The ordered tool set, and how a call's arguments are read."""

from typing import Any

import pytest
from langchain_core.tools import StructuredTool, tool
from langgraph.prebuilt import ToolRuntime
from langgraph.store.memory import InMemoryStore

from memgpt_agent.errors import ConfigurationError, InvalidArguments, UnknownTool
from memgpt_agent.memory.agent_memory import AgentMemory
from memgpt_agent.tools.definition import foreign_tool
from memgpt_agent.tools.profiles import MEMGPT_TOOLS
from memgpt_agent.tools.registry import ToolRegistry, parse_call, validated

NAMES = (
    "send_message", "core_memory_append", "core_memory_replace", "conversation_search", "archival_memory_insert", "archival_memory_search",
    "read_message", "page_out", "page_in",
)  # fmt: skip


def weather(city: str, days: int = 1) -> str:
    """Tell the weather."""
    return f"{city}: {days}"


def test_the_papers_tools_stand_in_their_order() -> None:
    """``send_message`` first; what is added comes behind."""
    assert ToolRegistry(MEMGPT_TOOLS).names == NAMES
    assert ToolRegistry(MEMGPT_TOOLS, added=[weather]).names == (*NAMES, "weather")


def test_two_tools_of_one_name_are_refused() -> None:
    """Also one that is named as one of the agent's own."""
    with pytest.raises(ConfigurationError, match="'weather'; rename"):
        ToolRegistry(MEMGPT_TOOLS, added=[weather, weather])
    with pytest.raises(ConfigurationError, match="send_message"):
        ToolRegistry(MEMGPT_TOOLS, added=[StructuredTool.from_function(weather, name="send_message")])


def test_schemas_can_be_restricted_to_some() -> None:
    """In the last step there is only one thing left to do."""
    assert [
        s["function"]["name"] for s in ToolRegistry(MEMGPT_TOOLS).schemas(thinking=True, only=["send_message"])
    ] == ["send_message"]


def test_an_unknown_tool_is_told_those_there_are() -> None:
    """So that the model can choose again."""
    with pytest.raises(UnknownTool, match=r"no tool 'sendmessage'. The tools are: send_message, core_memory_append"):
        ToolRegistry(MEMGPT_TOOLS).get("sendmessage")


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (True, True),
        ("true", True),
        (" Yes ", True),
        ("1", True),
        (1, True),
        (False, False),
        ("false", False),
        (None, False),
    ],
)
def test_a_heartbeat_counts_by_its_meaning(given: Any, wanted: bool) -> None:
    """Small models write booleans as text."""
    assert parse_call({"request_heartbeat": given}).request_heartbeat is wanted


def test_control_arguments_are_taken_out() -> None:
    """The tool is given its own alone."""
    parsed = parse_call({"thinking": "hm", "city": "Lisbon", "request_heartbeat": True})
    assert (parsed.arguments, parsed.thinking) == ({"city": "Lisbon"}, "hm")
    assert parse_call({"thinking": None}).thinking == ""


def test_arguments_are_read_as_the_schema_says() -> None:
    """Numbers given as text, and defaults."""
    assert validated(foreign_tool(weather), {"city": "Lisbon", "days": "3"}) == {"city": "Lisbon", "days": 3}
    assert validated(foreign_tool(weather), {"city": "Lisbon"}) == {"city": "Lisbon", "days": 1}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({}, "city: Field required"), ({"city": "x", "days": "many"}, 'days: Input should be a valid integer.*given: "many"'),
        ({"city": "x", "town": "y"}, "no argument 'town'"), ({"city": "x", "days": ["y" * 200]}, "days: .*…"),
    ],
)  # fmt: skip
def test_arguments_that_do_not_fit_are_named_with_those_that_would(arguments: dict[str, Any], says: str) -> None:
    """What is wrong, what was given, and what there is."""
    with pytest.raises(InvalidArguments, match=says) as caught:
        validated(foreign_tool(weather), arguments)
    assert str(caught.value).endswith("Its arguments are: city, days.")


def test_what_is_injected_is_neither_asked_for_nor_taken() -> None:
    """The model may not give a runtime of its own."""

    @tool
    def look(word: str, runtime: ToolRuntime) -> str:
        """Look."""
        return word

    assert validated(foreign_tool(look), {"word": "x"}) == {"word": "x"}
    with pytest.raises(InvalidArguments, match="no argument 'runtime'"):
        validated(foreign_tool(look), {"word": "x", "runtime": {}})


def test_a_json_schemas_names_are_checked() -> None:
    """Its server checks the rest."""
    schema = {"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"]}
    remote = foreign_tool(
        StructuredTool(name="remote", description="Far.", args_schema=schema, func=lambda **arguments: str(arguments))
    )
    assert validated(remote, {"x": 1}) == {"x": 1}
    with pytest.raises(InvalidArguments, match=r"remote: x: Field required; y: no such argument. Its arguments are: x"):
        validated(remote, {"y": 1})


def test_only_memory_tools_act_on_memory() -> None:
    """The others are LangGraph's to run."""
    memory = AgentMemory(InMemoryStore(), "ann")
    with pytest.raises(UnknownTool, match="not a memory tool"):
        ToolRegistry(MEMGPT_TOOLS, added=[weather]).act_on_memory("weather", memory, {"city": "x"})
    assert ToolRegistry(MEMGPT_TOOLS).act_on_memory("send_message", memory, {"message": "hi"}) == "Sent."
