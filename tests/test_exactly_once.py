"""Nothing acknowledged is lost and nothing is done twice: crashes, retries, replays, and conversations that others left."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, RemoveMessage, ToolMessage
from langgraph.store.base import SearchOp
from langgraph.store.memory import InMemoryStore

from memgpt_agent import Block, MemGPTAgent
from memgpt_agent.checkpoints import FENCE, SqliteCheckpointer, open_checkpointer
from memgpt_agent.config import Context
from memgpt_agent.errors import LeaseLost, ModelError
from memgpt_agent.events import mark_of
from memgpt_agent.leases import LEASES, Lease, Leases
from memgpt_agent.memory import namespaces
from memgpt_agent.nodes.past_messages import KEPT_EVENT_IDS
from memgpt_agent.prompts import INTERRUPTED
from memgpt_agent.store import FaissStore
from memgpt_agent.testing import HashingEmbedder, ScriptedModel, call, calls, say
from memgpt_agent.turns import deliveries
from memgpt_agent.turns.turns import Turns


class Crash(BaseException):
    """The process dies."""


class DyingCheckpointer(SqliteCheckpointer):
    """Crashes at a write: before it, or when it is done; everything after it crashes too, as nothing lives then."""

    dies_at: int | None = None
    after = False
    writes = 0

    def _count(self, write: Callable[[], Any]) -> Any:
        self.writes += 1
        if self.dies_at is None or self.writes < self.dies_at:
            return write()
        if self.after and self.writes == self.dies_at:
            write()
        raise Crash

    def put(self, *given: Any, **more: Any) -> Any:
        return self._count(lambda: super(DyingCheckpointer, self).put(*given, **more))

    def put_writes(self, *given: Any, **more: Any) -> Any:
        return self._count(lambda: super(DyingCheckpointer, self).put_writes(*given, **more))


class StoppingCheckpointer(SqliteCheckpointer):
    """Is stopped before its next checkpoint is written; meanwhile others go on."""

    meanwhile: Callable[[], None] | None = None

    def put(self, *given: Any, **more: Any) -> Any:
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile:
            meanwhile()
        return super().put(*given, **more)


def agent_of(store: Any, saver: Any, *script: Any, **given: Any) -> tuple[MemGPTAgent, ScriptedModel]:
    """The agent ``a`` over a script, and its model."""
    model = ScriptedModel(script)
    return MemGPTAgent(model=model, store=store, checkpointer=saver, agent_id="a", **given), model


def graph_of(agent: MemGPTAgent) -> Any:
    """The agent's graph, for those who drive it themselves."""
    return agent.graph


def said(agent: MemGPTAgent, role: str) -> list[str]:
    """What recall memory holds of one side, oldest first."""
    return [m.text for m in agent.messages(1_000) if m.role == role]


def everything(store: Any) -> dict[tuple[Any, ...], Any]:
    """All that the store holds, without the leases."""
    (items,) = store.batch([SearchOp((), limit=10_000)])
    return {(i.namespace, i.key): (i.value, i.updated_at) for i in items if i.namespace != LEASES}


def files_it(text: str) -> AIMessage:
    """An edit of core memory and a passage, and then another step."""
    edit = ("core_memory_append", {"label": "human", "content": text})
    return calls(edit, ("archival_memory_insert", {"content": f"passage on {text}", "request_heartbeat": True}))


def queue_of(agent: MemGPTAgent) -> list[Any]:
    """The queue as it is checkpointed."""
    return graph_of(agent).get_state({"configurable": {"thread_id": agent.thread_id}}).values["messages"]


# Crashes


