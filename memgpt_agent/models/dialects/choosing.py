"""Which dialect a chat model speaks, by its class, address and name, also where it is wrapped; and what it shows of its thoughts."""

import re
from collections.abc import Mapping
from typing import Any, cast

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_core.runnables import Runnable, RunnableBinding, RunnableWithFallbacks

from memgpt_agent.models.dialects.anthropic import Anthropic
from memgpt_agent.models.dialects.compatible import Compatible
from memgpt_agent.models.dialects.deepseek import DeepSeek
from memgpt_agent.models.dialects.dialect import Dialect, address_of, name_of
from memgpt_agent.models.dialects.google_genai import Gemini
from memgpt_agent.models.dialects.mistralai import Mistral
from memgpt_agent.models.dialects.ollama import Ollama
from memgpt_agent.models.dialects.openai_chat import OpenAIChat
from memgpt_agent.models.dialects.openai_responses import OpenAIResponses
from memgpt_agent.models.dialects.sequence import blocks_of, kwargs_of

_MAX_WRAPPERS = 8
_OPENAI_HOSTS = re.compile(r"(?:\A|\.)(?:openai\.com|azure\.com|cognitiveservices\.azure\.com)\Z")
_PACKAGES: tuple[tuple[str, type[Dialect]], ...] = (
    ("langchain_anthropic", Anthropic), ("langchain_google_genai", Gemini), ("langchain_google_vertexai", Gemini),
    ("langchain_mistralai", Mistral), ("langchain_ollama", Ollama), ("langchain_deepseek", DeepSeek), ("langchain_openai", OpenAIChat),
)  # fmt: skip
_KINDS = (
    ("anthropic", Anthropic), ("google", Gemini), ("vertexai", Gemini), ("mistral", Mistral), ("ollama", Ollama), ("deepseek", DeepSeek),
    ("openai", OpenAIChat), ("groq", OpenAIChat), ("together", OpenAIChat), ("fireworks", OpenAIChat), ("xai", OpenAIChat),
    ("litellm", OpenAIChat), ("openrouter", OpenAIChat),
)  # fmt: skip
"""By what a client says of its own kind (LangChain's ``_llm_type``), where its package is not known."""


def unwrapped(model: Any) -> Any:
    """Return the chat model inside of bindings, retries and fallbacks, the first one of these; what is not a model comes back as it is."""
    for _ in range(_MAX_WRAPPERS):
        if isinstance(model, RunnableBinding):
            model = cast(Any, model).bound
        elif isinstance(model, RunnableWithFallbacks):
            model = cast(Any, model).runnable
        else:
            break
    return model


def in_turn(model: Any) -> list[Any]:
    """Return a model and those that it falls back to, in order, each to be tried by the agent itself."""
    if isinstance(model, RunnableWithFallbacks):
        wrapped = cast(Any, model)
        return [one for part in (wrapped.runnable, *wrapped.fallbacks) for one in in_turn(part)]
    if isinstance(model, RunnableBinding) and isinstance(cast(Any, model).bound, RunnableWithFallbacks):
        wrapped = cast(Any, model)
        return [wrapped.model_copy(update={"bound": one}) for one in in_turn(wrapped.bound)]
    return [model]


def bound_options(model: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the options and the configuration that bindings around a model hold; the outermost wins."""
    options: dict[str, Any] = {}
    config: dict[str, Any] = {}
    for _ in range(_MAX_WRAPPERS):
        if not isinstance(model, RunnableBinding):
            break
        wrapped = cast(Any, model)
        options, config = {**dict(wrapped.kwargs), **options}, {**dict(wrapped.config), **config}
        model = wrapped.bound
    return options, config


def is_model(given: Any) -> bool:
    """Whether something is a chat model, also a wrapped one."""
    return isinstance(given, Runnable) and isinstance(unwrapped(given), BaseChatModel)


def dialect_of(model: Any) -> Dialect:
    """Return the dialect of a chat model; the plain one if nobody knows it."""
    model = unwrapped(model)
    found = _by_class(model)
    if found is None:
        return Dialect()
    if found is OpenAIChat and "langchain_openai" in _packages(model):
        return _of_openai(model)
    return found()


def reports_end(model: Any) -> bool:
    """Whether a client is known to hand on why each answer ended."""
    packages = _packages(model)
    return any(package in packages for package, _ in _PACKAGES)


def _by_class(model: Any) -> type[Dialect] | None:
    packages = _packages(model)
    for package, dialect in _PACKAGES:
        if package in packages:
            return dialect
    kind = str(getattr(model, "_llm_type", "") or "")
    return next((dialect for word, dialect in _KINDS if word in kind), None)


def _packages(model: Any) -> set[str]:
    return {kind.__module__.partition(".")[0] for kind in type(model).__mro__}


def _of_openai(model: Any) -> Dialect:
    """OpenAI's client speaks to many servers: its address says to which, else the model's name."""
    if _speaks_responses(model):
        return OpenAIResponses()
    host = address_of(model).partition(":")[0]
    if "deepseek" in host or "deepseek" in name_of(model).lower():
        return DeepSeek()
    if not host or _OPENAI_HOSTS.search(host):
        return OpenAIChat()
    return Compatible()


def _speaks_responses(model: Any) -> bool:
    """Whether LangChain's client will use the Responses API: as configured, or as it decides by itself."""
    fields = cast(Mapping[str, Any], getattr(model, "__dict__", {}))
    chosen = fields.get("use_responses_api")
    if isinstance(chosen, bool):
        return chosen
    decides: Any = getattr(model, "_use_responses_api", None)
    try:
        return bool(decides({})) if callable(decides) else False
    except (TypeError, KeyError, AttributeError):
        return False


def thoughts_of(message: AIMessage) -> list[str]:
    """Return the thoughts that came with an answer, oldest first; none if the provider shows none.

    Anthropic's ``thinking`` (not the redacted), OpenAI's reasoning summaries, Gemini's thoughts, Mistral's ``thinking`` parts,
    and the ``reasoning_content`` of DeepSeek, Ollama and compatible servers.
    """
    kwargs = kwargs_of(message)
    found = [] if isinstance(message.content, str) else [_thought(block) for block in blocks_of(message)]
    found.append(_thought(kwargs.get("reasoning")))
    found.append(str(kwargs.get("reasoning_content") or ""))
    return [thought.strip() for thought in found if thought.strip()]


def _thought(block: Any) -> str:
    fields = cast(dict[str, Any], block) if isinstance(block, dict) else {}
    if fields.get("type") not in {"thinking", "reasoning"}:
        return ""
    said = fields.get("thinking") or fields.get("reasoning") or fields.get("summary") or ""
    if isinstance(said, str):
        return said
    return "\n".join(str(part.get("text", "")) for part in cast(list[dict[str, Any]], said))
