"""How scores by words, by meaning and by what stands around become one ranking."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from memgpt_agent.store.ranking import BEST, NEAR_WEIGHT, REACH, SPAN, in_dialogue, ranked, with_neighbours
from memgpt_agent.text.english import FAMILIES, FUNCTION_WORDS

NONE = -np.inf


def mask(*values: int) -> NDArray[np.bool_]:
    """Return a filter."""
    return np.array(values, dtype=np.bool_)


def test_one_side_alone_keeps_its_own_scores() -> None:
    """By words what holds none is no hit; by meaning what has no vector."""
    words, meaning = np.array([2.0, 0.0, 1.0]), np.array([0.5, np.nan, -0.5])
    assert ranked(words, None, mask(1, 1, 1)).tolist() == [2.0, NONE, 1.0]
    assert ranked(None, meaning, mask(1, 1, 1)).tolist() == [0.5, NONE, -0.5]
    assert ranked(None, None, mask(1, 1, 1)).tolist() == [NONE] * 3


def test_both_are_standardised_over_what_the_filter_allows_and_added() -> None:
    """What is not allowed takes no part, however high it scores."""
    words, meaning = np.array([0.0, 2.0, 99.0]), np.array([1.0, -1.0, 99.0])
    assert ranked(words, meaning, mask(1, 1, 0)).tolist() == [0.5, -0.5, NONE]


def test_what_has_no_vector_gets_the_mean_of_the_others() -> None:
    """It is a hit where a word of the query stands in it, else none."""
    scores = ranked(np.array([0.0, 1.0, 0.0]), np.array([0.5, np.nan, np.nan]), mask(1, 1, 1))
    assert scores[1] > scores[0] > NONE
    assert scores[2] == NONE


@given(
    st.lists(st.tuples(st.floats(-5, 5) | st.just(NONE), st.integers(0, 3)), max_size=120),
)
def test_neighbours_are_those_of_the_same_sequence_up_to_four_away(rows: list[tuple[float, int]]) -> None:
    """Against the definition, one hit at a time; what is no hit stays none and has no say."""
    scores = np.array([score for score, _ in rows], dtype=np.float64)
    sequences = np.array([sequence for _, sequence in rows], dtype=np.int32)
    expected = scores.copy()
    for sequence in set(sequences.tolist()):
        members = [n for n in range(len(rows)) if sequences[n] == sequence and scores[n] > NONE]
        for place, n in enumerate(members):
            near = [m for m in members[max(place - REACH, 0) : place + REACH + 1] if abs(m - n) <= SPAN]
            around = scores[near]
            expected[n] += NEAR_WEIGHT * float(np.mean(np.sort(around)[-BEST:]))
    assert with_neighbours(scores, sequences).tolist() == pytest.approx(expected.tolist())


def test_no_form_belongs_to_two_words_and_none_is_a_function_word() -> None:
    """Else a query's word would be two words, or none."""
    forms = [form for family in FAMILIES for form in set(family)]
    assert len(forms) == len(set(forms))
    assert not set(forms) & FUNCTION_WORDS


def test_in_a_dialogue_the_longer_answer_of_the_one_named_comes_first() -> None:
    """Of sayings that fit alike: length, a question before it, who spoke; a question itself comes last. What is no hit stays none."""
    scores = np.array([1.0, 1.0, 1.0, 1.0, NONE, 0.0])
    sequences = np.array([0, 0, 1, 1, 1, 1], np.int32)
    said = in_dialogue(
        scores, sequences,
        chars=np.array([50.0, 50.0, 400.0, np.nan, 9e9, 50.0]), asks=mask(1, 0, 0, 0, 0, 0), speaks=mask(0, 0, 0, 1, 0, 0),
    )  # fmt: skip
    assert said[4] == NONE
    assert np.argsort(-said[:4]).tolist() == [3, 2, 1, 0]


def test_a_dialogue_without_its_fields_ranks_as_before() -> None:
    """Messages that an earlier version stored have no length and no mark of a question."""
    scores = np.array([0.5, 2.0, NONE])
    none = np.full(3, np.nan)
    assert in_dialogue(scores, np.zeros(3, np.int32), chars=none, asks=mask(0, 0, 0), speaks=None).tolist() == scores.tolist()
