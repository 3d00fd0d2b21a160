"""The knowledge graph over both kinds of store: entities, time, contradictions, hops, doing things twice."""

import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langgraph.store.memory import InMemoryStore

from memgpt_agent.errors import ToolError
from memgpt_agent.memory.knowledge import Fact, KnowledgeGraph
from memgpt_agent.store import FaissStore
from memgpt_agent.testing import Clock, HashingEmbedder


@pytest.fixture(params=["faiss", "memory"])
def graph(request: pytest.FixtureRequest) -> Any:
    """Return an empty graph; its clock moves on with every look."""
    clock = Clock()

    def ticking() -> Any:
        clock.advance(seconds=1)
        return clock()

    if request.param == "memory":
        yield KnowledgeGraph(InMemoryStore(), "ann", ticking)
        return
    with FaissStore(":memory:", index={"embed": HashingEmbedder(), "dims": 64}) as store:
        yield KnowledgeGraph(store, "ann", ticking)


def told(facts: Any) -> list[str]:
    """Return facts as text, sorted."""
    return sorted(f"{f.subject} {f.relation} {f.object}" for f in facts)


def periods(graph: KnowledgeGraph, subject: str, relation: str) -> list[tuple[str, str, str]]:
    """Return the objects of a relation with the years in which they held."""
    found = [f for f in graph.search(subject, past=True) if f.slot == relation]
    return [(f.object, f.valid_from[:4], f.valid_until[:4]) for f in sorted(found, key=lambda f: f.order)]


def test_a_contradicting_fact_closes_the_old_one(graph: KnowledgeGraph) -> None:
    """The old one is not deleted: it ends where the new one begins."""
    graph.insert("Ann", "lives in", "Porto", valid_from="2019-01-01")
    done = graph.insert("ann", "has moved to", "Lisbon", valid_from="2024-03-01")
    assert (done.new, told(done.closed)) == (True, ["Ann lives in Porto"])
    assert periods(graph, "Ann", "lives in") == [("Porto", "2019", "2024"), ("Lisbon", "2024", "9999")]
    assert done.closed[0].closed_by == done.fact.id
    assert told(graph.search("ANN")) == ["Ann has moved to Lisbon"]


def test_what_is_learnt_late_takes_its_place_in_time(graph: KnowledgeGraph) -> None:
    """An older fact that is told later does not end the newer one."""
    graph.insert("Ann", "lives in", "Lisbon", valid_from="2024-01-01")
    graph.insert("Ann", "lives in", "Porto", valid_from="2012-01-01")
    graph.insert("Ann", "lives in", "Faro", valid_from="2018-01-01")
    assert periods(graph, "Ann", "lives in") == [
        ("Porto", "2012", "2018"),
        ("Faro", "2018", "2024"),
        ("Lisbon", "2024", "9999"),
    ]


def test_one_can_ask_what_held_at_a_time(graph: KnowledgeGraph) -> None:
    """As of a moment the facts of that moment; the rest is not shown."""
    graph.insert("Ann", "lives in", "Porto", valid_from="2012-01-01")
    graph.insert("Ann", "lives in", "Lisbon", valid_from="2024-01-01")
    assert told(graph.search("Ann", as_of="2015-06-01")) == ["Ann lives in Porto"]
    assert told(graph.search("Ann", as_of="2024-01-01")) == ["Ann lives in Lisbon"]
    assert told(graph.search("Ann", as_of="2000-01-01")) == []


def test_what_was_true_before_may_become_true_again(graph: KnowledgeGraph) -> None:
    """There and back again are three periods."""
    for place, year in (("Porto", "2010"), ("Lisbon", "2012"), ("Porto", "2014")):
        graph.insert("Ann", "lives in", place, valid_from=f"{year}-01-01")
    assert periods(graph, "Ann", "lives in") == [
        ("Porto", "2010", "2012"),
        ("Lisbon", "2012", "2014"),
        ("Porto", "2014", "9999"),
    ]


def test_many_objects_stand_side_by_side_unless_said_otherwise(graph: KnowledgeGraph) -> None:
    """Likes do not contradict each other; whoever inserts may say that they do, or that a move does not."""
    graph.insert("Ann", "likes", "tea")
    graph.insert("Ann", "likes", "coffee")
    assert told(graph.search("Ann")) == ["Ann likes coffee", "Ann likes tea"]
    graph.insert("Ann", "likes", "water", replaces=True)
    assert told(graph.search("Ann")) == ["Ann likes water"]
    graph.insert("Ann", "works at", "Cork Ltd")
    graph.insert("Ann", "works at", "the bakery", replaces=False)
    assert told(graph.search("Ann")) == ["Ann likes water", "Ann works at Cork Ltd", "Ann works at the bakery"]


