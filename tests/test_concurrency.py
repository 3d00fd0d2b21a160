"""Messages that arrive while the agent works: one turn at a time, in order, each answered, whoever sends them."""

import asyncio
import json
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from blockbuster import blockbuster_ctx
from langchain_core.messages import AIMessage, BaseMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.store.memory import InMemoryStore

from memgpt_agent import MemGPTAgent, Settings, delete_agent, list_agents
from memgpt_agent.checkpoints import SqliteCheckpointer, open_checkpointer
from memgpt_agent.errors import ConversationBusy
from memgpt_agent.events import mark_of
from memgpt_agent.leases import leases as turnstile
from memgpt_agent.store import FaissStore
from memgpt_agent.testing import HashingEmbedder, ScriptedModel, call, say


def echo(messages: list[BaseMessage]) -> AIMessage:
    """Note what the user said, then say it back."""
    told = json.loads(str(messages[-1].content))
    if "status" in told:
        asked = next(json.loads(str(m.content)) for m in reversed(messages) if '"user_message"' in str(m.content))
        return say(f"re {asked['message']}")
    return call("core_memory_append", label="human", content=told["message"], request_heartbeat=True)


def agent_of(store: Any, saver: Any, agent_id: str = "a", lines: int = 100, **given: Any) -> MemGPTAgent:
    """An agent that notes and echoes."""
    return MemGPTAgent(model=ScriptedModel([echo] * lines), store=store, checkpointer=saver, agent_id=agent_id, **given)


def talk(agent: MemGPTAgent) -> list[tuple[str, str]]:
    """What was said in the conversation, as it stands in main context: each event with the reply of its turn."""
    queue = agent.graph.get_state({"configurable": {"thread_id": agent.thread_id}}).values["messages"]
    said = [m for m in queue if m.type == "human" or mark_of(m).get("kind") == "reply"]
    return [(one.text, other.text) for one, other in zip(said[::2], said[1::2], strict=True)]


def test_fifty_threads_and_fifty_tasks_on_ten_agents(store: FaissStore, saver: SqliteCheckpointer) -> None:
    """A hundred messages, ten to each agent, half of them to each of two objects of it: all answered, none mixed."""
    agents = [[agent_of(store, saver, f"agent {n}", lines=40) for _ in range(2)] for n in range(10)]
    answers: dict[str, str] = {}

    def thread(nth: int) -> None:
        answers[f"t{nth}"] = agents[nth % 10][nth % 2].step(f"t{nth}").message

    async def task(nth: int) -> None:
        answers[f"a{nth}"] = (await agents[nth % 10][nth % 2].astep(f"a{nth}")).message

    async def tasks() -> None:
        await asyncio.gather(*(task(nth) for nth in range(50)))

    workers = [threading.Thread(target=thread, args=(nth,)) for nth in range(50)]
    workers.append(threading.Thread(target=lambda: asyncio.run(tasks())))
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert answers == {f"{kind}{nth}": f"re {kind}{nth}" for kind in "ta" for nth in range(50)}
    for number, (agent, _) in enumerate(agents):
        sent = {f"{kind}{nth}" for kind in "ta" for nth in range(number, 50, 10)}
        turns = talk(agent)
        assert {one for one, _ in turns} == sent
        assert all(other == f"re {one}" for one, other in turns)
        assert agent.core_memory["human"].split("\n") == [one for one, _ in turns]


@pytest.mark.parametrize("kind", ["files", "in memory"])
async def test_messages_are_answered_in_the_order_in_which_they_came(
    store: FaissStore, saver: SqliteCheckpointer, kind: str
) -> None:
    """Sync and async callers of two objects of one agent stand in one line, also on a plain store."""
    places: Any = (store, saver) if kind == "files" else (InMemoryStore(), InMemorySaver())
    all_there = threading.Event()

    def held_up(messages: list[BaseMessage]) -> AIMessage:
        all_there.wait(60)
        return echo(messages)

    def open_agents() -> list[MemGPTAgent]:
        models = ScriptedModel([held_up, *[echo] * 20]), ScriptedModel([echo] * 20)
        return [MemGPTAgent(model=m, store=places[0], checkpointer=places[1], agent_id="a") for m in models]

    one, two = await asyncio.to_thread(open_agents)
    order = [f"m{nth}" for nth in range(8)]
    sent: list[Any] = []
    for nth, word in enumerate(order):
        agent = two if nth in {2, 3, 6, 7} else one
        if nth % 2:
            worker = threading.Thread(target=agent.step, args=(word,))
            worker.start()
            sent.append(asyncio.to_thread(worker.join))
        else:
            sent.append(asyncio.create_task(agent.astep(word)))
        while (line := turnstile._open.get((id(places[0]), "a"))) is None or line.users <= nth:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    all_there.set()
    await asyncio.gather(*sent)
    assert [m for m, _ in await asyncio.to_thread(talk, one)] == order


async def test_an_event_loop_is_never_held_up(store: FaissStore, saver: SqliteCheckpointer) -> None:
    """No call that blocks, neither in a turn nor in waiting for one, nor in a retry or after a cut-off turn."""
    agent = await asyncio.to_thread(agent_of, store, saver)
    _ = await asyncio.to_thread(lambda: agent.graph)
    with blockbuster_ctx():
        await asyncio.gather(*(agent.astep(f"m{nth}", event_id=f"e{nth % 2}") for nth in range(3)))
        cut = asyncio.create_task(agent.astep("cut off"))
        await asyncio.sleep(0.02)
        cut.cancel()
        with suppress(asyncio.CancelledError):
            await cut
        assert (await agent.astep("last")).message == "re last"


