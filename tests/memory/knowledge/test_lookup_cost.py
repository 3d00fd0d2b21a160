"""What a lookup in the knowledge graph costs: it does not grow with what the graph knows."""

import pytest

from memgpt_agent.memory.knowledge import KnowledgeGraph
from memgpt_agent.store import FaissStore
from memgpt_agent.testing import Clock


def steps(others: int, act: str) -> int:
    """How many instructions SQLite carries out for one act in a graph that knows so much else.

    Those of the word index itself are left out: now and then a write also merges what earlier ones have written.
    """
    counted, own = [0], [True]

    def count() -> int:
        counted[0] += own[0]
        return 0

    def begun(statement: str) -> None:
        own[0] = not statement.startswith("-- ")

    with FaissStore(":memory:") as store:
        graph = KnowledgeGraph(store, "ann", Clock())
        graph.insert("Rex", "lives in", "Basel")
        graph.insert("Basel", "lies on", "Rhine")
        for number in range(others):
            graph.insert(f"Person {number}", "lives in", f"Town {number % 7}")
        with store._database.read() as connection:
            connection.set_trace_callback(begun)
            connection.set_progress_handler(count, 1)
        if act == "insert":
            assert [fact.object for fact in graph.insert("Rex", "lives in", "Bern").closed] == ["Basel"]
        elif act == "merge":
            assert graph.merge("Rex", "the dog").label == "Rex"
        else:
            assert "Basel" in [fact.object for fact in graph.search("rex", hops=2 if act == "two hops" else 1)]
    return counted[0]


@pytest.mark.parametrize("act", ["search", "two hops", "insert", "merge"])
def test_it_takes_as_many_steps_in_a_graph_that_knows_much_more(act: str) -> None:
    """By name, and from there to what is joined to it; inserting looks for what a fact contradicts."""
    assert steps(600, act) <= steps(20, act) * 1.1
