"""The knowledge tools: what the model is told, and the whole way through the graph with a restart."""

from pathlib import Path
from typing import Any

import pytest
from langgraph.store.memory import InMemoryStore

from memgpt_agent.agent import MemGPTAgent
from memgpt_agent.config import Settings
from memgpt_agent.errors import BadDate, InvalidArguments, ToolError
from memgpt_agent.memory.agent_memory import AgentMemory
from memgpt_agent.memory.core import Cause
from memgpt_agent.memory.knowledge import KnowledgeGraph
from memgpt_agent.memory.knowledge.correcting import FactCorrections
from memgpt_agent.testing import Clock, HashingEmbedder, ScriptedModel, call, say
from memgpt_agent.tools import knowledge
from memgpt_agent.tools.knowledge import knowledge_insert, knowledge_merge, knowledge_search
from memgpt_agent.tools.profiles import MEMGPT_TOOLS, Profile
from memgpt_agent.tools.recall import recall

PROFILE = Profile(
    "with_knowledge", (*MEMGPT_TOOLS, *(t for t in knowledge.TOOLS if t.name not in {m.name for m in MEMGPT_TOOLS}))
)


@pytest.fixture
def memory() -> AgentMemory:
    """Return an empty memory on the first of January 2026."""
    return AgentMemory(InMemoryStore(), "ann", Clock())


def test_the_model_is_told_what_was_stored_and_what_ended(memory: AgentMemory) -> None:
    """In one line each."""
    assert (
        knowledge_insert(memory, "Ann", "lives in", "Porto", valid_from="2019")
        == "Stored: Ann - lives in - Porto (since 2019-01-01)"
    )
    assert knowledge_insert(memory, "Ann", "lives in", "Lisbon") == (
        "Stored: Ann - lives in - Lisbon (since 2026-01-01)\nThis ended: Ann - lives in - Porto (since 2019-01-01, until 2026-01-01)"
    )
    assert knowledge_insert(memory, "ann", "lives in", "lisbon").startswith("Known already: Ann - lives in - Lisbon")


def test_the_model_is_shown_facts_and_other_names(memory: AgentMemory) -> None:
    """Those that hold; with include_past the others as well."""
    knowledge_insert(memory, "Ann", "lives in", "Porto", valid_from="2019")
    knowledge_insert(memory, "Ann", "lives in", "Lisbon")
    assert knowledge_insert(memory, "Ann", "also known as", "Annie") == "Known under one entity now: Ann, Annie."
    assert knowledge_search(memory, "annie") == (
        "1 fact:\n- Ann - lives in - Lisbon (since 2026-01-01)\nNo longer true:\n- Ann - lives in - Porto (since 2019-01-01, until 2026-01-01)\n"
        "(Ann is also known as Annie.)"
    )
    assert "until 2026-01-01" in knowledge_search(memory, "Ann", include_past=True)
    assert "Porto" in knowledge_search(memory, "Ann", as_of="2020-05")
    assert knowledge_search(memory, "Ann", as_of="2001") == "Nothing is known about 'Ann' as of 2001."
    assert knowledge_merge(memory, "Lisbon", "Lisboa") == "Known under one entity now: Lisbon, Lisboa."


def test_a_fact_that_is_ended_with_nothing_in_its_place_is_no_longer_true(memory: AgentMemory) -> None:
    """Asked about it, both searches say until when it held; in any wording of the relation, under any name."""
    knowledge_insert(memory, "Ann", "works at", "Cork Ltd", valid_from="2019")
    for cat in ("Tom", "Mia"):
        knowledge_insert(memory, "Ann", "owns", cat, valid_from="2020")
    knowledge_insert(memory, "Ann", "also known as", "Annie")
    ended = "- Ann - works at - Cork Ltd (since 2019-01-01, until 2026-01-01)"
    assert knowledge_insert(memory, "annie", "is employed by", "cork ltd", valid_until="now") == f"No longer true:\n{ended}"
    knowledge_insert(memory, "Ann", "owns", "tom", valid_until="Now")
    assert knowledge_search(memory, "Cork Ltd").split("\n") == [
        "Nothing is known about 'Cork Ltd' that holds now.", "No longer true:", ended,
    ]  # fmt: skip
    found = recall(memory, "Ann", sources=["knowledge"])
    assert "- knowledge [no longer true: since 2020-01-01, until 2026-01-01] Ann - owns - Tom" in found
    assert "- knowledge [since 2020-01-01] Ann - owns - Mia" in found
    for wrong in (("Ann", "owns", "Rex"), ("Bob", "owns", "Mia"), ("Ann", "works at", "Cork Ltd"), ("Ann", "owns", "7")):
        with pytest.raises(ToolError, match="holds. Search for it again"):
            knowledge_insert(memory, *wrong, valid_until="now")
    assert knowledge_insert(memory, "Ann", "works at", "Cork Ltd", valid_from="2027").startswith("Stored: ")