@pytest.mark.parametrize("after", [False, True], ids=["before the write", "after it"])
@pytest.mark.parametrize("dies_at", range(1, 13))
def test_a_crash_at_any_write_loses_nothing_and_doubles_nothing(
    store: FaissStore, tmp_path: Path, dies_at: int, after: bool
) -> None:
    """A turn of two steps dies at each of its checkpoint writes; the same event sent again is answered once."""

    def rule(messages: list[BaseMessage]) -> AIMessage:
        newest = str(messages[-1].content)
        return say("Noted.") if '"status"' in newest else files_it("tea")

    def open_agent(saver: Any) -> MemGPTAgent:
        return agent_of(store, saver, *[rule] * 8)[0]

    path = tmp_path / "checkpoints.db"
    with open_checkpointer(path):
        pass
    dying = DyingCheckpointer(open_checkpointer(path).conn, str(path))
    dying.dies_at, dying.after = dies_at, after
    with pytest.raises(Crash):
        open_agent(dying).step("I like tea", event_id="e1")
    dying.close()
    with open_checkpointer(path) as saver:
        agent = open_agent(saver)
        assert agent.step("I like tea", event_id="e1").message == "Noted."
        assert agent.core_memory["human"] == "tea"
        assert [v["version"] for v in agent.core_memory.history("human")] == [1, 2]
        assert [p.text for p in agent.memory.archival.search("passage")] == ["passage on tea"]
        assert (said(agent, "user"), said(agent, "assistant")) == (["I like tea"], ["Noted."])
        assert [m.text for m in queue_of(agent) if mark_of(m).get("kind") in {"event", "reply"}] == [
            "I like tea",
            "Noted.",
        ]
        assert agent.step("I like tea", event_id="e1").message == "Noted."
        assert said(agent, "assistant") == ["Noted."]


@pytest.mark.parametrize("after", [False, True], ids=["before the write", "after it"])
@pytest.mark.parametrize("dies_at", range(1, 9))
def test_a_message_that_was_received_stays_in_the_conversation_whoever_goes_on(
    store: FaissStore, tmp_path: Path, dies_at: int, after: bool
) -> None:
    """After a crash a bare graph is sent another message: what recall memory has of the first, the model sees, once."""
    path, config = tmp_path / "checkpoints.db", {"configurable": {"thread_id": "a"}}
    with open_checkpointer(path):
        pass
    dying = DyingCheckpointer(open_checkpointer(path).conn, str(path))
    dying.dies_at, dying.after = dies_at, after
    first, _ = agent_of(store, dying, say("First."))
    with pytest.raises(Crash):
        first.step("first")
    dying.close()
    received = said(first, "user")
    with open_checkpointer(path) as saver:
        agent, model = agent_of(store, saver, say("Second."))
        graph_of(agent).invoke({"messages": [("user", "second")]}, config, context={"agent_id": "a"})
        queue = [m.text for m in queue_of(agent) if m.type == "human"]
        assert queue in ([*received, "second"], ["first", "second"])
        shown = [str(m.content) for m in model.calls[0] if m.type == "human"]
        assert [sum(f'"{word}"' in text for text in shown) for word in queue] == [1] * len(queue)
        assert said(agent, "user") == queue
        spoken = [m.text for m in queue_of(agent) if mark_of(m).get("kind") == "reply"]
        assert spoken == said(agent, "assistant")


def test_a_step_whose_writes_are_stored_but_not_applied_is_finished_before_new_input(
    store: FaissStore, tmp_path: Path
) -> None:
    """LangGraph's ``next`` is empty then, and new input would drop what the tools did from the conversation."""
    path = tmp_path / "checkpoints.db"
    saver = open_checkpointer(path)
    agent, _ = agent_of(store, saver, files_it("tea"), say("Noted."))
    agent.step("I like tea")
    history = list(graph_of(agent).get_state_history({"configurable": {"thread_id": "a"}}))
    before_tools = [s for s in history if s.next == ("execute_tools",)][-1]
    newer = [s.config["configurable"]["checkpoint_id"] for s in history[: history.index(before_tools)]]
    with saver.cursor() as cursor:
        cursor.executemany("DELETE FROM checkpoints WHERE checkpoint_id = ?", [(i,) for i in newer])
    assert graph_of(agent).get_state({"configurable": {"thread_id": "a"}}).next == ()
    again, model = agent_of(store, saver, say("Noted again."), say("You like tea."))
    assert again.step("What do I like?").message == "You like tea."
    assert len(model.calls) == 2
    assert '"status": "OK"' in str(model.calls[0][-1].content)
    assert again.core_memory["human"] == "tea"
    saver.close()


