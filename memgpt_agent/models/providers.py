"""The providers of chat models: their names, packages, keys and model lists."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Literal

from memgpt_agent.config import Settings
from memgpt_agent.errors import ConfigurationError, install_command
from memgpt_agent.models import keys

Listing = Literal["openai", "anthropic", "gemini", "ollama", ""]
"""The protocol in which a provider lists its models; empty if it is not asked."""


@dataclass(frozen=True)
class Provider:
    """One provider of chat models."""

    name: str
    """As it stands before the colon of a model's name; LangChain's own word where it has one."""
    package: str = ""
    """LangChain's package; empty where OpenAI's client speaks to it."""
    key_variables: tuple[str, ...] = ()
    """Environment variables that hold its key; the first is the one that messages name."""
    address: str = ""
    """Where it is, as its list of models begins."""
    address_variables: tuple[str, ...] = ()
    """Environment variables that name another address."""
    listing: Listing = ""
    """How it lists its models."""
    keyless: bool = False
    """Whether it may be used without a key."""
    openai_protocol: bool = False
    """Whether OpenAI's client speaks to it where ``package`` is empty or not installed."""
    once: int | None = None
    """The ``max_retries`` by which its client tries once: the agent tries again itself. Google's and Mistral's count attempts."""
    start: str = ""
    """What starts it, where it runs on the user's machine."""

    def key(self, settings: Settings) -> str | None:
        """Return its key: the environment's, else the stored one, else None."""
        return self.key_in_environment() or keys.stored(settings.home, self.name)

    def key_in_environment(self) -> str | None:
        """Return its key of the environment."""
        return os.environ[name].strip() if (name := self.variable_in_use()) else None

    def variable_in_use(self) -> str:
        """Return the environment variable that holds its key; empty if none does."""
        return next((name for name in self.key_variables if os.environ.get(name, "").strip()), "")

    def address_now(self) -> str:
        """Return its address: the environment's, else its own."""
        given = next((value for name in self.address_variables if (value := os.environ.get(name, "").strip())), "")
        if not given:
            return self.address
        whole = given if "://" in given else f"http://{given}"
        if self.name == "ollama" and "://" not in given and not re.search(r":\d+\Z", given.rstrip("/")):
            whole = f"{whole.rstrip('/')}:11434"
        return re.sub(r"//0\.0\.0\.0(?=[:/]|\Z)", "//127.0.0.1", whole).rstrip("/")

    @property
    def is_elsewhere(self) -> bool:
        """Whether the environment names an address of its own."""
        return any(os.environ.get(name, "").strip() for name in self.address_variables)

    @property
    def is_installed(self) -> bool:
        """Whether the package that speaks to it is installed."""
        if self.openai_protocol or self.package == "langchain_openai":
            return True
        return find_spec(self.package) is not None and find_spec("langchain") is not None

    @property
    def uses_openai_client(self) -> bool:
        """Whether OpenAI's client speaks to it here."""
        return self.openai_protocol and (not self.package or find_spec(self.package) is None or find_spec("langchain") is None)

    @property
    def to_install(self) -> str:
        """The command that installs its package."""
        extra = self.package in _IN_EXTRA
        return install_command("providers") + ("" if extra else " " + self.package.replace("_", "-"))

    @property
    def to_set_key(self) -> str:
        """What to do where its key is missing."""
        return f"run: memgpt keys set {self.name}, or set {self.key_variables[0]}"


_IN_EXTRA = {"langchain_anthropic", "langchain_deepseek", "langchain_google_genai", "langchain_mistralai", "langchain_ollama"}

