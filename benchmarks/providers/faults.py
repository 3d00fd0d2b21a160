"""What each provider's failures cost, and what the user gets: requests that were made, and the words at the end of the turn."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from benchmarks.machine import table
from benchmarks.providers.life import ANSWER, PADDING, agent_at
from benchmarks.providers.lives import emptied
from benchmarks.providers.makers import PROVIDERS
from benchmarks.providers.strict.server import Heard, Refused, Reply, StrictServer
from benchmarks.providers.wordings import SENTENCES, Sentence
from memgpt_agent.errors import MemGPTError

SPOKEN = Reply(calls=(("send_message", {"message": ANSWER.format(n=1), "request_heartbeat": False}),))
_FAMILIES = {"responses": "openai", "vllm": "openai", "llama": "openai", "deepseek": "openai"}
_CUT = {"anthropic": "max_tokens", "gemini": "MAX_TOKENS", "mistral": "model_length"}
_REFUSED = {"anthropic": "refusal", "gemini": "SAFETY", "deepseek": "content_filter"}
_HALVES = "The first half of a long story, ", "and the second half of it."
_FILLING = 9
"""Turns before one that is refused for its length."""


def family(name: str) -> str:
    """Return whose form of errors a connection has."""
    first = name.partition("-")[0].partition(".")[0]
    return _FAMILIES.get(first, first)


def refusal(name: str, status: int, text: str, headers: dict[str, str] | None = None) -> Refused:
    """Return a refusal in a provider's form."""
    status_name = {429: "RESOURCE_EXHAUSTED", 503: "UNAVAILABLE"}.get(status, "INVALID_ARGUMENT")
    kind = {429: "rate_limit_error", 503: "overloaded_error", 529: "overloaded_error"}.get(status, "invalid_request_error")
    bodies: dict[str, Any] = {
        "openai": {"error": {"message": text, "type": kind, "param": None, "code": None}},
        "anthropic": {"type": "error", "error": {"type": kind, "message": text}},
        "gemini": {"error": {"code": status, "message": text, "status": status_name}},
        "mistral": {"object": "error", "message": text, "type": kind, "param": None, "code": "1000"},
        "ollama": {"error": text},
    }
    return Refused(status, bodies[family(name)], headers)


@dataclass
class Turn:
    """What came of one turn."""

    requests: int
    """Requests that were made in it."""
    got: str
    """What the user got, in a word or two."""
    seconds: float
    """How long it took."""
    refused: int = 0
    """How many of the requests the provider refused."""


def played(name: str, brain: Callable[[list[Heard]], "Reply | Refused"], *, wait: float = 0.0, before: int = 0) -> Turn:
    """Take one turn with a provider whose model answers so, after some that go well."""
    provider, well, refused = PROVIDERS[name], True, 0

    def answer(heard: list[Heard]) -> "Reply | Refused":
        nonlocal refused
        reply = (SPOKEN if server.requests[-1].get("tools") else Reply(text="A summary.")) if well else brain(heard)
        refused += isinstance(reply, Refused)
        return reply

    with emptied() as home, StrictServer(provider.wire(), answer) as server:
        options: dict[str, Any] = {**provider.options, "context": {**provider.options.get("context", {}), "retry_wait_seconds": wait}}
        with agent_at(home, provider.model(server.url), **options) as agent:
            for _ in range(before):
                agent.step(PADDING * 2)
            well, made, began = False, len(server.requests), time.monotonic()
            try:
                got = _named(agent.step("Tell me.").message)
            except MemGPTError as error:
                got = "a clear error" if "What was said is kept" in str(error) else f"{type(error).__name__}: {str(error)[:60]}"
            turn = Turn(len(server.requests) - made, got, time.monotonic() - began, refused)
            well = True
            after = _named(agent.step("Are you there?").message)
    return turn if after == "the reply" else Turn(turn.requests, f"{turn.got}; then {after}", turn.seconds, turn.refused)


def _named(message: str) -> str:
    if message == ANSWER.format(n=1).strip():
        return "the reply"
    if message == "".join(_HALVES):
        return "the whole reply"
    return "the refusal" if "cannot help" in message or "refused" in message.lower() else repr(message[:60])


