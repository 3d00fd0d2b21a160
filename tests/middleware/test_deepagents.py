"""The middleware in the real ``create_deep_agent``: its files, todos and subagents go on, and one memory is enough for a long talk."""

from typing import Any

import pytest
from deepagents import create_deep_agent
from deepagents import graph as of_deepagents
from langchain_core.messages import HumanMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.store.memory import InMemoryStore

from memgpt_agent import MemGPTMiddleware
from memgpt_agent.errors import SummarizedTwice
from memgpt_agent.memory.agent_memory import AgentMemory
from memgpt_agent.testing import Clock, ScriptedModel, calls
from tests.middleware.agents import THREAD, answer_or_summary, prompt_tokens, recalled, told

NAME = "SummarizationMiddleware" if hasattr(of_deepagents, "_apply_custom_middleware") else "MemGPTMiddleware"
"""From 0.7 on, deepagents puts a middleware of this name in the place of its own summarization."""


def deep(script: list[Any], **given: Any) -> tuple[Any, ScriptedModel, InMemoryStore]:
    """Return a deep agent with memory, whose subagent has a memory of its own; its model and the store."""
    store, model = InMemoryStore(), ScriptedModel(script)

    def memory(agent_id: str) -> Any:
        return MemGPTMiddleware(agent_id=agent_id, store=store, clock=Clock(), name=NAME, **given)

    finder: Any = {"name": "finder", "description": "finds", "system_prompt": "You find.", "tools": [], "middleware": [memory("finder")]}
    agent: Any = create_deep_agent(model=model, tools=[], middleware=[memory("boss")], checkpointer=InMemorySaver(), subagents=[finder])
    return agent, model, store


def test_files_and_subagents_go_on_beside_memory() -> None:
    """The agent writes a file, remembers, and hands over to a subagent that remembers for itself."""
    agent, model, store = deep([
        calls(("write_file", {"file_path": "/n.txt", "content": "hello"}), ("core_memory_append", {"label": "human", "content": "Ada"})),
        calls(("task", {"description": "Find the wolf", "subagent_type": "finder"})),
        calls(("core_memory_append", {"label": "human", "content": "Wants wolves"})), "Found Fenris.", "Done.",
    ])  # fmt: skip
    out = agent.invoke({"messages": [HumanMessage("Hi, I am Ada")]}, THREAD, durability="sync")
    assert list(out["files"]) == ["/n.txt"]
    assert out["messages"][-1].text == "Done."
    assert AgentMemory(store, "boss").core["human"] == "Ada"
    assert AgentMemory(store, "finder").core["human"] == "Wants wolves"
    assert ("tool", "Found Fenris.") in recalled(store, "boss")
    assert recalled(store, "finder")[0] == ("user", "Find the wolf")
    assert "Wants wolves" not in model.calls[-1][0].text


def test_a_subagent_that_fails_in_the_middle_goes_on_without_doing_things_twice() -> None:
    """The subagent's model is down after an edit: resumed, the edit stands once, in the subagent's memory."""
    agent, _, store = deep([
        calls(("task", {"description": "Find the wolf", "subagent_type": "finder"})),
        calls(("core_memory_append", {"label": "human", "content": "Wants wolves"})), RuntimeError("down"), "Found.", "Done.",
    ])  # fmt: skip
    with pytest.raises(RuntimeError, match="down"):
        told(agent, "Hi")
    out = agent.invoke(None, THREAD, durability="sync")
    assert out["messages"][-1].text == "Done."
    assert AgentMemory(store, "finder").core["human"] == "Wants wolves"
    assert [text for role, text in recalled(store, "boss") if role == "user"] == ["Hi"]


def test_a_long_talk_in_a_small_window_is_summarised_by_ours_alone() -> None:
    """No warning of a second summary comes (it would be an error), and every prompt fits."""
    agent, model, store = deep([answer_or_summary] * 90, context_window=16_384)
    for turn in range(24):
        told(agent, f"Statement {turn}: the box {turn} holds marbles. " * 30)
    assert max(prompt_tokens(model)) <= 16_384 - 4_096
    assert agent.get_state(THREAD).values["memgpt"]["summary"]["messages"] > 10
    assert sum(role == "user" for role, _ in recalled(store, "boss")) == 24


@pytest.mark.skipif(NAME == "SummarizationMiddleware", reason="replaced by name: there is no second summary")
def test_a_second_summary_is_warned_of_and_is_nobodys_words() -> None:
    """Before 0.7 deepagents summarises by itself where one message alone exceeds its limit: said once, and not kept as the user's."""
    store, model = InMemoryStore(), ScriptedModel([answer_or_summary] * 12, profile={"max_input_tokens": 16_384})
    memory: Any = MemGPTMiddleware(agent_id="boss", store=store, clock=Clock())
    agent: Any = create_deep_agent(model=model, tools=[], middleware=[memory], checkpointer=InMemorySaver())
    told(agent, "First.")
    with pytest.warns(SummarizedTwice, match="SummarizationMiddleware"):
        told(agent, "word " * 14_000)
    assert not any("summary" in text[:60] for role, text in recalled(store, "boss") if role == "user")
