"""Deciding on calls that wait for a person: in a conversation, and by a command."""

from io import StringIO
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from rich.console import Console

from memgpt_agent import MemGPTAgent
from memgpt_agent.cli.commands import ChatLoop
from memgpt_agent.cli.turn_view import TurnView
from memgpt_agent.config import Settings
from memgpt_agent.testing import ScriptedModel, call, say
from memgpt_agent.tools.rules import RequiresApprovalRule

RULES = [RequiresApprovalRule("archival_memory_insert")]


def insert(text: str, **more: Any) -> AIMessage:
    """A call that waits."""
    return call("archival_memory_insert", content=text, request_heartbeat=True, **more)


@pytest.fixture
def bound(memgpt):
    """The command line, its agent bound by a rule."""
    with MemGPTAgent(
        llm_client=ScriptedModel([]), agent_id="default", rules=RULES, settings=Settings(home=memgpt.home)
    ):
        pass
    return memgpt


def test_a_command_shows_approves_edits_and_rejects(bound) -> None:
    """What was said before stays; deciding twice is told."""
    bound.script(
        insert("One.", thinking="Worth keeping."),
        say("Kept."),
        insert("Two."),
        say("Changed."),
        insert("Three."),
        say("As you wish."),
    )
    asked = bound("run", "Keep one.")
    assert 'waits for approval: archival_memory_insert(content="One."' in asked.stderr
    assert "because: Worth keeping." in bound.ok("approve", "--show")
    assert "Kept." in bound.ok("approve")
    again = bound("approve")
    assert again.exit_code == 1
    assert "No tool call of agent 'default' waits" in again.stderr
    bound.ok("run", "Keep two.")
    assert bound("approve", "--edit", "[1]").exit_code == 1
    assert "Changed." in bound.ok("approve", "--edit", '{"content": "Zwei."}')
    bound.ok("run", "Keep three.")
    assert "As you wish." in bound.ok("approve", "--reject", "no need")
    found = bound.ok("memory", "search", "", "--in", "archival")
    assert "One." in found
    assert "Zwei." in found
    assert "Three." not in found


def test_a_conversation_asks(bound, spoken) -> None:
    """Nonsense is asked about again; an empty line leaves it waiting, and the next conversation asks once more."""
    model = ScriptedModel([insert("One."), say("Kept."), insert("Two.")])
    screen = StringIO()
    out = Console(file=screen, width=200)

    def converse(*keys: str) -> str:
        with MemGPTAgent(llm_client=model, agent_id="default", settings=Settings(home=bound.home)) as agent:
            ChatLoop(lambda: agent, out, TurnView(out, out, live=True, thoughts=False)).run(spoken(keys))
        return screen.getvalue()

    shown = converse("Keep one.", "perhaps", "y", "Keep two.", "")
    assert "The agent wants to call archival_memory_insert" in shown
    assert "'perhaps' is no decision" in shown
    assert "Kept." in shown
    assert "It waits." in shown
    model.script.append(say("All right."))
    assert "All right." in converse("", "n not now")
