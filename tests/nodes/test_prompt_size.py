"""How large a prompt may be where the model takes more."""

from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.store.memory import InMemoryStore

from memgpt_agent import MemGPTAgent, Settings, create_graph
from memgpt_agent.agent_file import export_agent, import_agents
from memgpt_agent.errors import ConfigurationError
from memgpt_agent.memory import definitions
from memgpt_agent.testing import Clock, HashingEmbedder, ScriptedModel, say

CONFIG: Any = {"configurable": {"thread_id": "t"}}


def large(tokens: int, replies: int = 3) -> ScriptedModel:
    """Return a model that says that it takes so many tokens."""
    return ScriptedModel([say("Yes.")] * replies, profile={"max_input_tokens": tokens})


def budget_of(graph: Any, **context: Any) -> int:
    """Play a turn and return the budget that it had."""
    return graph.invoke({"messages": [("user", "Hello.")]}, CONFIG, context=context)["context_usage"]["budget"]


def agent_of(home: Path, model: ScriptedModel, **given: Any) -> MemGPTAgent:
    """Open the agent of a home."""
    settings = Settings(home=home)
    return MemGPTAgent(llm_client=model, agent_id="ann", settings=settings, embedding=HashingEmbedder(), clock=Clock(), **given)


@pytest.mark.parametrize("window", [200_000, 1_000_000])
def test_a_new_conversation_sends_32768_tokens_at_most_and_goes_on_so(window: int) -> None:
    """However large the model's window is, the first turn's budget is that of every later one."""
    graph = create_graph(model=large(window), checkpointer=InMemorySaver())
    assert [budget_of(graph), budget_of(graph)] == [32_768, 32_768]


def test_a_window_smaller_than_that_leaves_what_the_answer_leaves() -> None:
    """The smaller one of the two holds."""
    assert budget_of(create_graph(model=large(16_000))) == 12_000


def test_a_chosen_window_holds_as_it_is_chosen() -> None:
    """A number is that many tokens, `max` is all of the model's, and a run that chooses nothing is small again."""
    graph = create_graph(model=large(1_000_000, 5), checkpointer=InMemorySaver())
    assert budget_of(graph) == 32_768
    assert budget_of(graph, context_window_tokens="max") == 1_000_000 - 4_096
    assert budget_of(graph, context_window_tokens=200_000) == 200_000 - 4_096
    assert budget_of(graph, context_window_tokens="max", prompt_tokens=50_000) == 50_000
    assert budget_of(graph) == 32_768


def test_a_conversation_that_an_earlier_version_began_keeps_the_whole_window() -> None:
    """Its state has had a turn and knows nothing of the size of prompts."""
    graph: Any = create_graph(model=large(1_000_000), checkpointer=InMemorySaver())
    budget_of(graph)
    state = {key: value for key, value in graph.get_state(CONFIG).values.items() if key != "prompt_tokens"}
    other: Any = {"configurable": {"thread_id": "earlier"}}
    graph.update_state(other, state, as_node="compile_context")
    assert graph.invoke({"messages": [("user", "Hello.")]}, other)["context_usage"]["budget"] == 1_000_000 - 4_096
    assert "prompt_tokens" not in graph.get_state(other).values


@pytest.mark.parametrize("window", [200_000, 1_000_000])
def test_a_new_agent_sends_32768_tokens_at_most_and_comes_back_so(window: int, tmp_path: Path) -> None:
    """It is stored with the agent; `max` lifts it, for good."""
    with agent_of(tmp_path, large(window)) as agent:
        assert agent.step("Hello.").context_sections["budget"] == 32_768
    with agent_of(tmp_path, large(window), thread_id="other") as agent:
        assert agent.step("Hello.").context_sections["budget"] == 32_768
    for given in ({"context_window": "max"}, {}):
        with agent_of(tmp_path, large(window), **given) as agent:
            assert agent.step("Hello.").context_sections["budget"] == window - 4_096


def test_an_agent_that_an_earlier_version_made_keeps_the_whole_window(tmp_path: Path) -> None:
    """It has neither a window nor a size of prompts; new conversations of it are as large as the first."""
    store = InMemoryStore()
    definitions.save(store, definitions.AgentDefinition("ann", "2026-01-01", context={"page_faults": "on"}))
    for thread in ("ann", "other"):
        with agent_of(tmp_path, large(1_000_000), store=store, thread_id=thread) as agent:
            assert agent.step("Hello.").context_sections["budget"] == 1_000_000 - 4_096


def test_an_export_carries_the_size_of_prompts(tmp_path: Path) -> None:
    """The agent is as large at the other home as it was here."""
    stores, savers, file = [InMemoryStore(), InMemoryStore()], [InMemorySaver(), InMemorySaver()], tmp_path / "ann.json"
    with agent_of(tmp_path, large(1_000_000), store=stores[0], checkpointer=savers[0]) as agent:
        agent.step("Hello.")
    export_agent("ann", file, store=stores[0], checkpointer=savers[0])
    import_agents(file, store=stores[1], checkpointer=savers[1])
    with agent_of(tmp_path, large(1_000_000), store=stores[1], checkpointer=savers[1]) as agent:
        assert agent.step("Hello.").context_sections["budget"] == 32_768


def test_a_window_that_is_neither_a_number_nor_max_is_refused(tmp_path: Path) -> None:
    """The error names the field and what was given."""
    with pytest.raises(ConfigurationError, match="context_window_tokens = 'most'"):
        agent_of(tmp_path, large(200_000), context_window="most")