def test_a_client_that_does_not_finish_a_pending_step_gets_its_call_answered(
    store: FaissStore, saver: SqliteCheckpointer
) -> None:
    """A bare graph with new input: the call that was not carried out is told as interrupted, and the queue is whole."""
    agent, model = agent_of(store, saver, files_it("tea"), say("Here I am."))
    config: Any = {"configurable": {"thread_id": "a"}}
    first = {"messages": [("user", "first")]}
    graph_of(agent).invoke(first, config, context={"agent_id": "a"}, interrupt_before=["execute_tools"])
    queue = graph_of(agent).invoke({"messages": [("user", "second")]}, config, context={"agent_id": "a"})["messages"]
    assert [(m.type, m.text) for m in queue] == [
        ("human", "first"), ("ai", ""), ("tool", INTERRUPTED), ("tool", INTERRUPTED), ("human", "second"),
        ("ai", ""), ("tool", "Sent."), ("ai", "Here I am."),
    ]  # fmt: skip
    assert INTERRUPTED in str(model.calls[1][3].content)
    assert agent.core_memory["human"] == ""


def test_a_call_that_was_carried_out_but_whose_result_was_dropped_keeps_its_result(
    store: FaissStore, tmp_path: Path
) -> None:
    """Killed after the tools ran; a bare graph with new input drops the step. The model is told what was done, once."""
    path = tmp_path / "checkpoints.db"
    with open_checkpointer(path) as saver:
        agent, _ = agent_of(
            store,
            saver,
            calls(("core_memory_append", {"label": "human", "content": "tea"}), ("send_message", {"message": "Hi"})),
        )
        agent.step("first")
        newest = next(iter(saver.list({"configurable": {"thread_id": "a"}})))
        with saver.cursor() as cursor:
            cursor.execute("DELETE FROM checkpoints WHERE checkpoint_id = ?", (newest.checkpoint["id"],))
            cursor.execute("DELETE FROM writes WHERE task_path LIKE '%execute_tools%'")
        graph = graph_of(agent_of(store, saver, say("Here I am."))[0])
        queue = graph.invoke(
            {"messages": [("user", "second")]}, {"configurable": {"thread_id": "a"}}, context={"agent_id": "a"}
        )["messages"]
        shown = [(m.type, m.text) for m in queue]
        assert shown[2][0] == "tool"
        assert shown[2][1] != INTERRUPTED
        assert shown[3:5] == [("tool", "Sent."), ("ai", "Hi")]
        assert shown[5:] == [("human", "second"), ("ai", ""), ("tool", "Sent."), ("ai", "Here I am.")]
        assert (agent.core_memory["human"], said(agent, "assistant")) == ("tea", ["Hi", "Here I am."])


@pytest.mark.parametrize("facade", [True, False], ids=["facade", "bare graph"])
def test_an_orphan_call_that_another_tool_left_is_repaired_on_load(
    store: FaissStore, saver: SqliteCheckpointer, facade: bool
) -> None:
    """A thread whose messages hold a call without a result answers as any other, and then has one."""
    agent, model = agent_of(store, saver, say("Hi"))
    config: Any = {"configurable": {"thread_id": "a"}}
    orphan = AIMessage("", tool_calls=[{"name": "weather", "args": {}, "id": "x1", "type": "tool_call"}])
    graph_of(agent).update_state(config, {"messages": [HumanMessage("Rain?"), orphan]}, as_node="execute_tools")
    if facade:
        assert agent.step("Hello").message == "Hi"
    else:
        graph_of(agent).invoke({"messages": [("user", "Hello")]}, config, context={"agent_id": "a"})
    queue = queue_of(agent)
    results = [m for m in queue if isinstance(m, ToolMessage) and m.tool_call_id == "x1"]
    assert [m.text for m in results] == [INTERRUPTED]
    assert queue.index(results[0]) < next(i for i, m in enumerate(queue) if m.text == "Hello")
    sent: Any = model.calls[0]
    assert [m.tool_call_id for m in sent if m.type == "tool"] == ["x1"]


def test_a_turn_that_failed_gives_way_to_the_next_message(store: FaissStore, saver: SqliteCheckpointer) -> None:
    """The error was told, so the failed turn is not tried again in silence; the model sees both messages."""
    agent, model = agent_of(store, saver, ValueError("no"), say("Both."))
    with pytest.raises(ModelError, match="ValueError: no"):
        agent.step("first")
    assert agent.step("second").message == "Both."
    assert len(model.calls) == 2
    assert [str(m.content).count("first") + str(m.content).count("second") for m in model.calls[1][1:]] == [1, 1]


