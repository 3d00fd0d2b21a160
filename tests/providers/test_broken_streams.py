"""A stream that breaks, or holds an error in its middle, is asked for again; the user sees one whole reply."""

from pathlib import Path

import pytest

from benchmarks.providers.life import ANSWER, agent_at
from benchmarks.providers.makers import PROVIDERS
from benchmarks.providers.strict.server import Heard, Reply, StrictServer

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")  # Google's packages on grpcio's version, as they are imported


@pytest.mark.parametrize("fault", ["drop", "error"])
@pytest.mark.parametrize("name", ["openai", "responses", "anthropic-thinking", "mistral", "ollama", "deepseek", "llama.cpp", "gemini"])
def test_a_broken_stream_is_asked_for_again(name: str, fault: str, tmp_path: Path):
    """What had been streamed of it is taken back, and is not part of the reply."""
    asked: list[int] = []

    def breaks_once(heard: list[Heard]) -> Reply:
        asked.append(1)
        spoken = ("send_message", {"message": ANSWER.format(n=1), "request_heartbeat": False})
        return Reply(calls=(spoken,), fault=fault if len(asked) == 1 else "")

    with StrictServer(PROVIDERS[name].wire(), breaks_once) as server:
        quick = {"retry_wait_seconds": 0.0}
        with agent_at(tmp_path, PROVIDERS[name].model(server.url), context=quick) as agent:
            assert agent.step("Hello").message == ANSWER.format(n=1)
    assert len(server.requests) == 2
