"""Answers two questions in processes that are killed at each write of a checkpoint; writes what a tool did. Run by test_questions.py."""

import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from langchain_core.tools import tool
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import Command, interrupt

from memgpt_agent.checkpoints import SqliteCheckpointer, open_checkpointer
from memgpt_agent.graph.builder import create_graph
from memgpt_agent.store import FaissStore
from memgpt_agent.testing import HashingEmbedder, ScriptedModel, calls, say

THREAD: Any = {"configurable": {"thread_id": "ann"}}
ANSWERS = {"Ann": "yes to Ann", "Bob": "no to Bob"}
KILLED = 9


def dying(saver: SqliteCheckpointer, at: int) -> SqliteCheckpointer:
    """Let the process end before the write of this number; 0: never."""
    count = [0]

    def counted(write: Callable[..., Any]) -> Callable[..., Any]:
        def do(*given: Any, **more: Any) -> Any:
            count[0] += 1
            if count[0] == at:
                os._exit(KILLED)
            return write(*given, **more)

        return do

    for name in ("put", "put_writes"):
        setattr(saver, name, counted(getattr(saver, name)))
    return saver


def play(home: Path, nested: bool, at: int, act: Callable[[Any], Any]) -> int:
    """Do something with the graph in a process of its own; return how that ended."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    @tool
    def transfer(to: str) -> str:
        """Transfer money after a person said yes."""
        answer = interrupt({"transfer": to})
        with (home / "done.txt").open("a") as out:
            out.write(f"{to}: {answer}\n")
        return f"{to}: {answer}"

    first = [] if (home / "asked").exists() else [calls(("transfer", {"to": "Ann"}), ("transfer", {"to": "Bob", "request_heartbeat": True}))]
    with open_checkpointer(home / "c.db") as saver, FaissStore(
        home / "m.db", index={"dims": 16, "embed": HashingEmbedder(16), "fields": ["text"]}
    ) as store:
        dying(saver, at)
        given: dict[str, Any] = {"model": ScriptedModel([*first, say("All done.")]), "tools": [transfer], "store": store}
        graph: Any = create_graph(checkpointer=None if nested else saver, **given)
        if nested:
            graph = StateGraph(MessagesState).add_node("agent", graph).add_edge(START, "agent").compile(checkpointer=saver)
        act(graph)
    os._exit(0)


def ask(home: Path) -> Callable[[Any], None]:
    """Begin the turn, up to its first question."""

    def act(graph: Any) -> None:
        graph.invoke({"messages": [("user", "Hello")]}, THREAD, durability="sync")
        (home / "asked").touch()

    return act


def answer(how: str) -> Callable[[Any], None]:
    """Answer the question that waits as it is meant; go on where none does."""

    def act(graph: Any) -> None:
        waiting = graph.get_state(THREAD).interrupts
        command: Any = None
        if waiting:
            said = ANSWERS[waiting[0].value["transfer"]]
            command = Command(resume={waiting[0].id: said} if how == "id" else said)
        graph.invoke(command, THREAD, durability="sync")

    return act


def again(graph: Any) -> None:
    """Give the answer to the first question once more, without looking at what waits."""
    graph.invoke(Command(resume=ANSWERS["Ann"]), THREAD, durability="sync")


def finish(home: Path, how: str, nested: bool) -> None:
    """Answer what waits until nothing is left to do."""

    def act(graph: Any) -> None:
        if not graph.get_state(THREAD).tasks:  # not next: a step whose writes are stored, but not applied, is missing there
            (home / "over").touch()
            return
        answer(how)(graph)

    for _ in range(9):
        assert play(home, nested, 0, act) == 0
        if (home / "over").exists():
            return
    raise AssertionError("the turn does not end")


def main(graph: str, how: str, client: str) -> None:
    """Write, for each write at which the process was killed, what the tool did in the end."""
    nested = graph == "nested"
    for at in range(1, 100):
        with tempfile.TemporaryDirectory() as folder:
            home = Path(folder)
            assert play(home, nested, 0, ask(home)) == 0
            ended = play(home, nested, at, answer(how))
            if ended == 0:
                break
            assert ended == KILLED
            if client == "impatient":
                play(home, nested, 0, again)
            finish(home, how, nested)
            sys.stdout.write(json.dumps((home / "done.txt").read_text().splitlines()) + "\n")


main(*sys.argv[1:])
