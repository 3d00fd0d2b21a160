"""Token usage of a turn's model calls, by model: the provider's figures, or our own count."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

from langchain_core.messages import AIMessage

from memgpt_agent.state import TokenUsage, Turn

_NOTHING: Mapping[str, int] = {}
_CHARS_A_TOKEN = 4
"""Of an answer without the provider's figures."""
_WRITTEN = ("cache_creation", "ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens")
"""LangChain's names for the tokens written to a cache: in total, or by how long they stay, in which case the first is 0."""


def usage_of(answer: AIMessage, sent_tokens: int) -> TokenUsage:
    """Return the usage of one call.

    Args:
        answer: what the model answered, with its usage metadata where the provider gave figures.
        sent_tokens: our count of the prompt.
    """
    known = cast(dict[str, Any], answer.usage_metadata or {})
    if not known:
        chars = len(answer.text) + len(json.dumps([call["args"] for call in answer.tool_calls], default=str))
        return TokenUsage(
            calls=1, input=sent_tokens, cached=0, cache_written=0, output=chars // _CHARS_A_TOKEN, reasoning=0, counted_by_us=1
        )
    read = cast(dict[str, Any], known.get("input_token_details") or {})
    said = cast(dict[str, Any], known.get("output_token_details") or {})
    return TokenUsage(
        calls=1, input=_int(known.get("input_tokens")), cached=_int(read.get("cache_read")),
        cache_written=sum(_int(read.get(name)) for name in _WRITTEN),
        output=_int(known.get("output_tokens")), reasoning=_int(said.get("reasoning")), counted_by_us=0,
    )  # fmt: skip


def with_usage(turn: Turn, model: str, calls: Sequence[TokenUsage]) -> Turn:
    """Return the registers of a turn with the usage of further calls of a model."""
    if not calls:
        return turn
    before = turn.get("usage", {})
    return {**turn, "usage": {**before, model: total([*([before[model]] if model in before else []), *calls])}}


def total(calls: Sequence[TokenUsage] | Sequence[Mapping[str, int]]) -> TokenUsage:
    """Return the sum of the usage of calls."""
    names = TokenUsage.__annotations__
    return cast(TokenUsage, {name: sum(int(cast(Mapping[str, int], one).get(name, 0)) for one in calls) for name in names})


def since(before: Mapping[str, TokenUsage], after: Mapping[str, TokenUsage]) -> dict[str, TokenUsage]:
    """Return the usage between two notes of a turn, by model."""
    known = cast(Mapping[str, Mapping[str, int]], before)
    spent = {
        model: cast(TokenUsage, {name: value - known.get(model, _NOTHING).get(name, 0) for name, value in cast(dict[str, int], used).items()})
        for model, used in after.items()
    }
    return {model: used for model, used in spent.items() if used["calls"]}


def _int(given: Any) -> int:
    return int(given) if isinstance(given, int | float) else 0
