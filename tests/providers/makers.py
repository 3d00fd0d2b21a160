"""The providers, each with its real client and a strict server's protocol."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.providers.strict.anthropic import Anthropic
from tests.providers.strict.openai_chat import OpenAIChat
from tests.providers.strict.server import Wire


@dataclass(frozen=True)
class Provider:
    """A provider, as the table test lives with it."""

    wire: Callable[[], Wire]
    """Makes its protocol and rules."""
    model: Callable[[str], Any]
    """Makes its client for an address."""
    options: dict[str, Any] = field(default_factory=dict[str, Any])
    """Options of the agent."""


def _openai(url: str, **given: Any) -> Any:
    from langchain_openai import ChatOpenAI

    options: dict[str, Any] = {"model": "gpt-4.1-mini", "api_key": "k", "base_url": f"{url}/v1", "max_retries": 0, "stream_usage": True}
    return ChatOpenAI(**{**options, **given})


def _anthropic(url: str, **given: Any) -> Any:
    from langchain_anthropic import ChatAnthropic

    options: dict[str, Any] = {"model": "claude-haiku-4-5", "api_key": "k", "base_url": url, "max_retries": 0, "max_tokens": 4_000}
    return ChatAnthropic(**{**options, **given})


_THINKS = {"type": "enabled", "budget_tokens": 2_000}

PROVIDERS: dict[str, Provider] = {
    "openai": Provider(OpenAIChat, _openai),
    "llama.cpp": Provider(
        lambda: OpenAIChat(null_content=False, lists=False, whole_calls=True), lambda url: _openai(url, model="qwen2.5-7b")
    ),
    "vllm-mistral": Provider(lambda: OpenAIChat(null_content=False, alternates=True), lambda url: _openai(url, model="Mistral-Small-3.2")),
    "vllm-qwen": Provider(
        lambda: OpenAIChat(reasoning_field="reasoning_content", lists=False), lambda url: _openai(url, model="qwen3-thinking")
    ),
    "anthropic": Provider(Anthropic, _anthropic),
    "anthropic-thinking": Provider(lambda: Anthropic(redacts=True), lambda url: _anthropic(url, thinking=_THINKS)),
    "anthropic-native": Provider(Anthropic, _anthropic, {"context": {"reasoning": "native"}}),
}