def test_a_turn_that_failed_is_tried_again_when_its_event_is_sent_again(
    store: FaissStore, saver: SqliteCheckpointer
) -> None:
    """From the step at which it failed; what went before is not done twice, and the whole turn is the response."""
    agent, model = agent_of(store, saver, files_it("tea"), ValueError("no"), say("Noted."))
    with pytest.raises(ModelError, match="ValueError: no"):
        agent.step("I like tea", event_id="e1")
    response = agent.step("I like tea", event_id="e1")
    assert response.message == "Noted."
    assert [c["name"] for c in response.tool_calls] == ["core_memory_append", "archival_memory_insert", "send_message"]
    assert len(model.calls) == 3
    assert said(agent, "user") == ["I like tea"]


class DyingStore(FaissStore):
    """Crashes before its nth conditional write."""

    left = 1_000

    def put_if(self, *given: Any, **more: Any) -> bool:
        self.left -= 1
        if self.left < 0:
            raise Crash
        return super().put_if(*given, **more)


@pytest.mark.parametrize("writes", range(4))
def test_an_agent_whose_making_was_cut_off_is_made_whole(
    tmp_path: Path, saver: SqliteCheckpointer, writes: int
) -> None:
    """All of its blocks are there, each with its text, though the process died while they were being made."""
    made: dict[str, Any] = {"human": "Name: Ann", "blocks": [Block("notes", "Empty.")]}
    with DyingStore(tmp_path / "memory.db") as store:
        store.left = writes
        with pytest.raises(Crash):
            agent_of(store, saver, **made)
        store.left = 1_000
        agent, _ = agent_of(store, saver, **made)
        assert list(agent.core_memory) == ["persona", "human", "notes"]
        assert (agent.core_memory["human"], agent.core_memory["notes"]) == ("Name: Ann", "Empty.")


# The same event twice


def test_an_event_sent_again_is_given_its_first_answer(store: FaissStore, saver: SqliteCheckpointer) -> None:
    """Also long after it left main context, and from another object; nothing is stored anew."""
    agent, model = agent_of(store, saver, files_it("tea"), say("Noted."), *[say("ok")] * 3)
    first = agent.step("I like tea", event_id="e1")
    for n in range(3):
        agent.step(f"more {n}")
    held = everything(store)
    other, silent = agent_of(store, saver)
    events = list(other.stream("I like tea", event_id="e1"))
    assert [(e.type, e.text) for e in events] == [("message", "Noted."), ("done", "")]
    again = events[-1].response
    assert again is not None
    assert (again.message, again.memory_operations) == (first.message, first.memory_operations)
    assert (len(model.calls), len(silent.calls)) == (5, 0)
    assert {k: v for k, v in everything(store).items() if k[0] != namespaces.AGENTS} == {
        k: v for k, v in held.items() if k[0] != namespaces.AGENTS
    }


async def test_an_event_sent_again_in_a_loop_is_given_its_first_answer(
    store: FaissStore, saver: SqliteCheckpointer
) -> None:
    """The async forms take an id as well; sent twice at once it is still handled once."""
    agent, model = await asyncio.to_thread(agent_of, store, saver, say("Hi"), "a thought")
    answers = await asyncio.gather(*(agent.astep("Hello", event_id="e1") for _ in range(3)))
    assert [a.message for a in answers] == ["Hi"] * 3
    for _ in range(2):
        await agent.aheartbeat(event_id="h1")
    assert len(model.calls) == 2


def test_what_was_said_in_one_conversation_is_new_in_another(store: FaissStore, saver: SqliteCheckpointer) -> None:
    """Two conversations of one agent may hear the same words under the same id: each answers, also where it has gone on since."""
    one, _ = agent_of(store, saver, say("One."), thread_id="one")
    other, model = agent_of(store, saver, say("Hello."), say("Two."), thread_id="two")
    assert one.step("Are you there?", event_id="e").message == "One."
    other.step("Good morning")
    assert other.step("Are you there?", event_id="e").message == "Two."
    assert len(model.calls) == 2
    assert [m.text for m in queue_of(other) if m.type == "human"] == ["Good morning", "Are you there?"]


