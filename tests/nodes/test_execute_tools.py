"""Tool calls that go wrong, foreign tools, replay, and what is streamed meanwhile."""

import json
from typing import Annotated, Any

import pytest
from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.tools import BaseTool, tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.prebuilt import InjectedState, InjectedStore, ToolRuntime
from langgraph.store.base import BaseStore
from langgraph.store.memory import InMemoryStore
from langgraph.types import Command, interrupt

from memgpt_agent.graph.builder import create_graph
from memgpt_agent.memory.core import CoreMemory
from memgpt_agent.prompts import INTERRUPTED
from memgpt_agent.store import FaissStore
from memgpt_agent.testing import Clock, ScriptedModel, call, calls, say

THREAD: Any = {"configurable": {"thread_id": "ann"}}
HELLO: Any = {"messages": [("user", "Hello")]}
NOTE = ("core_memory_append", {"label": "human", "content": "Dog: Rex", "request_heartbeat": True})


@tool
def looks(word: str, runtime: ToolRuntime) -> str:
    """Look."""
    return f"{word} {type(runtime.store).__name__} {runtime.tool_call_id[:5]}"  # pyright: ignore[reportOptionalSubscript]


@tool
def sees(word: str, state: Annotated[dict[str, Any], InjectedState], store: Annotated[BaseStore, InjectedStore()]) -> str:
    """See."""
    return f"{word} {state['turn']['type']} {type(store).__name__}"


@tool
def breaks() -> str:
    """Break."""
    raise RuntimeError("the disk is full")


class OnlyAsync(BaseTool):
    """A tool of a class of its own, which has no sync face."""

    name: str = "only_async"
    description: str = "Answer on an event loop only."

    def _run(self, word: str) -> str:
        raise NotImplementedError("only on an event loop")

    async def _arun(self, word: str) -> str:
        return word


def plain(n: int, unit: str = "m") -> str:
    """Give a length."""
    return f"{n} {unit}"


TOOLS = [looks, sees, breaks, OnlyAsync(), plain]


def agent(*script: Any, tools: Any = TOOLS, **options: Any) -> tuple[Any, ScriptedModel, InMemoryStore]:
    """Return a graph over a script, its model and its store."""
    model, store = ScriptedModel(script), InMemoryStore()
    return create_graph(model=model, store=store, checkpointer=InMemorySaver(), clock=Clock(), tools=tools, **options), model, store


async def result_of(answer: AIMessage, how: str, tools: Any = TOOLS) -> dict[str, Any]:
    """Run one answer, sync or async; return its last result as the model sees it in the next step."""
    graph, model, _ = agent(answer, say("Done"), tools=tools)
    final = graph.invoke(HELLO, THREAD) if how == "sync" else await graph.ainvoke(HELLO, THREAD)
    assert final["messages"][-1].text == "Done"
    return json.loads(str(model.calls[1][-1].content))


@pytest.mark.parametrize("how", ["sync", "async"])
@pytest.mark.parametrize(
    ("name", "arguments", "status", "says"),
    [
        ("plain", {"n": 3}, "OK", "3 m"),
        ("looks", {"word": "w"}, "OK", "w InMemoryStore call_"),
        ("sees", {"word": "w"}, "OK", "w user_message InMemoryStore"),
        ("breaks", {}, "Failed", "RuntimeError: the disk is full"),
        ("plain", {"n": "three"}, "Failed", "n: Input should be a valid integer"),
        ("plain", {"m": 3}, "Failed", "n: Field required"),
        ("looks", {"word": "w", "runtime": {}}, "Failed", "no argument 'runtime'"),
        ("plane", {"n": 3}, "Failed", "There is no tool 'plane'. The tools are: send_message"),
        ("core_memory_append", {"label": "human"}, "Failed", "content: Field required"),
        ("archival_memory_insert", {"content": "x", "tags": "a"}, "Failed", "tags: Input should be a valid list"),
        ("conversation_search", {"query": "x", "start_date": "soon"}, "Failed", "Give '2026-11-21' for a whole day"),
    ],
)
async def test_a_call_gives_a_result_that_the_model_can_act_on(how: str, name: str, arguments: Any, status: str, says: str) -> None:
    """Whatever it calls, in code of either kind."""
    told = await result_of(calls((name, {**arguments, "request_heartbeat": True})), how)
    assert told["status"] == status
    assert says in told["message"]
    assert told["time"] == "2026-01-01 12:00:00 UTC (Thursday)"


