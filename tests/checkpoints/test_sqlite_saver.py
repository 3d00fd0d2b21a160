"""Checkpoints: one file for sync and async graphs, for several processes; pruned; never overwritten when damaged."""

import asyncio
import operator
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import CheckpointTuple
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.types import Command, interrupt

from memgpt_agent.checkpoints import Checkpointer, SqliteCheckpointer, open_checkpointer
from memgpt_agent.errors import ConfigurationError, StoreCorrupt, StoreError


class State(TypedDict):
    """A counter and a conversation."""

    count: Annotated[int, operator.add]
    messages: Annotated[list[AnyMessage], add_messages]


def thread(name: str = "t") -> RunnableConfig:
    """The config of a thread."""
    return {"configurable": {"thread_id": name}}


def names(checkpoints: Iterable[CheckpointTuple], key: str = "checkpoint_id") -> list[str]:
    """What the checkpoints' configs say under a key."""
    return [c.config.get("configurable", {})[key] for c in checkpoints]


def counting_graph(saver: Checkpointer, *, ask: bool = False) -> Any:
    """A graph of two steps: count, then answer; where `ask`, the second waits for a person."""

    def count(state: State) -> dict[str, Any]:
        return {"count": 1}

    def answer(state: State) -> dict[str, Any]:
        said = interrupt("well?") if ask else "yes"
        return {"messages": [AIMessage(f"{said} {state['count']}")]}

    builder = StateGraph(State)
    builder.add_node("count", count)
    builder.add_node("answer", answer)
    builder.add_edge(START, "count")
    builder.add_edge("count", "answer")
    builder.add_edge("answer", END)
    return builder.compile(checkpointer=saver)


def subgraph(checkpointer: bool | None) -> Any:
    """A graph of one step, which remembers between calls or does not."""

    def step(state: State) -> dict[str, Any]:
        return {"count": 1}

    builder = StateGraph(State)
    builder.add_node("step", step)
    builder.add_edge(START, "step")
    return builder.compile(checkpointer=checkpointer)


def say(text: str) -> dict[str, Any]:
    """An input with a message."""
    return {"messages": [HumanMessage(text)]}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file in a folder that is not there yet."""
    return tmp_path / "new" / "checkpoints.db"


@pytest.fixture
def saver(path: Path) -> Iterator[SqliteCheckpointer]:
    """A saver on a new file."""
    with open_checkpointer(path) as saver:
        yield saver


def rows(path: Path, table: str) -> int:
    """How many rows a table of the file has."""
    connection = sqlite3.connect(path)
    try:
        return connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608 - a test's own name
    finally:
        connection.close()


async def test_one_file_serves_invoke_and_ainvoke_in_turn(saver: SqliteCheckpointer) -> None:
    """A conversation goes on from one face to the other, and each sees what the other did."""
    graph = counting_graph(saver)
    assert (await graph.ainvoke(say("a"), thread()))["count"] == 1
    assert (await asyncio.to_thread(graph.invoke, say("b"), thread()))["count"] == 2
    assert (await graph.ainvoke(say("c"), thread()))["count"] == 3
    state = await graph.aget_state(thread())
    assert state.values == graph.get_state(thread()).values
    assert [m.content for m in state.values["messages"]] == ["a", "yes 1", "b", "yes 2", "c", "yes 3"]


def test_it_is_bound_to_no_event_loop(saver: SqliteCheckpointer) -> None:
    """Two loops, one after the other, use the same saver."""
    graph = counting_graph(saver)
    assert [asyncio.run(graph.ainvoke(say("x"), thread()))["count"] for _ in range(2)] == [1, 2]


async def test_the_history_is_the_same_both_ways(saver: SqliteCheckpointer) -> None:
    """`list` and `alist` agree, newest first, also with a limit, a filter and a beginning."""
    graph = counting_graph(saver)
    await graph.ainvoke(say("a"), thread())
    await graph.ainvoke(say("a"), thread("other"))
    everything = list(saver.list(thread()))
    assert [c async for c in saver.alist(thread())] == everything
    assert names(everything) == sorted(names(everything), reverse=True)
    assert [c.metadata.get("step") for c in everything] == [2, 1, 0, -1]
    assert list(saver.list(thread(), limit=2)) == everything[:2]
    assert list(saver.list(thread(), before=everything[1].config)) == everything[2:]
    assert [c.metadata.get("step") for c in saver.list(thread(), filter={"source": "input"})] == [-1]
    assert len(list(saver.list(None))) == 8
    assert [s.config async for s in graph.aget_state_history(thread())] == [
        s.config for s in graph.get_state_history(thread())
    ]


def test_the_newest_id_is_given_unless_a_steps_writes_wait_on_it(saver: SqliteCheckpointer) -> None:
    """Empty as well for a thread that is not there."""
    assert saver.newest_id("t") == ""
    counting_graph(saver).invoke(say("a"), thread())
    newest = saver.get_tuple(thread())
    assert newest is not None
    assert saver.newest_id("t") == newest.checkpoint["id"]
    saver.put_writes(newest.config, [("count", 1)], "task")
    assert saver.newest_id("t") == ""


def test_the_saver_can_be_used_while_its_list_is_read(saver: SqliteCheckpointer) -> None:
    """LangGraph's own list holds the lock until it is read to its end; this one does not."""
    graph = counting_graph(saver)
    graph.invoke(say("a"), thread())
    seen = [saver.get_tuple(c.config) == c for c in saver.list(thread())]
    assert seen == [True] * 4