@pytest.mark.parametrize("text", ["", "Nightly"])
def test_a_heartbeat_sent_again_is_handled_once(store: FaissStore, saver: SqliteCheckpointer, text: str) -> None:
    """With or without a text, also after it was evicted from the queue."""
    agent, model = agent_of(store, saver, "a thought", say("Hi"), say("Ho"))
    agent.heartbeat(text, event_id="h1")
    agent.step("Hello")
    config: Any = {"configurable": {"thread_id": "a"}}
    gone = [RemoveMessage(id=m.id) for m in queue_of(agent)[:2]]
    graph_of(agent).update_state(config, {"messages": gone}, as_node="summarize_overflow")
    graph_of(agent).update_state(
        config, {"turn": {**graph_of(agent).get_state(config).values["turn"], "over": True}}, as_node="execute_tools"
    )
    agent.heartbeat(text, event_id="h1")
    assert len(model.calls) == 2
    assert agent.step("Still there?").message == "Ho"


def test_ids_of_events_without_a_text_are_kept_in_bounds(store: FaissStore, saver: SqliteCheckpointer) -> None:
    """The newest 256 of each thread."""
    agent, _ = agent_of(store, saver, *["a thought"] * 3)
    place = namespaces.of("a", "events")
    store.put(place, "a", {"ids": [[f"old{n}", "0"] for n in range(KEPT_EVENT_IDS)]}, index=False)
    agent.heartbeat(event_id="h1")
    kept = [i for i, _ in (store.get(place, "a") or pytest.fail("nothing is kept")).value["ids"]]
    assert (len(kept), kept[0], kept[-1]) == (KEPT_EVENT_IDS, "old1", "h1")


# Replays and forks


def test_replaying_the_tools_writes_nothing_new(store: FaissStore, saver: SqliteCheckpointer) -> None:
    """From the checkpoint before them, with every durability; not a value and not a time in the store changes."""
    both = calls(
        ("core_memory_append", {"label": "human", "content": "tea"}),
        ("archival_memory_insert", {"content": "p"}),
        ("send_message", {"message": "Hi"}),
    )
    agent, model = agent_of(store, saver, both)
    agent.step("I like tea")
    held = everything(store)
    history = list(graph_of(agent).get_state_history({"configurable": {"thread_id": "a"}}))
    before_tools = next(s.config for s in history if s.next == ("execute_tools",))
    for durability in ("sync", "async", "exit"):
        result = graph_of(agent).invoke(None, before_tools, context={"agent_id": "a"}, durability=durability)
        assert result["messages"][-1].text == "Hi"
    assert everything(store) == held
    assert len(model.calls) == 1


def test_a_fork_that_asks_the_model_anew_may_add_memories(store: FaissStore, saver: SqliteCheckpointer) -> None:
    """Conversations branch, memory does not: both branches' edits stand; the user's message stands in recall once."""
    agent, model = agent_of(
        store, saver, call("core_memory_append", label="human", content="tea", request_heartbeat=True), say("Tea!"),
        call("core_memory_append", label="human", content="coffee", request_heartbeat=True), say("Coffee!"),
    )  # fmt: skip
    agent.step("I like it hot")
    history = list(graph_of(agent).get_state_history({"configurable": {"thread_id": "a"}}))
    at_input = next(s.config for s in history if s.metadata["source"] == "input")
    forked = graph_of(agent).invoke(None, at_input, context={"agent_id": "a"})["messages"]
    assert forked[-1].text == "Coffee!"
    assert "Tea!" not in [m.text for m in forked]
    assert agent.core_memory["human"] == "tea\ncoffee"
    assert (said(agent, "user"), said(agent, "assistant")) == (["I like it hot"], ["Tea!", "Coffee!"])
    assert len(model.calls) == 4


# Taken over


