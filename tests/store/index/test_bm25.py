"""How text becomes the terms of the word search."""

import time

import pytest

from memgpt_agent.text.words import tokens


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Order 94071d67-86df", ["order", "94071d67", "86df", "94071d67_86df"]),
        ("well-known and/or", ["well", "known", "and", "or"]),
        ("a_b@c.org", ["a", "b", "c", "org", "a_b_c_org"]),
        ("Café 1-2", ["cafe", "1", "2", "1_2"]),
    ],
)
def test_words_stand_alone_and_a_code_as_a_whole_beside_them(text: str, wanted: list[str]) -> None:
    """A chain of words without a digit, ``@`` or ``_`` is no code."""
    assert tokens(text) == wanted


@pytest.mark.parametrize("text", ["a-" * 50_000, "x" * 100_000, "é-" * 50_000, "-" * 100_000])
def test_a_long_text_takes_time_by_its_length_and_not_by_its_square(text: str) -> None:
    """A hundred thousand characters that are nearly a code used to take minutes."""
    began = time.process_time()
    tokens(text)
    assert time.process_time() - began < 5
