"""Whatever the provider: each request's messages begin with those of the request before, also where the dialect changes them."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from benchmarks.providers.life import agent_at
from benchmarks.providers.makers import PROVIDERS
from benchmarks.providers.strict.server import Heard, Reply, StrictServer

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")  # Google's packages on grpcio's version, as they are imported


class Editing:
    """A model that thinks, writes something down in every turn, looks for something, and speaks."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, heard: list[Heard]) -> Reply:
        self.asked += 1
        note = ("core_memory_append", {"label": "human", "content": f"Fact {self.asked}", "request_heartbeat": True})
        look = ("conversation_search", {"query": "river", "request_heartbeat": True})
        calls = {1: (note, look), 2: (("send_message", {"message": "Done.", "request_heartbeat": False}),)}
        if self.asked % 5 == 0:
            return Reply(text="Plainly said.", thinking="Just say it.")
        return Reply(calls=calls[1 + (self.asked % 5) % 2], thinking=f"Thought {self.asked}.")


def _messages(body: dict[str, Any]) -> list[str]:
    """Return a request's messages without what only asks for an entry in a cache."""
    told = body.get("messages") or body.get("input") or body.get("contents") or []
    return [json.dumps(_bare(message), sort_keys=True) for message in told]


def _bare(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _bare(part) for name, part in value.items() if name != "cache_control"}
    return [_bare(part) for part in value] if isinstance(value, list) else value


@pytest.mark.parametrize("name", sorted(PROVIDERS))
def test_each_request_begins_with_the_one_before(name: str, tmp_path: Path) -> None:
    """Edits, memories, thoughts, plain answers, and edits from outside between turns."""
    provider = PROVIDERS[name]
    with (
        StrictServer(provider.wire(), Editing()) as server,
        agent_at(tmp_path, provider.model(server.url), context_window=32_768, **provider.options) as agent,
    ):
        for n in range(5):
            agent.step(f"What did I say about the river, for the {n}th time?")
            agent.core_memory.append("human", f"From outside {n}")
    assert server.refusals == []
    requests = [_messages(body) for body in server.requests]
    assert len(requests) > 6
    for before, now in pairwise(requests):
        shared = [one for one, other in zip(before, now, strict=False) if one == other]
        assert len(shared) >= len(before) - 1  # the last may grow: neighbours of one side are one message for some
        assert shared == before[: len(shared)]
