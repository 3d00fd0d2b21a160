"""Lives with each provider, and moves from each provider to each other one: what was refused, and which replies were odd."""

import asyncio
import tempfile
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.machine import table
from benchmarks.providers.life import Living, agent_at, lived, odd, say
from benchmarks.providers.makers import PROVIDERS
from benchmarks.providers.strict.server import StrictServer

ROUND = ("openai", "responses", "llama.cpp", "vllm-mistral", "anthropic-thinking", "gemini", "mistral", "ollama-thinking", "deepseek")
"""One connection of each kind, between which agents move."""
_BEFORE, _AFTER = (1, 3), (2, 4)
"""The turns of a move: several tools and text beside a call; then a failing tool and a picture."""


@contextmanager
def emptied() -> Generator[Path]:
    """Give a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="lives-") as folder:
        yield Path(folder)


def lives(names: Sequence[str], turns: int) -> str:
    """Return the table of lives with each provider."""
    rows: list[tuple[object, ...]] = []
    for name in names:
        provider = PROVIDERS[name]
        with emptied() as home, StrictServer(provider.wire(), Living()) as server:
            found = lived(home, server, lambda: provider.model(server.url), turns, **provider.options)  # noqa: B023  called at once
            refused = len(server.refusals)
            evicted = sum(not body.get("tools") for body in server.requests)
            rows.append((name, turns, len(server.requests), evicted, refused, len(found) - refused))
    return table(("provider", "turns", "requests", "summaries written", "refused", "odd replies"), rows)


def moves(names: Sequence[str]) -> str:
    """Return the table of moves: of four turns, two before and two after the move, how many went well."""
    rows = [(f"**{one}**", *(_moved(one, other) if one != other else "" for other in names)) for one in names]
    return table(("from, to", *names), rows)


def _moved(one: str, other: str) -> str:
    brain, well, refused = Living(), 0, 0
    with emptied() as home, ExitStack() as opened, asyncio.Runner() as runner:
        for name, turns in ((one, _BEFORE), (other, _AFTER)):
            provider = PROVIDERS[name]
            server = opened.enter_context(StrictServer(provider.wire(), brain))
            with agent_at(home, provider.model(server.url), **provider.options) as agent:
                well += sum(not odd(n, say(agent, n, runner)) for n in turns)
            refused += len(server.refusals)
    return f"{well} of 4" + (f", {refused} refused" if refused else "")
