"""What a failure of a model call means for the next attempt, and what a person is told to do."""

import pytest

from memgpt_agent.models.advice import advice
from memgpt_agent.models.failures import is_busy, is_filtered, refuses_content


class Refusal(Exception):
    """A provider's refusal."""

    def __init__(self, status_code: int, text: str) -> None:
        super().__init__(text)
        self.status_code = status_code


class APIStatusError(Exception):
    """Anthropic's error for an error event within an answer."""


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("Event loop is closed"), ValueError("No generation chunks were returned"),
        Refusal(500, "The image could not be fetched"),
    ],
)  # fmt: skip
def test_what_another_attempt_may_mend_is_tried_again(error: Exception) -> None:
    """A connection of an event loop that has ended, a stream without a piece, a server's own failure."""
    assert is_busy(error)


@pytest.mark.parametrize(
    "text",
    ["image input is not supported - hint: you may need to provide the mmproj", "this model is missing data required for image input",
     "audio is not supported by this model", "this model does not support vision"],
)  # fmt: skip
def test_a_500_of_a_model_without_sight_is_not_tried_again(text: str) -> None:
    """What was attached is left out at once instead."""
    assert not is_busy(Refusal(500, text))
    assert refuses_content(Refusal(500, text), attached=True)


BLOCKED = "Output blocked by content filtering policy"


@pytest.mark.parametrize("error", [APIStatusError(BLOCKED), Refusal(400, BLOCKED)])
def test_a_content_filter_is_one_in_mid_stream_as_well(error: Exception) -> None:
    """The user is shown a refusal."""
    assert is_filtered(error)
    assert refuses_content(error, attached=False)


@pytest.mark.parametrize(
    ("error", "helps"),
    [
        (Refusal(400, '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set'), "--tool-call-parser"),
        (Refusal(500, "tools param requires --jinja flag"), "--jinja"),
        (Refusal(400, '"gemma3" does not support thinking'), "reasoning at auto"),
        (Refusal(402, "Insufficient Balance"), "credit"),
        (Refusal(400, "Your credit balance is too low to access the Anthropic API."), "credit"),
    ],
)
def test_the_advice_names_what_would_help(error: Exception, helps: str) -> None:
    """A server's switch, a setting, or money."""
    assert helps in advice(error, "openai:some-model")


@pytest.mark.parametrize(
    "text",
    ["Rate limit reached on tokens per minute. Need more? Upgrade at https://console.groq.com/settings/billing",
     "You exceeded your current quota, please check your plan and billing details. Please retry in 35s."],
)  # fmt: skip
def test_a_limit_by_the_minute_is_not_taken_for_an_empty_account(text: str) -> None:
    """Words about billing stand in both; only waiting helps here."""
    assert advice(Refusal(429, text), "groq:some-model") == ""
    assert "credit" in advice(Refusal(429, f"{text} insufficient_quota"), "groq:some-model")
