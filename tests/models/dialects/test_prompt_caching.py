"""What is asked of providers' prompt caches: breakpoints where Anthropic takes them, a key where OpenAI does, nothing elsewhere."""

from collections.abc import Sequence
from typing import Any

import pytest
from langchain_anthropic import ChatAnthropic
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolCall, ToolMessage
from langchain_openai import AzureChatOpenAI, ChatOpenAI

from memgpt_agent.events import MARK
from memgpt_agent.models.dialects import UNCHANGING, Wanted, speak

SYSTEM = SystemMessage("Who you are.\n\nWhat you know.", additional_kwargs={MARK: {UNCHANGING: len("Who you are.")}})
TOOL: dict[str, Any] = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}
ASKED = Wanted(conversation="c0ffee")


def called(*ids: str) -> AIMessage:
    """Return an answer with these calls."""
    return AIMessage("", tool_calls=[ToolCall(name="look", args={}, id=i, type="tool_call") for i in ids])


def found(call_id: str) -> ToolMessage:
    """Return a call's result."""
    return ToolMessage("found", name="look", tool_call_id=call_id)


def payload(model: Any, messages: Sequence[BaseMessage], wanted: Wanted = ASKED) -> dict[str, Any]:
    """Return the request that a model's client would send."""
    spoken: Any = speak(model, messages, [TOOL], wanted)
    bound = spoken.client
    return bound.bound._get_request_payload(spoken.messages, **bound.kwargs)


def claude(**given: Any) -> ChatAnthropic:
    """Return Anthropic's client."""
    fields: dict[str, Any] = {"model": "claude-haiku-4-5", "api_key": "k", **given}
    return ChatAnthropic(**fields)


def openai(**given: Any) -> ChatOpenAI:
    """Return OpenAI's client."""
    fields: dict[str, Any] = {"model": "gpt-4.1-mini", "api_key": "k", **given}
    return ChatOpenAI(**fields)


def marked(sent: dict[str, Any]) -> list[Any]:
    """Return the blocks behind which an entry is asked for, in order."""
    blocks = [*sent["tools"], *sent["system"], *(b for m in sent["messages"] for b in m["content"] if isinstance(b, dict))]
    return [block for block in blocks if "cache_control" in block]


def test_entries_are_asked_for_behind_what_never_changes_at_the_last_requests_end_and_at_the_end() -> None:
    """The tools stand before the first; a fourth is left to the user."""
    sent = payload(claude(), [SYSTEM, HumanMessage("one"), called("a", "b"), found("a"), found("b"), HumanMessage("two")])
    assert [block.get("text") for block in marked(sent)] == ["Who you are.", "one", "two"]
    assert [block["text"] for block in sent["system"]] == ["Who you are.", "\n\nWhat you know."]


def test_an_entry_behind_a_tools_result_stands_at_the_result() -> None:
    """Not within it, where the provider refuses it."""
    sent = payload(claude(), [SYSTEM, HumanMessage("one"), called("a"), found("a"), called("b"), found("b")])
    results = [block for block in marked(sent) if block.get("type") == "tool_result"]
    assert [block["tool_use_id"] for block in results] == ["a", "b"]
    assert all("cache_control" not in inner for block in results for inner in block["content"])


def test_a_text_has_one_form_whether_an_entry_is_asked_for_behind_it_or_not() -> None:
    """What moves from request to request is the mark alone."""
    start: list[BaseMessage] = [SYSTEM, HumanMessage("one")]
    behind = [*start, called("a"), found("a"), called("b"), found("b"), called("c"), found("c")]

    def bare(sent: dict[str, Any]) -> list[Any]:
        return [{k: v for k, v in b.items() if k != "cache_control"} for m in sent["messages"] for b in m["content"]]

    assert bare(payload(claude(), behind))[:3] == bare(payload(claude(), behind[:4]))


def test_the_first_request_and_a_picture_at_the_end() -> None:
    """A picture takes the mark as a text does."""
    picture = {"type": "image", "base64": "iVBORw0KGgo=", "mime_type": "image/png"}
    sent = payload(claude(), [SYSTEM, HumanMessage([{"type": "text", "text": "look"}, picture])])
    assert [block["type"] for block in marked(sent)] == ["text", "image"]


def test_a_single_question_asks_for_no_entry() -> None:
    """A summary's prompt is not sent again: an entry would only cost."""
    assert marked({"system": [], **payload(claude(), [HumanMessage("Summarise.")], Wanted())}) == []


def test_with_the_users_own_cache_control_four_breakpoints_are_not_exceeded() -> None:
    """Anthropic's automatic one takes a place of the four."""
    sent = payload(claude(model_kwargs={"cache_control": {"type": "ephemeral"}}), [SYSTEM, HumanMessage("one"), called("a"), found("a")])
    assert sent["cache_control"] == {"type": "ephemeral"}
    assert len(marked(sent)) == 3


@pytest.mark.parametrize("responses", [False, True])
def test_openai_gets_the_conversations_key(responses: bool) -> None:
    """By both of its protocols."""
    assert payload(openai(use_responses_api=responses), [SYSTEM, HumanMessage("one")])["prompt_cache_key"] == "c0ffee"


def test_a_key_of_the_users_stays() -> None:
    """Given with the client or bound to it."""
    assert payload(openai(model_kwargs={"prompt_cache_key": "own"}), [SYSTEM, HumanMessage("one")])["prompt_cache_key"] == "own"
    assert payload(openai().bind(prompt_cache_key="own"), [SYSTEM, HumanMessage("one")])["prompt_cache_key"] == "own"


def test_other_servers_get_no_key() -> None:
    """They refuse what they do not know."""
    azure: dict[str, Any] = {"model": "gpt-4.1", "api_key": "k", "azure_endpoint": "https://x.openai.azure.com", "api_version": "2024-10-21"}
    for model in (openai(base_url="http://127.0.0.1:9/v1"), openai(base_url="https://api.example.com/v1"), AzureChatOpenAI(**azure)):
        assert "prompt_cache_key" not in payload(model, [SYSTEM, HumanMessage("one")])
    assert "prompt_cache_key" not in payload(openai(), [SYSTEM, HumanMessage("one")], Wanted())
