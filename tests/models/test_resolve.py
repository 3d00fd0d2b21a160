"""A chat model from its name."""

from pathlib import Path

import pytest
from langchain_core.language_models.fake_chat_models import FakeListChatModel

from memgpt_agent.config import Settings
from memgpt_agent.errors import ConfigurationError, MissingCredential, ModelNotFound
from memgpt_agent.models import context_window_tokens, default_model_name, reasons_natively, resolve_chat_model


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch):
    """No key and no server of this machine's takes part."""
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_API_BASE", "MEMGPT_MODEL", "ANTHROPIC_API_KEY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings with an empty home."""
    return Settings(home=tmp_path)


def test_a_model_is_returned_as_it_is(settings: Settings):
    """Whoever brings a chat model keeps it."""
    model = FakeListChatModel(responses=["x"])
    assert resolve_chat_model(model, settings=settings) is model


@pytest.mark.parametrize("name", ["openai:gpt-5.4-mini", "openai/gpt-5.4-mini"])
def test_openai_takes_a_colon_or_a_slash(name: str, settings: Settings):
    """Both spellings make the same model, with usage in its streams."""
    model = resolve_chat_model(name, settings=settings, api_key="k")
    assert (model.model_name, model.stream_usage) == ("gpt-5.4-mini", True)  # type: ignore[attr-defined]


def test_a_model_name_keeps_its_own_slashes_and_colons(settings: Settings):
    """Servers name models such as ``qwen/qwen3:8b``."""
    model = resolve_chat_model("openai:qwen/qwen3:8b", settings=settings, api_key="k")
    assert model.model_name == "qwen/qwen3:8b"  # type: ignore[attr-defined]


def test_openai_without_a_key_names_the_variable(settings: Settings):
    """The error comes before the first turn and says what to do."""
    with pytest.raises(MissingCredential, match=r"OPENAI_API_KEY.*memgpt model pull"):
        resolve_chat_model("openai:gpt-5.4-mini", settings=settings)


def test_a_server_of_ones_own_needs_no_key(settings: Settings):
    """A base URL alone is enough."""
    model = resolve_chat_model("openai:any", settings=settings, base_url="http://localhost:1/v1")
    assert model.openai_api_base == "http://localhost:1/v1"  # type: ignore[attr-defined]


def test_a_base_url_of_the_environment_counts(settings: Settings, monkeypatch: pytest.MonkeyPatch):
    """``OPENAI_BASE_URL`` points at a local server; an argument beats it."""
    monkeypatch.setenv("OPENAI_BASE_URL", "http://localhost:2/v1")
    assert resolve_chat_model("openai:any", settings=settings).openai_api_base == "http://localhost:2/v1"  # type: ignore[attr-defined]
    given = resolve_chat_model("openai:any", settings=settings, base_url="http://localhost:3/v1")
    assert given.openai_api_base == "http://localhost:3/v1"  # type: ignore[attr-defined]


def test_a_name_without_a_provider_is_refused_with_examples(settings: Settings):
    """The message shows the form."""
    with pytest.raises(ConfigurationError, match=r"'gpt-5'.*provider:model"):
        resolve_chat_model("gpt-5", settings=settings)


def test_the_default_is_the_setting_else_openai_with_a_key_else_local(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    """A fresh machine has no key, so it talks to the embedded model."""
    assert default_model_name(settings) == "local"
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    assert default_model_name(settings) == "openai:gpt-5.4-mini"
    assert default_model_name(Settings(home=tmp_path, model="openai:other")) == "openai:other"


def test_what_a_model_says_of_itself_is_read_from_its_profile(settings: Settings):
    """The window and native reasoning come offline, with the package."""
    model = resolve_chat_model("openai:gpt-5.4-mini", settings=settings, api_key="k")
    assert context_window_tokens(model) == 400_000
    assert reasons_natively(model) is True


def test_a_model_without_a_profile_says_nothing():
    """Unknown is not zero."""
    model = FakeListChatModel(responses=["x"])
    assert context_window_tokens(model) is None
    assert reasons_natively(model) is False


def test_an_unknown_provider_is_refused(settings: Settings):
    """Langchain knows the providers; the error names what is known here."""
    pytest.importorskip("langchain")
    with pytest.raises(ConfigurationError, match="nosuch"):
        resolve_chat_model("nosuch:model", settings=settings)


def test_a_client_that_refuses_in_its_own_words_is_an_error_with_the_name(settings: Settings, monkeypatch: pytest.MonkeyPatch):
    """A package's client raises errors of its own, which are no ``ValueError``; a chat must outlive them."""
    pytest.importorskip("langchain")
    for variable in ("AZURE_OPENAI_API_KEY", "AZURE_OPENAI_AD_TOKEN", "OPENAI_API_KEY"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("OPENAI_API_VERSION", "2024-10-21")
    with pytest.raises(MissingCredential, match=r"azure_openai:some.*AZURE_OPENAI_API_KEY"):
        resolve_chat_model("azure/some", settings=settings)


@pytest.mark.local
def test_a_missing_file_names_the_command_that_gets_it(settings: Settings):
    """And where it was looked for."""
    with pytest.raises(ModelNotFound, match=r"qwen2\.5-coder.*memgpt model pull"):
        resolve_chat_model("local", settings=settings)
