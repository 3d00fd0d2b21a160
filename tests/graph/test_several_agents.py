"""Several memory agents in one app: as nodes, subgraphs, tools, under a supervisor, in a swarm; each answers what is new to it."""

import operator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Annotated, Any

import pytest
from langchain.agents import create_agent
from langchain.tools import ToolRuntime
from langchain_core.messages import AIMessage, AnyMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.graph.message import add_messages
from langgraph.store.memory import InMemoryStore
from langgraph.types import Command, Send
from langgraph_supervisor import create_supervisor
from langgraph_swarm import create_handoff_tool, create_swarm
from pydantic import BaseModel
from typing_extensions import TypedDict

from memgpt_agent import create_graph
from memgpt_agent.errors import ConfigurationError
from memgpt_agent.events import MARK
from memgpt_agent.state import AgentState
from memgpt_agent.testing import ScriptedModel, calls, say

HERE: Any = {"configurable": {"thread_id": "t"}}


def agent(name: str | None, replies: int = 3, **more: Any) -> tuple[Any, ScriptedModel]:
    """Return an agent that answers with its name and a number, and its model."""
    model = ScriptedModel([say(f"{name} {n}") for n in range(1, replies + 1)])
    return create_graph(name=name, model=model, **more), model


def row(agents: list[Any], schema: Any = MessagesState) -> Any:
    """Return a graph that runs agents one after another."""
    graph = StateGraph(schema)
    for place, one in enumerate(agents):
        graph.add_node(f"n{place}", one)
        graph.add_edge(f"n{place - 1}" if place else START, f"n{place}")
    return graph.compile(checkpointer=InMemorySaver())


def heard(model: ScriptedModel, call: int) -> str:
    """What a model was told in one of its calls, without the system message."""
    return "\n".join(m.text for m in model.calls[call][1:])


def spoken(messages: list[BaseMessage]) -> list[str]:
    """All texts that people and agents said."""
    return [m.text for m in messages if m.type in {"human", "ai"} and m.text]


def pairs_hold(messages: list[BaseMessage]) -> bool:
    """Whether each call has its result, and each result its call."""
    calls = [c["id"] for m in messages if isinstance(m, AIMessage) for c in m.tool_calls]
    return sorted(map(str, calls)) == sorted(m.tool_call_id for m in messages if isinstance(m, ToolMessage))


@pytest.mark.parametrize("names", [("ann", "bob"), (None, None)])
@pytest.mark.parametrize("checkpointer", [None, True])
@pytest.mark.parametrize("schema", [MessagesState, AgentState])
@pytest.mark.parametrize("shared", [True, False])
def test_each_agent_in_a_row_answers_every_message(names: Any, checkpointer: Any, schema: Any, shared: bool) -> None:
    """With a memory of their own or one for both; the second is told what the first said, and each reply stands there once."""
    stores = [InMemoryStore()] * 2 if shared else [InMemoryStore(), InMemoryStore()]
    made = [agent(name, store=store, checkpointer=checkpointer) for name, store in zip(names, stores, strict=True)]
    graph = row([one for one, _ in made], schema)
    one, two = (str(name) for name in names)
    for turn in ("hello", "again"):
        values = graph.invoke({"messages": [("user", turn)]}, HERE)
        assert values["messages"][-1].text.startswith(two)
    assert spoken(values["messages"]) == ["hello", f"{one} 1", f"{two} 1", "again", f"{one} 2", f"{two} 2"]
    assert [len(model.calls) for _, model in made] == [2, 2]
    assert f'"message": "{one} 1", "from"' in heard(made[1][1], 0)
    assert f'"message": "{two} 1", "from"' in heard(made[0][1], 1)
    assert heard(made[0][1], 1).count("hello") == 1
    ids = [m.id for m in values["messages"]]
    assert len(ids) == len(set(ids))
    assert pairs_hold(values["messages"])


