"""A provider that stays busy is asked as often as the agent says, not as often as its SDK would."""

import time
from pathlib import Path

import pytest

from benchmarks.providers.faults import SPOKEN, refusal
from benchmarks.providers.life import agent_at
from benchmarks.providers.makers import PROVIDERS
from benchmarks.providers.strict.server import Heard, Refused, Reply, StrictServer
from memgpt_agent.errors import ModelError

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")  # Google's packages on grpcio's version, as they are imported


@pytest.mark.parametrize("name", ["openai", "responses", "anthropic", "gemini", "mistral", "ollama", "deepseek"])
def test_a_lasting_503_is_four_requests(name: str, tmp_path: Path):
    """The retries of the clients are off, Google's below its LangChain client too; the object that was given keeps its own."""
    with StrictServer(PROVIDERS[name].wire(), lambda _: refusal(name, 503, "Overloaded")) as server:
        quick = {"retry_wait_seconds": 0.0}
        model = PROVIDERS[name].model(server.url)
        before = {key: value for key, value in model.__dict__.items() if "client" in key or key == "max_retries"}
        with agent_at(tmp_path, model, context=quick) as agent, pytest.raises(ModelError):
            agent.step("Hello")
        for key, value in before.items():
            assert model.__dict__[key] is value
    assert len(server.requests) == 4


@pytest.mark.parametrize("name", ["openai", "responses", "anthropic", "gemini", "mistral", "ollama", "deepseek"])
def test_a_wait_that_a_provider_asks_for_is_kept(name: str, tmp_path: Path):
    """Also where its client's error holds no headers."""
    asked: list[float] = []

    def busy_once(heard: list[Heard]) -> Reply | Refused:
        asked.append(time.monotonic())
        return SPOKEN if len(asked) > 1 else refusal(name, 429, "Slow down", {"retry-after": "1"})

    with StrictServer(PROVIDERS[name].wire(), busy_once) as server:
        quick = {"retry_wait_seconds": 0.0}
        with agent_at(tmp_path, PROVIDERS[name].model(server.url), context=quick) as agent:
            agent.step("Hello")
    assert asked[1] - asked[0] >= 1.0
