"""Messages that others edit or remove in the state of a graph around the agent."""

from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, RemoveMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.store.base import BaseStore
from langgraph.store.memory import InMemoryStore

from memgpt_agent import create_graph
from memgpt_agent.memory.corrections import Corrections
from memgpt_agent.memory.recall import RecallMemory
from memgpt_agent.testing import ScriptedModel, call, say

THREAD: Any = {"configurable": {"thread_id": "ann"}}
SECRET = "zanzibar"
pytestmark = pytest.mark.parametrize("store", ["file", "memory"], indirect=True)
"""The embedded store, and one that can do no more than LangGraph's own."""


def test_as_a_subgraph_it_is_the_same(store: BaseStore) -> None:
    """The parent's state is edited, where the agent keeps no state of its own: its notes ride on the parent's messages."""
    model = ScriptedModel([say("a"), say("b")])
    parent: Any = StateGraph(MessagesState).add_node("agent", create_graph(model=model, store=store)).add_edge(START, "agent")
    graph = parent.compile(checkpointer=InMemorySaver(), store=store)
    graph.invoke({"messages": [HumanMessage(f"It is {SECRET}", id="m1")]}, THREAD)
    old = graph.get_state(THREAD).values["messages"][0]
    graph.update_state(THREAD, {"messages": [old.model_copy(update={"content": "It is x"})]}, as_node="agent")
    graph.invoke({"messages": [HumanMessage("So?", id="m2")]}, THREAD)
    assert SECRET not in str(model.calls[-1])
    assert {m.text for m in RecallMemory(store, "ann").of_thread("ann")} == {"It is x", "a", "So?", "b"}


def embedded(store: BaseStore, script: list[Any], checkpointer: Any) -> tuple[Any, ScriptedModel]:
    """Return a parent graph of LangGraph's own state with one agent in it, and the agent's model."""
    model = ScriptedModel(script)
    agent = create_graph(model=model, name="ann", checkpointer=checkpointer)
    parent: Any = StateGraph(MessagesState).add_node("agent", agent).add_edge(START, "agent")
    return parent.compile(checkpointer=InMemorySaver(), store=store), model


def shown(model: ScriptedModel, call: int) -> str:
    """The texts and the calls that a model was sent."""
    return str([(m.text, [c["args"] for c in getattr(m, "tool_calls", [])]) for m in model.calls[call]])


@pytest.mark.parametrize("checkpointer", [None, True])
@pytest.mark.parametrize("blocks", [False, True])
def test_a_new_message_in_the_parents_state_edits_before_anything_finds_the_old_one(store: BaseStore, checkpointer: Any, blocks: bool) -> None:
    """It bears no note of the agent's. Neither the next prompt nor the next turn's first search has the old words; the history has."""
    search = call("conversation_search", query="locker number")
    graph, model = embedded(store, [say("a"), say("b"), search, say("c"), say("d")], checkpointer)
    graph.invoke({"messages": [HumanMessage("Hello", id="m0")]}, THREAD)
    graph.invoke({"messages": [HumanMessage(f"The locker number is {SECRET}", id="m1")]}, THREAD)
    words = "The locker number is x"
    graph.update_state(THREAD, {"messages": [HumanMessage([{"type": "text", "text": words}] if blocks else words, id="m1")]})
    graph.invoke({"messages": [HumanMessage("So?", id="m2")]}, THREAD)
    graph.invoke({"messages": [HumanMessage("And?", id="m3")]}, THREAD)
    assert SECRET not in str(model.calls[2:])
    assert words in str(model.calls[2])
    assert words in next(m.text for m in RecallMemory(store, "ann").of_thread("ann") if m.id == "m1")
    assert SECRET not in str([m.text for m in RecallMemory(store, "ann").of_thread("ann")])
    assert [e.text for e in Corrections(RecallMemory(store, "ann"), store, "ann").of(["m1"])["m1"].entries] == [f"The locker number is {SECRET}"]


@pytest.mark.parametrize("checkpointer", [None, True])
@pytest.mark.parametrize("script", [[say(f"It is {SECRET}."), say("b")], [f"It is {SECRET}.", "b"]])
def test_a_new_message_in_the_place_of_an_answer_edits_it(store: BaseStore, checkpointer: Any, script: list[Any]) -> None:
    """The id says which: by a call or as plain text, the model, recall memory and the history are as for the changed message."""
    graph, model = embedded(store, script, checkpointer)
    answer = graph.invoke({"messages": [HumanMessage("Where?", id="m1")]}, THREAD)["messages"][-1]
    graph.update_state(THREAD, {"messages": [AIMessage("It is x.", id=answer.id)]})
    values = graph.invoke({"messages": [HumanMessage("So?", id="m2")]}, THREAD)
    assert SECRET not in str(model.calls[1])
    assert SECRET not in str(values["messages"])
    assert shown(model, 1).count("It is x.") == 1
    recall = RecallMemory(store, "ann")
    assert [m.text for m in recall.of_thread("ann")] == ["Where?", "It is x.", "So?", "b"]
    record = next(m.id for m in recall.of_thread("ann") if m.text == "It is x.")
    assert [e.text for e in Corrections(recall, store, "ann").of([record])[record].entries] == [f"It is {SECRET}."]