def test_the_same_agent_again_is_woken_by_what_another_said() -> None:
    """Draft, review, draft: what it said itself is not new to it."""
    ann, model = agent("ann", store=InMemoryStore())
    graph = row([ann, lambda _: {"messages": [AIMessage("Make it shorter.", name="reviewer")]}, ann])
    values = graph.invoke({"messages": [("user", "Write.")]}, HERE)
    assert spoken(values["messages"]) == ["Write.", "ann 1", "Make it shorter.", "ann 2"]
    assert '"message": "Make it shorter.", "from": "reviewer"' in heard(model, 1)


def test_a_conversation_handed_to_another_app_is_answered_there() -> None:
    """Under another thread or the same one: another store means another agent."""
    ann, _ = agent(None, store=InMemoryStore(), checkpointer=InMemorySaver())
    given = ann.invoke({"messages": [("user", "Who wrote Faust?")]}, HERE)["messages"][:1]
    for thread in ("t", "u"):
        other, model = agent(None, store=InMemoryStore(), checkpointer=InMemorySaver())
        values = other.invoke({"messages": given}, {"configurable": {"thread_id": thread}})
        assert (values["messages"][-1].text, len(model.calls)) == ("None 1", 1)


@pytest.mark.filterwarnings("ignore:create_react_agent:DeprecationWarning")  # langgraph-supervisor 0.0.31 itself uses it
@pytest.mark.parametrize("mode", ["last_message", "full_history"])
def test_a_supervisor_calls_one_agent_after_another(mode: Any) -> None:
    """Each answers; the calls by which the supervisor hands over are none of theirs."""

    def to(name: str) -> AIMessage:
        return AIMessage("", tool_calls=[{"name": f"transfer_to_{name}", "args": {}, "id": f"h-{name}"}])

    (ann, ann_model), (bob, bob_model) = agent("ann", store=InMemoryStore()), agent("bob", store=InMemoryStore())
    boss = ScriptedModel([to("ann"), to("bob"), AIMessage("done")])
    team = create_supervisor([ann, bob], model=boss, output_mode=mode).compile(checkpointer=InMemorySaver())
    values = team.invoke({"messages": [("user", "hello")]}, HERE)
    texts = spoken(values["messages"])
    assert [t for t in texts if t in {"ann 1", "bob 1", "done"}] == ["ann 1", "bob 1", "done"]
    assert (len(ann_model.calls), len(bob_model.calls)) == (1, 1)
    assert '"message": "ann 1", "from": "ann"' in heard(bob_model, 0)
    assert '"message": "result of transfer_to_bob: Successfully transferred to bob", "from": "supervisor"' in heard(bob_model, 0)
    assert not any(m.type == "tool" for m in bob_model.calls[0])
    assert pairs_hold(values["messages"])


@pytest.mark.filterwarnings("ignore:create_react_agent:DeprecationWarning")
@pytest.mark.parametrize("mode", ["last_message", "full_history"])
def test_a_supervisor_calls_the_same_agent_again_in_one_turn(mode: Any) -> None:
    """The handing back in the agent's name has its result: the agent adds none, and sees both as a pair."""

    def to_ann(number: int) -> AIMessage:
        return AIMessage("", tool_calls=[{"name": "transfer_to_ann", "args": {}, "id": f"h{number}"}])

    ann, model = agent("ann", store=InMemoryStore())
    boss = ScriptedModel([to_ann(1), to_ann(2), to_ann(3), AIMessage("done")])
    team = create_supervisor([ann], model=boss, output_mode=mode).compile(checkpointer=InMemorySaver())
    values = team.invoke({"messages": [("user", "hello")]}, HERE)
    assert [t for t in spoken(values["messages"]) if t.startswith("ann ")] == ["ann 1", "ann 2", "ann 3"]
    assert pairs_hold(values["messages"])
    assert all(pairs_hold(sent) for sent in [*boss.calls, *model.calls])


