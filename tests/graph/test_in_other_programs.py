"""The graph in programs of other makers' forms: the functional API, batches, states of another shape, swarms and deep agents of both kinds."""

import json
from typing import Annotated, Any

import pytest
from deepagents import create_deep_agent
from langchain.agents import create_agent
from langchain_core.messages import AIMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.func import entrypoint
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.store.memory import InMemoryStore
from langgraph.types import Command, interrupt
from langgraph_swarm import create_handoff_tool, create_swarm
from typing_extensions import TypedDict

from memgpt_agent import create_graph
from memgpt_agent.memory.recall import RecallMemory
from memgpt_agent.testing import ScriptedModel, calls, say

HERE: Any = {"configurable": {"thread_id": "t"}}


def agent(*script: Any, name: str = "ann", **more: Any) -> Any:
    """Return an agent over a script."""
    return create_graph(name=name, model=ScriptedModel(script), **more)


def called(name: str, call_id: str, **arguments: Any) -> AIMessage:
    """Return an answer that calls a tool, as other agents' models give it."""
    return AIMessage("", tool_calls=[{"name": name, "args": arguments, "id": call_id, "type": "tool_call"}])


def asked(text: str) -> Any:
    """Return an input."""
    return {"messages": [("user", text)]}


def test_a_function_that_is_an_entrypoint_calls_it_and_is_resumed() -> None:
    """A question of a tool of ours stops the function; its answer goes to the tool, and the next run knows the conversation."""

    @tool
    def ask_colour(of: str) -> str:
        """Ask for a colour."""
        return f"{of} is {interrupt(f'Which colour is {of}?')}"

    ann = agent(calls(("ask_colour", {"of": "tea"})), say("Green."), say("Still green."), tools=[ask_colour], checkpointer=True)

    @entrypoint(checkpointer=InMemorySaver(), store=InMemoryStore())
    def flow(text: str) -> str:
        return str(ann.invoke(asked(text))["messages"][-1].text)

    run: Any = flow
    (question,) = run.invoke("Tea?", HERE)["__interrupt__"]
    assert question.value == "Which colour is tea?"
    assert run.invoke(Command(resume="green"), HERE) == "Green."
    assert run.invoke("And now?", HERE) == "Still green."


@pytest.mark.parametrize("how", ["sync", "async"])
async def test_a_batch_is_as_many_conversations(how: str) -> None:
    """Each with its own message and answer."""
    graph = agent(*[lambda sent: say(json.loads(sent[-1].text)["message"])] * 3, store=InMemoryStore(), checkpointer=InMemorySaver())
    inputs, configs = [asked(f"n{n}") for n in range(3)], [{"configurable": {"thread_id": f"t{n}"}} for n in range(3)]
    results: Any = graph.batch(inputs, configs) if how == "sync" else await graph.abatch(inputs, configs)
    assert [result["messages"][-1].text for result in results] == ["n0", "n1", "n2"]


@pytest.mark.parametrize("nested", [False, True])
def test_a_client_that_tells_the_whole_conversation_each_time_is_remembered_once(nested: bool) -> None:
    """Without a checkpointer, and without ids: recall memory holds what was said once, also the same words that were said twice."""
    store = InMemoryStore()
    graph: Any = agent(*[say(f"reply {n}") for n in range(4)], store=store)
    if nested:
        graph = StateGraph(MessagesState).add_node("ann", graph).add_edge(START, "ann").compile()
    told: list[Any] = []
    for text in ("one", "two", "one", "three"):
        told.append(("user", text))
        told.append(("assistant", graph.invoke({"messages": told}, HERE)["messages"][-1].text))
    said = [m.text for m in RecallMemory(store, "t").of_thread("t")]
    assert said == [text for _, text in told]


def test_a_node_of_a_graph_with_another_state_calls_it() -> None:
    """Neither side knows the other's keys; the conversation goes on in the parent's thread."""

    class Question(TypedDict):
        question: str

    class Answer(TypedDict):
        answer: str
        log: Annotated[list[str], lambda old, new: [*old, *new]]

    class Both(Question, Answer):
        pass

    ann = agent(say("One."), say("Two."), checkpointer=True)

    def ask(state: Any) -> Any:
        reply = ann.invoke(asked(state["question"]))["messages"][-1].text
        return {"answer": reply, "log": [reply]}

    graph: Any = StateGraph(Both, input_schema=Question, output_schema=Answer)
    graph.add_node("ask", ask)
    graph.add_edge(START, "ask")
    built = graph.compile(checkpointer=InMemorySaver(), store=InMemoryStore())
    built.invoke({"question": "First?"}, HERE)
    assert built.invoke({"question": "Second?"}, HERE) == {"answer": "Two.", "log": ["One.", "Two."]}


def test_a_swarm_of_an_agent_with_memory_and_one_of_langchains() -> None:
    """They hand the conversation to each other; each speaks when it has it."""
    ann = agent(calls(("transfer_to_bob", {})), say("Back with Ann."), tools=[create_handoff_tool(agent_name="bob")])
    answers = ["Bob here.", called("transfer_to_ann", "c9")]
    bob = create_agent(ScriptedModel(answers), [create_handoff_tool(agent_name="ann")], name="bob")
    swarm: Any = create_swarm([ann, bob], default_active_agent="ann").compile(checkpointer=InMemorySaver(), store=InMemoryStore())
    assert swarm.invoke(asked("To Bob, please."), HERE)["messages"][-1].text == "Bob here."
    result = swarm.invoke(asked("Back to Ann, please."), HERE)
    assert (result["messages"][-1].text, result["active_agent"]) == ("Back with Ann.", "ann")


def test_a_deep_agent_delegates_to_it() -> None:
    """As a subagent; what is delegated is in its memory."""
    store = InMemoryStore()
    helper: Any = {"name": "ann", "description": "remembers", "runnable": agent(say("I keep it in mind."), store=store)}
    model = ScriptedModel([called("task", "d1", description="Remember tea.", subagent_type="ann"), "Done."])
    deep: Any = create_deep_agent(model=model, tools=[], subagents=[helper], checkpointer=InMemorySaver())
    messages = deep.invoke(asked("Go."), HERE)["messages"]
    assert [m.text for m in messages[1:]] == ["", "I keep it in mind.", "Done."]
    kept = [item.value["text"] for space in store.list_namespaces(suffix=("recall",)) for item in store.search(space)]
    assert kept == ["Remember tea.", "I keep it in mind."]
