"""Choosing a model: keys that are stored, lists of models, and what a person is told where a name does not work."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from benchmarks.providers.strict.openai_chat import OpenAIChat
from benchmarks.providers.strict.server import Heard, Refused, Reply, StrictServer
from memgpt_agent import MemGPTAgent
from memgpt_agent.config import Settings
from memgpt_agent.errors import ConfigurationError, MissingCredential, MissingDependency, ModelError, ModelNotFound
from memgpt_agent.memory import definitions
from memgpt_agent.models import keys, resolve_chat_model
from memgpt_agent.models.advice import try_out
from memgpt_agent.models.listing import offers
from memgpt_agent.models.naming import close_names, known_names, meant
from memgpt_agent.models.providers import OTHER_NAMES, PROVIDERS, canonical
from memgpt_agent.stored_agents import list_agents
from memgpt_agent.testing import HashingEmbedder

VARIABLES = {name for p in PROVIDERS.values() for name in (*p.key_variables, *p.address_variables)} | {"MEMGPT_MODEL", "MEMGPT_HOME"}


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch):
    """No key and no address of this machine's takes part."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings with a home of their own."""
    return Settings(home=tmp_path / "home")


Answer = Callable[[str, dict[str, str]], "tuple[int, Any] | None"]


@pytest.fixture
def serving() -> Iterator[Callable[[Answer], str]]:
    """Return what starts a server that answers GET requests; it gives the address. ``None`` is no answer at all."""
    started: list[ThreadingHTTPServer] = []
    left = threading.Event()

    def start(answer: Answer) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                found = answer(self.path, {k.lower(): v for k, v in self.headers.items()})
                if found is None:
                    left.wait()
                    return
                status, body = found
                raw = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                if status == 302:
                    self.send_header("location", body["to"])  # pyright: ignore[reportArgumentType, reportCallIssue]
                self.send_header("content-length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=lambda: httpd.serve_forever(poll_interval=0.02), daemon=True).start()
        started.append(httpd)
        return f"http://127.0.0.1:{httpd.server_port}"

    yield start
    left.set()
    for httpd in started:
        httpd.shutdown()
        httpd.server_close()


# Keys


def test_a_stored_key_is_read_by_its_owner_alone_and_is_used(settings: Settings):
    """The file and its folder shut others out, also where the folder was open before."""
    keys.keys_folder(settings.home).mkdir(parents=True, mode=0o755)
    place = keys.store(settings.home, "openai", " sk-first \n")
    keys.store(settings.home, "openai", "sk-second")
    assert (place.stat().st_mode & 0o777, place.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    model: Any = resolve_chat_model("openai:gpt-4.1-mini", settings=settings)
    assert model.openai_api_key.get_secret_value() == "sk-second"
    assert keys.every(settings.home) == ["openai"]


def test_an_argument_beats_the_environment_beats_a_stored_key(settings: Settings, monkeypatch: pytest.MonkeyPatch):
    """So a key can be tried without touching the stored one."""
    keys.store(settings.home, "openai", "stored")
    monkeypatch.setenv("OPENAI_API_KEY", "environment")

    def used(**given: Any) -> str:
        model: Any = resolve_chat_model("openai:gpt-4.1-mini", settings=settings, **given)
        return model.openai_api_key.get_secret_value()

    assert (used(), used(api_key="argument")) == ("environment", "argument")
    monkeypatch.delenv("OPENAI_API_KEY")
    assert used() == "stored"


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("anthropic:claude-haiku-4-5", "anthropic_api_key"), ("google_genai:gemini-3-pro-preview", "google_api_key"),
        ("mistral/mistral-small-latest", "mistral_api_key"), ("deepseek/deepseek-chat", "api_key"),
        ("openrouter:anthropic/claude-sonnet-5", "openai_api_key"),
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_every_providers_client_gets_its_stored_key(name: str, field: str, settings: Settings):
    """Without any variable in the environment."""
    keys.store(settings.home, canonical(name.replace("/", ":").partition(":")[0]), "k-123")
    model: Any = resolve_chat_model(name, settings=settings)
    assert getattr(model, field).get_secret_value() == "k-123"


def test_ollamas_key_rides_as_a_header(settings: Settings):
    """Its client takes no key argument."""
    keys.store(settings.home, "ollama", "k-123")
    model: Any = resolve_chat_model("ollama:qwen3:8b", settings=settings)
    assert model.client_kwargs["headers"]["Authorization"] == "Bearer k-123"


@pytest.mark.parametrize("key", ["", "  ", "two words", "schlüssel", "x" * 5_000])
def test_what_cannot_be_a_key_is_not_stored(key: str, settings: Settings):
    """A pasted sentence is a mistake."""
    with pytest.raises(ConfigurationError, match="no key"):
        keys.store(settings.home, "openai", key)
    assert keys.stored(settings.home, "openai") is None


@pytest.mark.parametrize("name", ["../escape", "a/b", "", ".hidden"])
def test_a_key_never_lies_outside_its_folder(name: str, settings: Settings):
    """A provider's name is no path."""
    with pytest.raises(ConfigurationError, match="provider"):
        keys.store(settings.home, name, "k")


# Names


@pytest.mark.parametrize(
    ("written", "provider", "model"),
    [
        ("openrouter/anthropic/claude-sonnet-5", "openrouter.ai", "anthropic/claude-sonnet-5"),
        ("openrouter:qwen/qwen3-coder:free", "openrouter.ai", "qwen/qwen3-coder:free"),
        ("OpenRouter/openai/gpt-oss-120b", "openrouter.ai", "openai/gpt-oss-120b"),
        ("lm_studio/qwen2.5-7b", "127.0.0.1:1234", "qwen2.5-7b"), ("lmstudio:org/model", "127.0.0.1:1234", "org/model"),
        ("hosted_vllm/Qwen/Qwen3-8B", "127.0.0.1:8000", "Qwen/Qwen3-8B"), ("llama.cpp:any", "127.0.0.1:8080", "any"),
        ("xai/grok-4", "api.x.ai", "grok-4"), ("groq/llama-3.3-70b-versatile", "api.groq.com", "llama-3.3-70b-versatile"),
    ],
)  # fmt: skip
def test_litellms_names_reach_the_same_server(written: str, provider: str, model: str, settings: Settings):
    """A slash stands for the first colon; the model's own slashes and colons stay."""
    made: Any = resolve_chat_model(written, settings=settings, api_key="k")
    assert (provider in made.openai_api_base, made.model_name, made.max_retries) == (True, model, 0)


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [
        ("gpt-5", "openai:gpt-5"), ("claude-sonnet-5", "anthropic:claude-sonnet-5"), ("gemini-3-pro", "google_genai:gemini-3-pro"),
        ("llama3.2:3b", "ollama:llama3.2:3b"), ("qwen/qwen3-coder:free", "openrouter:qwen/qwen3-coder:free"),
        ("antropic:claude-x", "anthropic:claude-x"), ("opena/gpt-5", "openai:gpt-5"), ("mistal:m", "mistralai:m"),
        ("gpt5", "openai:gpt-5"),
    ],
)  # fmt: skip
def test_a_name_that_cannot_be_used_names_one_that_can(name: str, suggestion: str, settings: Settings):
    """By the family of the model, or the provider that is spelt almost so."""
    assert meant(name) == suggestion
    with pytest.raises(ConfigurationError, match=suggestion.replace(".", r"\.")):
        resolve_chat_model(name, settings=settings)


def test_a_name_that_its_provider_does_not_know_is_answered_with_a_close_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The provider's words end in one full stop, whatever they end in."""
    words = "The model `gpt-4.1-mni` does not exist or you do not have access to it."
    unknown = Refused(404, {"error": {"message": words, "code": "model_not_found"}})
    with StrictServer(OpenAIChat(), lambda _: unknown) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
        for ask in (
            lambda: try_out(resolve_chat_model("openai/gpt-4.1-mni"), "openai/gpt-4.1-mni"),
            lambda: MemGPTAgent(model="openai/gpt-4.1-mni", settings=Settings(home=tmp_path), embedding=HashingEmbedder()).step("Hello"),
        ):
            with pytest.raises(ModelError, match=r"Did you mean openai:gpt-4\.1-mini") as raised:
                ask()
            assert ".." not in str(raised.value)


def test_a_name_that_nothing_is_like_is_given_no_wrong_advice(settings: Settings):
    """It says the form, and where names are found."""
    with pytest.raises(ConfigurationError, match="memgpt models") as raised:
        resolve_chat_model("goood-model", settings=settings)
    assert "maybe" not in str(raised.value)


@pytest.mark.parametrize(
    ("provider", "written", "close"),
    [("openai", "gpt5", "gpt-5"), ("openai", "gpt-4.1-mni", "gpt-4.1-mini"), ("anthropic", "claude-sonet-5", "claude-sonnet-5")],
)
def test_names_that_are_spelt_almost_so_are_found_without_asking_anybody(provider: str, written: str, close: str):
    """In what LangChain's package of the provider knows."""
    assert close_names(written, known_names(provider))[0] == close


@pytest.mark.parametrize("name", [p.name for p in PROVIDERS.values() if not p.keyless])
def test_a_missing_key_names_the_command_and_the_variable(name: str, settings: Settings):
    """Before the first turn."""
    wanted = PROVIDERS[name]
    with pytest.raises(MissingCredential, match=rf"memgpt keys set {name}.*{wanted.key_variables[0]}"):
        resolve_chat_model(f"{name}:any", settings=settings)


def test_a_missing_package_names_the_command_that_installs_it(settings: Settings):
    """Of providers that this package does not know, too."""
    with pytest.raises(MissingDependency, match="pip install langchain-"):
        resolve_chat_model("cohere:command-r", settings=settings)


def test_every_other_name_leads_to_a_provider():
    """None leads to another alias."""
    assert set(OTHER_NAMES.values()) - set(PROVIDERS) <= {"google_vertexai", "azure_openai"}


# What there is


def test_each_provider_is_asked_in_its_own_protocol(serving: Callable[[Answer], str], settings: Settings, monkeypatch: pytest.MonkeyPatch):
    """Pages are followed, keys go into their own headers, and what does not chat is left out."""

    def anthropic(path: str, headers: dict[str, str]) -> tuple[int, Any]:
        assert (headers["x-api-key"], headers["anthropic-version"]) == ("k-a", "2023-06-01")
        if "after_id" in path:
            return 200, {"data": [{"id": "claude-two"}], "has_more": False}
        return 200, {"data": [{"id": "claude-one"}], "has_more": True, "last_id": "claude-one"}

    def ollama(path: str, headers: dict[str, str]) -> tuple[int, Any]:
        assert path == "/api/tags"
        return 200, {"models": [{"name": "qwen3:8b"}, {"name": "llama3.2:latest"}, {"name": "nomic-embed-text:latest"}]}

    def mistral(path: str, headers: dict[str, str]) -> tuple[int, Any]:
        assert headers["authorization"] == "Bearer k-m"
        able, not_able = {"completion_chat": True}, {"completion_chat": False}
        return 200, {"data": [{"id": "small", "capabilities": able}, {"id": "other", "capabilities": not_able}]}

    monkeypatch.setenv("ANTHROPIC_BASE_URL", serving(anthropic))
    monkeypatch.setenv("ANTHROPIC_API_KEY", "k-a")
    monkeypatch.setenv("OLLAMA_HOST", serving(ollama).removeprefix("http://"))
    monkeypatch.setenv("MISTRAL_BASE_URL", serving(mistral))
    keys.store(settings.home, "mistralai", "k-m")
    found = {offer.provider: offer for offer in offers(settings, ["mistralai", "anthropic", "ollama"])}
    assert found["anthropic"].models == ("anthropic:claude-one", "anthropic:claude-two")
    assert found["ollama"].models == ("ollama:llama3.2", "ollama:qwen3:8b")
    assert found["mistralai"].models == ("mistralai:small",)


def test_a_slow_a_broken_and_a_refusing_provider_are_a_word_each(
    serving: Callable[[Answer], str], settings: Settings, monkeypatch: pytest.MonkeyPatch
):
    """They hold up nobody: the lists come within the limit."""
    addresses = {
        "OPENAI_BASE_URL": lambda *_: None, "MISTRAL_BASE_URL": lambda *_: (200, b"<html>no list</html>"),
        "ANTHROPIC_BASE_URL": lambda *_: (401, {"error": "bad key"}), "DEEPSEEK_API_BASE": lambda *_: (200, {"data": [{"id": "deepseek-chat"}]}),
        "OLLAMA_HOST": lambda *_: (200, {"models": []}), "OPENROUTER_BASE_URL": lambda *_: (503, {}),
    }  # fmt: skip
    for name, answer in addresses.items():
        monkeypatch.setenv(name, serving(answer))
    began = time.monotonic()
    asked = ["openai", "mistralai", "anthropic", "deepseek", "ollama", "openrouter", "groq", "lmstudio"]
    found = {offer.provider: offer for offer in offers(settings, asked, limit_seconds=1.0)}
    assert time.monotonic() - began < 3.0
    said = {name: offer.problem for name, offer in found.items()}
    assert "no answer" in said["openai"]
    assert "no list of models" in said["mistralai"]
    assert "memgpt keys set anthropic" in said["anthropic"]
    assert said["deepseek"] == ""
    assert "ollama pull" in said["ollama"]
    assert "HTTP 503" in said["openrouter"]
    assert "memgpt keys set groq" in said["groq"]
    assert "lms server start" in said["lmstudio"]
    assert [name for name, offer in found.items() if not offer.configured] == ["groq", "lmstudio"]


def test_a_key_does_not_follow_a_redirection(serving: Callable[[Answer], str], settings: Settings, monkeypatch: pytest.MonkeyPatch):
    """It goes to the address that it is for."""
    heard: list[str] = []
    elsewhere = serving(lambda path, _: heard.append(path) or (200, {"data": []}))
    monkeypatch.setenv("OPENAI_BASE_URL", serving(lambda *_: (302, {"to": f"{elsewhere}/models"})))
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    (offer,) = offers(settings, ["openai"])
    assert (heard, "HTTP 302" in offer.problem) == ([], True)


# Answering comes before storing


def _ready(heard: list[Heard]) -> Reply:
    return Reply(calls=(("send_message", {"message": "ready"}),))


def _stored(settings: Settings) -> str | None:
    return list_agents(settings)[0]["model"]


def _agent(settings: Settings, model: str | None = None) -> MemGPTAgent:
    return MemGPTAgent(agent_id="a", model=model, embedding=HashingEmbedder(), settings=settings, context={"model_attempts": 1})


def test_a_model_is_stored_only_after_it_has_answered(settings: Settings, monkeypatch: pytest.MonkeyPatch):
    """A name that fails leaves the agent with the one that it had."""

    def knows(heard: list[Heard]) -> Reply | Refused:
        return _ready(heard) if working else Refused(404, {"error": {"message": "The model `x` does not exist", "code": "model_not_found"}})

    working = False
    with StrictServer(OpenAIChat(), knows) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
        with _agent(settings, "openai:gpt-4.1-mini") as agent, pytest.raises(ModelError, match="memgpt models openai"):
            agent.step("Hello")
        assert _stored(settings) is None
        working = True
        with _agent(settings, "openai:gpt-4.1-mini") as agent:
            assert _stored(settings) is None
            agent.end_turn()
            agent.step("Hello again")
            assert _stored(settings) == "openai:gpt-4.1-mini"
        working = False
        with _agent(settings, "openai:gpt-4.1") as agent, pytest.raises(ModelError):
            agent.step("Hello")
    assert _stored(settings) == "openai:gpt-4.1-mini"


def test_an_answer_of_the_fallback_model_does_not_store_the_one_that_failed(settings: Settings, monkeypatch: pytest.MonkeyPatch):
    """The user is answered, and the wrong name is not kept."""
    def by_name(heard: list[Heard]) -> Reply | Refused:
        return Refused(404, {"error": {"message": "no such model"}}) if server.requests[-1]["model"] == "gpt-4.1" else _ready(heard)

    with StrictServer(OpenAIChat(), by_name) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
        context = {"fallback_model": "openai:gpt-4.1-mini"}
        with MemGPTAgent(agent_id="a", model="openai:gpt-4.1", embedding=HashingEmbedder(), settings=settings, context=context) as agent:
            assert agent.step("Hello").message == "ready"
    assert _stored(settings) is None


async def test_an_agent_is_switched_after_the_new_model_has_answered(settings: Settings, monkeypatch: pytest.MonkeyPatch):
    """The next turn goes to the new one, which the agent then keeps; a failure changes nothing."""

    def by_name(heard: list[Heard]) -> Reply | Refused:
        model = server.requests[-1]["model"]
        return _ready(heard) if model.startswith("gpt-4.1") else Refused(404, {"error": {"message": f"model {model} not found"}})

    with StrictServer(OpenAIChat(), by_name) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
        with _agent(settings, "openai:gpt-4.1-mini") as agent:
            agent.step("Hello")
            with pytest.raises(ModelError, match="did not answer"):
                agent.use_model("openai:gpt-nosuch")
            assert (agent.model, _stored(settings)) == ("openai:gpt-4.1-mini",) * 2
            assert await agent.ause_model("openai/gpt-4.1") == "openai/gpt-4.1"
            assert _stored(settings) == "openai/gpt-4.1"
            assert (await agent.astep("Still there?")).message == "ready"
        assert [body["model"] for body in server.requests] == ["gpt-4.1-mini", "gpt-nosuch", "gpt-4.1", "gpt-4.1"]
        with _agent(settings) as agent:
            agent.step("And now?")
    assert server.requests[-1]["model"] == "gpt-4.1"


def test_a_deleted_agent_is_not_made_again_by_its_model(settings: Settings):
    """Only a definition that is there is changed."""
    with _agent(settings) as agent:
        definitions.keep_model(agent._store, "gone", "openai:x")
        assert definitions.load(agent._store, "gone") is None


def test_who_named_no_model_is_told_of_the_providers_whose_keys_are_there(settings: Settings):
    """The embedded model is the default; a stored key says that another one was meant."""
    keys.store(settings.home, "anthropic", "k-123")
    with pytest.raises((ModelNotFound, MissingDependency), match="memgpt models anthropic"):
        resolve_chat_model(settings=settings)