def test_the_same_fact_is_kept_once(graph: KnowledgeGraph) -> None:
    """Told again it is known, in other words too; with an end it ends."""
    assert graph.insert("Ann", "lives in", "Porto").new
    assert not graph.insert("ANN", "is living in", "porto").new
    assert told(graph.every()) == ["Ann lives in Porto"]
    ended = graph.insert("Ann", "lives in", "Porto", valid_until="2026-06-01")
    assert (ended.new, ended.fact.valid_until) == (False, "2026-06-01")


def test_an_act_done_again_changes_nothing(graph: KnowledgeGraph) -> None:
    """By its cause, also after something else has happened in between; what a crash left open is closed then."""
    first = graph.insert("Ann", "lives in", "Porto", cause="c1")
    graph.insert("Ann", "lives in", "Lisbon", cause="c2")
    before = graph.every()
    again = graph.insert("Ann", "lives in", "Porto", cause="c1")
    assert (again.new, again.fact.id) == (True, first.fact.id)
    assert graph.every() == before


def test_a_crash_between_two_writes_is_made_good_by_doing_it_again() -> None:
    """The new fact is written first: nothing is lost, and the old one is closed at the second try."""

    class Dying(InMemoryStore):
        left = 10_000

        def put(self, *arguments: Any, **named: Any) -> None:
            self.left -= 1
            if self.left < 0:
                raise RuntimeError("killed")
            super().put(*arguments, **named)

    for writes in range(4):
        store = Dying()
        graph = KnowledgeGraph(store, "ann", Clock())
        graph.insert("Ann", "lives in", "Porto", valid_from="2019-01-01", cause="c1")
        store.left = writes
        if writes < 3:  # Lisbon's name, its fact, Porto's end
            with pytest.raises(RuntimeError):
                graph.insert("Ann", "lives in", "Lisbon", cause="c2")
        store.left = 10_000
        done = graph.insert("Ann", "lives in", "Lisbon", cause="c2")
        assert (done.new, told(done.closed)) == (True, ["Ann lives in Porto"])
        assert told(graph.search("Ann")) == ["Ann lives in Lisbon"]


def test_two_names_of_one_are_merged_later(graph: KnowledgeGraph) -> None:
    """All facts are then found under either name and shown under the one that was kept; contradictions are put in a row."""
    graph.insert("Robert", "lives in", "Porto", valid_from="2010-01-01")
    graph.insert("Bob", "lives in", "Lisbon", valid_from="2020-01-01")
    graph.insert("Bob", "likes", "tea")
    entity = graph.merge("Robert", "Bob")
    assert graph.entities.names(entity) == ["Robert", "Bob"]
    assert told(graph.search("bob")) == told(graph.search("ROBERT")) == ["Robert likes tea", "Robert lives in Lisbon"]
    assert periods(graph, "Bob", "lives in") == [("Porto", "2010", "2020"), ("Lisbon", "2020", "9999")]
    assert not graph.insert("Robert", "likes", "tea").new


def test_merges_in_any_order_and_direction_end_in_one_entity(graph: KnowledgeGraph) -> None:
    """Links only lead downwards, so there is no circle, also where two merge in opposite directions at once."""
    names = [f"name {n}" for n in range(8)]
    pairs = [(names[n], names[(n + 1) % 8]) for n in range(8)] + [(names[(n + 1) % 8], names[n]) for n in range(8)]
    random.Random(1).shuffle(pairs)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda pair: graph.merge(*pair), pairs))
    found = [graph.entities.named(name) for name in names]
    assert len({entity.id for entity in found if entity is not None}) == 1
    assert len(graph.entities.every()) == 1
    assert found[3] is not None
    assert sorted(graph.entities.names(found[3])) == names