def _first(failure: "Reply | Refused", then: Reply = SPOKEN) -> Callable[[list[Heard]], "Reply | Refused"]:
    """Fail once."""
    left = [failure]
    return lambda _: left.pop() if left else then


def _cut(name: str) -> Callable[[list[Heard]], "Reply | Refused"]:
    finish = "length" if name.startswith("responses") else _CUT.get(family(name), "length")
    return _first(Reply(text=_HALVES[0], finish=finish), Reply(text=_HALVES[1]))


def _refuses(name: str) -> Callable[[list[Heard]], "Reply | Refused"] | None:
    finish = _REFUSED.get("deepseek" if name.startswith("deepseek") else family(name))
    if finish:
        return lambda _: Reply(text="I cannot help with that.", finish=finish)
    if family(name) == "openai" and not name.startswith("responses"):
        return lambda _: Reply(refusal="I'm sorry, I cannot help with that.")
    return None  # it has no word for it: the text itself says so


def _too_long(name: str, sentence: Sentence) -> Callable[[list[Heard]], "Reply | Refused"]:
    """Refuse a prompt until it is down to 85 % of the first one that it sees."""
    most: list[float] = []

    def brain(heard: list[Heard]) -> "Reply | Refused":
        if not heard or not any(h.role == "system" for h in heard):
            return Reply(text="A summary.")
        chars = sum(len(h.text) + len(json.dumps(h.calls)) for h in heard)
        if not most:
            most.append(0.85 * chars)
        if chars <= most[0]:
            return SPOKEN
        told = sentence.text.format(sent=chars // 3, window=int(most[0] / 3) + 4_100)
        return refusal(name, sentence.status, told)

    return brain


def faults(names: Sequence[str]) -> str:
    """Return the table of failures by provider."""
    head = (
        "provider", "429, retry-after 1 s", "503 once", "529 once", "503 for good", "error in the stream", "dropped", "cut answer", "refusal",
    )  # fmt: skip
    rows: list[tuple[str, ...]] = []
    for name in names:
        asked = played(name, _first(refusal(name, 429, "Slow down", {"retry-after": "1"})))
        waited = "" if asked.seconds >= 1 else f", after {asked.seconds:.1f} s only"
        refuses = _refuses(name)
        turns: list[Turn | None] = [
            played(name, _first(refusal(name, 503, "Overloaded"))), played(name, _first(refusal(name, 529, "Overloaded"))),
            played(name, lambda _: refusal(name, 503, "Overloaded")),  # noqa: B023  called at once
            played(name, _first(replace(SPOKEN, fault="error"))), played(name, _first(replace(SPOKEN, fault="drop"))),
            played(name, _cut(name)), played(name, refuses) if refuses else None,
        ]  # fmt: skip
        rows.append((name, f"{_cell(asked)}{waited}", *map(_cell, turns)))
    return table(head, rows)


def _cell(turn: Turn | None) -> str:
    return f"{turn.requests}: {turn.got}" if turn else "has no such word"


def lengths() -> str:
    """Return the table of the wordings of a refusal for length, each told by a server that speaks OpenAI's protocol."""
    rows: list[tuple[object, ...]] = []
    for sentence in SENTENCES:
        turn = played("openai", _too_long("openai", sentence), before=_FILLING)
        rows.append((sentence.provider, sentence.status, sentence.text, turn.refused, turn.got))
    return table(("provider", "status", "wording", "refused requests", "the user got"), rows)


def own_lengths(names: Sequence[str]) -> str:
    """Return the table of a refusal for length in each provider's own form of errors, with and without figures."""
    figures, without = SENTENCES[0], Sentence("any", 400, "prompt is too long")
    rows: list[tuple[object, ...]] = []
    for name in names:
        turns = [played(name, _too_long(name, sentence), before=_FILLING) for sentence in (figures, without)]
        rows.append((name, *(f"{turn.refused} refused: {turn.got}" for turn in turns)))
    return table(("provider", "with figures", "without"), rows)