@pytest.mark.parametrize("order", [("note", "transfer_to_bob"), ("transfer_to_bob", "note"), ("note", "transfer_to_bob", "note")])
def test_a_handoff_beside_other_calls_keeps_each_result_with_its_call(order: Any) -> None:
    """Also for the model of a plain agent that takes over, and after the conversation has come back."""
    noted: list[str] = []

    def note(text: str) -> str:
        """Note a text."""
        noted.append(text)
        return "noted"

    first = calls(*[(name, {"text": str(n)} if name == "note" else {}) for n, name in enumerate(order)])
    ann_model, bob_model = ScriptedModel([first, say("ann")]), ScriptedModel([calls(("transfer_to_ann", {}))])
    ann: Any = create_graph(name="ann", model=ann_model, tools=[note, create_handoff_tool(agent_name="bob")], store=InMemoryStore())
    bob: Any = create_agent(bob_model, name="bob", tools=[create_handoff_tool(agent_name="ann")])
    swarm = create_swarm([ann, bob], default_active_agent="ann").compile(checkpointer=InMemorySaver())
    values = swarm.invoke({"messages": [("user", "hello")]}, HERE)
    assert len(noted) == order.count("note")
    assert values["messages"][-1].text == "ann"
    assert all(pairs_hold(sent) for sent in [values["messages"], *ann_model.calls, *bob_model.calls])


@pytest.mark.parametrize("checkpointer", [None, True])
def test_a_handoff_comes_round_to_the_agent_that_began_it(checkpointer: Any) -> None:
    """Although nobody said anything: it hears of the handoffs of the others, and the user gets an answer. Nobody's notes are lost."""
    round_trip = {"ann": "bob", "bob": "cy", "cy": "ann"}
    models = {name: ScriptedModel([calls((f"transfer_to_{to}", {}))] * 2) for name, to in round_trip.items()}
    models["ann"].script += [say("Here you are."), say("At once.")]
    agents: list[Any] = [
        create_graph(
            name=name, model=models[name], tools=[create_handoff_tool(agent_name=to)], store=InMemoryStore(), checkpointer=checkpointer
        )
        for name, to in round_trip.items()
    ]
    swarm = create_swarm(agents, default_active_agent="ann").compile(checkpointer=InMemorySaver())
    values = swarm.invoke({"messages": [("user", "hello")]}, HERE)
    assert (values["messages"][-1].text, spoken(values["messages"])) == ("Here you are.", ["hello", "Here you are."])
    assert swarm.invoke({"messages": [("user", "and now?")]}, HERE)["messages"][-1].text == "At once."
    assert {name: len(model.calls) for name, model in models.items()} == {"ann": 4, "bob": 2, "cy": 2}
    assert all(pairs_hold(sent) for sent in [values["messages"], *(sent for model in models.values() for sent in model.calls)])
    assert '"message": "result of transfer_to_ann: Successfully transferred to ann", "from": "cy"' in heard(models["ann"], 1)
    for message in values["messages"][:7]:
        mark = message.additional_kwargs[MARK]
        assert any(agent.startswith("ann:") for agent in (mark["agent"], *mark["also"]))


def test_a_handoff_by_send_keeps_its_update_and_what_was_said() -> None:
    """LangGraph's tool node drops the update of a command to a list of ``Send``: ours does not."""

    @tool
    def escalate(reason: str, runtime: ToolRuntime) -> Any:
        """Escalate."""
        result = ToolMessage("escalated", tool_call_id=runtime.tool_call_id)
        there = Send("clerk", {"messages": [HumanMessage(f"About {reason}")]})
        return Command(graph=Command.PARENT, goto=[there], update={"ticket": reason, "messages": [result]})

    class Desk(TypedDict):
        messages: Annotated[list[AnyMessage], add_messages]
        ticket: str

    model = ScriptedModel([calls(("send_message", {"message": "One moment."}), ("escalate", {"reason": "a leak"}))])
    graph = StateGraph(Desk)
    graph.add_node("ann", create_graph(name="ann", model=model, tools=[escalate], store=InMemoryStore()), destinations=("clerk",))

    def clerk(state: Desk) -> dict[str, Any]:
        return {"messages": [AIMessage(f"Noted: {state['messages'][-1].text}", name="clerk")]}

    graph.add_node("clerk", clerk)
    graph.add_edge(START, "ann")
    built: Any = graph.compile(checkpointer=InMemorySaver())
    values = built.invoke({"messages": [("user", "Help!")]}, HERE)
    assert (values["ticket"], spoken(values["messages"])) == ("a leak", ["Help!", "One moment.", "Noted: About a leak"])
    assert pairs_hold(values["messages"])