def test_facts_are_followed_from_one_entity_to_the_next(graph: KnowledgeGraph) -> None:
    """One hop is what is known of it, two hops what is known of its neighbours; values join nothing."""
    graph.insert("Ann", "works at", "Cork Ltd")
    graph.insert("Cork Ltd", "located in", "Porto")
    graph.insert("Porto", "country", "Portugal")
    graph.insert("Ann", "age", "42")
    graph.insert("Zoe", "age", "42")
    assert told(graph.search("Ann", hops=1)) == ["Ann age 42", "Ann works at Cork Ltd"]
    assert told(graph.search("Ann", hops=2)) == ["Ann age 42", "Ann works at Cork Ltd", "Cork Ltd located in Porto"]
    assert "Porto country Portugal" in told(graph.search("Ann", hops=3))
    assert all("Zoe" not in line for line in told(graph.search("Ann", hops=3)))
    assert len(graph.search("Ann", hops=3, limit=2)) == 2


def test_a_question_finds_the_entities_it_names_and_the_facts_that_fit(graph: KnowledgeGraph) -> None:
    """By the names in it, also possessive, and by words."""
    graph.insert("Ann Meyer", "works at", "Cork Ltd")
    graph.insert("Zoe", "plays", "the violin")
    assert told(graph.search("What is Ann Meyer's job?"))[0] == "Ann Meyer works at Cork Ltd"
    assert told(graph.search("violin")) == ["Zoe plays the violin"]
    assert graph.search("Where does nobody dance?", as_of="1900-01-01") == []


def test_a_fact_that_cannot_be_one_is_refused(graph: KnowledgeGraph) -> None:
    """The message says what to do; nothing is stored of it."""
    with pytest.raises(ToolError, match="relation '' has 0 characters"):
        graph.insert("Ann", " ", "Porto")
    with pytest.raises(ToolError, match="archival memory"):
        graph.insert("Ann", "said", "x" * 300)
    with pytest.raises(ToolError, match="cannot end"):
        graph.insert("Ann", "lives in", "Porto", valid_from="2026-01-01", valid_until="2025-01-01")
    assert graph.every() == []


@settings(max_examples=30, deadline=None)
@given(st.permutations([(year, place) for year, place in enumerate("abcabd", start=2010)]))
def test_of_a_single_valued_relation_one_object_holds_at_a_time_in_whatever_order_it_is_told(
    told: list[tuple[int, str]],
) -> None:
    """The periods do not overlap, and the newest is open."""
    graph = KnowledgeGraph(InMemoryStore(), "ann", Clock())
    for year, place in told:
        graph.insert("Ann", "lives in", f"place {place}", valid_from=f"{year}-01-01", replaces=True)
    found = sorted((f for f in graph.every() if f.valid_from < f.valid_until), key=lambda f: f.order)
    assert all(one.valid_until <= other.valid_from or one.object == other.object for one, other in pairwise(found))
    assert [f.object for f in found if f.open and f.valid_from == max(g.valid_from for g in found)] == ["place d"]


def test_writers_at_the_same_time_leave_the_latest_fact_open() -> None:
    """Whoever comes last in time stays, whoever writes last; the others are closed."""
    with FaissStore(":memory:", index={"embed": HashingEmbedder(), "dims": 64}) as store:
        graph = KnowledgeGraph(store, "ann", Clock())
        with ThreadPoolExecutor(4) as pool:
            list(
                pool.map(
                    lambda n: graph.insert("Ann", "lives in", f"town {n}", valid_from=f"20{n:02d}-01-01"), range(24)
                )
            )
        assert [f.object for f in graph.search("Ann")] == ["town 23"]
        assert len(graph.every()) == 24


def test_another_agents_facts_are_not_seen() -> None:
    """One store, two agents."""
    store = InMemoryStore()
    KnowledgeGraph(store, "ann").insert("Ann", "likes", "tea")
    assert KnowledgeGraph(store, "bob").search("Ann") == []
    assert isinstance(KnowledgeGraph(store, "ann").search("Ann")[0], Fact)


def test_what_an_earlier_version_stored_under_its_own_words_is_known_and_ended() -> None:
    """It knew English relations only: a fact in German lies under its own words, where no other contradicted it."""
    store, clock = InMemoryStore(), Clock()
    graph = KnowledgeGraph(store, "ann", clock)
    old = graph.insert("Anna", "mag wohl", "Köln").fact
    value = replace(old, relation="wohnt in", slot="wohnt in").as_value()
    store.put(("ann", "facts"), old.id, value, index=["text"])
    clock.advance(hours=1)
    again = graph.insert("Anna", "wohnt in", "Köln")
    assert (again.new, again.fact.id) == (False, old.id)
    moved = graph.insert("Anna", "wohnt in", "Bonn")
    assert [f.id for f in moved.closed] == [old.id]
