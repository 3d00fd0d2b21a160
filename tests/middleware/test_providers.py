"""The middleware with the real clients of two providers, against servers that refuse what these refuse: tools, streaming, eviction."""

from itertools import count
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import HumanMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.store.memory import InMemoryStore

from benchmarks.providers.makers import PROVIDERS
from benchmarks.providers.strict.server import Heard, Reply, StrictServer
from memgpt_agent import MemGPTMiddleware
from memgpt_agent.memory.agent_memory import AgentMemory
from tests.middleware.agents import THREAD


def brain() -> Any:
    """Return a model that edits memory, searches, makes mistakes and talks, in turns."""
    turns = count()

    def answer(heard: list[Heard]) -> Reply:
        last = heard[-1]
        if "summary" in last.text[:300]:
            return Reply("They talked about boxes.")
        if last.role == "tool":
            return Reply("Done with the tools. " * 20)
        edit, note = ("core_memory_append", {"label": "human", "content": "fact"}), ("archival_memory_insert", {"content": f"note {len(heard)}"})
        return (
            Reply(calls=(edit, note)),
            Reply("Let me look.", calls=(("conversation_search", {"query": "box"}),)),
            Reply(calls=(("core_memory_append", {"label": "nobody", "content": "x"}),)),
            Reply("A long answer about boxes. " * 30),
        )[next(turns) % 4]  # fmt: skip

    return answer


@pytest.mark.parametrize("name", ["openai", "anthropic"])
def test_a_life_with_tools_and_eviction_is_refused_nowhere(name: str) -> None:
    """Invoked and streamed in turn, in a window of 8,192: every request is one that the provider takes."""
    store = InMemoryStore()
    with StrictServer(PROVIDERS[name].wire(), brain()) as server:
        ours: Any = MemGPTMiddleware(agent_id="ada", store=store, context_window=8_192)
        agent: Any = create_agent(PROVIDERS[name].model(server.url), system_prompt="Be kind.", middleware=[ours], checkpointer=InMemorySaver())
        for turn in range(9):
            given = {"messages": [HumanMessage(f"Box {turn}: " + "it holds marbles. " * 130)]}
            if turn % 2:
                list(agent.stream(given, THREAD, stream_mode="messages", durability="sync"))
            else:
                agent.invoke(given, THREAD, durability="sync")
        assert agent.get_state(THREAD).values["memgpt"]["summary"]["messages"] > 3
    assert AgentMemory(store, "ada").core["human"] == "\n".join(["fact"] * 3)
