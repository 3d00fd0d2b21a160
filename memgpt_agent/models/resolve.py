"""Resolving a chat model from its name, with checks before the first turn; and what a model says about itself."""

from pathlib import Path
from typing import Any, cast

from langchain_core.language_models import BaseChatModel

from memgpt_agent.config import Settings
from memgpt_agent.errors import ConfigurationError, MissingCredential, MissingDependency, ModelNotFound, install_command
from memgpt_agent.models.dialects import dialect_of, is_model, profile_of, unwrapped
from memgpt_agent.models.naming import meant
from memgpt_agent.models.providers import PROVIDERS, Provider, parted
from memgpt_agent.models.pull import DEFAULT_MODEL, list_models, model_path

_KEY_OPTIONS = ("api_key", "openai_api_key", "anthropic_api_key", "google_api_key", "mistral_api_key", "deepseek_api_key", "groq_api_key")
_ELSEWHERE = {"base_url", "openai_api_base", "anthropic_api_url", "endpoint", "client_options", "credentials", "default_headers"}
"""Options by which a client is sent to another address or takes another credential."""
_WITHOUT_KEY = (
    ", or set OPENAI_BASE_URL to a server that needs none, or use the embedded model: memgpt model pull, then model 'local'"
)
DEFAULT_OPENAI_MODEL = "gpt-5.4-mini"
"""Used where a key is set and no model is named: tool calls, reasoning, and a modest price."""

_EXAMPLES = "'openai:gpt-5.4-mini', 'anthropic:claude-sonnet-5', 'local' or 'local:/path/to/file.gguf'"


def default_model_name(settings: Settings | None = None) -> str:
    """Return the model used if none is named: MEMGPT_MODEL, else OpenAI where its key is set, else the local one."""
    settings = settings or Settings.load()
    if settings.model:
        return settings.model
    return f"openai:{DEFAULT_OPENAI_MODEL}" if PROVIDERS["openai"].key(settings) else "local"


