"""What two figures say of a row of requests: how much each repeats of the one before, and what a cache serves of it."""

import hashlib
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from benchmarks.prompt_cache.requests import Piece

LOOK_BACK = 20
"""Anthropic looks for an entry at a breakpoint and at the blocks before it, so many in all.

Source: docs.anthropic.com/en/docs/build-with-claude/prompt-caching ("When to use multiple breakpoints").
"""


@dataclass(frozen=True)
class Shares:
    """The shares of the prompt tokens of a life, each from 0 to 1."""

    requests: int
    """Model calls in all."""
    median_tokens: int
    """Tokens of the median prompt."""
    median: float
    """Of the median step: what is a prefix of the request before."""
    all: float
    """Of all prompt tokens: the same; the first request repeats nothing."""
    served: float
    """Of all prompt tokens: what Anthropic's cache serves by the request's own breakpoints."""


def shares(requests: Sequence[Sequence[Piece]], count: Callable[[str], int]) -> Shares:
    """Return the figures of requests in their order."""
    kept = [_common(before, now, count) for before, now in pairwise(requests)]
    totals = [sum(piece.tokens for piece in request) for request in requests]
    each = [part / total for part, total in zip(kept, totals[1:], strict=True)]
    everything = sum(totals)
    return Shares(
        len(requests), int(statistics.median(totals)), statistics.median(each), sum(kept) / everything, served(requests) / everything
    )


def _common(before: Sequence[Piece], now: Sequence[Piece], count: Callable[[str], int]) -> int:
    """Return the tokens of the beginning that two requests share: whole pieces, and the like beginning of the first that differs."""
    tokens = 0
    for one, other in zip(before, now, strict=False):
        if one.text != other.text:
            pairs = enumerate(zip(one.text, other.text, strict=False))
            same = next((place for place, (a, b) in pairs if a != b), min(len(one.text), len(other.text)))
            return tokens + min(other.tokens, count(other.text[:same].partition("\n")[2]))
        tokens += other.tokens
    return tokens


def served(requests: Sequence[Sequence[Piece]]) -> int:
    """Return the tokens that Anthropic's cache would serve, no entry ever expiring: an entry exists only where a breakpoint stood."""
    entries: set[str] = set()
    tokens = 0
    for request in requests:
        names = _names(request)
        ends = [place for place, piece in enumerate(request) if piece.ends_an_entry]
        hits = [place for end in ends for place in range(max(0, end - LOOK_BACK + 1), end + 1) if names[place] in entries]
        tokens += sum(piece.tokens for piece in request[: max(hits) + 1]) if hits else 0
        entries |= {names[end] for end in ends}
    return tokens


def with_usual_breakpoints(request: Sequence[Piece]) -> list[Piece]:
    """Return a request that asks for nothing with what a client would add by itself: an entry behind the system and one at the end."""
    if any(piece.ends_an_entry for piece in request):
        return list(request)
    ends = {len(request) - 1, max((n for n, p in enumerate(request) if p.text.startswith("system\n")), default=0)}
    return [replace(piece, ends_an_entry=place in ends) for place, piece in enumerate(request)]


def _names(request: Sequence[Piece]) -> list[str]:
    """Return a name for each beginning of a request."""
    running = hashlib.sha256()
    names: list[str] = []
    for piece in request:
        running.update(piece.text.encode("utf-8", "replace") + b"\0")
        names.append(running.hexdigest())
    return names