async def test_deleting_a_thread_leaves_the_others(saver: SqliteCheckpointer, path: Path) -> None:
    """Both faces delete a whole thread with its writes, and nothing else."""
    graph = counting_graph(saver)
    for name in ("a", "b", "c"):
        graph.invoke(say("x"), thread(name))
    saver.delete_thread("a")
    await saver.adelete_thread("b")
    assert (graph.get_state(thread("a")).values, graph.get_state(thread("b")).values) == ({}, {})
    assert graph.get_state(thread("c")).values["count"] == 1
    assert rows(path, "checkpoints") == 4


def test_many_threads_and_loops_write_at_once(saver: SqliteCheckpointer) -> None:
    """Eight conversations in eight threads, half of them async, all arrive whole."""
    graph = counting_graph(saver)

    def sync(name: str) -> None:
        for _ in range(5):
            graph.invoke(say("x"), thread(name))

    async def talk(name: str) -> None:
        for _ in range(5):
            await graph.ainvoke(say("x"), thread(name))

    workers = [threading.Thread(target=sync, args=(f"s{n}",)) for n in range(4)]
    workers += [threading.Thread(target=lambda n=n: asyncio.run(talk(f"a{n}"))) for n in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [graph.get_state(thread(f"{kind}{n}")).values["count"] for kind in "sa" for n in range(4)] == [5] * 8


WRITER = """
import sys
sys.path.insert(0, {folder!r})
from test_sqlite_saver import counting_graph, say, thread
from memgpt_agent.checkpoints import open_checkpointer
with open_checkpointer({path!r}) as saver:
    graph = counting_graph(saver)
    for n in range(15):
        graph.invoke(say(str(n)), thread(sys.argv[1]))
    print(graph.get_state(thread(sys.argv[1])).values["count"])
"""


def writer(path: Path, name: str, **environment: str) -> "subprocess.Popen[str]":
    """Start a process that talks fifteen times in one thread."""
    code = WRITER.format(folder=str(Path(__file__).parent), path=str(path))
    return subprocess.Popen(
        [sys.executable, "-c", code, name],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_processes_share_a_file_that_none_of_them_had(path: Path) -> None:
    """Three processes open the same new file at once, write to it and lose nothing."""
    writers = [writer(path, name) for name in ("a", "b", "c")]
    ends = [process.communicate(timeout=90) for process in writers]
    assert [out.strip() for out, _ in ends] == ["15"] * 3, ends
    with open_checkpointer(path) as saver:
        assert [counting_graph(saver).get_state(thread(name)).values["count"] for name in "abc"] == [15] * 3


def test_a_killed_process_leaves_a_file_that_goes_on(path: Path) -> None:
    """After a kill in mid-write the file opens, holds whole turns, and the conversation continues."""
    process = writer(path, "a")
    log = path.with_name(path.name + "-wal")
    while not log.exists() or log.stat().st_size < 200_000:
        assert process.poll() is None, process.communicate()
    process.kill()
    process.communicate(timeout=30)
    with open_checkpointer(path) as saver:
        graph = counting_graph(saver)
        before = graph.get_state(thread("a"))
        assert len(before.values["messages"]) >= 2
        if before.next:
            graph.invoke(None, thread("a"))
        # What a checkpoint holds: writes that were pending at the kill are dropped by new input (LangGraph's own rule),
        # and `get_state` would count them in.
        saved = saver.get_tuple(thread("a"))
        assert saved is not None
        done = saved.checkpoint["channel_values"]["count"]
        assert graph.invoke(say("again"), thread("a"))["count"] == done + 1


def test_it_works_under_strict_deserialisation(path: Path) -> None:
    """With LANGGRAPH_STRICT_MSGPACK the messages and the state come back as they were, without a warning."""
    process = writer(path, "strict", LANGGRAPH_STRICT_MSGPACK="true")
    out, err = process.communicate(timeout=90)
    assert (out.strip(), err) == ("15", "")


def test_a_restart_continues_the_conversation(path: Path) -> None:
    """What was said is there when the file is opened again."""
    with open_checkpointer(path) as saver:
        counting_graph(saver).invoke(say("a"), thread())
    with open_checkpointer(str(path)) as saver:
        assert counting_graph(saver).invoke(say("b"), thread())["count"] == 2


@pytest.mark.parametrize("keep", [1, 3, 50])
def test_pruning_keeps_the_newest_and_the_conversation(saver: SqliteCheckpointer, path: Path, keep: int) -> None:
    """Of 40 checkpoints the last so many are left with their writes; the state is the same and the talk goes on."""
    graph = counting_graph(saver)
    for n in range(10):
        graph.invoke(say(str(n)), thread())
    graph.invoke(say("x"), thread("other"))
    before = list(saver.list(thread()))
    saver.prune("t", keep=keep)
    assert list(saver.list(thread()))[:keep] == before[:keep]
    # LangGraph stores the writes of neighbouring steps in a pool of threads, so one more may look recent.
    assert min(keep, 40) <= rows(path, "checkpoints") - 4 <= min(keep + 2, 40)
    assert graph.get_state(thread("other")).values["count"] == 1
    assert graph.invoke(say("on"), thread())["count"] == 11


def test_pruned_writes_go_with_their_checkpoints(saver: SqliteCheckpointer, path: Path) -> None:
    """No write is left without its checkpoint."""
    graph = counting_graph(saver)
    for n in range(5):
        graph.invoke(say(str(n)), thread())
    saver.prune("t", keep=2)
    connection = sqlite3.connect(path)
    orphans = connection.execute(
        "SELECT count(*) FROM writes WHERE checkpoint_id NOT IN (SELECT checkpoint_id FROM checkpoints)"
    ).fetchone()[0]
    connection.close()
    assert orphans == 0


def test_a_turn_that_waits_survives_pruning(saver: SqliteCheckpointer) -> None:
    """An interrupted turn is the newest checkpoint with its pending writes: it is kept and can be answered."""
    graph = counting_graph(saver, ask=True)
    graph.invoke(say("a"), thread())
    saver.prune("t", keep=1)
    assert graph.get_state(thread()).next == ("answer",)
    assert graph.invoke(Command(resume="sure"), thread())["messages"][-1].content == "sure 1"


def test_a_checkpoint_that_is_being_run_again_is_kept(saver: SqliteCheckpointer) -> None:
    """Something was written for an old checkpoint after the newest was made: it stays; without that it would go."""
    graph = counting_graph(saver)
    for n in range(3):
        graph.invoke(say(str(n)), thread())
    history = list(saver.list(thread()))
    old = history[6]
    saver.put_writes(old.config, [("count", 1)], "a-task")
    saver.prune(["t"], keep=2)
    left = names(saver.list(thread()))
    assert left[:2] == names(history[:2])
    assert names([old])[0] in left
    assert names(history)[-1] not in left
    pending = saver.get_tuple(old.config)
    assert pending is not None
    assert ("a-task", "count", 1) in (pending.pending_writes or [])


def test_a_subgraphs_finished_calls_are_pruned_and_its_memory_kept(saver: SqliteCheckpointer, path: Path) -> None:
    """Calls of a forgetful subgraph go with the parent's checkpoints; a subgraph that remembers keeps its newest."""
    builder = StateGraph(State)
    builder.add_node("forgets", subgraph(checkpointer=None))
    builder.add_node("remembers", subgraph(checkpointer=True))
    builder.add_edge(START, "forgets")
    builder.add_edge("forgets", "remembers")
    graph: Any = builder.compile(checkpointer=saver)
    for _ in range(4):
        graph.invoke({"count": 0}, thread())
    expected = graph.invoke({"count": 0}, thread())["count"]
    before = rows(path, "checkpoints")
    saver.prune("t", keep=2)
    left = names(saver.list(thread()), "checkpoint_ns")
    assert before > 30
    assert 2 <= left.count("") <= 4
    assert 2 <= left.count("remembers") <= 4
    assert len(left) < 14
    assert graph.get_state(thread()).values["count"] == expected


async def test_pruning_has_an_async_face_and_langgraphs_strategies(saver: SqliteCheckpointer, path: Path) -> None:
    """As LangGraph's contract has it: several threads, keep_latest or delete."""
    graph = counting_graph(saver)
    for name in ("a", "b", "c"):
        await graph.ainvoke(say("x"), thread(name))
    await saver.aprune(["a", "b"])
    assert 1 + 1 + 4 <= rows(path, "checkpoints") <= 3 + 3 + 4
    await saver.aprune(["a", "b", "c"], strategy="delete")
    assert rows(path, "checkpoints") == 0
    saver.prune("nobody")


def test_pruning_by_turns_keeps_the_newest_turns_and_the_state_before_them(
    saver: SqliteCheckpointer, path: Path
) -> None:
    """Of ten turns three can be gone back to, each to its beginning; what is older goes, with its writes."""
    graph = counting_graph(saver)
    for n in range(10):
        graph.invoke(say(str(n)), thread())
    graph.invoke(say("x"), thread("other"))
    before = list(saver.list(thread()))
    saver.prune_turns("t", keep=3)
    assert list(saver.list(thread())) == before[: 3 * 4 + 1]
    assert [c.metadata.get("source") for c in saver.list(thread())].count("input") == 3
    oldest = list(saver.list(thread()))[-1]
    assert graph.invoke(say("again"), oldest.config)["count"] == 8
    assert graph.get_state(thread("other")).values["count"] == 1
    assert rows(path, "writes") > 0
    connection = sqlite3.connect(path)
    orphans = "SELECT count(*) FROM writes WHERE checkpoint_id NOT IN (SELECT checkpoint_id FROM checkpoints)"
    assert connection.execute(orphans).fetchone() == (0,)
    connection.close()


def test_pruning_by_turns_leaves_a_short_history_alone(saver: SqliteCheckpointer, path: Path) -> None:
    """Nothing is deleted, and nothing written, where there are no more turns than are kept."""
    graph = counting_graph(saver)
    for n in range(3):
        graph.invoke(say(str(n)), thread())
    changes = saver.conn.total_changes
    for keep in (3, 4, 100):
        saver.prune_turns("t", keep=keep)
    saver.prune_turns("nobody", keep=1)
    assert saver.conn.total_changes == changes
    with pytest.raises(ConfigurationError, match="keep=0"):
        saver.prune_turns("t", keep=0)


def test_pruning_by_turns_keeps_what_a_subgraph_remembers(saver: SqliteCheckpointer) -> None:
    """Its newest checkpoint, however old; its forgotten calls go."""
    builder = StateGraph(State)
    builder.add_node("forgets", subgraph(checkpointer=None))
    builder.add_node("remembers", subgraph(checkpointer=True))
    builder.add_conditional_edges(START, lambda state: "remembers" if state["count"] == 0 else "forgets")
    graph: Any = builder.compile(checkpointer=saver)
    for n in range(5):
        graph.invoke({"count": 1 if n else 0}, thread())
    saver.prune_turns("t", keep=1)
    left = names(saver.list(thread()), "checkpoint_ns")
    assert left.count("remembers") == 1
    assert len({name for name in left if name.startswith("forgets")}) == 1
    assert left.count("") <= 4


def test_a_thread_kept_as_differences_is_not_torn_by_turns(saver: SqliteCheckpointer) -> None:
    """As with pruning by number."""
    graph = counting_graph(saver)
    for n in range(3):
        graph.invoke(say(str(n)), thread())
    newest = saver.get_tuple(thread())
    assert newest is not None
    metadata: Any = {**newest.metadata, "counters_since_delta_snapshot": {"messages": [3, 3]}}
    saver.put(newest.parent_config or {}, newest.checkpoint, metadata, {})
    with pytest.raises(StoreError, match="differences"):
        saver.prune_turns("t", keep=1)
    assert len(list(saver.list(thread()))) == 12


@pytest.mark.parametrize("wrong", [{"keep": 0}, {"strategy": "oldest"}])
def test_a_senseless_pruning_is_refused(saver: SqliteCheckpointer, wrong: dict[str, Any]) -> None:
    """The newest checkpoint cannot be pruned away by a number, and a strategy must be known."""
    with pytest.raises(ConfigurationError, match="keep at least 1"):
        saver.prune("t", **wrong)


def test_a_thread_kept_as_differences_is_not_torn(saver: SqliteCheckpointer) -> None:
    """Where the state of the kept checkpoint lies in older ones, nothing is pruned and the error says why."""
    graph = counting_graph(saver)
    graph.invoke(say("a"), thread())
    newest = saver.get_tuple(thread())
    assert newest is not None
    metadata: Any = {**newest.metadata, "counters_since_delta_snapshot": {"messages": [3, 3]}}
    saver.put(newest.parent_config or {}, newest.checkpoint, metadata, {})
    with pytest.raises(StoreError, match=r"'t' keeps part of its state as differences"):
        saver.prune("t")
    assert len(list(saver.list(thread()))) == 4


def damaged(path: Path, kind: str) -> None:
    """Make a file that is not a whole file of checkpoints."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind == "text":
        path.write_text("Not a database, but somebody's notes. " * 100)
        return
    if kind == "foreign":
        connection = sqlite3.connect(path)
        connection.execute("CREATE TABLE invoices (id INTEGER)")
        connection.commit()
        connection.close()
        return
    with open_checkpointer(path) as saver:
        for n in range(30):
            counting_graph(saver).invoke(say("word " * 200), thread(str(n)))
    content = bytearray(path.read_bytes())
    if kind == "cut":
        content = content[: len(content) // 2]
    if kind == "overwritten":
        content[4096 * 3 : 4096 * 6] = b"\xff" * 4096 * 3
    if kind == "header":
        content[:16] = b"\x00" * 16
    path.write_bytes(content)


@pytest.mark.parametrize("kind", ["text", "foreign", "cut", "overwritten", "header"])
def test_a_damaged_or_foreign_file_is_refused_and_left_as_it_is(path: Path, kind: str) -> None:
    """The error names the file; not a byte of it changes and nothing appears beside it."""
    damaged(path, kind)
    before = path.read_bytes()
    with pytest.raises(StoreCorrupt, match=r"checkpoints\.db.*not changed"):
        open_checkpointer(path)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == ["checkpoints.db"]


def test_an_empty_file_is_a_new_one(path: Path) -> None:
    """A file of no bytes, as `touch` makes it, holds nothing that could be lost."""
    path.parent.mkdir()
    path.touch()
    with open_checkpointer(path) as saver:
        assert counting_graph(saver).invoke(say("a"), thread())["count"] == 1


def test_a_place_that_cannot_be_a_file_is_an_error_that_says_so(tmp_path: Path) -> None:
    """A folder in the file's place, or a file in the folder's."""
    with pytest.raises(StoreError, match="Nothing was written"):
        open_checkpointer(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="file"):
        open_checkpointer(tmp_path / "file" / "checkpoints.db")


def test_damage_that_shows_later_is_told_as_damage(path: Path) -> None:
    """A page destroyed under an open saver is StoreCorrupt, not a bare sqlite3 error."""
    damaged(path, "none")
    with open_checkpointer(path) as saver:
        saver.conn.execute("PRAGMA cache_size=1")
        content = bytearray(path.read_bytes())
        content[4096 * 2 :] = b"\xff" * (len(content) - 4096 * 2)
        path.write_bytes(content)
        with pytest.raises(StoreCorrupt, match="is damaged"):
            list(saver.list(thread("3")))


async def test_a_closed_saver_says_that_it_is_closed(path: Path) -> None:
    """After closing, each face raises with the next step; closing again does nothing."""
    async with open_checkpointer(path) as saver:
        graph = counting_graph(saver)
    saver.close()
    with pytest.raises(StoreError, match=r"open_checkpointer"):
        await graph.ainvoke(say("a"), thread())


def test_a_failed_write_is_undone(saver: SqliteCheckpointer, path: Path) -> None:
    """What was half written when an error came is not committed with the next write."""

    def fail() -> None:
        with saver.cursor() as cursor:
            cursor.execute("DELETE FROM checkpoints")
            raise RuntimeError("in the middle")

    counting_graph(saver).invoke(say("a"), thread())
    with pytest.raises(RuntimeError, match="in the middle"):
        fail()
    counting_graph(saver).invoke(say("b"), thread("u"))
    assert rows(path, "checkpoints") == 8


def test_a_conversation_can_be_kept_in_memory_only() -> None:
    """`:memory:` makes no file."""
    with open_checkpointer(":memory:") as saver:
        assert counting_graph(saver).invoke(say("a"), thread())["count"] == 1
    assert not Path(":memory:").exists()