async def test_a_tool_that_refuses_sync_code_fails_politely_there() -> None:
    """The graph does not stop."""
    answer = calls(("only_async", {"word": "w", "request_heartbeat": True}))
    assert (await result_of(answer, "async"))["message"] == "w"
    assert (await result_of(answer, "sync"))["status"] == "Failed"


@pytest.mark.parametrize("how", ["sync", "async"])
async def test_a_tool_that_returns_a_command_gives_its_message(how: str) -> None:
    """Its other wishes are not followed."""

    @tool
    def commands(runtime: ToolRuntime) -> Command[Any]:
        """Command."""
        return Command(update={"messages": [ToolMessage("commanded", tool_call_id=runtime.tool_call_id)]})

    told = await result_of(calls(("commands", {"request_heartbeat": True})), how, tools=[commands])
    assert told["message"] == "commanded"


def test_arguments_that_are_no_json_fail_and_nothing_is_done() -> None:
    """Half an answer is not carried out as far as it goes."""
    broken = {"name": "core_memory_append", "args": '{"label": "human", "content": "Dog: R', "id": "x", "error": None}
    graph, model, store = agent(AIMessage("", invalid_tool_calls=[broken]), say("Sorry"))  # pyright: ignore[reportArgumentType]
    graph.invoke(HELLO, THREAD)
    assert "could not be read: not valid JSON" in str(model.calls[1][-1].content)
    assert CoreMemory(store, "ann")["human"] == ""


def test_arguments_that_are_no_object_fail_too() -> None:
    """A list is JSON, but no arguments."""
    broken = {"name": "send_message", "args": '["hi"]', "id": "x", "error": None}
    graph, model, _ = agent(AIMessage("", invalid_tool_calls=[broken]), say("Sorry"))  # pyright: ignore[reportArgumentType]
    graph.invoke(HELLO, THREAD)
    assert "no JSON object" in str(model.calls[1][-1].content)


def deltas(graph: Any) -> list[dict[str, Any]]:
    """Return the custom events of one turn."""
    return list(graph.stream(HELLO, THREAD, stream_mode="custom"))


def test_what_is_streamed_joins_to_the_reply_under_its_id() -> None:
    """While the call is still being generated."""
    graph, _, _ = agent(say("Hello 😀, how are you?"))
    written = deltas(graph)
    reply = graph.get_state(THREAD).values["messages"][-1]
    assert len(written) > 2
    assert "".join(w["delta"] for w in written) == reply.text == "Hello 😀, how are you?"
    assert {w["reply_id"] for w in written} == {reply.id}


async def test_streaming_is_the_same_on_an_event_loop() -> None:
    """Piece by piece."""
    graph, _, _ = agent(say("Hello 😀, how are you?"))
    written = [event async for event in graph.astream(HELLO, THREAD, stream_mode="custom")]
    assert "".join(w["delta"] for w in written) == "Hello 😀, how are you?"


def test_raw_tokens_are_no_part_of_the_messages_stream() -> None:
    """A chat client would show half a JSON object; the reply's own words do come."""
    graph, _, _ = agent(say("Hello"))
    streamed: list[Any] = [m for m, _ in graph.stream(HELLO, THREAD, stream_mode="messages")]
    assert not any(getattr(m, "tool_call_chunks", None) for m in streamed)
    assert "".join(m.text for m in streamed if m.type != "tool") == "Hello"


@pytest.mark.parametrize(
    "answer",
    [
        calls(("send_message", {"message": "Draft", "tone": "warm"})),
        AIMessage("", invalid_tool_calls=[{"name": "send_message", "args": '{"message": "Draft', "id": "x", "error": None}]),
    ],
)  # fmt: skip
def test_a_send_that_is_rejected_is_withdrawn(answer: AIMessage) -> None:
    """Under the id under which it was streamed; the reply that follows has another."""
    graph, _, _ = agent(answer, say("Final"))
    written = deltas(graph)
    withdrawn = [w for w in written if "withdrawn" in w]
    assert len(withdrawn) == 1
    by_id = {w["reply_id"]: "" for w in written}
    for w in written:
        by_id[w["reply_id"]] += w.get("delta", "")
    assert by_id.pop(withdrawn[0]["reply_id"]) == "Draft"
    assert list(by_id.values()) == ["Final"]


