"""Which dialect a model speaks."""

from typing import Any

import pytest
from langchain_anthropic import ChatAnthropic
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_deepseek import ChatDeepSeek
from langchain_mistralai import ChatMistralAI
from langchain_ollama import ChatOllama
from langchain_openai import AzureChatOpenAI, ChatOpenAI

from memgpt_agent.models import resolve_chat_model
from memgpt_agent.models.dialects import dialect_of, in_turn, is_model, speak
from memgpt_agent.testing import ScriptedModel


def _openai(**given) -> ChatOpenAI:
    options: dict[str, Any] = {"model": "gpt-4.1-mini", "api_key": "k", **given}
    return ChatOpenAI(**options)


def _anthropic() -> ChatAnthropic:
    options: dict[str, Any] = {"model": "claude-haiku-4-5", "api_key": "k"}
    return ChatAnthropic(**options)


def _azure() -> AzureChatOpenAI:
    options: dict[str, Any] = {"azure_endpoint": "https://x.openai.azure.com", "api_key": "k", "api_version": "v1", "azure_deployment": "d"}
    return AzureChatOpenAI(**options)


def _mistral() -> ChatMistralAI:
    options: dict[str, Any] = {"model": "mistral-small", "api_key": "k"}
    return ChatMistralAI(**options)


def _deepseek() -> ChatDeepSeek:
    options: dict[str, Any] = {"model": "deepseek-chat", "api_key": "k"}
    return ChatDeepSeek(**options)


@pytest.mark.parametrize(
    ("model", "dialect"),
    [
        (_openai(), "OpenAIChat"),
        (_openai(use_responses_api=True), "OpenAIResponses"),
        (_openai(base_url="http://localhost:8080/v1"), "Compatible"),
        (_openai(base_url="https://api.deepseek.com"), "DeepSeek"),
        (_openai(base_url="http://localhost:1/v1", model="deepseek-v4-pro"), "DeepSeek"),
        (_azure(), "OpenAIChat"),
        (_anthropic(), "Anthropic"),
        (_mistral(), "Mistral"),
        (ChatOllama(model="llama3.2"), "Ollama"),
        (_deepseek(), "DeepSeek"),
        (ScriptedModel(), "Dialect"),
        (_openai(base_url="http://localhost:8080/v1").bind(temperature=0).with_config(tags=["a"]), "Compatible"),
        (_anthropic().with_fallbacks([_openai()]), "Anthropic"),
    ],
)
def test_a_dialect_follows_from_class_address_and_name(model, dialect: str):
    """Also through what a model is wrapped in."""
    assert is_model(model)
    assert type(dialect_of(model)).__name__ == dialect


def test_fallbacks_are_tried_in_turn_each_with_the_options_bound_around_them():
    """Options that are bound to a model go along with the call."""
    first, second = _openai(), ChatOllama(model="llama3.2")
    assert in_turn(first.with_fallbacks([second])) == [first, second]
    spoken = speak(first.bind(temperature=0.25), [])
    assert spoken.client.kwargs["temperature"] == 0.25  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize("name", ["mistral/mistral-small-latest", "mistralai:mistral-small-latest"])
def test_a_provider_may_stand_before_a_slash_and_under_its_common_name(name: str, monkeypatch: pytest.MonkeyPatch):
    """As LiteLLM writes it."""
    monkeypatch.setenv("MISTRAL_API_KEY", "k")
    assert type(resolve_chat_model(name)).__name__ == "ChatMistralAI"


@pytest.mark.parametrize("model", [ScriptedModel(), _anthropic(), _mistral(), _deepseek(), ChatOllama(model="llama3.2"), _openai()])
def test_what_the_agent_notes_on_its_answers_is_not_sent(model: Any) -> None:
    """Whatever the client: one that nobody knows might send all that stands beside the text."""
    call = {"name": "look", "args": {}, "id": "abcdefghi", "type": "tool_call"}
    notes = {"memgpt": {"kind": "action", "given": {"abcdefghi": "x"}}}
    messages = [HumanMessage("Hi"), AIMessage("", tool_calls=[call], additional_kwargs=notes), ToolMessage("OK", tool_call_id="abcdefghi")]
    sent = [m for m in speak(model, messages).messages if isinstance(m, AIMessage)]
    assert sent
    assert not any("memgpt" in m.additional_kwargs for m in sent)
    assert messages[1].additional_kwargs == notes


def test_an_unknown_client_is_given_its_own_reasoning_back() -> None:
    """Only the agent's notes are taken off."""
    answer = AIMessage("Hm.", additional_kwargs={"memgpt": {"kind": "action"}, "reasoning_content": "hm"})
    assert speak(ScriptedModel(), [answer]).messages[0].additional_kwargs == {"reasoning_content": "hm"}