def test_what_held_at_no_time_is_not_called_no_longer_true(memory: AgentMemory) -> None:
    """A slip that was corrected, and a fact that was taken back, were never true."""
    slip = KnowledgeGraph(memory.store, "ann").insert("Ann", "likes", "tee").fact
    corrections = FactCorrections(memory.store, "ann")
    corrections.withdraw(corrections.correct(slip.id, object="tea").id)
    assert knowledge_search(memory, "Ann") == "Nothing is known about 'Ann' that holds now."


def test_arguments_out_of_range_are_refused(memory: AgentMemory) -> None:
    """With the range."""
    with pytest.raises(InvalidArguments, match="hops = 4: it goes from 1 to 3"):
        knowledge_search(memory, "Ann", hops=4)
    with pytest.raises(InvalidArguments, match="limit goes from 1 to 50"):
        knowledge_search(memory, "Ann", limit=0)
    with pytest.raises(BadDate):
        knowledge_insert(memory, "Ann", "likes", "tea", valid_from="long ago")


def test_the_tools_know_the_cause_of_the_call(memory: AgentMemory) -> None:
    """The same call carried out again says the same and stores nothing new."""
    acting = memory.because(Cause("key-1", "agent", "knowledge_insert"))
    first = knowledge_insert(acting, "Ann", "likes", "tea")
    assert knowledge_insert(acting, "Ann", "likes", "tea") == first
    assert len(knowledge.search(memory, "Ann")) == 1
    ending = memory.because(Cause("key-2", "agent", "knowledge_insert"))
    ended = [knowledge_insert(ending, "Ann", "likes", "tea", valid_until="now") for _ in range(2)]
    assert ended[0] == ended[1]


def test_an_agent_keeps_facts_over_a_restart_and_closes_what_changed(tmp_path: Path) -> None:
    """Through the real graph and the real store: told, restarted, told something newer, asked."""

    def opened(*script: Any) -> MemGPTAgent:
        return MemGPTAgent(
            agent_id="ann", model=ScriptedModel(script), profile=PROFILE, embedding=HashingEmbedder(),
            settings=Settings(home=tmp_path), clock=Clock("2026-03-01T12:00:00+00:00"),
        )  # fmt: skip

    with opened(
        call(
            "knowledge_insert",
            subject="Ann",
            relation="works at",
            object="Cork Ltd",
            valid_from="2020",
            request_heartbeat=True,
        ),
        call("knowledge_insert", subject="Cork Ltd", relation="located in", object="Porto", request_heartbeat=True),
        say("Noted."),
    ) as agent:
        agent.step("Since 2020 I work at Cork Ltd in Porto.")
    with opened(
        call("knowledge_insert", subject="Ann", relation="works for", object="Cork & Sons", request_heartbeat=True),
        call("knowledge_search", query="Ann", hops=2, include_past=True),
        say("You work at Cork & Sons now."),
    ) as agent:
        response = agent.step("I have a new job, at Cork & Sons.")
    results = [c["result"] for c in response.tool_calls]
    assert "This ended: Ann - works at - Cork Ltd (since 2020-01-01, until 2026-03-01)" in results[0]
    assert results[1].splitlines()[1:] == [
        "- Ann - works for - Cork & Sons (since 2026-03-01)",
        "- Ann - works at - Cork Ltd (since 2020-01-01, until 2026-03-01)",
        "- Cork Ltd - located in - Porto (since 2026-03-01)",
    ]
    with opened() as agent:
        facts = knowledge.graph_of(agent.memory).every()
    assert [(f.object, f.open) for f in facts if f.subject == "Ann"] == [("Cork Ltd", False), ("Cork & Sons", True)]