def test_a_turn_that_was_taken_over_writes_no_checkpoint(saver: SqliteCheckpointer) -> None:
    """The checkpointer asks the turn's lease before each write; what it raises keeps the write out."""
    agent, _ = agent_of(InMemoryStore(), saver, say("Hi"))
    lost, successor = (Lease(agent.memory.store, "a", 30.0, clock) for clock in (lambda: 1_000.0, lambda: 2_000.0))
    assert lost.attempt()
    assert successor.attempt()
    saver.raise_fence(successor)
    config: Any = {"configurable": {"thread_id": "a", FENCE: lost}}
    with pytest.raises(LeaseLost):
        graph_of(agent).invoke({"messages": [("user", "Hello")]}, config, context={"agent_id": "a"}, durability="sync")
    assert list(saver.list({"configurable": {"thread_id": "a"}})) == []


def step_by(clock: list[float], agent: MemGPTAgent, store: FaissStore, saver: Any, text: str) -> str:
    """Take a turn as the agent does, by a clock that is moved on by hand."""
    leases = Leases(store, clock=lambda: clock[0])
    turns = Turns(
        lambda: agent.graph, "a", Context(agent_id="a"), agent.memory, leases, saver, history_turns=10, wait_seconds=600
    )  # fmt: skip
    return deliveries.response_of_turn(turns.run(deliveries.message_delivery(text, None))).message


def test_a_turn_that_was_taken_for_dead_does_not_write_over_its_successor(
    store: FaissStore, saver: SqliteCheckpointer
) -> None:
    """It was stopped while the model answered; another process finished it and went on. Its own answer comes too late."""
    hands = [1_000.0]

    def meanwhile(_: list[BaseMessage]) -> AIMessage:
        hands[0] += 60
        with FaissStore(store.path, index={"dims": 64, "embed": HashingEmbedder()}) as elsewhere:
            other, model = agent_of(elsewhere, saver, say("Finished."), say("Second."))
            assert step_by(hands, other, elsewhere, saver, "second") == "Second."
            assert len(model.calls) == 2
        return say("Too late.")

    late, _ = agent_of(store, saver, meanwhile)
    with pytest.raises(LeaseLost, match="'a' was taken over"):
        step_by(hands, late, store, saver, "first")
    spoken = [m.text for m in queue_of(late) if mark_of(m).get("kind") in {"event", "reply"}]
    assert spoken == ["first", "Finished.", "second", "Second."]
    assert said(late, "assistant") == ["Finished.", "Second."]


def test_a_turn_that_was_stopped_before_a_write_does_not_write_when_it_goes_on(
    store: FaissStore, tmp_path: Path
) -> None:
    """It was about to store the checkpoint behind the model's answer; by then its successor has finished that turn and another."""
    hands, left = [1_000.0], list[Any]()
    path = tmp_path / "checkpoints.db"
    with open_checkpointer(path) as opened, StoppingCheckpointer(open_checkpointer(path).conn, str(path)) as saver:

        def rule(messages: list[BaseMessage]) -> AIMessage:
            """The first answer may or may not be stored yet: LangGraph stores what a step wrote beside the checkpoint."""
            return say("Finished." if "first" in str(messages[-1].content) else "Second.")

        def stored() -> list[Any]:
            return [found.config for found in opened.list({"configurable": {"thread_id": "a"}})]

        def meanwhile() -> None:
            hands[0] += 60
            with FaissStore(store.path, index={"dims": 64, "embed": HashingEmbedder()}) as elsewhere:
                other, _ = agent_of(elsewhere, opened, *[rule] * 2)
                assert step_by(hands, other, elsewhere, opened, "second") == "Second."
            left.extend(stored())

        def answer(_: list[BaseMessage]) -> AIMessage:
            saver.meanwhile = meanwhile
            return say("Finished.")

        late, _ = agent_of(store, saver, answer)
        with pytest.raises(LeaseLost, match="'a' was taken over"):
            step_by(hands, late, store, saver, "first")
        assert stored() == left
        spoken = [m.text for m in queue_of(late) if mark_of(m).get("kind") in {"event", "reply"}]
        assert spoken == ["first", "Finished.", "second", "Second."]


def test_a_process_killed_at_random_moments_loses_and_doubles_nothing() -> None:
    """`python -m benchmarks.faults_agent` in short: four kills, each checked against the journal of what was acknowledged."""
    from benchmarks.faults_agent.__main__ import run

    total = run(kills=4, seed=7)
    assert total.messages + total.in_flight > 0
