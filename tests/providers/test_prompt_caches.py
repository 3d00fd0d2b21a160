"""A life with the real client: each request begins with the one before it, and the provider's cache would serve that beginning."""

from itertools import pairwise
from pathlib import Path

from benchmarks.prompt_cache.requests import pieces_of
from benchmarks.prompt_cache.shares import served
from benchmarks.providers.life import agent_at
from benchmarks.providers.makers import PROVIDERS
from benchmarks.providers.strict.anthropic import Anthropic
from benchmarks.providers.strict.server import Heard, Reply, StrictServer

CALLS = 12
"""So many results and calls at once are more blocks than Anthropic looks back."""


class Busy:
    """A model that edits, then makes many calls at once, then speaks."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, heard: list[Heard]) -> Reply:
        self.asked += 1
        if self.asked % 3 == 1:
            return Reply(calls=(("core_memory_append", {"label": "human", "content": f"Fact {self.asked}", "request_heartbeat": True}),))
        if self.asked % 3 == 2:
            looks = [("archival_memory_insert", {"content": f"{self.asked} {n}", "request_heartbeat": True}) for n in range(CALLS)]
            return Reply(calls=tuple(looks))
        return Reply(calls=(("send_message", {"message": "Done.", "request_heartbeat": False}),))


def test_every_request_is_served_up_to_the_end_of_the_one_before(tmp_path: Path):
    """Edits of core memory, a question that brings memories, and a step of many calls included; also after a restart."""
    with StrictServer(Anthropic(), Busy()) as server:
        for said in (["I like tea.", "I like the river."], ["What did I say that I like?"]):
            with agent_at(tmp_path, PROVIDERS["anthropic"].model(server.url), context_window=32_768) as agent:
                for text in said:
                    assert agent.step(text).message == "Done."
    assert server.refusals == []
    requests = [pieces_of(body, len) for body in server.requests]
    for nth, (before, now) in enumerate(pairwise(requests), start=1):
        assert [piece.text for piece in now[: len(before)]] == [piece.text for piece in before]
        last = served(requests[: nth + 1]) - served(requests[:nth])
        assert last == sum(piece.tokens for piece in before)
