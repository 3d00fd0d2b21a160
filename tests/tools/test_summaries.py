"""Opening summaries: what the model is shown, and the whole way through the graph with evictions and a restart."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from langgraph.store.memory import InMemoryStore

from memgpt_agent.agent import MemGPTAgent
from memgpt_agent.config import Settings
from memgpt_agent.errors import InvalidArguments, ToolError
from memgpt_agent.memory.agent_memory import AgentMemory
from memgpt_agent.testing import Clock, HashingEmbedder, ScriptedModel, call, say
from memgpt_agent.tools import summaries
from memgpt_agent.tools.profiles import MEMGPT_TOOLS, Profile
from memgpt_agent.tools.summaries import open_summary

NAMES = {tool.name for tool in MEMGPT_TOOLS}
PROFILE = Profile("with_summaries", (*MEMGPT_TOOLS, *(t for t in summaries.TOOLS if t.name not in NAMES)))


def test_without_an_eviction_there_is_nothing_to_open() -> None:
    """The model is told that all is in view; a page or an id that cannot be is refused."""
    memory = AgentMemory(InMemoryStore(), "ann", Clock())
    assert open_summary(memory) == "There are no summaries yet: all that was said is in view."
    with pytest.raises(InvalidArguments, match="page = -1"):
        open_summary(memory, "week-2026-W01", page=-1)
    with pytest.raises(ToolError, match="There is no summary 'nowhere'"):
        open_summary(memory, "nowhere")


def test_an_agent_goes_down_from_a_year_to_the_words_that_were_said(tmp_path: Path) -> None:
    """Three days of talk in a small window, evicted and summarised, a restart, and the model finds its way down."""
    clock = Clock("2026-03-02T09:00:00+00:00")
    writer = ScriptedModel([lambda _messages: f"Summary {len(writer.calls)}." for _ in range(60)])

    def opened(*script: Any) -> MemGPTAgent:
        return MemGPTAgent(
            agent_id="ann", model=ScriptedModel(script), summarizer=writer, profile=PROFILE, embedding=HashingEmbedder(),
            settings=Settings(home=tmp_path), clock=clock, context_window=5_000,
        )  # fmt: skip

    words = ["anchor", "bell", "candle", "drum", "easel", "flute", "globe", "harp", "inkpot"]
    with opened(*(say(f"Noted the {word}.") for word in words)) as agent:
        for n, word in enumerate(words):
            clock.advance(hours=1 if n % 3 else 24)
            agent.step(f"The {word} is kept in room {n}. " + "bla " * 500)
    tree = summaries.tree_of(agent.memory)
    with opened() as agent:
        tree = summaries.tree_of(agent.memory)
        assert [node.id for node in tree.newest("year")] == ["year-2026"]
        sessions = tree.newest("session")[::-1]
        assert sessions[0].by == "model"  # it was over when the next eviction came
        assert sessions[0].text.startswith("Summary ")
        spans = tree.get(sessions[0].children)
        found = summaries.search(agent.memory, "anchor")
        assert "The anchor is kept in room 0" in found[0].text
        span = next(iter(spans))
    down = ["", "year-2026", "month-2026-03", "week-2026-W10", sessions[0].id, span]
    with opened(*(call("open_summary", summary_id=key) for key in down), say("It is in room 0.")) as agent:
        results = [c["result"] for c in agent.step("Where is the anchor?").tool_calls]
    assert results[0].startswith("The newest of each session:")
    assert "- week-2026-W10 (week, " in results[2]
    assert f"- {sessions[0].id} (session, " in results[3]
    assert f"- {span} (span, " in results[4]
    assert "user: The anchor is kept in room 0. bla" in results[5]
    assert "Above it: " in results[5]


def test_at_most_two_summaries_are_written_beside_the_running_one_at_an_eviction(tmp_path: Path) -> None:
    """The cost of a turn is bounded: two calls of the summarizer more where something is over."""
    clock = Clock("2026-03-02T09:00:00+00:00")
    writer = ScriptedModel([lambda _messages: "Summary." for _ in range(200)])
    calls_before: list[int] = []
    with MemGPTAgent(
        agent_id="ann", model=ScriptedModel([say("Noted.") for _ in range(20)]), summarizer=writer, embedding=HashingEmbedder(),
        settings=Settings(home=tmp_path), clock=clock, context_window=5_000,
    ) as agent:  # fmt: skip
        for n in range(20):
            clock.advance(hours=24 * 8)
            calls_before.append(len(writer.calls))
            agent.step(f"Day {n}. " + "bla " * 700)
    calls_before.append(len(writer.calls))
    assert len(writer.calls) > 10
    assert max(after - before for before, after in pairwise(calls_before)) <= 3
