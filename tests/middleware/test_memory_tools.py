"""An agent's memory tools as plain LangChain tools: in a loop by hand, a ToolNode, create_agent, sync and async, with and without LangChain."""

import asyncio
import subprocess
import sys
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode
from langgraph.store.memory import InMemoryStore

from memgpt_agent import MemGPTAgent, memory_tools
from memgpt_agent.errors import ConfigurationError
from memgpt_agent.memory.agent_memory import AgentMemory
from memgpt_agent.testing import ScriptedModel, calls


def appended(text: str, call_id: str) -> Any:
    """Return a model's call that adds a line to the block ``human``."""
    return {"name": "core_memory_append", "args": {"label": "human", "content": text}, "id": call_id, "type": "tool_call"}


def by_name(store: InMemoryStore, agent_id: str = "ada") -> dict[str, Any]:
    """Return the tools of an agent by name."""
    return {tool.name: tool for tool in memory_tools(store, agent_id)}


def test_a_loop_by_hand_calls_them_like_any_tool() -> None:
    """By arguments alone they return text; by a model's call, a tool message."""
    store = InMemoryStore()
    tools = by_name(store)
    assert "Likes tea" in tools["core_memory_append"].invoke({"label": "human", "content": "Likes tea"})
    message = tools["core_memory_append"].invoke(appended("Plays chess", "c1"))
    assert isinstance(message, ToolMessage)
    assert message.tool_call_id == "c1"
    assert AgentMemory(store, "ada").core["human"] == "Likes tea\nPlays chess"


def test_the_same_call_changes_nothing_when_it_is_made_again() -> None:
    """By its id on its thread; another id, or the same words without one, is another call."""
    store = InMemoryStore()
    append = by_name(store)["core_memory_append"]
    config: Any = {"configurable": {"thread_id": "t"}}
    first, again = append.invoke(appended("Once", "c1"), config), append.invoke(appended("Once", "c1"), config)
    assert first.content == again.content
    append.invoke(appended("Twice", "c2"), config)
    append.invoke({"label": "human", "content": "Twice"})
    assert AgentMemory(store, "ada").core["human"] == "Once\nTwice\nTwice"


def test_what_they_cannot_do_they_say() -> None:
    """No exception for the model's mistakes: an unknown block, wrong arguments."""
    tools = by_name(InMemoryStore())
    unknown = tools["core_memory_append"].invoke({**appended("x", "c"), "args": {"label": "nobody", "content": "x"}})
    wrong = tools["conversation_search"].invoke({"name": "conversation_search", "args": {"limit": "many"}, "id": "d", "type": "tool_call"})
    assert [unknown.status, wrong.status] == ["error", "error"]
    assert "nobody" in unknown.content
    assert "query: Field required" in wrong.content


def test_a_tool_node_in_a_graph_of_ones_own_runs_them_on_both_faces() -> None:
    """Invoked and awaited."""
    store = InMemoryStore()
    graph: Any = StateGraph(MessagesState)
    graph.add_node("tools", ToolNode(memory_tools(store, "ada")))
    graph.add_edge(START, "tools")
    ready = graph.compile()
    ready.invoke({"messages": [AIMessage("", tool_calls=[appended("Sync", "a")])]})
    asyncio.run(ready.ainvoke({"messages": [AIMessage("", tool_calls=[appended("Async", "b")])]}))
    assert AgentMemory(store, "ada").core["human"] == "Sync\nAsync"


def test_create_agent_takes_them_as_its_tools() -> None:
    """The schema that the model is offered has the arguments of the tool and no more."""
    store = InMemoryStore()
    model = ScriptedModel([calls(("archival_memory_insert", {"content": "The wolf is Fenris."})), "Filed."])
    create_agent(model, memory_tools(store, "ada")).invoke({"messages": [HumanMessage("File it")]})
    assert [p.text for p in AgentMemory(store, "ada").archival.search("wolf", limit=3)] == ["The wolf is Fenris."]
    offered = {t["function"]["name"]: t["function"] for t in model.tools_offered[0]}
    assert set(offered["core_memory_append"]["parameters"]["properties"]) == {"label", "content"}
    assert offered["core_memory_append"]["description"].startswith("Add a line")
    assert "send_message" not in offered


def test_they_act_on_the_memory_of_an_agent_of_ours() -> None:
    """What the agent said is found, and what they write it sees."""
    store = InMemoryStore()
    with MemGPTAgent(agent_id="ada", model=ScriptedModel(["Hello.", "Yes."]), store=store) as ours:
        ours.step("My wolf plushie is Fenris.")
        tools = by_name(store)
        assert "Fenris" in tools["conversation_search"].invoke({"query": "wolf plushie"})
        tools["core_memory_append"].invoke({"label": "human", "content": "Owns a wolf."})
        assert ours.core_memory["human"] == "Owns a wolf."


def test_groups_and_profiles_choose_the_tools() -> None:
    """memgpt_v2 edits by lines; a group adds its own; what needs our own loop is refused with what to do."""
    store = InMemoryStore()
    names = [tool.name for tool in memory_tools(store, "ada", profile="memgpt_v2", tools=["tasks"])]
    assert {"memory_insert", "recall", "task_add"} <= set(names)
    assert not {"send_message", "page_out", "memory_finish_edits"} & set(names)
    with pytest.raises(ConfigurationError, match="MemGPTAgent"):
        memory_tools(store, "ada", tools=["agents"])


def test_they_need_no_langchain_and_the_middleware_says_what_it_needs() -> None:
    """Where ``langchain`` is not installed, the tools work, and the middleware's name raises the command that installs it."""
    program = """
import sys
sys.modules["langchain"] = None
import memgpt_agent
from langgraph.store.memory import InMemoryStore
print(len(memgpt_agent.memory_tools(InMemoryStore(), "ada")))
try:
    memgpt_agent.MemGPTMiddleware
except memgpt_agent.MemGPTError as error:
    print(type(error).__name__, error)
"""
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.splitlines()
    assert out[0] == "6"
    assert out[1].startswith("MissingDependency MemGPTMiddleware needs")
    assert "[middleware]" in out[1]