def test_two_handoffs_of_one_answer_stand_behind_both_calls() -> None:
    """Each brings the same messages: they stand there once."""

    def to(name: str) -> Any:
        @tool(f"to_{name}")
        def hand(runtime: ToolRuntime) -> Any:
            """Hand over."""
            result = ToolMessage("over", tool_call_id=runtime.tool_call_id)
            return Command(goto=name, graph=Command.PARENT, update={"messages": [*runtime.state["messages"], result]})

        return hand

    ann = create_graph(name="ann", model=ScriptedModel([calls(("to_bob", {}), ("to_cy", {}))]), tools=[to("bob"), to("cy")])
    heard_by: dict[str, list[BaseMessage]] = {}

    def hears(name: str) -> Any:
        return lambda state: heard_by.update({name: state["messages"]})

    graph: Any = StateGraph(MessagesState)
    graph.add_node("ann", ann, destinations=("bob", "cy"))
    for name in ("bob", "cy"):
        graph.add_node(name, hears(name))
    graph.add_edge(START, "ann")
    graph.compile(checkpointer=InMemorySaver(), store=InMemoryStore()).invoke({"messages": [("user", "hello")]}, HERE)
    assert {name: len(messages) for name, messages in heard_by.items()} == {"bob": 4, "cy": 4}
    assert all(pairs_hold(messages) for messages in heard_by.values())


def test_a_swarm_hands_a_conversation_over_and_back() -> None:
    """By a handoff tool of a plain agent; a handoff alone, with nothing said, wakes the memory agent too."""
    ann, ann_model = agent("ann", store=InMemoryStore())
    hand = create_handoff_tool(agent_name="ann")

    def bob(state: MessagesState) -> Any:
        call = {"name": hand.name, "args": {}, "id": f"h{len(state['messages'])}", "type": "tool_call"}
        asked = AIMessage("", tool_calls=[call], name="bob")
        return hand.invoke({**call, "args": {"state": {"messages": [*state["messages"], asked]}}})

    graph = StateGraph(MessagesState)
    graph.add_node("ask", bob)
    graph.add_edge(START, "ask")
    swarm = create_swarm([graph.compile(name="bob"), ann], default_active_agent="bob").compile(checkpointer=InMemorySaver())
    values = swarm.invoke({"messages": [("user", "hello")]}, HERE)
    assert values["messages"][-1].text == "ann 1"
    assert "transferred to ann" in heard(ann_model, 0)
    values = swarm.invoke({"messages": [("user", "more")]}, HERE)
    assert (values["messages"][-1].text, values["active_agent"]) == ("ann 2", "ann")
    assert pairs_hold(values["messages"])
    assert not any(m.type == "tool" and "transferred" in m.text for c in ann_model.calls for m in c)


@pytest.mark.parametrize("keeps", [True, False])
def test_agents_that_a_parent_runs_in_parallel_each_answer_every_turn(keeps: bool) -> None:
    """By ``Send``; the parent keeps the notes of one of them only, or none at all: nobody answers a message twice."""
    (ann, ann_model), (bob, bob_model) = agent("ann", store=InMemoryStore()), agent("bob", store=InMemoryStore())

    class Plain(TypedDict):
        messages: Annotated[list[AnyMessage], add_messages]
        runs: Annotated[list[str], operator.add]

    def run(one: Any) -> Any:
        def node(state: Any) -> Any:
            said = one.invoke({"messages": state["messages"]})["messages"]
            if not keeps:
                said = [m.model_copy(update={"additional_kwargs": {}}) for m in said]
            return {"messages": said, "runs": [one.name]}

        return node

    graph = StateGraph(Plain)
    graph.add_node("ann", run(ann))
    graph.add_node("bob", run(bob))
    graph.add_conditional_edges(START, lambda s: [Send("ann", s), Send("bob", s)], ["ann", "bob"])
    both: Any = graph.compile(checkpointer=InMemorySaver())
    both.invoke({"messages": [HumanMessage("hello")]}, HERE)
    values = both.invoke({"messages": [HumanMessage("again")]}, HERE)
    assert sorted(t for t in spoken(values["messages"]) if t[0] in "ab" and t[-1] in "12") == ["ann 1", "ann 2", "bob 1", "bob 2"]
    assert (len(ann_model.calls), len(bob_model.calls)) == (2, 2)
    assert pairs_hold(values["messages"])


