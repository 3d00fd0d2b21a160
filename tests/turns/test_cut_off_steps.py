"""A step in which the process dies is tried once more, then given up with a word; and turns are ended from outside."""

import subprocess
import sys
from pathlib import Path

import pytest

from memgpt_agent.agent import MemGPTAgent
from memgpt_agent.config import Settings
from memgpt_agent.errors import AgentNotFound
from memgpt_agent.events import mark_of
from memgpt_agent.prompts import CALL_GIVEN_UP, CUT_OFF_REPLY, INTERRUPTED
from memgpt_agent.testing import HashingEmbedder, Reply, ScriptedModel, call, say
from memgpt_agent.turns.repairing import repair_agent

PROCESS = """
import os, sys
from pathlib import Path
from memgpt_agent.agent import MemGPTAgent
from memgpt_agent.config import Settings
from memgpt_agent.testing import HashingEmbedder, ScriptedModel, call, calls, say

home, where, text = Path(sys.argv[1]), sys.argv[2], sys.argv[3]

def die():
    with (home / "deaths").open("a") as deaths:
        deaths.write("x")
    os._exit(9)

def explode(reason: str) -> str:
    '''Does what no process survives.

    Args:
        reason: Why.
    '''
    die()

deadly = calls(("core_memory_append", {"label": "human", "content": "Likes risk."}), ("explode", {"reason": "why not"}),
               ("core_memory_append", {"label": "human", "content": "Never written."}))
script = {"tool": [deadly, say("I gave it up."), say("Here I am.")], "model": [lambda _: die(), say("Here I am.")]}[where]
if (home / "deaths").exists() and where == "tool":
    script = script[1:]
with MemGPTAgent(agent_id="ann", model=ScriptedModel(script), embedding=HashingEmbedder(), tools=[explode],
                 settings=Settings.load(home=home)) as agent:
    print(agent.step(text).message)
"""


def start(home: Path, where: str, text: str) -> "subprocess.CompletedProcess[str]":
    """A process that says something to the agent."""
    home.mkdir(exist_ok=True)
    return subprocess.run(
        [sys.executable, "-c", PROCESS, str(home), where, text], capture_output=True, text=True, timeout=120, check=False
    )


def opened(home: Path, *script: Reply) -> MemGPTAgent:
    """The agent in this process."""
    settings = Settings.load(home=home)
    return MemGPTAgent(agent_id="ann", model=ScriptedModel(script), embedding=HashingEmbedder(), settings=settings)


def test_a_tool_that_ends_the_process_is_tried_twice_and_then_given_up(tmp_path: Path) -> None:
    """The model is told of that call, and that the one behind it was not begun; what was done before stays done, once."""
    home = tmp_path / "home"
    assert start(home, "tool", "Blow up.").returncode == 9
    assert start(home, "tool", "Are you there?").returncode == 9
    third = start(home, "tool", "And now?")
    assert third.stdout == "Here I am.\n", third.stderr
    assert (home / "deaths").read_text() == "xx"
    with opened(home) as agent:
        results = [m.text for m in agent.graph.get_state({"configurable": {"thread_id": "ann"}}).values["messages"] if m.type == "tool"]
        assert [CALL_GIVEN_UP in text for text in results].count(True) == 1
        assert results[1:3] == [CALL_GIVEN_UP, INTERRUPTED]
        assert [m.text for m in agent.messages() if m.role == "assistant"] == ["I gave it up.", "Here I am."]
        assert agent.core_memory["human"].count("Likes risk.") == 1
        assert "Never written." not in agent.core_memory["human"]


def test_a_model_call_that_ends_the_process_is_given_up_with_a_word_to_the_user(tmp_path: Path) -> None:
    """An embedded model may take the process with it: the turn ends, and the next message is answered."""
    home = tmp_path / "home"
    for text in ("Hello.", "Hello?"):
        assert start(home, "model", text).returncode == 9
    with opened(home, say("Here I am.")) as agent:
        assert agent.step("Still there?").message == "Here I am."
        queue = agent.graph.get_state({"configurable": {"thread_id": "ann"}}).values["messages"]
        said = [m.text for m in queue if mark_of(m).get("kind") in {"event", "action", "reply"} and m.text]
        assert said == ["Hello.", CUT_OFF_REPLY, "Still there?", "Here I am."]


def test_an_orderly_interruption_is_no_death(tmp_path: Path) -> None:
    """A stream that is closed in mid-turn gives its lease back: however often, the step is tried again."""
    with opened(tmp_path, call("archival_memory_search", query="x"), say("Done."), say("Next.")) as agent:
        for _ in range(3):
            stream = agent.stream("Search.", event_id="e1")
            next(stream)
            stream.close()
        assert agent.step("Search.", event_id="e1").message == "Done."


def test_repair_ends_an_unfinished_turn_without_running_anything(tmp_path: Path) -> None:
    """No model, no tool; what was done stays, the next message is answered, and a second repair finds nothing."""
    home = tmp_path / "home"
    assert start(home, "tool", "Blow up.").returncode == 9
    settings = Settings.load(home=home)
    assert repair_agent("ann", settings) == ["ann"]
    assert repair_agent("ann", settings) == []
    assert (home / "deaths").read_text() == "x"
    with opened(home, say("Here I am.")) as agent:
        assert agent.step("Hello.").message == "Here I am."
        assert "Likes risk." in agent.core_memory["human"]


def test_repair_of_an_agent_that_is_not_there_says_so(tmp_path: Path) -> None:
    """Nothing is made."""
    with pytest.raises(AgentNotFound, match="'nobody'"):
        repair_agent("nobody", Settings.load(home=tmp_path))
