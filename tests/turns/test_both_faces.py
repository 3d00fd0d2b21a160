"""A turn left before its end, in both faces: closed, cancelled, interrupted, or begun within a running event loop."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage

from memgpt_agent import AgentResponse, MemGPTAgent, Settings
from memgpt_agent.checkpoints import SqliteCheckpointer
from memgpt_agent.events import mark_of
from memgpt_agent.leases.lease import LEASES
from memgpt_agent.store import FaissStore
from memgpt_agent.testing import ScriptedModel, call, say

Step = Callable[[MemGPTAgent, str], AgentResponse]


def step_on_loop(agent: MemGPTAgent, text: str) -> AgentResponse:
    """A turn in a loop of its own."""
    return asyncio.run(agent.astep(text))


FACES = pytest.mark.parametrize("step", [MemGPTAgent.step, step_on_loop], ids=["sync", "on a loop"])


def agent_of(store: Any, saver: Any, *lines: Any) -> MemGPTAgent:
    """An agent that waits for nobody."""
    settings = Settings.load(turn_wait_seconds=1.0)
    return MemGPTAgent(model=ScriptedModel(lines), store=store, checkpointer=saver, agent_id="a", settings=settings)


def spoken(agent: MemGPTAgent) -> list[str]:
    """What both sides said, as it stands in main context."""
    graph: Any = agent.graph
    queue = graph.get_state({"configurable": {"thread_id": "a"}}).values["messages"]
    return [m.text for m in queue if mark_of(m).get("kind") in {"event", "reply"}]


def interrupted(_: list[BaseMessage]) -> AIMessage:
    """Ctrl-C while the model answers."""
    raise KeyboardInterrupt


@FACES
def test_a_turn_interrupted_by_ctrl_c_is_finished_before_the_next(
    store: FaissStore, saver: SqliteCheckpointer, step: Step
) -> None:
    """The interruption reaches the caller; the conversation is free, and both messages get their answers."""
    agent = agent_of(store, saver, interrupted, say("One."), say("Two."))
    with pytest.raises(KeyboardInterrupt):
        step(agent, "first")
    held = store.get(LEASES, "a")
    assert held is not None
    assert held.value["holder"] is None
    assert step(agent, "second").message == "Two."
    assert spoken(agent) == ["first", "One.", "second", "Two."]


@FACES
def test_a_stream_closed_early_gives_the_conversation_back_and_its_turn_is_finished_later(
    store: FaissStore, saver: SqliteCheckpointer, step: Step
) -> None:
    """Closed behind a tool call: the call is carried out once, when the next message comes."""
    edit = call("core_memory_append", label="human", content="likes tea", request_heartbeat=True)
    agent = agent_of(store, saver, edit, say("Noted."), say("Hello."))

    async def begin() -> None:
        events = agent.astream("I like tea")
        async for event in events:
            if event.type == "tool_call":
                break
        await events.aclose()

    if step is step_on_loop:
        asyncio.run(begin())
    else:
        events = agent.stream("I like tea")
        while next(events).type != "tool_call":
            pass
        events.close()
    assert step(agent, "Hi").message == "Hello."
    assert agent.core_memory["human"] == "likes tea"
    assert spoken(agent) == ["I like tea", "Noted.", "Hi", "Hello."]


async def test_a_cancelled_turn_waits_for_its_lease_to_be_given_back(
    store: FaissStore, saver: SqliteCheckpointer
) -> None:
    """Cancelled while the model answers: whoever comes next finds the conversation free, and finishes that turn first."""
    entered, loop = asyncio.Event(), asyncio.get_running_loop()
    go_on = asyncio.Event()

    def slow(_: list[BaseMessage]) -> AIMessage:
        loop.call_soon_threadsafe(entered.set)
        asyncio.run_coroutine_threadsafe(go_on.wait(), loop).result(30)
        return say("Too late.")

    agent = await asyncio.to_thread(agent_of, store, saver, slow, say("One."), say("Two."))
    turn = asyncio.create_task(agent.astep("first"))
    await entered.wait()
    turn.cancel()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await turn
    assert (await agent.astep("second")).message == "Two."
    assert await asyncio.to_thread(spoken, agent) == ["first", "One.", "second", "Two."]


async def test_the_sync_face_works_within_a_running_loop(store: FaissStore, saver: SqliteCheckpointer) -> None:
    """As in a notebook: it holds the loop up, but answers, and leaves nothing that the loop would have to close."""
    agent = agent_of(store, saver, say("One."), say("Two."), say("Three."))
    assert agent.step("first").message == "One."
    assert [event.type for event in agent.stream("second")][-1] == "done"
    assert (await agent.astep("third")).message == "Three."
    await asyncio.get_running_loop().shutdown_asyncgens()
    assert spoken(agent) == ["first", "One.", "second", "Two.", "third", "Three."]


def test_a_stream_begun_in_one_loop_ends_outside_of_it(store: FaissStore, saver: SqliteCheckpointer) -> None:
    """A sync stream belongs to no loop: it goes on after the one has closed in which it was begun."""
    agent = agent_of(store, saver, say("One."))
    events = agent.stream("first")

    async def begin() -> str:
        return next(events).type

    assert asyncio.run(begin()) == "delta"
    assert [event.response.message for event in events if event.response] == ["One."]