async def test_a_cancelled_turn_lets_the_next_one_in(store: FaissStore, saver: SqliteCheckpointer) -> None:
    """Cancelled at twenty different moments: whatever was begun is finished, once, before the next message."""
    agent = await asyncio.to_thread(agent_of, store, saver, lines=200)
    for nth in range(20):
        task = asyncio.create_task(agent.astep(f"c{nth}"))
        await asyncio.sleep(nth * 0.003)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        assert (await agent.astep(f"n{nth}")).message == f"re n{nth}"
    noted = (await asyncio.to_thread(lambda: agent.core_memory["human"])).split("\n")
    assert len(noted) == len(set(noted))
    assert [line for line in noted if line.startswith("n")] == [f"n{nth}" for nth in range(20)]
    turns = await asyncio.to_thread(talk, agent)
    assert all(other == f"re {one}" for one, other in turns)


def test_a_closed_stream_lets_the_next_turn_in(store: FaissStore, saver: SqliteCheckpointer) -> None:
    """Closed, dropped or kept: closing or dropping gives the conversation back; kept, the next one says who holds it."""
    agent = agent_of(store, saver, settings=Settings.load(turn_wait_seconds=0.05))
    closed = agent.stream("one")
    next(closed)
    closed.close()
    next(agent.stream("two"))
    kept = agent.stream("three")
    next(kept)
    with pytest.raises(ConversationBusy, match="this one"):
        agent.step("four")
    agent.end_turn()
    assert agent.step("five").message == "re five"
    assert agent.core_memory["human"].split("\n") == ["one", "two", "five"]


TALKER = """
import sys
sys.path.insert(0, sys.argv[1])
from test_concurrency import agent_of, open_checkpointer
from memgpt_agent.leases import leases as turnstile
from memgpt_agent.store import FaissStore
from memgpt_agent.testing import HashingEmbedder
folder, name = sys.argv[2:]
with FaissStore(folder + "/memory.db", index={"dims": 64, "embed": HashingEmbedder()}) as store:
    with open_checkpointer(folder + "/checkpoints.db") as saver:
        agent = agent_of(store, saver)
        for nth in range(8):
            print(agent.step(f"{name}{nth}").message)
"""


def test_processes_take_turns(tmp_path: Path) -> None:
    """Three processes talk to one agent at once: every message is answered in its own turn, none is mixed."""
    command = [sys.executable, "-c", TALKER, str(Path(__file__).parent), str(tmp_path)]
    talkers = {name: subprocess.Popen([*command, name], stdout=subprocess.PIPE, text=True) for name in "xyz"}
    said = {name: process.communicate(timeout=120)[0].split("\n")[:-1] for name, process in talkers.items()}
    assert said == {name: [f"re {name}{nth}" for nth in range(8)] for name in "xyz"}
    index = {"dims": 64, "embed": HashingEmbedder()}
    with (
        FaissStore(tmp_path / "memory.db", index=index) as store,
        open_checkpointer(tmp_path / "checkpoints.db") as saver,
    ):
        agent = agent_of(store, saver)
        turns = talk(agent)
        assert all(other == f"re {one}" for one, other in turns)
        assert agent.core_memory["human"].split("\n") == [one for one, _ in turns]
    order = [one for one, _ in turns]
    assert [one for one in order if one[0] == "x"] == [f"x{nth}" for nth in range(8)]
    assert len(order) == 24


def test_a_turn_that_takes_long_is_waited_for(store: FaissStore, saver: SqliteCheckpointer) -> None:
    """A heartbeat that comes while the agent works is handled after the message, not in it."""
    began = threading.Event()

    def slow(messages: list[BaseMessage]) -> AIMessage:
        began.set()
        time.sleep(0.3)
        return say("done")

    agent = MemGPTAgent(model=ScriptedModel([slow, "a thought"]), store=store, checkpointer=saver, agent_id="a")
    worker = threading.Thread(target=agent.step, args=("work",))
    worker.start()
    began.wait()
    agent.heartbeat("Nightly")
    worker.join()
    queue = agent.graph.get_state({"configurable": {"thread_id": "a"}}).values["messages"]
    assert [m.text for m in queue] == ["work", "", "Sent.", "done", "Nightly", "a thought"]


def test_an_agent_is_not_deleted_in_the_middle_of_a_turn(tmp_path: Path) -> None:
    """Deleting waits for the turn, and says who holds it where that takes too long; nothing is deleted then."""
    settings = Settings(home=tmp_path, turn_wait_seconds=0.05)
    with MemGPTAgent(agent_id="a", model=ScriptedModel([say("Hi")] * 2), settings=settings) as agent:
        turn = agent.stream("Hello")
        next(turn)
        with pytest.raises(ConversationBusy, match="'a' is held by"):
            delete_agent("a", settings)
        turn.close()
        assert agent.step("Still there?").message == "Hi"
    delete_agent("a", settings)
    assert list_agents(settings) == []
    with MemGPTAgent(agent_id="a", model=ScriptedModel(), settings=settings) as agent:
        assert agent.messages() == []
