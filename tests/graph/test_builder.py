"""The graph as others use it: drawn, in a chain, as a subgraph, with and without context, store and checkpointer."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import HumanMessage
from langchain_core.runnables import RunnableLambda
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.store.memory import InMemoryStore

from memgpt_agent import node_names
from memgpt_agent.config import Context
from memgpt_agent.errors import ConfigurationError
from memgpt_agent.graph.builder import create_graph
from memgpt_agent.memory.core import Block, CoreMemory
from memgpt_agent.nodes import call_llm, compile_context, execute_tools, summarize_overflow
from memgpt_agent.store import FaissStore
from memgpt_agent.testing import ScriptedModel, call, say

THREAD: Any = {"configurable": {"thread_id": "ann"}}
HELLO: Any = {"messages": [("user", "Hello")]}

DRAWING = """\
graph TD;
	__start__([<p>__start__</p>]):::first
	compile_context(compile_context)
	summarize_overflow(summarize_overflow)
	call_llm(call_llm)
	execute_tools(execute_tools)
	__end__([<p>__end__</p>]):::last
	__start__ --> compile_context;
	call_llm -.-> __end__;
	call_llm -.-> compile_context;
	call_llm -.-> execute_tools;
	compile_context -.-> __end__;
	compile_context -.-> call_llm;
	compile_context -.-> summarize_overflow;
	execute_tools -.-> __end__;
	execute_tools -.-> compile_context;
	summarize_overflow --> compile_context;
	execute_tools -.-> execute_tools;
"""


def test_the_drawing_shows_every_branch() -> None:
    """As the README and the design have it."""
    drawn = create_graph(model=ScriptedModel()).get_graph().draw_mermaid()
    assert drawn[drawn.index("graph TD") : drawn.index("\tclassDef")] == DRAWING


def test_it_works_without_context_store_and_checkpointer() -> None:
    """Memory lives in this process then, and each call is a conversation of its own."""
    graph: Any = create_graph(model=ScriptedModel([call("core_memory_append", label="human", content="Dog: Rex"), say("Hi"), say("Hi")]))
    assert graph.invoke(HELLO)["messages"][-1].text == "Hi"
    again = graph.invoke(HELLO)
    assert [m.text for m in again["messages"] if m.type == "human"] == ["Hello"]
    assert set(again) == {"messages", "context_usage"}


def test_two_graphs_without_a_store_do_not_share_memory() -> None:
    """Each has its own."""
    one: Any = create_graph(model=ScriptedModel([call("core_memory_append", label="human", content="secret"), say("Hi")]))
    one.invoke(HELLO, THREAD)
    model = ScriptedModel([say("Hi")])
    other: Any = create_graph(model=model)
    other.invoke(HELLO, THREAD)
    assert "secret" not in model.calls[0][0].text


def test_it_is_a_runnable_in_a_chain() -> None:
    """From text to text."""
    graph: Any = create_graph(model=ScriptedModel([say("Hi Ann")]))
    chain = RunnableLambda(lambda text: {"messages": [HumanMessage(str(text))]}) | graph | (lambda state: state["messages"][-1].text)
    assert chain.invoke("I am Ann") == "Hi Ann"


async def test_it_is_a_runnable_on_an_event_loop() -> None:
    """The same answer."""
    graph: Any = create_graph(model=ScriptedModel([say("Hi Ann")]), checkpointer=InMemorySaver(), store=InMemoryStore())
    assert (await graph.ainvoke(HELLO, THREAD))["messages"][-1].text == "Hi Ann"


def test_it_is_a_subgraph_with_a_memory_of_its_own() -> None:
    """With the parent's checkpointer and store; the second turn sees the first, and no message comes twice."""
    model = ScriptedModel([say("One"), say("Two")])
    parent: Any = StateGraph(MessagesState)
    parent.add_node("agent", create_graph(model=model, checkpointer=True))
    parent.add_edge(START, "agent")
    store = InMemoryStore()
    graph = parent.compile(checkpointer=InMemorySaver(), store=store)
    graph.invoke(HELLO, THREAD)
    final = graph.invoke({"messages": [("user", "Again")]}, THREAD)
    assert [m.text for m in final["messages"] if m.type == "human" or (m.type == "ai" and m.text)] == ["Hello", "One", "Again", "Two"]
    assert [m.type for m in model.calls[1]] == ["system", "human", "ai", "tool", "human"]
    assert list(CoreMemory(store, "ann")) == ["persona", "human"]


@pytest.mark.parametrize(
    ("context", "says"), [({"agent_idd": "x"}, "agent_idd"), ({"max_steps": 0}, "max_steps"), ({"time_zone": "Mars"}, "Mars")]
)
def test_a_context_that_cannot_be_is_refused_before_anything_happens(context: dict[str, Any], says: str) -> None:
    """The model is not called and nothing is stored."""
    model, store = ScriptedModel(), InMemoryStore()
    graph: Any = create_graph(model=model, store=store, checkpointer=InMemorySaver())
    with pytest.raises(ValueError, match=says):
        graph.invoke(HELLO, THREAD, context=context)
    assert (model.calls, store.list_namespaces()) == ([], [])


