"""What a turn took: tokens by the provider's figures, over all its calls, and their cost by the user's own table."""

import json
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from langchain_core.messages.ai import UsageMetadata

from memgpt_agent import MemGPTAgent, Settings
from memgpt_agent.errors import ConfigurationError
from memgpt_agent.models.prices import Prices
from memgpt_agent.testing import Clock, HashingEmbedder, ScriptedModel, call, say
from memgpt_agent.tools.rules import RequiresApprovalRule

FIGURES = UsageMetadata(
    input_tokens=1_000, output_tokens=50, total_tokens=1_050,
    input_token_details={"cache_read": 700, "cache_creation": 200}, output_token_details={"reasoning": 20},
)  # fmt: skip
PRICES = {"currency": "EUR", "models": {"Scripted": {"input": 10.0, "cached": 1.0, "cache_written": 20.0, "output": 100.0}}}


def told(message: AIMessage, **figures: Any) -> AIMessage:
    """Return an answer with a provider's figures."""
    return message.model_copy(update={"usage_metadata": {**FIGURES, **figures}})


def agent_of(home: Path, *script: Any, **given: Any) -> MemGPTAgent:
    """Open an agent with a script."""
    return MemGPTAgent(
        model=ScriptedModel(script), settings=Settings(home=home), agent_id="ann", embedding=HashingEmbedder(), clock=Clock(), **given
    )


def test_a_turn_tells_what_all_its_calls_took(tmp_path: Path) -> None:
    """Cached and reasoning tokens among them; the next turn begins anew."""
    edit = told(call("core_memory_append", label="human", content="Dog: Rex", request_heartbeat=True))
    with agent_of(tmp_path, edit, told(say("Noted.")), told(say("Yes."))) as agent:
        first, second = agent.step("My dog is called Rex."), agent.step("Thanks.")
    figures = (first.input_tokens, first.cached_tokens, first.cache_written_tokens, first.output_tokens, first.reasoning_tokens)
    assert figures == (2_000, 1_400, 400, 100, 40)
    assert first.tokens_used == 2_100
    assert second.tokens_used == 1_050
    assert first.usage["ScriptedModel"]["calls"] == 2
    assert first.cost is None


def test_the_streams_last_event_tells_it(tmp_path: Path) -> None:
    """As ``step`` does."""
    with agent_of(tmp_path, told(say("Hello."))) as agent:
        response = list(agent.stream("Hi."))[-1].response
    assert response is not None
    assert (response.input_tokens, response.cached_tokens, response.output_tokens) == (1_000, 700, 50)


def test_an_answer_that_cannot_be_used_was_paid_for_too(tmp_path: Path) -> None:
    """It leaves no message, but its tokens count."""
    with agent_of(tmp_path, told(AIMessage("")), told(say("Hello."))) as agent:
        assert agent.step("Hi.").input_tokens == 2_000


def test_without_figures_ours_stand_in_and_it_is_said(tmp_path: Path) -> None:
    """Counted, nothing cached."""
    with agent_of(tmp_path, say("Hello. " * 40)) as agent:
        response = agent.step("Hi.")
    assert response.input_tokens == response.context_usage
    assert response.output_tokens > 60
    assert response.usage["ScriptedModel"]["counted_by_us"] == 1


def test_a_turn_that_waits_for_a_person_is_told_in_parts(tmp_path: Path) -> None:
    """Their sum is the turn."""
    script = [told(call("core_memory_append", label="human", content="Dog: Rex", request_heartbeat=True)), told(say("Noted."))]
    with agent_of(tmp_path, *script, rules=[RequiresApprovalRule("core_memory_append")]) as agent:
        asked = agent.step("My dog is called Rex.")
        rest = agent.approve()
    assert (asked.input_tokens, rest.input_tokens) == (1_000, 1_000)


def test_the_summarizers_calls_are_counted_under_its_name(tmp_path: Path) -> None:
    """They are part of what the turn cost."""

    class Other(ScriptedModel):
        """A summarizer of another name."""

    summarizer = Other(script=[told(AIMessage("They spoke of rivers."))] * 9)
    long = "The way to the river is long. " * 50
    given: dict[str, Any] = {"summarizer": summarizer, "context_window": 4_096}
    with agent_of(tmp_path, *[say("Yes. " * 60)] * 9, **given) as agent:
        responses = [agent.step(long) for _ in range(6)]
    evicting = [r for r in responses if "Other" in r.usage]
    assert evicting
    assert evicting[0].input_tokens == sum(used["input"] for used in evicting[0].usage.values())


def test_a_price_table_in_the_home_tells_the_cost(tmp_path: Path) -> None:
    """Prices of a million tokens; cached and written ones have their own."""
    (tmp_path / "prices.json").write_text(json.dumps(PRICES))
    with agent_of(tmp_path, told(say("Hello."))) as agent:
        assert agent.step("Hi.").cost == pytest.approx((100 * 10 + 700 * 1 + 200 * 20 + 50 * 100) / 1e6)
        assert agent.currency == "EUR"


def test_the_longest_beginning_of_a_name_counts_and_an_unknown_model_has_no_cost(tmp_path: Path) -> None:
    """With or without the provider's name before it."""
    path = tmp_path / "prices.json"
    path.write_text(json.dumps({"models": {"gpt": {"input": 2, "output": 2}, "gpt-mini": {"input": 1, "output": 1}}}))
    prices = Prices.load(path)
    usage = {"calls": 1, "input": 1_000_000, "output": 0, "cached": 0}
    assert [prices.cost({name: usage}) for name in ("gpt-5", "gpt-mini-2026", "openai:gpt-mini", "other")] == [2, 1, 1, None]
    assert prices.cost({}) is None


@pytest.mark.parametrize("text", ["", "[]", '{"models": {"a": {"input": -1, "output": 1}}}', '{"models": {"a": {"inputs": 1}}}'])
def test_a_table_that_cannot_be_read_says_how_one_looks(text: str, tmp_path: Path) -> None:
    """When the agent is opened, not at the first turn."""
    path = tmp_path / "mine.json"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=r"mine\.json cannot be read.*prices of a million tokens"):
        MemGPTAgent(model=ScriptedModel([]), settings=Settings(home=tmp_path, prices=path), embedding=HashingEmbedder())