def test_a_step_that_is_replayed_writes_nothing_new() -> None:
    """From an earlier checkpoint, the same calls: same results, same memory, same history."""
    answer = calls(NOTE, ("archival_memory_insert", {"content": "Rex is brown", "tags": ["dog"]}), ("send_message", {"message": "Noted"}))
    graph, _, store = agent(answer, say("Bye"), say("Bye"))
    first = graph.invoke(HELLO, THREAD)
    before = store.search(("ann",), limit=1_000)
    earlier = next(s for s in reversed(list(graph.get_state_history(THREAD))) if s.next == ("execute_tools",))
    again = graph.invoke(None, earlier.config)
    assert [(m.type, m.text, m.id) for m in again["messages"]] == [(m.type, m.text, m.id) for m in first["messages"]]
    after = store.search(("ann",), limit=1_000)
    assert sorted((i.namespace, i.key, str(i.value)) for i in after) == sorted((i.namespace, i.key, str(i.value)) for i in before)


class Killed(KeyboardInterrupt):
    """Stands for the process's end in the middle of a tool."""


def killing(times: int) -> BaseTool:
    """Return a tool that ends the process as often as told, then works."""
    left = [times]

    @tool
    def risky() -> str:
        """Risk it."""
        if left[0]:
            left[0] -= 1
            raise Killed
        return "survived"

    return risky


@pytest.mark.parametrize("how", ["finish", "say something new"])
def test_a_process_killed_between_two_calls_does_nothing_twice(tmp_path: Any, how: str) -> None:
    """Opened again, the pending step is finished, or the call gets 'interrupted' in what the model is sent."""
    answer = calls(NOTE, ("risky", {"request_heartbeat": True}))
    with FaissStore(tmp_path / "m.db") as store, SqliteSaver.from_conn_string(str(tmp_path / "c.db")) as saver:
        graph = create_graph(model=ScriptedModel([answer]), store=store, checkpointer=saver, tools=[killing(1)])
        with pytest.raises(Killed):
            graph.invoke(HELLO, THREAD, durability="sync")
    model = ScriptedModel([say("Here again")])
    with FaissStore(tmp_path / "m.db") as store, SqliteSaver.from_conn_string(str(tmp_path / "c.db")) as saver:
        graph: Any = create_graph(model=model, store=store, checkpointer=saver, tools=[killing(0)])
        final = graph.invoke(None if how == "finish" else {"messages": [("user", "Are you there?")]}, THREAD)
        assert final["messages"][-1].text == "Here again"
        assert CoreMemory(store, "ann")["human"] == "Dog: Rex"
    results = [json.loads(str(m.content))["message"] for m in model.calls[0] if m.type == "tool"]
    assert len(results) == 2
    assert results[1] == ("survived" if how == "finish" else INTERRUPTED)


@pytest.mark.parametrize("how", ["sync", "async"])
async def test_a_tool_may_ask_a_person_in_the_middle(how: str) -> None:
    """The turn waits; resumed, what was done before is not done again."""

    @tool
    def pay(amount: int) -> str:
        """Pay."""
        return f"{amount}: {interrupt({'pay': amount})}"

    graph, model, store = agent(calls(NOTE, ("pay", {"amount": 5, "request_heartbeat": True})), say("Paid"), tools=[pay])
    resume: Any = Command(resume="approved")
    if how == "sync":
        waiting, final = graph.invoke(HELLO, THREAD), graph.invoke(resume, THREAD)
    else:
        waiting, final = await graph.ainvoke(HELLO, THREAD), await graph.ainvoke(resume, THREAD)
    assert waiting["__interrupt__"][0].value == {"pay": 5}
    assert final["messages"][-1].text == "Paid"
    assert "5: approved" in str(model.calls[1][-1].content)
    assert CoreMemory(store, "ann").block("human").version == 2


def test_the_result_of_a_call_is_in_recall_memory_with_its_arguments() -> None:
    """Failed ones too."""
    graph, model, _ = agent(call("plain", n=3, request_heartbeat=True), call("conversation_search", query="", roles=["tool"]), say("Ok"))
    graph.invoke(HELLO, THREAD)
    assert 'tool plain({\\"n\\": 3}): 3 m' in str(model.calls[2][-1].content)
