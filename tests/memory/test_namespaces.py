"""Ids become labels of namespaces, and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memgpt_agent.errors import ConfigurationError
from memgpt_agent.memory import namespaces


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=200))
def test_any_id_makes_a_valid_label_and_comes_back(text: str) -> None:
    """LangGraph refuses labels that are empty, hold a dot, or are the root ``langgraph``."""
    label = namespaces.encode_label(text)
    assert label
    assert "." not in label
    assert label not in {"blocks", "agents", "langgraph"}
    assert namespaces.decode_label(label) == text


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40), st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_two_ids_never_share_a_label(one: str, other: str) -> None:
    """One agent's memory is never another's."""
    if one != other:
        assert namespaces.encode_label(one) != namespaces.encode_label(other[:200])


@pytest.mark.parametrize("text", ["", "x" * 201])
def test_an_id_that_is_empty_or_too_long_is_refused(text: str) -> None:
    """The error says how long it may be."""
    with pytest.raises(ConfigurationError, match="1 to 200"):
        namespaces.encode_label(text)


def test_each_tier_has_a_place_of_its_own_under_the_agent() -> None:
    """All of one agent's memory begins with its label."""
    agent = "ann.v2"
    places = [namespaces.of(agent, tier) for tier in ("core", "core_history", "recall", "archival")]
    assert [p[0] for p in places] == ["ann%2Ev2"] * 4
    assert len(set(places)) == 4


def test_passages_and_messages_lie_where_they_always_did() -> None:
    """Programs that search the store themselves name these two."""
    assert namespaces.archival("a.b") == namespaces.of("a.b", "archival") == ("a%2Eb", "archival")
    assert namespaces.recall("ann") == ("ann", "recall")
