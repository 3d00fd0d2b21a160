"""A chat model from its name, checked before the first turn; and what a model says of itself."""

import os
from pathlib import Path
from typing import Any, cast

from langchain_core.language_models import BaseChatModel

from memgpt_agent.config import Settings
from memgpt_agent.errors import ConfigurationError, MissingCredential, MissingDependency, ModelNotFound
from memgpt_agent.models.dialects import dialect_of, is_model, profile_of, unwrapped
from memgpt_agent.models.pull import DEFAULT_MODEL, list_models, model_path

DEFAULT_OPENAI_MODEL = "gpt-5.4-mini"
"""Used where a key is set and no model is named: tool calls, reasoning, and a modest price."""

_ONE_ATTEMPT = {"anthropic": 0, "deepseek": 0, "groq": 0, "xai": 0, "together": 0, "google_genai": 1, "mistralai": 1}
"""The ``max_retries`` by which a client tries once: the agent tries again itself. Google's and Mistral's count attempts.

Ollama's client has none. A model that is given as an object keeps its own setting: with OpenAI's and Anthropic's default each of the
agent's tries is up to three requests."""

_OTHER_NAMES = {
    "gemini": "google_genai", "google": "google_genai", "mistral": "mistralai", "vertex_ai": "google_vertexai", "ollama_chat": "ollama",
    "together_ai": "together", "fireworks_ai": "fireworks", "azure": "azure_openai", "claude": "anthropic",
}  # fmt: skip
"""LiteLLM's names of providers, and what people call them, where LangChain's differ. Source: docs.litellm.ai/docs/providers."""
_EXAMPLES = "'openai:gpt-5.4-mini', 'anthropic:claude-sonnet-5', 'local' or 'local:/path/to/file.gguf'"


def default_model_name(settings: Settings | None = None) -> str:
    """Return the model used where none is named: MEMGPT_MODEL, else OpenAI where its key is set, else the local one."""
    settings = settings or Settings.load()
    if settings.model:
        return settings.model
    return f"openai:{DEFAULT_OPENAI_MODEL}" if os.environ.get("OPENAI_API_KEY") else "local"


def resolve_chat_model(
    model: str | BaseChatModel | None = None, *, settings: Settings | None = None, **options: Any
) -> BaseChatModel:
    """Return the chat model of a name; a model is returned as it is, ``None`` is the default.

    Names: ``openai:<model>`` (any server that speaks OpenAI's protocol, by ``base_url`` or ``OPENAI_BASE_URL``),
    ``local``, ``local:<name>``, ``local:<path of a .gguf>``, and ``<provider>:<model>`` of LangChain's
    ``init_chat_model``. A slash may stand for the first colon. ``options`` go to the model's constructor.

    Raises:
        ConfigurationError: the name has no provider.
        MissingCredential: the provider's key is not set.
        MissingDependency: the provider's package is not installed.
        ModelNotFound: there is no such model file.
    """
    if model is not None and not isinstance(model, str):
        if not is_model(model):
            raise ConfigurationError(f"{type(model).__name__} is no chat model. Give a LangChain chat model or a name such as {_EXAMPLES}.")
        return model
    settings = settings or Settings.load()
    name = model or default_model_name(settings)
    if name == "local":
        return _local("", settings, options)
    provider, _, rest = _split(name)
    provider = _OTHER_NAMES.get(provider, provider)
    if not rest:
        raise ConfigurationError(f"Model {name!r} has no provider. Write provider:model, such as {_EXAMPLES}.")
    if provider == "local":
        return _local(rest, settings, options)
    if provider == "openai":
        return _openai(rest, options)
    return _other(provider, rest, options)


def context_window_tokens(model: BaseChatModel) -> int | None:
    """Return the tokens a model can be sent, or None where it does not say."""
    value: Any = profile_of(unwrapped(model)).get("max_input_tokens")
    return value if isinstance(value, int) and value > 0 else None


def reasons_natively(model: BaseChatModel) -> bool:
    """Whether the model thinks by itself before it answers, so that it needs no ``thinking`` argument."""
    return dialect_of(model).reasons(unwrapped(model)) in {"always", "on"}


def _split(name: str) -> tuple[str, str, str]:
    """Part a name at its first colon or slash, whichever comes first."""
    places = [place for place in (name.find(":"), name.find("/")) if place > 0]
    if not places:
        return name, "", ""
    return name[: min(places)], name[min(places)], name[min(places) + 1 :]


def _local(name: str, settings: Settings, options: dict[str, Any]) -> BaseChatModel:
    from memgpt_agent.models.llama_library import NO_LLAMA_CPP, installed

    if not installed():
        raise MissingDependency(NO_LLAMA_CPP)
    path = _local_path(name, settings.models_folder)
    if not path.is_file():
        there = ", ".join(file.stem for file in list_models(settings.models_folder)) or "none"
        raise ModelNotFound(
            f"No model file at {path} (models here: {there}). Run: memgpt model pull, or give a path: local:/path/to/file.gguf"
        )
    from memgpt_agent.models.guided.model import GuidedLlama
    from memgpt_agent.models.llama import ChatLlama

    guided = options.pop("guided", True)
    return (GuidedLlama if guided else ChatLlama)(path=path, **options)


def _local_path(name: str, folder: Path) -> Path:
    if not name:
        return model_path(DEFAULT_MODEL, folder)
    given = Path(name).expanduser()
    return given if given.is_absolute() or len(given.parts) > 1 or given.is_file() else model_path(name, folder)


def _openai(name: str, options: dict[str, Any]) -> BaseChatModel:
    from langchain_openai import ChatOpenAI

    base_url = options.pop("base_url", None) or os.environ.get("OPENAI_BASE_URL") or os.environ.get("OPENAI_API_BASE")
    key = options.pop("api_key", None) or os.environ.get("OPENAI_API_KEY")
    if not key and not base_url:
        raise MissingCredential(
            f"Model 'openai:{name}' needs a key and OPENAI_API_KEY is not set. Set it, or set OPENAI_BASE_URL to a server "
            "that needs none, or use the embedded model: memgpt model pull, then model 'local'."
        )
    # A server of one's own asks for no key, but the client insists on having one.
    given: dict[str, Any] = {"stream_usage": True, "max_retries": 0, **options, "model": name, "api_key": key or "none-needed"}
    if base_url:
        given["base_url"] = base_url
    return ChatOpenAI(**given)


def _other(provider: str, name: str, options: dict[str, Any]) -> BaseChatModel:
    try:
        from langchain.chat_models import init_chat_model
    except ImportError as error:
        raise MissingDependency(
            f"Model '{provider}:{name}' needs the package langchain, which is not installed. "
            f'Run: pip install "memgpt-agent[providers]" langchain-{provider.replace("_", "-")}'
        ) from error
    once = _ONE_ATTEMPT.get(provider)
    options = options if once is None else {"max_retries": once, **options}
    try:
        return cast(BaseChatModel, init_chat_model(name, model_provider=provider, **options))
    except ImportError as error:
        raise MissingDependency(f"Model '{provider}:{name}' needs a package that is not installed: {error}") from error
    except ValueError as error:
        message = str(error)
        if "nsupported" in message:
            raise ConfigurationError(f"No provider {provider!r} is known. Name a model such as {_EXAMPLES}.") from error
        if "key" in message.lower() or "credential" in message.lower():
            raise MissingCredential(f"Model '{provider}:{name}' lacks its key: {message}") from error
        raise ConfigurationError(f"Model '{provider}:{name}' cannot be made: {message}") from error
