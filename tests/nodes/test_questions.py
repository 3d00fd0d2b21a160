"""Questions to a person in the middle of an answer: each gets its own answer, whatever their order, kind and number."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.tools import BaseTool, tool
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.store.base import BaseStore
from langgraph.store.memory import InMemoryStore
from langgraph.types import Command, Send, interrupt

from memgpt_agent.checkpoints import open_checkpointer
from memgpt_agent.graph.builder import create_graph
from memgpt_agent.store import FaissStore
from memgpt_agent.testing import ScriptedModel, calls, say
from memgpt_agent.tools.rules import RequiresApprovalRule

THREAD: Any = {"configurable": {"thread_id": "ann"}}
HELLO: Any = {"messages": [("user", "Hello")]}


def tools_writing(file: Path) -> list[BaseTool]:
    """Return tools that ask once, twice or never; each notes in the file what it does after its questions."""

    def noted(line: str) -> str:
        with file.open("a") as out:
            out.write(line + "\n")
        return line

    @tool
    def transfer(to: str) -> str:
        """Transfer money after a person said yes."""
        return noted(f"transfer {to}: {interrupt({'transfer': to})}")

    @tool
    def book(trip: str) -> str:
        """Book a trip after two questions."""
        return noted(f"book {trip}: {interrupt(f'{trip} when?')} {interrupt(f'{trip} where?')}")

    @tool
    def ring(bell: str) -> str:
        """Ring a bell, if a rule lets it."""
        return noted(f"ring {bell}")

    @tool
    def glance(at: str) -> str:
        """Glance at something."""
        return noted(f"glance {at}")

    return [transfer, book, ring, glance]


WANTED: dict[str, tuple[tuple[str, dict[str, Any]], list[str], str]] = {
    "a": (("transfer", {"to": "Ann"}), ["yes to Ann"], "transfer Ann: yes to Ann"),
    "b": (("transfer", {"to": "Bob"}), ["no to Bob"], "transfer Bob: no to Bob"),
    "t": (("book", {"trip": "Oslo"}), ["May", "harbour"], "book Oslo: May harbour"),
    "r": (("ring", {"bell": "door"}), ["approve"], "ring door"),
    "e": (("ring", {"bell": "fire"}), ["edit"], "ring tea"),
    "x": (("ring", {"bell": "alarm"}), ["reject"], ""),
    "g": (("glance", {"at": "sky"}), [], "glance sky"),
    "m": (("core_memory_append", {"label": "human", "content": "Dog: Rex"}), [], ""),
}
"""By a letter: a call, the answers to its questions in order, and what is done in the end."""
DECISIONS: dict[str, Any] = {
    "approve": {"decisions": [{"type": "approve"}]},
    "edit": {"decisions": [{"type": "edit", "edited_action": {"name": "ring", "args": {"bell": "tea"}}}]},
    "reject": {"decisions": [{"type": "reject", "message": "too loud"}]},
}
ORDERS = [
    "ab", "ba", "ar", "ra", "tr", "rt", "tab", "atr", "xre", "rxa", "gagb", "mamb", "grxt", "tgtb", "ebtm", "axbr",
]  # fmt: skip


def asked_for(question: Any) -> str:
    """Return which answer of ``WANTED`` a question is about."""
    if isinstance(question, str):
        return "May" if question.endswith("when?") else "harbour"
    if "transfer" in question:
        return {"Ann": "yes to Ann", "Bob": "no to Bob"}[question["transfer"]]
    return {"door": "approve", "fire": "edit", "alarm": "reject"}[question["action_requests"][0]["args"]["bell"]]


def graph_of(
    order: str, file: Path, saver: BaseCheckpointSaver[Any] | None, store: BaseStore | None = None, *, answered: bool = False
) -> Any:
    """Return a graph whose model makes the calls of the letters in one answer, unless it has done so before."""
    made = [(name, dict(arguments)) for name, arguments in (WANTED[letter][0] for letter in order)]
    made[-1][1]["request_heartbeat"] = True
    return create_graph(
        model=ScriptedModel([*([] if answered else [calls(*made)]), say("All done.")]), checkpointer=saver,
        tools=tools_writing(file), store=store or InMemoryStore(), rules=[RequiresApprovalRule("ring")],
    )  # fmt: skip


def resume(waiting: Any, how: str) -> Command[Any]:
    """Return the command that answers the question that waits, as it is meant."""
    (question,) = waiting["__interrupt__"]
    said = asked_for(question.value)
    answer = DECISIONS.get(said, said)
    return Command(resume={question.id: answer} if how == "id" else answer)


def expected(order: str) -> list[str]:
    """Return the lines that the tools must have written in the end."""
    return [WANTED[letter][2] for letter in order if WANTED[letter][2]]


def asked_in(order: str) -> list[str]:
    """Return the answers that were to be given, in order."""
    return [answer for letter in order for answer in WANTED[letter][1]]


@pytest.mark.parametrize("how", ["value", "id"])
@pytest.mark.parametrize("order", ORDERS)
def test_each_question_of_an_answer_gets_its_own_answer(order: str, how: str, tmp_path: Path) -> None:
    """Tools that ask once or twice, approvals, edits and rejections, in any order; what is done is done once."""
    file, given = tmp_path / "done.txt", []
    graph = graph_of(order, file, InMemorySaver())
    result = graph.invoke(HELLO, THREAD)
    while "__interrupt__" in result:
        given.append(asked_for(result["__interrupt__"][0].value))
        result = graph.invoke(resume(result, how), THREAD)
    assert given == asked_in(order)
    assert file.read_text().splitlines() == expected(order)
    assert result["messages"][-1].text == "All done."
    answer = next(m for m in result["messages"] if isinstance(m, AIMessage) and len(m.tool_calls) == len(order))
    results = [m.tool_call_id for m in result["messages"] if isinstance(m, ToolMessage)]
    assert results[:-1] == [call["id"] for call in answer.tool_calls]


@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
@pytest.mark.parametrize("how", ["value", "id"])
@pytest.mark.parametrize("order", ["tar", "xbe", "rta"])
async def test_the_same_on_an_event_loop_with_a_new_process_for_each_answer(
    order: str, how: str, durability: Any, tmp_path: Path
) -> None:
    """The checkpoints and the store are opened anew before each answer."""
    file, result = tmp_path / "done.txt", None
    while result is None or "__interrupt__" in result:
        with open_checkpointer(tmp_path / "c.db") as saver, FaissStore(tmp_path / "m.db") as store:
            graph = graph_of(order, file, saver, store, answered=result is not None)
            result = await graph.ainvoke(resume(result, how) if result else HELLO, THREAD, durability=durability)
    assert file.read_text().splitlines() == expected(order)
    assert result["messages"][-1].text == "All done."


@pytest.mark.parametrize("how", ["value", "id"])
@pytest.mark.parametrize("order", ["abr", "tae", "xrb"])
def test_the_same_in_a_subgraph(order: str, how: str, tmp_path: Path) -> None:
    """The parent graph keeps the conversation and hands the answers down."""
    parent = StateGraph(MessagesState).add_node("agent", graph_of(order, tmp_path / "done.txt", None))
    graph: Any = parent.add_edge(START, "agent").compile(checkpointer=InMemorySaver())
    result = graph.invoke(HELLO, THREAD)
    while "__interrupt__" in result:
        result = graph.invoke(resume(result, how), THREAD)
    assert (tmp_path / "done.txt").read_text().splitlines() == expected(order)


def test_the_same_where_two_agents_run_side_by_side(tmp_path: Path) -> None:
    """Sent to at once, each asks its own questions, and all that wait at a time are answered together, by id."""
    parent = StateGraph(MessagesState)
    for name, order in (("one", "ab"), ("two", "tr")):
        parent.add_node(name, graph_of(order, tmp_path / name, None))
    parent.add_conditional_edges(START, lambda _: [Send("one", HELLO), Send("two", HELLO)], ["one", "two"])
    graph: Any = parent.compile(checkpointer=InMemorySaver())
    result, asked = graph.invoke(HELLO, THREAD), []
    while "__interrupt__" in result:
        waiting = {question.id: asked_for(question.value) for question in result["__interrupt__"]}
        asked.append(sorted(waiting.values()))
        result = graph.invoke(Command(resume={i: DECISIONS.get(said, said) for i, said in waiting.items()}), THREAD)
    assert asked == [["May", "yes to Ann"], ["harbour", "no to Bob"], ["approve"]]
    for name, order in (("one", "ab"), ("two", "tr")):
        assert (tmp_path / name).read_text().splitlines() == expected(order)


def test_an_answer_that_is_given_twice_decides_on_nothing_else(tmp_path: Path) -> None:
    """Sent again by id, it is not taken for the answer to the next question, of the same call or of another."""
    file = tmp_path / "done.txt"
    graph = graph_of("tb", file, InMemorySaver())
    first = graph.invoke(HELLO, THREAD)
    second = graph.invoke(resume(first, "id"), THREAD)
    same = graph.invoke(resume(first, "id"), THREAD)
    assert same["__interrupt__"][0].value == second["__interrupt__"][0].value == "Oslo where?"
    third = graph.invoke(resume(same, "id"), THREAD)
    same = graph.invoke(resume(second, "id"), THREAD)
    assert same["__interrupt__"][0].value == third["__interrupt__"][0].value == {"transfer": "Bob"}
    graph.invoke(resume(same, "id"), THREAD)
    assert file.read_text().splitlines() == expected("tb")


@pytest.mark.parametrize("given", [("top", "value", "impatient"), ("nested", "value", "patient")])
def test_a_process_killed_between_an_answer_and_the_next_question_pays_once_and_only_ann(given: tuple[str, str, str]) -> None:
    """Killed at each write of a checkpoint, then answered again without looking, or as what waits is meant."""
    script = Path(__file__).parent / "killed_between_answers.py"
    ran = subprocess.run([sys.executable, script, *given], capture_output=True, text=True, check=True)
    lines = ran.stdout.splitlines()
    assert set(lines) == {json.dumps(["Ann: yes to Ann", "Bob: no to Bob"])}
    assert len(lines) >= 3
