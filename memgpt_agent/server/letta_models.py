"""Models and embeddings in Letta's schema."""

from collections.abc import Mapping
from typing import Any

from memgpt_agent.config import DEFAULT_PROMPT_TOKENS, Settings
from memgpt_agent.memory.definitions import AgentDefinition
from memgpt_agent.models.resolve import default_model_name

_ENDPOINTS = {
    "openai", "anthropic", "google_ai", "google_vertex", "azure", "groq", "ollama", "lmstudio", "llamacpp", "koboldcpp", "vllm",
    "hugging-face", "minimax", "moonshot", "mistral", "together", "bedrock", "deepseek", "xai", "zai", "baseten", "fireworks", "openrouter",
}  # fmt: skip
_NAMES = {
    "local": "llamacpp", "google_genai": "google_ai", "google": "google_ai", "gemini": "google_ai", "mistralai": "mistral",
    "azure_openai": "azure", "google_vertexai": "google_vertex", "huggingface": "hugging-face",
}  # fmt: skip
"""Our names of providers, by which clients know others."""
_SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "openai": {"strict": False, "reasoning": {"reasoning_effort": "minimal"}, "response_format": None},
    "anthropic": {"thinking": {"type": "enabled", "budget_tokens": 1024}},
}
_WITH_SETTINGS = ("openai", "anthropic", "google_ai", "google_vertex", "azure", "xai", "groq", "deepseek", "together", "bedrock")
"""The providers for which clients know settings."""
_COMMON = {"max_output_tokens": 16384, "parallel_tool_calls": True, "temperature": 1.0}
"""Defaults that clients expect of a model. The server returns them and does nothing with them."""
MAX_WINDOW = 128_000
"""The window to report for a model if nobody chose one."""


def handle_of(model: str) -> str:
    """Return a model's name as clients write it, provider/name."""
    places = [place for place in (model.find(":"), model.find("/")) if place > 0]
    if not places:
        return f"llamacpp/{model}"
    provider, name = model[: min(places)], model[min(places) + 1 :]
    return f"{_NAMES.get(provider, provider)}/{name}"


def our_name(handle: str) -> str:
    """Return the name here of a model as clients name it."""
    return handle.replace("llamacpp/", "local/", 1) if handle.startswith("llamacpp/") else handle


def provider_of(handle: str) -> str:
    """Return the provider of a handle as clients know it; a server of one's own speaks OpenAI's protocol."""
    provider = handle.partition("/")[0]
    return provider if provider in _ENDPOINTS else "openai"


def model_of(definition: AgentDefinition, settings: Settings) -> str:
    """Return an agent's model as its client named it."""
    return definition.served.get("model") or handle_of(definition.model or default_model_name(settings))


def window_of(definition: AgentDefinition) -> int:
    """Return an agent's context window in tokens."""
    chosen = definition.context or {}
    window = chosen.get("context_window_tokens") or chosen.get("prompt_tokens") or DEFAULT_PROMPT_TOKENS
    return MAX_WINDOW if window == "max" else int(window)


def llm_config(handle: str, window: int, settings: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the older description of a model."""
    given = settings or {}
    return {
        "model": handle.partition("/")[2] or handle, "model_endpoint_type": provider_of(handle), "model_endpoint": None,
        "context_window": window, "handle": handle, "provider_name": handle.partition("/")[0], "provider_category": "base",
        "model_wrapper": None, "put_inner_thoughts_in_kwargs": False, "temperature": given.get("temperature", 1.0),
        "max_tokens": given.get("max_output_tokens"), "enable_reasoner": False, "reasoning_effort": "minimal", "max_reasoning_tokens": 0,
        "parallel_tool_calls": bool(given.get("parallel_tool_calls")), "strict": bool(given.get("strict")),
    }  # fmt: skip


def model_settings(handle: str, given: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return a model's settings: what a client gave over what clients expect if nobody chose."""
    provider = (given or {}).get("provider_type") or provider_of(handle)
    if given is None and provider not in _WITH_SETTINGS:
        return None
    return {"provider_type": provider, **_COMMON, **_SETTINGS.get(provider, {}), **(given or {})}


def embedding_config(name: str, dims: int) -> dict[str, Any]:
    """Return the description of the embedding that does the work here."""
    provider, _, model = handle_of(name if ":" in name else f"memgpt:{name}").partition("/")
    return {
        "embedding_endpoint_type": provider if provider in {"openai", "ollama", "mistral"} else "hugging-face", "embedding_model": model or name,
        "embedding_dim": dims, "embedding_chunk_size": 300, "handle": f"{provider}/{model}", "embedding_endpoint": None,
    }  # fmt: skip