def test_an_agent_id_names_a_memory_and_a_thread_a_conversation() -> None:
    """Two threads of one agent share its blocks, not its queue; without an id the thread's is the agent's."""
    model, store = ScriptedModel([call("core_memory_append", label="human", content="Dog: Rex"), say("Hi"), say("Yes")]), InMemoryStore()
    graph: Any = create_graph(model=model, store=store, checkpointer=InMemorySaver())
    graph.invoke(HELLO, THREAD, context=Context(agent_id="shared"))
    graph.invoke({"messages": [("user", "My dog?")]}, {"configurable": {"thread_id": "other"}}, context={"agent_id": "shared"})
    assert "Dog: Rex" in model.calls[-1][0].text
    assert len(model.calls[-1]) == 2
    assert {n[0] for n in store.list_namespaces()} == {"shared"}


def test_persona_and_human_seed_a_new_agent_only() -> None:
    """What is stored wins."""
    model, store = ScriptedModel([say("a"), say("b")]), InMemoryStore()
    graph: Any = create_graph(model=model, store=store, checkpointer=InMemorySaver(), blocks=[Block("rules", "Be kind.", read_only=True)])
    graph.invoke(HELLO, THREAD, context={"persona": "I am Sam.", "human": "Ann"})
    graph.invoke(HELLO, THREAD, context={"persona": "I am Max.", "human": "Bob"})
    assert dict(CoreMemory(store, "ann")) == {"persona": "I am Sam.", "human": "Ann", "rules": "Be kind."}
    assert graph.get_state(THREAD).values["core_memory"] == dict(CoreMemory(store, "ann"))


def test_a_block_given_stands_in_for_a_default_one() -> None:
    """With its own limit and description."""
    store = InMemoryStore()
    graph: Any = create_graph(model=ScriptedModel([say("a")]), store=store, blocks=[Block("human", "Ann", "the user", 50)])
    graph.invoke(HELLO, THREAD)
    assert CoreMemory(store, "ann").block("human").limit_chars == 50


def test_the_user_who_speaks_is_noted() -> None:
    """In recall memory, beside what was said."""
    store = InMemoryStore()
    graph: Any = create_graph(model=ScriptedModel([say("a")]), store=store)
    graph.invoke(HELLO, THREAD, context={"user_id": "u-7"})
    assert [i.value["user_id"] for i in store.search(("ann", "recall")) if i.value["role"] == "user"] == ["u-7"]


def test_an_unknown_profile_is_refused() -> None:
    """With those there are."""
    with pytest.raises(ConfigurationError, match="The profiles are: memgpt"):
        create_graph(profile="sleepy")  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("given", "says"),
    [({"store": "memory.db"}, "store='memory.db' is no LangGraph store"), ({"tools": ["search"]}, "'search' cannot be a tool: it is neither")],
)
def test_what_is_no_store_and_no_tool_is_refused_when_it_is_built(given: Any, says: str) -> None:
    """In words, not by an attribute that something lacks later."""
    with pytest.raises(ConfigurationError, match=says):
        create_graph(**given)


def test_a_conversation_goes_on_in_another_process(tmp_path: Path) -> None:
    """Real files, opened anew: the same queue and the same blocks."""
    seen: list[list[Any]] = []
    for script in ([call("core_memory_append", label="human", content="Dog: Rex"), say("One")], [say("Two")]):
        with FaissStore(tmp_path / "m.db") as store, SqliteSaver.from_conn_string(str(tmp_path / "c.db")) as saver:
            model = ScriptedModel(script)
            graph: Any = create_graph(model=model, store=store, checkpointer=saver)
            graph.invoke(HELLO, THREAD, durability="sync")
            seen.append(model.calls[-1])
    assert [m.content for m in seen[1][: len(seen[0])]] == [m.content for m in seen[0]]
    assert "This replaces the block 'human' above" in str(seen[0][-1].content)
    told = [json.loads(str(m.content))["type"] for m in seen[1] if m.type == "human"]
    assert told == ["user_message", "system_alert", "user_message"]  # reminded in between that nobody had answered


def test_what_the_model_is_sent_is_not_in_a_checkpoint() -> None:
    """It is compiled again where it is missing."""
    graph: Any = create_graph(model=ScriptedModel([say("a")]), checkpointer=InMemorySaver())
    graph.invoke(HELLO, THREAD)
    assert not any(state.values.get("prompt") for state in graph.get_state_history(THREAD))


def test_the_servers_graph_is_bare() -> None:
    """A server brings its own checkpointer and store, and shows the context's fields."""
    from memgpt_agent.graph.memgpt import graph

    assert graph.checkpointer is None
    assert graph.store is None
    assert set(graph.get_context_jsonschema()["properties"]) == set(Context.model_fields)  # pyright: ignore[reportOptionalSubscript]


def test_a_node_has_one_name_wherever_it_is_asked_for() -> None:
    """The node in the graph, its function, the name that readers of a run use, and the node of a field in Studio's form."""
    names = {name for key, name in vars(node_names).items() if key.isupper()}
    assert {name for name in create_graph(model=ScriptedModel()).get_graph().nodes if not name.startswith("__")} == names
    assert {function.__name__ for function in (call_llm, compile_context, execute_tools, summarize_overflow)} == names
    fields = json.dumps(Context.model_json_schema())
    shown = set(re.findall(r'"langgraph_nodes": \["(\w+)"', fields))
    assert shown
    assert shown <= names
