"""An agent moves from each provider to each other one, in mid-life and in mid-turn."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from benchmarks.providers.life import ANSWER, Living, agent_at, odd, say
from benchmarks.providers.makers import PROVIDERS
from benchmarks.providers.strict.server import Heard, Refused, Reply, StrictServer

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")  # Google's packages on grpcio's version, as they are imported
ROUND = ("openai", "responses", "llama.cpp", "vllm-mistral", "anthropic-thinking", "gemini", "mistral", "ollama-thinking", "deepseek")


def visits() -> Iterator[str]:
    """Yield providers so that each one is followed by each other one."""
    for place, one in enumerate(ROUND):
        for other in ROUND[place + 1 :]:
            yield one
            yield other


def test_an_agent_moves_from_each_provider_to_each_other_one(tmp_path: Path):
    """One life, a turn at each visit: what others said, thought and called stands in the queue of each."""
    brain, found = Living(), list[str]()
    with ExitStack() as opened:
        servers = {name: opened.enter_context(StrictServer(PROVIDERS[name].wire(), brain)) for name in ROUND}
        for n, name in enumerate(visits()):
            provider = PROVIDERS[name]
            with agent_at(tmp_path, provider.model(servers[name].url), **provider.options) as agent:
                found.append(odd(n, say(agent, n, None)))
        refused = {name: list(map(str, server.refusals)) for name, server in servers.items() if server.refusals}
    assert list(filter(None, found)) == []
    assert refused == {}


@pytest.mark.parametrize(("first", "second"), [("mistral", "anthropic-thinking"), ("gemini", "responses"), ("deepseek", "gemini")])
def test_a_fallback_in_mid_turn_is_spoken_to_in_its_own_dialect(first: str, second: str, tmp_path: Path):
    """The first provider makes a call and then fails for good; a model wrapped with a fallback goes on with its results."""

    def breaks(heard: list[Heard]) -> Reply | Refused:
        if heard[-1].role == "tool":
            return Refused(401, {"error": {"message": "no more", "code": 401}})
        return Reply(calls=(("archival_memory_insert", {"content": "A fact", "request_heartbeat": True}),))

    def ends(heard: list[Heard]) -> Reply | Refused:
        return Reply(calls=(("send_message", {"message": ANSWER.format(n=1), "request_heartbeat": False}),))

    with StrictServer(PROVIDERS[first].wire(), breaks) as one, StrictServer(PROVIDERS[second].wire(), ends) as other:
        model: Any = PROVIDERS[first].model(one.url).with_fallbacks([PROVIDERS[second].model(other.url)])
        with agent_at(tmp_path, model) as agent:
            assert odd(1, say(agent, 1, None)) == ""
    assert other.refusals == []
    assert len(other.requests) == 1
