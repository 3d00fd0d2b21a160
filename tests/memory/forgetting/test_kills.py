"""Forgetting survives a kill at each part, fences turns of other processes, and holds in processes that have the agent open."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from memgpt_agent import MemGPTAgent, Settings
from memgpt_agent.errors import ConversationBusy
from memgpt_agent.leases import Leases
from memgpt_agent.memory import namespaces
from memgpt_agent.testing import HashingEmbedder, ScriptedModel, call, say
from tests.memory.forgetting.conftest import Left, Opened

PLACE = "Thistlebury"
PARTS = 4
"""How often one act of forgetting tells what comes next."""

KILLED = """
import os, sys
from pathlib import Path
from memgpt_agent import MemGPTAgent, Settings
from memgpt_agent.testing import HashingEmbedder, ScriptedModel

def tell(part):
    global parts
    parts -= 1
    if not parts:
        os.kill(os.getpid(), 9)

parts = int(sys.argv[2])
with MemGPTAgent(agent_id="ann", model=ScriptedModel(), embedding=HashingEmbedder(), settings=Settings(home=Path(sys.argv[1]))) as agent:
    agent.forget(sys.argv[3]).erase(tell=tell)
"""


def python(code: str, *args: str) -> "subprocess.Popen[str]":
    """A process that runs the code with these arguments."""
    return subprocess.Popen([sys.executable, "-c", code, *args], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@pytest.fixture
def lived(opened: Opened) -> None:
    """An agent that was told where somebody lives."""
    edit = call("core_memory_append", label="human", content=f"In {PLACE}.\nLikes pears.", request_heartbeat=True)
    with opened([edit, say("Noted."), say("Fine.")]) as agent:
        agent.step(f"I live in {PLACE}")
        agent.step("I like pears")
        agent.tools.archival_memory_insert(f"The address is in {PLACE}")


@pytest.mark.usefixtures("lived")
@pytest.mark.parametrize("part", range(1, PARTS + 1))
def test_what_a_kill_cut_off_is_finished_when_the_agent_is_opened(part: int, settings: Settings, opened: Opened, left: Left) -> None:
    """From the first part on the act is noted; whoever opens an agent next carries it out to the end, another agent's too."""
    killed = python(KILLED, str(settings.home), str(part), PLACE)
    assert killed.wait(120) == -9
    killed.communicate()
    assert left(PLACE)
    with opened([say("Hello.")], agent_id="ann" if part % 2 else "bob") as agent:
        assert left(PLACE) == {}
        assert agent.step("Hi").message == "Hello."
        assert not agent.memory.store.search(namespaces.ERASURES)
    with opened([say("Pears.")]) as agent:
        assert agent.core_memory["human"] == "Likes pears."
        assert agent.step("What do I like?").message == "Pears."
        log = [i.value for i in agent.memory.store.search(("ann", "forgotten"), limit=20) if i.key.startswith("log-")]
        assert [one["erased"] for one in log] == [{"message": 2, "passage": 1, "line": 1}]
    assert left(PLACE) == {}


@pytest.mark.usefixtures("lived")
def test_it_waits_for_a_turn_and_gives_up_without_a_change(settings: Settings, opened: Opened) -> None:
    """A turn that is being taken is not torn: after the time to wait nothing was erased."""
    short = settings.model_copy(update={"turn_wait_seconds": 0.2})
    with opened() as agent:
        agent._settings = short
        with Leases(agent.memory.store).hold("ann", 1), pytest.raises(ConversationBusy):
            agent.forget(PLACE).erase()
        assert PLACE in agent.core_memory["human"]
        assert not agent.memory.store.search(namespaces.ERASURES)


OPEN = """
import sys
from pathlib import Path
from memgpt_agent import MemGPTAgent, Settings
from memgpt_agent.testing import HashingEmbedder, ScriptedModel, say

model = ScriptedModel([say("Yes.")] * 9)
with MemGPTAgent(agent_id="ann", model=model, embedding=HashingEmbedder(), settings=Settings(home=Path(sys.argv[1]))) as agent:
    agent.step("warm")
    assert sys.argv[2] in str(model.calls[-1])
    print("ready", flush=True)
    sys.stdin.readline()
    agent.step("and now")
    found = [model.calls[-1], agent.tools.archival_memory_search("address"), agent.tools.conversation_search("live"), dict(agent.core_memory)]
    print(str(found).count(sys.argv[2]), len(agent.messages()), flush=True)
"""


@pytest.mark.usefixtures("lived")
def test_a_process_that_has_the_agent_open_no_longer_has_it(settings: Settings, opened: Opened, left: Left) -> None:
    """Its next turn, its searches and its blocks know nothing of it, and it writes nothing of it back."""
    with python(OPEN, str(settings.home), PLACE) as other:
        assert other.stdin
        assert other.stdout
        assert other.stdout.readline() == "ready\n"
        with opened() as agent:
            agent.forget(PLACE).erase()
        assert left(PLACE) == {}
        print(file=other.stdin, flush=True)
        assert other.stdout.readline() == "0 7\n"
        assert other.wait(60) == 0
    assert left(PLACE) == {}


def test_a_moved_folder_is_finished_too(settings: Settings, opened: Opened, tmp_path: Path) -> None:
    """The note speaks of the folder's own checkpoints, wherever it lies."""
    with opened([say("Yes.")]) as agent:
        agent.step(f"In {PLACE}")
    python(KILLED, str(settings.home), "1", PLACE).communicate()
    moved = settings.model_copy(update={"home": tmp_path / "moved"})
    shutil.move(settings.home, moved.home)
    with MemGPTAgent(agent_id="ann", model=ScriptedModel(), embedding=HashingEmbedder(), settings=moved) as agent:
        assert [m.text for m in agent.messages()] == ["Yes."]
    assert not any(PLACE.encode() in path.read_bytes() for path in moved.home.rglob("*") if path.is_file())


def test_random_kills_leave_nothing_half_forgotten() -> None:
    """``python -m benchmarks.faults_agent --forgetting`` in short."""
    from benchmarks.faults_agent.__main__ import run_forgetting

    found = run_forgetting(3, seed=5, words=3)
    assert sum(found) >= 3
