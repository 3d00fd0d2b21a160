"""What a tool asks a person in the middle of a turn: seen in the response, answered by the agent, in the terminal too."""

from pathlib import Path
from typing import Any

import pytest
from langchain_core.tools import tool
from langgraph.types import interrupt
from rich.console import Console

from memgpt_agent import MemGPTAgent, Settings
from memgpt_agent.cli.commands import ChatLoop
from memgpt_agent.cli.turn_view import TurnView
from memgpt_agent.errors import ConfigurationError, NothingToDecide
from memgpt_agent.testing import HashingEmbedder, ScriptedModel, calls, say
from memgpt_agent.tools.rules import RequiresApprovalRule

paid: list[str] = []


@tool
def pay(to: str) -> str:
    """Pay, after a person said yes."""
    answer = interrupt({"pay": to})
    paid.append(f"{to}: {answer}")
    return f"{to}: {answer}"


@tool
def ring(bell: str) -> str:
    """Ring a bell."""
    paid.append(bell)
    return "rang"


def agent_in(home: Path, *script: Any) -> MemGPTAgent:
    """Return the agent over a script; its memory and its conversation lie in a folder."""
    paid.clear()
    return MemGPTAgent(
        llm_client=ScriptedModel(script), agent_id="ann", tools=[pay, ring], rules=[RequiresApprovalRule("ring")],
        settings=Settings(home=home), embedding=HashingEmbedder(),
    )  # fmt: skip


BOTH = calls(
    ("core_memory_append", {"label": "human", "content": "Rex"}), ("pay", {"to": "Ann"}), ("ring", {"bell": "door"}),
    ("pay", {"to": "Bob", "request_heartbeat": True}),
)  # fmt: skip


def test_the_questions_of_a_turn_are_in_its_response_and_answered_one_after_another(tmp_path: Path) -> None:
    """A tool's own and an approval, with the call that asks, also after the agent was opened anew."""
    with agent_in(tmp_path, BOTH) as agent:
        (first,) = agent.step("Pay both.").interrupts
        assert (first.value, first.tool, first.arguments) == ({"pay": "Ann"}, "pay", {"to": "Ann"})
        with pytest.raises(NothingToDecide, match="No call"):
            agent.approve()
    with agent_in(tmp_path, say("All done.")) as agent:
        assert agent.interrupts == [first]
        second = agent.answer({first.id: "yes"})
        assert second.approval is not None
        assert second.interrupts[0].is_approval
        with pytest.raises(NothingToDecide, match="does not wait"):
            agent.answer({first.id: "yes"})
        with pytest.raises(ConfigurationError):
            agent.answer("perhaps")
        third = agent.answer("approve")
        assert third.interrupts[0].value == {"pay": "Bob"}
        assert agent.answer({}).message == "All done."
        assert paid == ["Ann: yes", "door", "Bob: {}"]
        assert agent.interrupts == []
        with pytest.raises(NothingToDecide, match="No question"):
            agent.answer("yes")


async def test_questions_are_answered_in_a_loop_as_in_sync_code(tmp_path: Path) -> None:
    """What is said instead takes the question's place."""
    async with agent_in(tmp_path, BOTH, say("Never mind.")) as agent:
        (first,) = (await agent.astep("Pay both.")).interrupts
        assert await agent.ainterrupts() == [first]
        assert (await agent.aanswer("no")).approval is not None
        assert (await agent.aapprove()).interrupts[0].value == {"pay": "Bob"}
        assert (await agent.astep("Leave it.")).message == "Never mind."
        assert await agent.ainterrupts() == []
        assert paid == ["Ann: no", "door"]


def test_the_terminal_asks(tmp_path: Path) -> None:
    """A line is the answer; an approval has its own words."""
    shown = Console(record=True, width=100)
    lines = iter(["Pay both.", "yes", "y", "no", "/exit"])
    with agent_in(tmp_path, BOTH, say("All done.")) as agent:
        view = TurnView(shown, shown, live=False, thoughts=False)
        ChatLoop(lambda: agent, shown, view).run(lambda: next(lines))
    assert paid == ["Ann: yes", "door", "Bob: no"]
    assert "pay asks: {'pay': 'Bob'}" in shown.export_text()
