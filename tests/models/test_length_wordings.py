"""Each known wording of a prompt that is too long is read, with the figures that it names."""

import re

import pytest

from benchmarks.providers.wordings import SENTENCES, Sentence
from memgpt_agent.models.too_long import LENGTH_REFUSALS, TooLong, too_long

SENT, WINDOW = 9_001, 6_002


class Failure(Exception):
    """A provider's refusal of a status 400."""

    status_code = 400


class _Refusal(Exception):
    def __init__(self, sentence: Sentence) -> None:
        super().__init__(sentence.text.format(sent=SENT, window=WINDOW))
        self.status_code = sentence.status


@pytest.mark.parametrize("sentence", SENTENCES, ids=lambda s: f"{s.provider}: {s.text[:40]}")
def test_a_sentence_is_read_with_its_figures(sentence: Sentence):
    """The window and the prompt's length, where it names them."""
    told = too_long(_Refusal(sentence))
    assert told is not None
    assert told.window == (WINDOW if "{window}" in sentence.text else None)
    assert told.sent == (SENT if "{sent}" in sentence.text else None)


def test_each_known_wording_has_a_sentence():
    """None is there that no sentence was seen of."""
    told = [s.text.format(sent=SENT, window=WINDOW) for s in SENTENCES]
    first = {next(w.pattern for w in LENGTH_REFUSALS if re.search(w.pattern, t, re.IGNORECASE | re.DOTALL)) for t in told}
    assert [w for w in LENGTH_REFUSALS if w.pattern not in first] == []


OTHERS = [
    ('Error response 400 while fetching http://127.0.0.1:43211/v1/chat: {"message":"prompt is too long","code":"3230"}', None, None),
    ("Sorry: 9001 tokens in your conversation are more than the 6002 that this engine can hold (input too long)", 6_002, 9_001),
    ("Sequence length 9,001 is larger than the configured limit 6,002 tokens", 6_002, 9_001),
    ("You sent too many tokens for this model. Its limit is 6002.", 6_002, None),
    ("Conversation overflow: the model's context cannot be extended beyond its window", None, None),
    ("The prompt does not fit into the model's context (n_ctx=6002)", 6_002, None),
    ("Total tokens must be at most 6002 for this deployment", 6_002, None),
    ("ValidationException: The model returned the following errors: Input tokens exceed the maximum for this model", None, None),
]


@pytest.mark.parametrize(("text", "window", "sent"), OTHERS)
def test_a_sentence_that_nobody_wrote_down_is_known_by_its_words(text: str, window: int | None, sent: int | None):
    """Tokens or a context, and that there are too many: the smaller figure is the window, the larger one what was sent."""
    assert too_long(Failure(text)) == TooLong(window, sent)


@pytest.mark.parametrize(
    "text",
    [
        "Invalid 'messages[2].tool_calls[0].id': string too long. Expected a string with maximum length 40, but got one with length 49.",
        "messages.1.content.0.image: image exceeds 5 MB maximum: 6002001 bytes > 5242880 bytes", "Invalid 'tools': array too long. Maximum 128.",
        "Rate limit reached: limit 6002 tokens per minute, used 5000, requested 4000", "Your input contains a tool message without its call",
        "The token you gave is not valid", "temperature must be less than 2", "You have exceeded your quota of tokens", "Bad Request",
    ],
)  # fmt: skip
def test_what_else_is_too_long_is_no_prompt(text: str):
    """An id, a picture, a list, a minute's tokens."""
    assert too_long(Failure(text)) is None


@pytest.mark.parametrize(
    "text",
    [
        "max_tokens is too large: 32768. This model supports at most 2048 completion tokens, whereas you provided 32768.",
        "max_tokens: 32768 > 2048, which is the maximum allowed number of output tokens for claude-x",
        "Invalid max_tokens value, the valid range of max_tokens is [1, 2048]",
        "<400> InternalError.Algo.InvalidParameter: Range of max_tokens should be [1, 2048]",
        "`max_tokens` must be less than or equal to `2048`, the maximum value for `max_tokens` is less than the `context_window` for this model",
        "max_tokens for `llama-3.1-8b-instant` must be less than or equal to 2048",
        "It has a maxOutputTokens value of 32768 but the supported range is from 1 (inclusive) to 2048 (exclusive).",
        "max_new_tokens cannot exceed 2048",
    ],
)
def test_a_limit_of_answers_is_no_window(text: str):
    """The prompt is not made smaller for it."""
    assert too_long(Failure(text)) == TooLong(None, None, 2_048)