def test_where_the_parent_keeps_the_reply_alone_it_is_seen_and_edited_too(store: BaseStore) -> None:
    """As a supervisor does by default: the call that sent it is not in the parent's state."""
    model = ScriptedModel([say(f"It is {SECRET}."), say("b"), say("c")])
    agent: Any = create_graph(name="ann", model=model)

    def last(state: MessagesState) -> Any:
        return {"messages": [agent.invoke(state)["messages"][-1]]}

    graph: Any = StateGraph(MessagesState).add_node("ann", last).add_edge(START, "ann").compile(checkpointer=InMemorySaver(), store=store)
    graph.invoke({"messages": [HumanMessage("Where?", id="m1")]}, THREAD)
    graph.invoke({"messages": [HumanMessage("Sure?", id="m2")]}, THREAD)
    assert shown(model, 1).count(SECRET) == 1
    answer = graph.get_state(THREAD).values["messages"][1]
    graph.update_state(THREAD, {"messages": [answer.model_copy(update={"content": "It is x."})]})
    graph.invoke({"messages": [HumanMessage("So?", id="m3")]}, THREAD)
    assert SECRET not in str(model.calls[2])
    assert [m.text for m in RecallMemory(store, "ann").of_thread("ann")][:2] == ["Where?", "It is x."]


def test_another_agent_that_heard_the_answer_hears_no_more_of_it(store: BaseStore) -> None:
    """Each agent of the parent graph has its own record of it."""
    models = [ScriptedModel([say(f"It is {SECRET}."), say("c")]), ScriptedModel([say("b"), say("d")])]
    stores = [store, InMemoryStore()]
    parent: Any = StateGraph(MessagesState)
    for name, model, memory in zip(("ann", "bob"), models, stores, strict=True):
        parent.add_node(name, create_graph(name=name, model=model, store=memory))
    graph = parent.add_edge(START, "ann").add_edge("ann", "bob").compile(checkpointer=InMemorySaver())
    said = graph.invoke({"messages": [HumanMessage("Where?", id="m1")]}, THREAD)["messages"]
    answer = next(m for m in said if SECRET in m.text)
    graph.update_state(THREAD, {"messages": [AIMessage("It is x.", id=answer.id, name="ann")]})
    graph.invoke({"messages": [HumanMessage("So?", id="m2")]}, THREAD)
    for model, memory in zip(models, stores, strict=True):
        assert SECRET not in str(model.calls[1])
        assert shown(model, 1).count("It is x.") == 1
        assert [m.text for m in RecallMemory(memory, "ann").of_thread("ann") if "It is" in m.text] == ["It is x."]


def test_an_edit_alone_in_the_parents_state_is_not_answered_again(store: BaseStore) -> None:
    """The agent could not take its old answer out of the parent's state; what it knows is corrected all the same."""
    graph, model = embedded(store, [say("Forty.")], None)
    graph.invoke({"messages": [HumanMessage("How many in 4 crates?", id="m1")]}, THREAD)
    values = graph.invoke({"messages": [HumanMessage("How many in 5 crates?", id="m1")]}, THREAD)
    assert values["messages"][-1].text == "Forty."
    assert len(model.calls) == 1
    assert {m.text for m in RecallMemory(store, "ann").of_thread("ann")} == {"How many in 5 crates?", "Forty."}


def test_a_parent_that_trims_its_messages_erases_no_memory(store: BaseStore) -> None:
    """A removal in its state looks the same, so it leaves recall memory alone too; a copy from before an edit changes nothing."""
    graph, _ = embedded(store, [say(str(n)) for n in range(5)], None)
    for number in range(3):
        graph.invoke({"messages": [HumanMessage(f"Fact {number}", id=f"m{number}")]}, THREAD)
    graph.update_state(THREAD, {"messages": [HumanMessage("Fact one", id="m1")]})
    graph.invoke({"messages": [HumanMessage("Next", id="m3")]}, THREAD)
    graph.update_state(THREAD, {"messages": [RemoveMessage("m0"), HumanMessage("Fact 1", id="m1")]})
    graph.invoke({"messages": [HumanMessage("Last", id="m4")]}, THREAD)
    said = {m.id: m.text for m in RecallMemory(store, "ann").of_thread("ann")}
    assert (said["m0"], said["m1"]) == ("Fact 0", "Fact one")
