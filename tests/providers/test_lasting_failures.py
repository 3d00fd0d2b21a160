"""A provider that stays busy is asked as often as the agent says, not as often as its SDK would."""

from pathlib import Path

import pytest

from benchmarks.providers.faults import refusal
from benchmarks.providers.life import agent_at
from benchmarks.providers.makers import PROVIDERS
from benchmarks.providers.strict.server import StrictServer
from memgpt_agent.errors import ModelError

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")  # Google's packages on grpcio's version, as they are imported


@pytest.mark.parametrize("name", ["openai", "responses", "anthropic", "gemini", "mistral", "ollama", "deepseek"])
def test_a_lasting_503_is_four_requests(name: str, tmp_path: Path):
    """The clients' own retries are off; Google's sat below its LangChain client."""
    with StrictServer(PROVIDERS[name].wire(), lambda _: refusal(name, 503, "Overloaded")) as server:
        quick = {"retry_wait_seconds": 0.0}
        with agent_at(tmp_path, PROVIDERS[name].model(server.url), context=quick) as agent, pytest.raises(ModelError):
            agent.step("Hello")
    assert len(server.requests) == 4
