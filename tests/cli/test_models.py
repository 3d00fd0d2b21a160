"""`memgpt models`, `memgpt keys`, and `/model` in a conversation."""

import json
from pathlib import Path

import pytest

from benchmarks.providers.strict.openai_chat import OpenAIChat
from benchmarks.providers.strict.server import Heard, Refused, Reply, StrictServer
from memgpt_agent.models.providers import PROVIDERS
from memgpt_agent.testing import say
from tests.cli.test_chat import conversation


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch):
    """No key and no address of this machine's takes part."""
    for provider in PROVIDERS.values():
        for name in (*provider.key_variables, *provider.address_variables):
            monkeypatch.delenv(name, raising=False)


def test_a_key_comes_from_a_pipe_is_listed_by_its_ends_and_is_deleted(memgpt) -> None:
    """It is never shown whole."""
    assert "is stored in" in memgpt.ok("keys", "set", "gemini", stdin="AIza-0123456789abcdef\n")
    (listed,) = json.loads(memgpt.ok("keys", "list", "--json"))
    assert (listed["provider"], listed["key"], listed["from"]) == ("google_genai", "AIz…cdef", "stored")
    assert "0123456789" not in memgpt.ok("keys", "list")
    memgpt.ok("keys", "unset", "google_genai")
    assert json.loads(memgpt.ok("keys", "list", "--json")) == []
    assert memgpt("keys", "unset", "google_genai").exit_code == 1


def test_a_variable_of_the_environment_is_told_to_win(memgpt, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a person wonders why the new key changes nothing."""
    monkeypatch.setenv("MISTRAL_API_KEY", "from-the-environment")
    result = memgpt("keys", "set", "mistral", stdin="another-key\n")
    assert "MISTRAL_API_KEY is set in the environment and is used before it" in result.stderr


@pytest.mark.parametrize("command", [("keys", "set", "nosuch"), ("models", "nosuch"), ("keys", "unset", "nosuch")])
def test_an_unknown_provider_names_those_there_are(memgpt, command: tuple[str, ...]) -> None:
    """In one line."""
    result = memgpt(*command, stdin="k\n")
    assert (result.exit_code, "openrouter" in result.stderr) == (1, True)


def test_models_lists_what_a_server_offers(memgpt, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names stand on standard output, one a line; everything else on standard error."""
    with StrictServer(OpenAIChat(), lambda _: Reply(text="x")) as server:
        monkeypatch.setenv("LM_STUDIO_API_BASE", f"{server.url}/v1")
        result = memgpt("models", "lmstudio")
        assert (result.exit_code, result.stdout) == (0, "")
        assert "lmstudio: it has no chat model" in result.stderr
        every = json.loads(memgpt.ok("models", "lmstudio", "--json"))
    assert [offer["provider"] for offer in every["providers"]] == ["lmstudio"]


def test_the_conversation_shows_its_model_and_changes_it_after_it_has_answered(memgpt, spoken, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong name is told, and the conversation goes on with the model that it has."""

    def knows(heard: list[Heard]) -> Reply | Refused:
        if server.requests[-1]["model"] != "gpt-4.1":
            return Refused(404, {"error": {"message": "The model does not exist"}})
        return Reply(calls=(("send_message", {"message": "The new one.", "request_heartbeat": False}),))

    with StrictServer(OpenAIChat(), knows) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
        memgpt.script(say("The old one."))
        agent, loop, screen = conversation(memgpt)
        with agent:
            loop.run(spoken(["/model", "/model openai:nosuch", "Who?", "/model openai/gpt-4.1", "/model", "Who?"]))
    shown = " ".join(screen.getvalue().split())
    assert "memgpt models openai" in shown
    assert shown.index("ScriptedModel") < shown.index("did not answer") < shown.index("The old one.") < shown.index("answers from now on")
    assert shown.rstrip().endswith("The new one.")


def test_a_model_that_run_names_counts_for_that_run_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The agent keeps its own."""
    from typer.testing import CliRunner

    from memgpt_agent.cli.app import app
    from memgpt_agent.cli.terminal import Terminal

    answer = Reply(calls=(("send_message", {"message": "Here.", "request_heartbeat": False}),))
    with StrictServer(OpenAIChat(), lambda _: answer) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")

        def memgpt(*arguments: str) -> str:
            result = CliRunner().invoke(app, list(arguments), obj=Terminal(home=tmp_path))
            assert result.exit_code == 0, result.stderr
            return result.stdout

        assert memgpt("run", "Hi", "--model", "openai:gpt-4.1") == "Here.\n"
        assert json.loads(memgpt("agents", "list", "--json"))[0]["model"] is None
        monkeypatch.setenv("MEMGPT_MODEL", "openai:gpt-4.1-mini")
        memgpt("run", "Hi")
        memgpt("run", "Hi", "--model", "openai:gpt-4.1")
        assert json.loads(memgpt("agents", "list", "--json"))[0]["model"] == "openai:gpt-4.1-mini"
    assert [body["model"] for body in server.requests] == ["gpt-4.1", "gpt-4.1-mini", "gpt-4.1"]
