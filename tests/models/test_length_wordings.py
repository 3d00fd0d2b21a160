"""Each known wording of a prompt that is too long is read, with the figures that it names."""

import re

import pytest

from benchmarks.providers.wordings import SENTENCES, Sentence
from memgpt_agent.models.failures import too_long
from memgpt_agent.models.length_refusals import LENGTH_REFUSALS

SENT, WINDOW = 9_001, 6_002


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