PROVIDERS: Mapping[str, Provider] = {
    provider.name: provider
    for provider in (
        Provider(
            "openai", "langchain_openai", ("OPENAI_API_KEY",), "https://api.openai.com/v1", ("OPENAI_BASE_URL", "OPENAI_API_BASE"), "openai",
        ),
        Provider(
            "anthropic", "langchain_anthropic", ("ANTHROPIC_API_KEY",), "https://api.anthropic.com",
            ("ANTHROPIC_API_URL", "ANTHROPIC_BASE_URL"), "anthropic", once=0,
        ),
        Provider(
            "google_genai", "langchain_google_genai", ("GOOGLE_API_KEY", "GEMINI_API_KEY"), "https://generativelanguage.googleapis.com",
            (), "gemini", once=1,
        ),
        Provider(
            "mistralai", "langchain_mistralai", ("MISTRAL_API_KEY",), "https://api.mistral.ai/v1", ("MISTRAL_BASE_URL",), "openai", once=1,
        ),
        Provider(
            "deepseek", "langchain_deepseek", ("DEEPSEEK_API_KEY",), "https://api.deepseek.com/v1", ("DEEPSEEK_API_BASE",), "openai", once=0,
        ),
        Provider(
            "ollama", "langchain_ollama", ("OLLAMA_API_KEY",), "http://127.0.0.1:11434", ("OLLAMA_HOST",), "ollama", keyless=True,
            start="ollama serve",
        ),
        Provider(
            "openrouter", "", ("OPENROUTER_API_KEY",), "https://openrouter.ai/api/v1", ("OPENROUTER_BASE_URL",), "openai",
            openai_protocol=True,
        ),
        Provider(
            "groq", "langchain_groq", ("GROQ_API_KEY",), "https://api.groq.com/openai/v1", (), "openai", openai_protocol=True, once=0,
        ),
        Provider("xai", "langchain_xai", ("XAI_API_KEY",), "https://api.x.ai/v1", (), "openai", openai_protocol=True, once=0),
        Provider(
            "together", "langchain_together", ("TOGETHER_API_KEY",), "https://api.together.xyz/v1", (), "openai", openai_protocol=True, once=0,
        ),
        Provider(
            "fireworks", "langchain_fireworks", ("FIREWORKS_API_KEY",), "https://api.fireworks.ai/inference/v1", (), "openai",
            openai_protocol=True,
        ),
        Provider(
            "llama.cpp", "", ("LLAMA_API_KEY",), "http://127.0.0.1:8080/v1", ("LLAMA_CPP_BASE_URL",), "openai", keyless=True,
            openai_protocol=True, start="llama-server -m FILE.gguf --jinja",
        ),
        Provider(
            "lmstudio", "", ("LM_STUDIO_API_KEY",), "http://127.0.0.1:1234/v1", ("LM_STUDIO_API_BASE",), "openai", keyless=True,
            openai_protocol=True, start="lms server start",
        ),
        Provider(
            "vllm", "", ("HOSTED_VLLM_API_KEY",), "http://127.0.0.1:8000/v1", ("HOSTED_VLLM_API_BASE",), "openai", keyless=True,
            openai_protocol=True, start="vllm serve MODEL",
        ),
    )
}  # fmt: skip
"""The providers that are known here, by name; any other that LangChain's ``init_chat_model`` knows can be named too.

Source: each provider's page on its list of models, and its LangChain package; the variables of ``lmstudio`` and ``vllm`` are
LiteLLM's (docs.litellm.ai/docs/providers).
"""

OTHER_NAMES: Mapping[str, str] = {
    "gemini": "google_genai", "google": "google_genai", "google_ai": "google_genai", "mistral": "mistralai", "vertex_ai": "google_vertexai",
    "ollama_chat": "ollama",
    "together_ai": "together", "fireworks_ai": "fireworks", "azure": "azure_openai", "claude": "anthropic", "lm_studio": "lmstudio",
    "hosted_vllm": "vllm", "llamacpp": "llama.cpp", "llama_cpp": "llama.cpp", "llama-cpp": "llama.cpp", "llamafile": "llama.cpp", "grok": "xai",
    "lm-studio": "lmstudio", "google-genai": "google_genai", "azure-openai": "azure_openai",
}  # fmt: skip
"""LiteLLM's names of providers, and what people call them, where ours differ. Source: docs.litellm.ai/docs/providers."""


def canonical(name: str) -> str:
    """Return the name of a provider as it is used here."""
    lower = name.strip().lower()
    return OTHER_NAMES.get(lower, lower)


def parted(name: str) -> tuple[str, str]:
    """Return a model's provider, under its name here, and the rest of its name: a colon parts them, or a slash that stands before it.

    A name without either is all provider.
    """
    name = name.strip()
    places = [place for place in (name.find(":"), name.find("/")) if place > 0]
    if not places:
        return canonical(name), ""
    return canonical(name[: min(places)]), name[min(places) + 1 :]


def known_provider(name: str) -> Provider:
    """Return the provider that a person names.

    Raises:
        ConfigurationError: it is not known here; the message lists those that are.
    """
    provider = PROVIDERS.get(canonical(name))
    if provider is None:
        raise ConfigurationError(f"No provider {name!r} is known here. The providers are: {', '.join(PROVIDERS)}.")
    return provider
