"""The guided model, with a real model small enough for a test: its form, not its judgement."""

import json
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import HumanMessage, SystemMessage, ToolMessage

from memgpt_agent.models.guided import model as guided
from memgpt_agent.models.guided.model import GuidedLlama
from memgpt_agent.tools.profiles import MEMGPT_TOOLS

pytestmark = pytest.mark.local

TOOLS = [tool.schema(thinking=True) for tool in MEMGPT_TOOLS]
NAMES = {tool.name for tool in MEMGPT_TOOLS}


@pytest.fixture(scope="module")
def model(smollm2: Path) -> GuidedLlama:
    """SmolLM2-135M with a small window."""
    return GuidedLlama(path=smollm2, n_ctx=2_048, max_tokens=60)


def memory(human: str = "") -> SystemMessage:
    """Make the system message with core memory as data."""
    blocks = [{"label": "persona", "value": "I help."}, {"label": "human", "value": human}]
    return SystemMessage("", additional_kwargs={"memgpt": {"blocks": blocks}})


@pytest.mark.parametrize("said", ["I am Bo.", "Save this note: the key is blue.", "What is my name?", "Hello!"])
def test_every_answer_is_a_call_of_one_of_the_tools_with_arguments_in_order(model: GuidedLlama, said: str):
    """Whatever it decides, the agent can carry it out."""
    answer = model.bind_tools(TOOLS).invoke([memory("The user is Al."), HumanMessage(said)])
    assert answer.invalid_tool_calls == []
    assert answer.tool_calls
    for call in answer.tool_calls:
        assert call["name"] in NAMES
        assert next(iter(call["args"])) == "thinking"
        assert list(call["args"])[-1] == "request_heartbeat"


def test_after_a_memory_edit_it_speaks(model: GuidedLlama):
    """A result is followed by words to the user, without another heartbeat."""
    done = ToolMessage(json.dumps({"status": "OK", "message": "done"}), tool_call_id="1", name="core_memory_append")
    answer = model.bind_tools(TOOLS).invoke([memory("The user is Bo."), HumanMessage("I am Bo."), done])
    (call,) = answer.tool_calls
    assert call["name"] == "send_message"
    assert call["args"]["message"].strip()
    assert call["args"]["request_heartbeat"] is False


def test_a_last_step_that_may_only_speak_speaks(model: GuidedLlama):
    """With ``send_message`` named, nothing else is called."""
    bound = model.bind_tools(TOOLS, tool_choice="send_message")
    answer = bound.invoke([memory(), HumanMessage("Save this note: the key is blue.")])
    assert [call["name"] for call in answer.tool_calls] == ["send_message"]


def test_words_to_the_user_are_streamed_while_they_are_generated(model: GuidedLlama):
    """The pieces make one call whose message is whole, quotes and all."""
    pieces: list[dict[str, Any]] = []
    for chunk in model.bind_tools(TOOLS, tool_choice="send_message").stream([memory(), HumanMessage("Tell me a story about rain.")]):
        pieces += [dict(piece) for piece in chunk.tool_call_chunks]  # type: ignore[attr-defined]
    assert len(pieces) > 4
    assert json.loads("".join(piece["args"] for piece in pieces))["message"]


def test_a_heartbeat_with_nobody_waiting_is_left_in_peace(model: GuidedLlama):
    """It answers in plain text, which is an inner thought, and calls nothing."""
    beat = HumanMessage("", additional_kwargs={"memgpt": {"type": "heartbeat", "text": ""}})
    answer = model.bind_tools(TOOLS).invoke([memory(), beat])
    assert answer.tool_calls == []
    assert answer.text


def test_without_the_agents_tools_it_is_a_plain_chat_model(model: GuidedLlama):
    """A summary, for instance, is written as by any other model."""
    assert model.bind(max_tokens=8).invoke("Summarise: it rained.").tool_calls == []


def test_a_note_is_what_stands_behind_the_request():
    """Without a colon the whole message is kept: better too much than half."""
    assert guided._note("Save this note: the key is under the mat.") == "the key is under the mat."
    assert guided._note("Store that the key is under the mat.") == "Store that the key is under the mat."


def test_a_query_holds_the_words_of_meaning_in_order():
    """Question words and the word archive find nothing."""
    assert guided._query("Which archived recipe did I mention?") == "recipe"
    assert guided._query("What is it?") == "What is it?"


def test_arguments_stand_in_the_order_of_the_schema():
    """What is required and was not thought of is empty; what is optional and not given is absent."""
    schema = {
        "parameters": {"properties": {"thinking": {}, "a": {}, "b": {}, "last": {}}, "required": ["thinking", "last"]}
    }
    assert list(guided._arguments(schema, {"last": True, "a": 1}).items()) == [
        ("thinking", ""),
        ("a", 1),
        ("last", True),
    ]


def test_an_added_tool_is_called_with_arguments_of_its_schema_or_not_at_all(model: GuidedLlama):
    """A tool of one's own is asked about, and its arguments are decoded under its schema."""
    schema = {"type": "object", "properties": {"city": {"enum": ["Oslo", "Rome"]}}, "required": ["city"]}
    weather = {
        "type": "function",
        "function": {"name": "weather", "description": "Tell the weather.", "parameters": schema},
    }
    answer = model.bind_tools([*TOOLS, weather]).invoke([memory(), HumanMessage("How is the weather in Rome?")])
    assert answer.invalid_tool_calls == []
    for call in answer.tool_calls:
        assert call["name"] in NAMES | {"weather"}
        assert call["name"] != "weather" or call["args"]["city"] in {"Oslo", "Rome"}
