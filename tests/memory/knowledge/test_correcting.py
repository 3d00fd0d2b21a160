"""Facts that were told wrongly: put right for the same time, with what they had ended, and taken back."""

import pytest
from langgraph.store.memory import InMemoryStore

from memgpt_agent.errors import NothingToUndo, ToolError
from memgpt_agent.memory.knowledge import KnowledgeGraph
from memgpt_agent.memory.knowledge.correcting import FactCorrections
from memgpt_agent.testing import Clock


def graph_and_corrections() -> tuple[KnowledgeGraph, FactCorrections, Clock]:
    """Return an agent's facts, and their corrections."""
    store, clock = InMemoryStore(), Clock()
    return KnowledgeGraph(store, "ann", clock), FactCorrections(store, "ann", clock), clock


def holding(graph: KnowledgeGraph) -> list[tuple[str, str, str]]:
    """Return the facts that hold now."""
    return [(f.subject, f.relation, f.object) for f in graph.every(past=False)]


@pytest.mark.parametrize("relation", ["lives in", "likes"])
def test_a_corrected_fact_holds_from_when_the_wrong_one_was_said_to(relation: str) -> None:
    """Whether the relation has one object at a time or several."""
    graph, corrections, clock = graph_and_corrections()
    wrong = graph.insert("Alice", relation, "Bergn").fact
    clock.advance(hours=1)
    right = corrections.correct(wrong.id, object="Bergen")
    assert holding(graph) == [("Alice", relation, "Bergen")]
    assert (right.valid_from, right.open) == (wrong.valid_from, True)
    assert [f.object for f in corrections.earlier(right.id)] == ["Bergn"]


def test_what_the_wrong_fact_had_ended_holds_again_unless_the_right_one_ends_it_too() -> None:
    """A wrong subject and a wrong object."""
    graph, corrections, clock = graph_and_corrections()
    graph.insert("Alice", "lives in", "Oslo")
    clock.advance(hours=1)
    wrong = graph.insert("Alice", "lives in", "Bergn").fact
    assert holding(graph) == [("Alice", "lives in", "Bergn")]
    right = corrections.correct(wrong.id, object="Bergen")
    assert holding(graph) == [("Alice", "lives in", "Bergen")]
    corrections.correct(right.id, subject="Bob")
    assert sorted(holding(graph)) == [("Alice", "lives in", "Oslo"), ("Bob", "lives in", "Bergen")]


def test_a_fact_that_was_corrected_meanwhile_is_not_corrected_again() -> None:
    """By its old id: two who correct it at once would else leave nothing that holds. The error names what stands."""
    graph, corrections, _ = graph_and_corrections()
    wrong = graph.insert("Alice", "lives in", "Bergn").fact
    right = corrections.correct(wrong.id, object="Oslo")
    with pytest.raises(ToolError, match=f"{right.id}.*Alice - lives in - Oslo"):
        corrections.correct(wrong.id, object="Rome")
    with pytest.raises(ToolError, match=f"{right.id}.*Alice - lives in - Oslo"):
        corrections.undo(wrong.id)
    last = corrections.correct(right.id, object="Rome")
    for old in (wrong.id, right.id):
        with pytest.raises(ToolError, match=f"{last.id}.*Alice - lives in - Rome"):
            corrections.undo(old)
    assert holding(graph) == [("Alice", "lives in", "Rome")]
    back = corrections.undo(last.id)
    assert holding(graph) == [("Alice", "lives in", "Oslo")]
    assert corrections.correct(back.id, object="Rome").open


def test_a_correction_can_be_undone() -> None:
    """It is a correction back; what was not corrected has nothing to undo."""
    graph, corrections, clock = graph_and_corrections()
    first = graph.insert("Alice", "likes", "tea").fact
    clock.advance(hours=1)
    second = corrections.correct(first.id, relation="hates")
    back = corrections.undo(second.id)
    assert holding(graph) == [("Alice", "likes", "tea")]
    assert back.valid_from == first.valid_from
    with pytest.raises(NothingToUndo):
        corrections.undo(graph.insert("Alice", "knows", "Bob").fact.id)


def test_a_withdrawn_fact_has_held_at_no_time() -> None:
    """And what it had ended holds on."""
    graph, corrections, clock = graph_and_corrections()
    graph.insert("Alice", "lives in", "Oslo")
    clock.advance(hours=1)
    wrong = graph.insert("Alice", "lives in", "Bergen").fact
    for _ in range(2):
        corrections.withdraw(wrong.id)
        assert holding(graph) == [("Alice", "lives in", "Oslo")]


def test_what_changes_nothing_or_is_no_fact_is_told() -> None:
    """The same words, an unknown id, an empty name."""
    graph, corrections, _ = graph_and_corrections()
    fact = graph.insert("Alice", "likes", "tea").fact
    assert corrections.correct(fact.id, object="tea") == fact
    with pytest.raises(ToolError, match="no fact"):
        corrections.correct("fact-x", object="tea")
    with pytest.raises(ToolError):
        corrections.correct(fact.id, relation=" ")
    assert holding(graph) == [("Alice", "likes", "tea")]
