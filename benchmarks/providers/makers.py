"""The providers, each with its real client and a strict server's protocol."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from benchmarks.providers.strict.anthropic import Anthropic
from benchmarks.providers.strict.gemini import Gemini
from benchmarks.providers.strict.mistral import Mistral
from benchmarks.providers.strict.ollama import Ollama
from benchmarks.providers.strict.openai_chat import OpenAIChat
from benchmarks.providers.strict.openai_responses import OpenAIResponses
from benchmarks.providers.strict.server import Wire


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

    options: dict[str, Any] = {"model": "gpt-4.1-mini", "api_key": "k", "base_url": f"{url}/v1", "stream_usage": True}
    return ChatOpenAI(**{**options, **given})


def _anthropic(url: str, **given: Any) -> Any:
    from langchain_anthropic import ChatAnthropic

    options: dict[str, Any] = {"model": "claude-haiku-4-5", "api_key": "k", "base_url": url, "max_tokens": 4_000}
    return ChatAnthropic(**{**options, **given})


def _gemini(url: str, **given: Any) -> Any:
    from langchain_google_genai import ChatGoogleGenerativeAI

    options: dict[str, Any] = {"model": "gemini-3-pro-preview", "google_api_key": "k", "transport": "rest"}
    options["client_options"] = {"api_endpoint": url}
    return ChatGoogleGenerativeAI(**{**options, **given})


def _mistral(url: str, **given: Any) -> Any:
    from langchain_mistralai import ChatMistralAI

    options: dict[str, Any] = {"model": "mistral-medium-latest", "api_key": "k", "endpoint": f"{url}/v1"}
    return ChatMistralAI(**{**options, **given})


def _ollama(url: str, **given: Any) -> Any:
    from langchain_ollama import ChatOllama

    options: dict[str, Any] = {"model": "qwen3:8b", "base_url": url}
    return ChatOllama(**{**options, **given})


def _deepseek(url: str, **given: Any) -> Any:
    from langchain_deepseek import ChatDeepSeek

    options: dict[str, Any] = {"model": "deepseek-v4-flash", "api_key": "k", "api_base": f"{url}/v1"}
    return ChatDeepSeek(**{**options, **given})


def _deepseek_wire(**given: Any) -> OpenAIChat:
    return OpenAIChat(reasoning_field="reasoning_content", reasoning_back=True, sees=False, lists=False, **given)


_NATIVE: dict[str, Any] = {"context": {"reasoning": "native"}}
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
    "anthropic-native": Provider(Anthropic, _anthropic, _NATIVE),
    "anthropic-adaptive": Provider(Anthropic, lambda url: _anthropic(url, model="claude-sonnet-5"), _NATIVE),
    "responses": Provider(OpenAIResponses, lambda url: _openai(url, model="gpt-5.4-mini", use_responses_api=True), _NATIVE),
    "responses-4.1": Provider(OpenAIResponses, lambda url: _openai(url, use_responses_api=True)),
    "deepseek": Provider(_deepseek_wire, _deepseek),
    "deepseek-by-openai": Provider(_deepseek_wire, lambda url: _openai(url, model="deepseek-v4-pro")),
    "mistral": Provider(Mistral, _mistral),
    "ollama": Provider(Ollama, _ollama),
    "ollama-thinking": Provider(lambda: Ollama(thinks=True), _ollama, _NATIVE),
    "gemini": Provider(Gemini, _gemini),
    "gemini-native": Provider(Gemini, _gemini, _NATIVE),
}