def test_agents_are_tools_of_another_agent() -> None:
    """Two memory agents behind two tools of a third: each is asked, and each answers."""
    (ann, ann_model), (bob, bob_model) = agent("ann", store=InMemoryStore()), agent("bob", store=InMemoryStore())

    def ask_ann(question: str) -> str:
        """Ask Ann."""
        return ann.invoke({"messages": [("user", question)]})["messages"][-1].text

    def ask_bob(question: str) -> str:
        """Ask Bob."""
        return bob.invoke({"messages": [("user", question)]})["messages"][-1].text

    calls = [
        {"name": name, "args": {"thinking": "", "question": "hello", "request_heartbeat": True}, "id": name, "type": "tool_call"}
        for name in ("ask_ann", "ask_bob")
    ]
    model = ScriptedModel([AIMessage("", tool_calls=calls), say("both asked")])
    chief: Any = create_graph(name="chief", model=model, tools=[ask_ann, ask_bob], checkpointer=InMemorySaver())
    messages = chief.invoke({"messages": [("user", "Ask both.")]}, HERE)["messages"]
    assert [m.text for m in messages if isinstance(m, ToolMessage)][:2] == ["ann 1", "bob 1"]
    assert (messages[-1].text, len(ann_model.calls), len(bob_model.calls)) == ("both asked", 1, 1)


@dataclass
class Request:
    """A context of somebody else's app."""

    tenant: str = "acme"
    agent_id: str = "ann"


class RequestModel(BaseModel):
    """The same as a model."""

    tenant: str = "acme"
    agent_id: str = "ann"


@pytest.mark.parametrize(
    ("schema", "given"), [(Request, Request()), (RequestModel, RequestModel()), (dict, {"tenant": "acme", "agent_id": "ann"}), (Request, None)]
)
def test_a_parents_own_context_is_no_hindrance(schema: Any, given: Any) -> None:
    """LangGraph hands it on as it is: what has a name of ours is taken, what is for others is left. A bad value is refused by name."""
    graph = StateGraph(MessagesState, context_schema=schema)
    graph.add_node("ann", agent("ann")[0])
    graph.add_edge(START, "ann")
    store = InMemoryStore()
    built: Any = graph.compile(checkpointer=InMemorySaver(), store=store)
    assert built.invoke({"messages": [("user", "Hi")]}, HERE, context=given)["messages"][-1].text == "ann 1"
    assert [item.value["text"] for item in store.search(("ann" if given else "t", "recall"))] == ["Hi", "ann 1"]
    with pytest.raises(ConfigurationError, match="time_zone = 'Mars'"):
        built.invoke({"messages": [("user", "Hi")]}, HERE, context=SimpleNamespace(time_zone="Mars"))


def test_notes_of_earlier_versions_count_as_received() -> None:
    """They name no agent: the conversation's own agent wrote them, and answers only what comes after."""
    store, saver = InMemoryStore(), InMemorySaver()
    ann, model = agent(None, store=store, checkpointer=saver)
    ann.invoke({"messages": [("user", "hello")]}, HERE)

    def unsigned(message: Any) -> Any:
        mark = {k: v for k, v in message.additional_kwargs.get(MARK, {}).items() if k != "agent"}
        return message.model_copy(update={"additional_kwargs": {MARK: mark}})

    state = ann.get_state(HERE).values
    turn = {k: v for k, v in state["turn"].items() if k != "agent"}
    old: Any = {"configurable": {"thread_id": "old"}}
    ann.update_state(old, {"messages": [unsigned(m) for m in state["messages"]], "turn": turn}, as_node="execute_tools")
    values = ann.invoke({"messages": [("user", "again")]}, old)
    assert spoken(values["messages"]) == ["hello", "None 1", "again", "None 2"]
    assert "agent_message" not in heard(model, 1)
