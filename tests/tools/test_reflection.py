"""Reflection: each part filed where it belongs, once; and the reminder to reflect."""

from dataclasses import replace

import pytest
from langgraph.store.memory import InMemoryStore

from memgpt_agent.errors import InvalidArguments
from memgpt_agent.memory.agent_memory import AgentMemory
from memgpt_agent.memory.core import Block, Cause
from memgpt_agent.memory.tasks import TaskList
from memgpt_agent.testing import Clock
from memgpt_agent.tools.reflection import OPEN_QUESTIONS, reflect, remind_to_reflect


@pytest.fixture
def memory() -> AgentMemory:
    """An agent with the block of open questions, in a call with a key."""
    memory = AgentMemory(InMemoryStore(), "ann", Clock(), cause=Cause("call-1", "agent", "reflect", "", "turn-1"))
    memory.core.create([OPEN_QUESTIONS], Cause(tool="create"))
    return memory


def test_each_part_is_filed_where_it_belongs(memory: AgentMemory) -> None:
    """Lessons in the archive, doubts there and in view, next steps among the tasks."""
    told = reflect(
        memory, ["Ann prefers short answers."], ["Is Rex Ann's dog?", "When is the trip?"], ["Ask about Rex"]
    )
    assert told == (
        "1 learned and 2 uncertain are filed; the uncertain stand in block 'open_questions'; the next steps are tasks 1."
    )
    assert [p.text for p in memory.archival.search("", tags=["learned"])] == ["Ann prefers short answers."]
    assert {p.text for p in memory.archival.search("", tags=["uncertain"])} == {
        "Is Rex Ann's dog?",
        "When is the trip?",
    }
    assert memory.core["open_questions"] == "Is Rex Ann's dog?\nWhen is the trip?"
    assert [task.title for task in TaskList(memory).open()] == ["Ask about Rex"]


def test_the_same_call_again_changes_nothing(memory: AgentMemory) -> None:
    """As after a crash in the middle of it."""
    parts = (["a"], ["b?"], ["c", "d"])
    first = reflect(memory, *parts)
    version = memory.core.block("open_questions").version
    assert reflect(memory, *parts) == first
    assert memory.core.block("open_questions").version == version
    assert [task.title for task in TaskList(memory).open()] == ["c", "d"]


def test_what_is_on_the_list_already_is_not_added(memory: AgentMemory) -> None:
    """The agent is told."""
    TaskList(memory).add("Ask about Rex")
    told = reflect(memory, [], [], ["ask  about REX", "Sleep"])
    assert told.endswith(
        "the next steps are tasks 2; 1 next steps were not added: they are on the list already, or the list is full."
    )


def test_the_oldest_questions_leave_a_full_block(memory: AgentMemory) -> None:
    """They stay in the archive."""
    for number in range(5):
        reflect(memory.because(Cause(f"k{number}")), [], [f"{number} " + "x" * 400], [])
    assert [line[0] for line in memory.core["open_questions"].split("\n")] == ["2", "3", "4"]
    assert len(memory.archival.search("", tags=["uncertain"])) == 5


@pytest.mark.parametrize(
    "blocks", [[], [Block("open_questions", limit_chars=5)], [Block("open_questions", read_only=True)]]
)
def test_without_room_for_questions_they_are_filed_only(blocks: list[Block]) -> None:
    """No block, none large enough, or one that the agent may not edit."""
    memory = AgentMemory(InMemoryStore(), "ann", Clock())
    memory.core.create(blocks)
    assert reflect(memory, [], ["Is Rex a dog?"], []) == "0 learned and 1 uncertain are filed."


def test_too_much_or_too_long_is_an_error_with_the_limit(memory: AgentMemory) -> None:
    """Nothing is filed."""
    with pytest.raises(InvalidArguments, match="learned has 11 items; give 10 at most"):
        reflect(memory, ["x"] * 11, [], [])
    with pytest.raises(InvalidArguments, match="An item of next_steps has 151 characters; give 1 to 150"):
        reflect(memory, ["kept?"], [], ["x" * 151])
    assert memory.archival.search("") == []


def told_in(memory: AgentMemory, turn: str, event: str = "user_message") -> bool:
    """Whether the reminder of every three turns says something as this turn begins."""
    reminder = remind_to_reflect(3)
    return bool(reminder(memory.because(replace(memory.cause, turn=turn)), event))  # pyright: ignore[reportArgumentType]


def test_the_agent_is_asked_after_so_many_turns(memory: AgentMemory) -> None:
    """And again after as many, until it reflects; then the count begins anew."""
    assert [told_in(memory, f"t{n}") for n in range(1, 8)] == [False, False, True, False, False, True, False]
    reflect(memory, [], [], [])
    assert [told_in(memory, f"u{n}") for n in range(1, 4)] == [False, False, True]


def test_a_turn_that_is_played_again_is_told_the_same_and_counted_once(memory: AgentMemory) -> None:
    """After a crash, or in a fork."""
    assert [told_in(memory, turn) for turn in ("t1", "t1", "t2", "t3", "t3", "t4")] == [
        False,
        False,
        False,
        True,
        True,
        False,
    ]


def test_a_heartbeat_asks_where_something_happened_since(memory: AgentMemory) -> None:
    """One after another does not."""
    assert not told_in(memory, "h1", "heartbeat")
    assert told_in(memory, "h2", "heartbeat")
    reflect(memory, [], [], [])
    assert not told_in(memory, "h3", "heartbeat")
