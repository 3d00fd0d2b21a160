"""ChatLlama with a real model, small enough for a test."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, SystemMessage, ToolMessage

from memgpt_agent.errors import ConfigurationError, ModelError, ModelNotFound
from memgpt_agent.models import context_window_tokens
from memgpt_agent.models.llama import ChatLlama

pytestmark = pytest.mark.local


def tool(name: str, **properties: dict[str, Any]) -> dict[str, Any]:
    """Make a tool as the agent binds it: thinking first, request_heartbeat last."""
    fields = {"thinking": {"type": "string"}, **properties, "request_heartbeat": {"type": "boolean"}}
    schema = {"type": "object", "properties": fields, "required": ["thinking", *properties, "request_heartbeat"]}
    return {"type": "function", "function": {"name": name, "description": name, "parameters": schema}}


SPEAK = tool("send_message", message={"type": "string"})
APPEND = tool("core_memory_append", label={"enum": ["human", "persona"]}, content={"type": "string"})


@pytest.fixture(scope="module")
def model(smollm2: Path) -> ChatLlama:
    """SmolLM2-135M with a small window."""
    return ChatLlama(path=smollm2, n_ctx=2_048, max_tokens=160)


def test_a_required_call_is_whole_and_its_arguments_stand_in_order(model: ChatLlama):
    """Whatever a small model thinks, the call parses, in the order of the schema; drawn, for the likeliest words go round in circles."""
    answer = (
        model.bind_tools([SPEAK, APPEND], tool_choice="required")
        .bind(max_tokens=900, temperature=0.9)
        .invoke("I am Bo.")
    )
    (call,) = answer.tool_calls
    names = {"send_message": ["message"], "core_memory_append": ["label", "content"]}
    assert list(call["args"]) == ["thinking", *names[call["name"]], "request_heartbeat"]
    assert answer.invalid_tool_calls == []


def test_a_named_tool_is_called_and_an_enum_holds(model: ChatLlama):
    """``tool_choice`` by name leaves no other tool, and a label is one of the labels."""
    answer = model.bind_tools([SPEAK, APPEND], tool_choice="core_memory_append").invoke("I am Bo.")
    assert [call["name"] for call in answer.tool_calls] == ["core_memory_append"]
    assert answer.tool_calls[0]["args"]["label"] in {"human", "persona"}


def test_none_answers_in_text(model: ChatLlama):
    """``none`` calls nothing."""
    answer = model.bind_tools([SPEAK], tool_choice="none").bind(max_tokens=12).invoke("Say hello.")
    assert answer.tool_calls == []
    assert answer.text


def test_a_stream_gives_the_call_in_pieces_that_make_the_same_answer(model: ChatLlama):
    """The name comes first, then the arguments as they are generated, and the usage at the end."""
    bound = model.bind_tools([SPEAK], tool_choice="send_message")
    chunks = list(bound.stream("Say hello."))
    whole = chunks[0]
    for chunk in chunks[1:]:
        whole = whole + chunk  # type: ignore[assignment]
    assert isinstance(whole, AIMessageChunk)
    assert isinstance(chunks[0], AIMessageChunk)
    assert chunks[0].tool_call_chunks[0]["name"] == "send_message"
    assert len(chunks) > 4
    answer = bound.invoke("Say hello.")
    assert whole.tool_calls[0]["args"] == answer.tool_calls[0]["args"]
    assert whole.usage_metadata is not None
    assert answer.usage_metadata is not None
    assert whole.usage_metadata["output_tokens"] == answer.usage_metadata["output_tokens"]


def test_an_answer_cut_by_its_limit_is_no_tool_call(model: ChatLlama):
    """Half a call is reported as invalid, so that the agent can say so to the model."""
    answer = model.bind_tools([SPEAK], tool_choice="send_message").bind(max_tokens=3).invoke("Say hello.")
    assert answer.tool_calls == []
    assert answer.invalid_tool_calls[0]["name"] == "send_message"
    assert answer.response_metadata["finish_reason"] == "length"


def test_a_prefix_seen_before_is_not_computed_again(model: ChatLlama):
    """Not even after another prompt came between."""
    long = SystemMessage("You remember everything. " * 60)
    model.bind(max_tokens=2).invoke([long, HumanMessage("One")])
    model.bind(max_tokens=2).invoke([SystemMessage("Another prompt. " * 60), HumanMessage("Two")])
    answer = model.bind(max_tokens=2).invoke([long, HumanMessage("Three")])
    assert answer.usage_metadata is not None
    assert answer.usage_metadata["input_token_details"]["cache_read"] > 200  # type: ignore[typeddict-item]


def test_the_same_seed_draws_the_same_answer(model: ChatLlama):
    """And another temperature than 0 draws at all."""
    drawn = [model.bind(max_tokens=16, temperature=1.2, seed=s).invoke("Tell me a story.").text for s in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_a_stop_text_ends_the_answer_before_it(model: ChatLlama):
    """The stop text is not part of the answer."""
    whole = model.bind(max_tokens=24).invoke("Count: one two three").text
    word = whole.split()[3]
    cut = model.bind(max_tokens=24).invoke("Count: one two three", stop=[word]).text
    assert cut == whole[: whole.index(word)]


def test_what_a_message_says_cannot_end_it(model: ChatLlama):
    """A marker of the chat format in a text is text: it costs more than its one control token."""
    plain = model.get_num_tokens_from_messages([HumanMessage("a")])
    marked = model.get_num_tokens_from_messages([HumanMessage("a<|im_end|>")])
    assert marked - plain > 1


def test_calls_and_results_are_part_of_the_prompt(model: ChatLlama):
    """A whole exchange is counted as it is sent."""
    call = AIMessage("", tool_calls=[{"name": "send_message", "args": {"message": "Hello"}, "id": "1"}])
    messages = [HumanMessage("Hi"), call, ToolMessage('{"status": "OK"}', tool_call_id="1", name="send_message")]
    counts = [model.get_num_tokens_from_messages(messages[:n]) for n in (1, 2, 3)]
    assert counts == sorted(set(counts))


def test_threads_take_turns(model: ChatLlama):
    """Several callers get the answers that each would get alone."""
    bound = model.bind(max_tokens=8)
    prompts = ["One", "Two", "Three", "Four"]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda prompt: bound.invoke(prompt).text, prompts))
    assert together == [bound.invoke(prompt).text for prompt in prompts]


async def test_the_async_face_streams_too(model: ChatLlama):
    """In another thread, with the same pieces."""
    pieces = [chunk.text async for chunk in model.bind(max_tokens=8).astream("Say hello.")]
    assert "".join(pieces) == model.bind(max_tokens=8).invoke("Say hello.").text


def test_a_prompt_beyond_the_window_is_an_error(model: ChatLlama):
    """It names both sizes."""
    with pytest.raises(ModelError, match="does not fit a context window of 2048 tokens"):
        model.invoke("word " * 3_000)


def test_a_choice_that_is_no_tool_is_refused(model: ChatLlama):
    """Before anything is generated."""
    with pytest.raises(ConfigurationError, match="send_massage"):
        model.bind_tools([SPEAK], tool_choice="send_massage")


def test_the_window_is_told_before_the_file_is_loaded(tmp_path: Path):
    """The budget needs it early; a missing file is an error on first use."""
    absent = ChatLlama(path=tmp_path / "none.gguf", n_ctx=4_096)
    assert context_window_tokens(absent) == 4_096
    with pytest.raises(ModelNotFound, match="memgpt model pull"):
        absent.count_tokens("a")


def test_options_are_told_apart_by_their_likelihood(model: ChatLlama):
    """The probabilities of a choice sum to one; options with one beginning are refused."""
    prompt = model.engine.tokenize("The capital of France is")
    likely = model.engine.choose(prompt, [" Paris", " banana"])
    assert sum(likely) == pytest.approx(1)
    assert likely[0] > 0.9
    with pytest.raises(ModelError, match="begin with the same token"):
        model.engine.choose(prompt, [" Paris", " Paris again"])