def resolve_chat_model(
    model: str | BaseChatModel | None = None, *, settings: Settings | None = None, **options: Any
) -> BaseChatModel:
    """Return the chat model of a name; a model is returned as it is, ``None`` is the default.

    Names: ``openai:<model>`` (any server that speaks OpenAI's protocol, by ``base_url`` or ``OPENAI_BASE_URL``),
    ``local``, ``local:<name>``, ``local:<path of a .gguf>``, and ``<provider>:<model>`` of :data:`PROVIDERS` and of
    LangChain's ``init_chat_model``. A slash may stand for the first colon, as in LiteLLM's names. ``options`` go to the
    model's constructor. A key among them beats the environment's, which beats the stored one (``memgpt keys set``).

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
    provider, rest = parted(name)
    if provider == "local" and rest:
        return _local(rest, settings, options)
    if not rest:
        probably = f", maybe {meant(name)!r}" if meant(name) else ""
        raise ConfigurationError(
            f"Model {name!r} has no provider. Write provider:model{probably}; others: {_EXAMPLES}. See what your providers offer: memgpt models."
        )
    known = PROVIDERS.get(provider)
    if known is None:
        return _other(provider, rest, options, name)
    if not known.is_installed:
        raise MissingDependency(f"Model {name!r} needs {known.package}, which is not installed. Run: {known.to_install}")
    options = _with_key(known, name, settings, options)
    return _by_openai(known, rest, options) if known.name == "openai" or known.uses_openai_client else _by_package(known, rest, options)


def _with_key(provider: Provider, name: str, settings: Settings, options: dict[str, Any]) -> dict[str, Any]:
    """Return the options with the provider's key, where the client does not find it in the environment by itself.

    Raises:
        MissingCredential: it needs one and there is none.
    """
    key = next((options[given] for given in _KEY_OPTIONS if options.get(given)), None) or provider.key(settings)
    if key is None and not provider.keyless and not provider.is_elsewhere and not _ELSEWHERE & options.keys():
        raise MissingCredential(
            f"Model {name!r} needs a key and {provider.key_variables[0]} is not set. Run: memgpt keys set {provider.name}, or set "
            f"{provider.key_variables[0]}{_WITHOUT_KEY if provider.name == 'openai' else ''}."
        )
    if key is None or any(options.get(given) for given in _KEY_OPTIONS):
        return options
    if provider.name == "ollama":
        given: dict[str, Any] = options.get("client_kwargs") or {}
        return {**options, "client_kwargs": {**given, "headers": {"Authorization": f"Bearer {key}", **(given.get("headers") or {})}}}
    return {**options, "api_key": key}


def context_window_tokens(model: BaseChatModel) -> int | None:
    """Return the tokens a model can be sent, or None if it does not say."""
    value: Any = profile_of(unwrapped(model)).get("max_input_tokens")
    return value if isinstance(value, int) and value > 0 else None


def reasons_natively(model: BaseChatModel) -> bool:
    """Whether the model thinks by itself before it answers, so that it needs no ``thinking`` argument."""
    return dialect_of(model).reasons(unwrapped(model)) in {"always", "on"}


def _local(name: str, settings: Settings, options: dict[str, Any]) -> BaseChatModel:
    from memgpt_agent.models.llama_library import installed, no_llama_cpp

    if not installed():
        raise MissingDependency(f"{no_llama_cpp()}{_of_providers(settings)}")
    path = _local_path(name, settings.models_folder)
    if not path.is_file():
        there = ", ".join(file.stem for file in list_models(settings.models_folder)) or "none"
        raise ModelNotFound(
            f"No model file at {path} (models here: {there}). Run: memgpt model pull, or give a path: local:/path/to/file.gguf."
            f"{_of_providers(settings)}"
        )
    from memgpt_agent.models.guided.model import GuidedLlama
    from memgpt_agent.models.llama import ChatLlama

    guided = options.pop("guided", True)
    return (GuidedLlama if guided else ChatLlama)(path=path, **options)


def _of_providers(settings: Settings) -> str:
    """Return a sentence on the providers whose keys are there, for somebody who named no model."""
    names = [provider.name for provider in PROVIDERS.values() if provider.key(settings)]
    return f" Keys are set for {', '.join(names)}: name a model of theirs with --model; memgpt models {names[0]} lists them." if names else ""


def _local_path(name: str, folder: Path) -> Path:
    if not name:
        return model_path(DEFAULT_MODEL, folder)
    given = Path(name).expanduser()
    return given if given.is_absolute() or len(given.parts) > 1 or given.is_file() else model_path(name, folder)


def _by_openai(provider: Provider, name: str, options: dict[str, Any]) -> BaseChatModel:
    """Return OpenAI's client for OpenAI itself or a server that speaks its protocol."""
    from langchain_openai import ChatOpenAI

    address = options.pop("base_url", None) or (provider.address_now() if provider.is_elsewhere or provider.name != "openai" else None)
    # A server of one's own asks for no key, but the client insists on having one.
    given: dict[str, Any] = {"stream_usage": True, "max_retries": 0, "api_key": "none-needed", **options, "model": name}
    if address:
        given["base_url"] = address
    return ChatOpenAI(**given)


def _by_package(provider: Provider, name: str, options: dict[str, Any]) -> BaseChatModel:
    if provider.name == "ollama" and provider.is_elsewhere:
        options = {"base_url": provider.address_now(), **options}
    options = options if provider.once is None else {"max_retries": provider.once, **options}
    return _other(provider.name, name, options, f"{provider.name}:{name}")


def _other(provider: str, name: str, options: dict[str, Any], whole: str) -> BaseChatModel:
    try:
        from langchain.chat_models import init_chat_model
    except ImportError as error:
        raise MissingDependency(
            f"Model '{provider}:{name}' needs the package langchain, which is not installed. "
            f"Run: {install_command('providers')} langchain-{provider.replace('_', '-')}"
        ) from error
    try:
        return cast(BaseChatModel, init_chat_model(name, model_provider=provider, **options))
    except ImportError as error:
        raise MissingDependency(f"Model '{provider}:{name}' needs a package that is not installed: {error}") from error
    except Exception as error:  # each package's client has errors of its own for a missing key or setting
        message = str(error)
        if "nsupported" in message:
            raise ConfigurationError(
                f"No provider {provider!r} is known. {f'Did you mean {meant(whole)!r}? ' if meant(whole) else ''}"
                f"Providers: {', '.join(PROVIDERS)}, local. See what they offer: memgpt models."
            ) from error
        if "key" in message.lower() or "credential" in message.lower():
            raise MissingCredential(f"Model '{provider}:{name}' lacks its key: {message}") from error
        raise ConfigurationError(f"Model '{provider}:{name}' cannot be made: {message}") from error
