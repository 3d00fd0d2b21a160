"""The tags of archival memory that ride with an event: those used most, at a cost that does not grow with the archive."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pytest
from langchain_core.messages import HumanMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.store.base import BaseStore, Op, Result
from langgraph.store.memory import InMemoryStore

from memgpt_agent.graph.builder import create_graph
from memgpt_agent.memory.agent_memory import AgentMemory
from memgpt_agent.memory.archival import RetiredPassages, StoreArchive
from memgpt_agent.memory.core import Cause
from memgpt_agent.prompts import MAX_TAG_CHARS
from memgpt_agent.store import FaissStore, Tally
from memgpt_agent.testing import Clock, ScriptedModel, call, say
from memgpt_agent.tools.archival_memory import archival_memory_insert


@pytest.fixture(params=["file", "plain"])
def store(request: pytest.FixtureRequest) -> Any:
    """Return an empty store, of both kinds."""
    if request.param == "plain":
        yield InMemoryStore()
        return
    with FaissStore(":memory:") as made:
        yield made


def told(store: BaseStore, agent: str = "ann", script: Sequence[Any] = (say("Yes."),)) -> str | None:
    """Say something to an agent; return what it was told of its memory with the newest event."""
    model = ScriptedModel(list(script))
    graph: Any = create_graph(model=model, store=store, checkpointer=InMemorySaver(), clock=Clock())
    graph.invoke({"messages": [HumanMessage("Good day.")]}, {"configurable": {"thread_id": agent}})
    event = json.loads(str(next(m for m in model.calls[-1] if m.type == "human").content))
    return event.get("in_memory")


def filed(store: BaseStore, passages: Mapping[str, Sequence[str]], agent: str = "ann") -> None:
    """File passages under tags."""
    archive = StoreArchive(store, agent, Clock())
    for text, tags in passages.items():
        archive.insert(text, tags)


def test_the_tags_that_most_passages_have_are_told_first(store: BaseStore) -> None:
    """With how many passages these are, of equals the first by name."""
    filed(store, {"The cabin": ["home", "cabin"], "The wifi": ["home", "wifi"], "Rain": []})
    assert told(store) == "1 messages in recall, 3 in archival, tags: home (2), cabin (1), wifi (1)"


def test_where_nothing_has_tags_none_are_told(store: BaseStore) -> None:
    """And nothing at all where all lies in view."""
    assert told(store) is None
    filed(store, {"The cabin": []}, "ben")
    assert told(store, "ben") == "1 messages in recall, 1 in archival"


def test_ten_are_told_and_that_there_are_others(store: BaseStore) -> None:
    """What is told does not grow with the tags; a long one is left out."""
    filed(store, {f"Text {n}": [f"t{n:02}", "x" * (MAX_TAG_CHARS + 1)] for n in range(30)})
    said = told(store)
    assert said is not None
    assert said.endswith(f", tags: {', '.join(f't{n:02} (1)' for n in range(9))} and others")


def test_another_agents_tags_are_not_told(store: BaseStore) -> None:
    """Nor counted."""
    filed(store, {"The cabin": ["secret", "home"]}, "ben")
    filed(store, {"The wifi": ["home"]})
    assert told(store) == "1 messages in recall, 1 in archival, tags: home (1)"


def test_the_same_act_done_again_counts_once(store: BaseStore) -> None:
    """As at a replay, and where the same text is filed again under one tag more."""
    memory = AgentMemory(store, "ann", Clock(), cause=Cause(key="act"))
    for _ in range(3):
        archival_memory_insert(memory, "The cabin", ["home", "home"])
    archival_memory_insert(memory.because(Cause(key="later")), "the  cabin", ["home", "wood"])
    StoreArchive(store, "ann").insert_many(["The cabin", "The wifi"], ["home"])
    StoreArchive(store, "ann").insert_many(["The cabin", "The wifi"], ["home"])
    assert told(store) == "1 messages in recall, 2 in archival, tags: home (2), wood (1)"


def test_a_passage_that_is_taken_out_takes_its_tags_along(store: BaseStore) -> None:
    """And brings them back."""
    filed(store, {"The cabin": ["home", "cabin"], "The wifi": ["home"]})
    archive, retired = StoreArchive(store, "ann"), RetiredPassages(store, "ann", Clock())
    passage, _ = archive.insert("The cabin")
    retired.retire(passage.id, "burnt down", cause="act")
    retired.retire(passage.id, "burnt down", cause="act")
    assert told(store) == "1 messages in recall, 1 in archival, tags: home (1)"
    retired.restore(passage.id)
    assert told(store) == "3 messages in recall, 2 in archival, tags: home (2), cabin (1)"


def test_they_are_found_once_in_a_turn(store: BaseStore) -> None:
    """A later step's prompt begins as the first one's did, whatever was filed meanwhile."""
    filed(store, {"The cabin": ["home"]})
    insert = call("archival_memory_insert", content="The wifi", tags=["wifi"], request_heartbeat=True)
    assert told(store, script=[insert, say("Filed.")]) == "1 messages in recall, 1 in archival, tags: home (1)"


class Watched(FaissStore):
    """A store that notes what it is asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        super().__init__(":memory:")

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        given = list(ops)
        self.asked.append(f"batch of {len(given)}")
        return super().batch(given)

    def count(self, *args: Any, **more: Any) -> int:
        self.asked.append("count")
        return super().count(*args, **more)

    def tally(self, *args: Any, **more: Any) -> Tally:
        self.asked.append("tally")
        return super().tally(*args, **more)

    def newest(self, *args: Any, **more: Any) -> Any:
        self.asked.append("newest")
        return super().newest(*args, **more)

    def find(self, *args: Any, **more: Any) -> Any:
        self.asked.append("find")
        return super().find(*args, **more)


@pytest.mark.parametrize("passages", [0, 1_000])
def test_the_tags_cost_no_round_trip_of_their_own(passages: int) -> None:
    """They come with the number of passages, in an empty archive as in a large one."""
    with Watched() as store:
        StoreArchive(store, "ann").insert_many([f"Text {n}" for n in range(passages)], ["home"])
        store.asked.clear()
        assert (told(store) is not None) == bool(passages)
        assert (store.asked.count("tally"), store.asked.count("count")) == (1, 1)
        assert not {"newest", "find"} & set(store.asked)
