"""Playing the life with the default profile and each client; `shares_of` and `overheads` are what other benchmarks print too."""

import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any

from benchmarks.machine import table
from benchmarks.prompt_cache.life import Life
from benchmarks.prompt_cache.requests import RecordedAnthropic, RecordedOpenAI, pieces_of
from benchmarks.prompt_cache.shares import Shares, shares, with_usual_breakpoints
from memgpt_agent import MemGPTAgent, Settings
from memgpt_agent.testing import Clock, HashingEmbedder, ScriptedModel, say
from memgpt_agent.tokens import resolve_token_counter

WINDOW_TOKENS = 32_768
PERSONA = "I am Sam, a patient assistant who remembers what matters to the people I talk with. " * 3
HUMAN = "The user has not said much yet. I want to find out what they care about. " * 2
CLIENTS: dict[str, tuple[Any, dict[str, Any]]] = {
    "anthropic": (RecordedAnthropic, {"model": "claude-haiku-4-5", "api_key": "none", "max_tokens": 4_096}),
    "openai": (RecordedOpenAI, {"model": "gpt-4.1-mini", "api_key": "none", "stream_usage": False}),
}
"""Each client and what it is made with."""
PROFILES = ("memgpt", "memgpt_v2", "memgpt_react")


def requests_of(client: str, turns: int = 150, window_tokens: int = WINDOW_TOKENS, **options: Any) -> list[dict[str, Any]]:
    """Play the life with a client and return the requests that it would have sent."""
    life, counter = Life(turns=turns), resolve_token_counter()
    kind, made_with = CLIENTS[client]
    model, script = kind(**made_with), []
    model._count = counter.count_text
    model._answer = lambda: script.pop(0)
    clock = Clock()
    with tempfile.TemporaryDirectory(prefix="cache-") as home:
        given: dict[str, Any] = {"persona": PERSONA, "human": HUMAN, "context_window": window_tokens, "embedding": HashingEmbedder()}
        with MemGPTAgent(model=model, settings=Settings(home=Path(home)), agent_id="sam", clock=clock, **{**given, **options}) as agent:
            for turn in range(turns):
                script[:] = life.answers(turn)
                agent.step(life.said(turn))
                clock.now += timedelta(minutes=7)
    return model._sent


def shares_of(client: str, turns: int = 150, window_tokens: int = WINDOW_TOKENS) -> Shares:
    """Play the life with a client and return its figures."""
    count = resolve_token_counter().count_text
    made = [with_usual_breakpoints(pieces_of(payload, count)) for payload in requests_of(client, turns, window_tokens)]
    return shares(made, count)


def overheads() -> dict[str, int]:
    """Return the fixed tokens of each profile's prompt: everything but the messages, with empty blocks."""
    found: dict[str, int] = {}
    for profile in PROFILES:
        with tempfile.TemporaryDirectory(prefix="cache-") as home:
            given: dict[str, Any] = {"persona": "", "human": "", "profile": profile, "embedding": HashingEmbedder()}
            with MemGPTAgent(model=ScriptedModel([say("Yes.")] * 2), settings=Settings(home=Path(home)), clock=Clock(), **given) as agent:
                usage = agent.step("Hello.").context_sections
        found[profile] = sum(n for name, n in usage.items() if name not in {"messages", "total", "budget"})
    return found


def report(turns: int = 150) -> str:
    """Return all figures as Markdown."""
    head = ["client", "requests", "tokens of the median prompt", "prefix, median step", "prefix, all", "served by Anthropic's cache"]
    rows: list[list[str]] = []
    for client in CLIENTS:
        s = shares_of(client, turns)
        served = f"{s.served:.1%}" if client == "anthropic" else "–"
        rows.append([client, str(s.requests), f"{s.median_tokens:,}", f"{s.median:.1%}", f"{s.all:.1%}", served])
    fixed = table(["profile", "fixed tokens"], [[name, f"{tokens:,}"] for name, tokens in overheads().items()])
    return "\n\n".join([table(head, rows), fixed])
