"""A stream that breaks, or holds an error in its middle, is asked for again; the user sees one whole reply."""

from pathlib import Path

import pytest

from benchmarks.providers.life import ANSWER, agent_at
from benchmarks.providers.makers import PROVIDERS
from benchmarks.providers.strict.server import Heard, Reply, StrictServer

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")  # Google's packages on grpcio's version, as they are imported


NAMES = ["openai", "responses", "anthropic-thinking", "mistral", "ollama", "deepseek", "llama.cpp", "gemini"]
FAULTS = [
    *((name, fault) for name in NAMES for fault in ("drop", "error", "ends")),
    *((name, "garbage") for name in ("llama.cpp", "mistral", "ollama", "gemini")), ("llama.cpp", "object"), ("deepseek", "object"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "fault"), FAULTS)
def test_a_broken_stream_is_asked_for_again(name: str, fault: str, tmp_path: Path):
    """What had been streamed of it is taken back, and is not part of the reply; so is one that ends without a reason."""
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


FAILS = [("llama.cpp", "error"), ("deepseek", "insufficient_system_resource"), ("gemini", "MALFORMED_FUNCTION_CALL")]


@pytest.mark.parametrize(("name", "finish"), FAILS)
def test_an_answer_that_its_server_says_has_failed_is_asked_for_again(name: str, finish: str, tmp_path: Path):
    """What stands in it is no reply, although the stream came to its end."""
    finishes = [finish]

    def fails_once(heard: list[Heard]) -> Reply:
        return Reply(text="Half of", finish=finishes.pop()) if finishes else Reply(text="The whole reply.")

    quick = {"retry_wait_seconds": 0.0}
    provider = PROVIDERS[name]
    with StrictServer(provider.wire(), fails_once) as server, agent_at(tmp_path, provider.model(server.url), context=quick) as agent:
        assert agent.step("Hello").message == "The whole reply."
    assert len(server.requests) == 2
