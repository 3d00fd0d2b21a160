"""A deleted agent leaves no byte: not at once, not after a kill in the middle, and not in processes that have it open."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from memgpt_agent import MemGPTAgent, Settings, delete_agent, list_agents
from memgpt_agent.checkpoints import open_checkpointer
from memgpt_agent.documents import find_files
from memgpt_agent.errors import AgentNotFound, ConversationBusy
from memgpt_agent.memory import namespaces
from memgpt_agent.memory.opening import open_configured_store
from memgpt_agent.testing import HashingEmbedder, ScriptedModel, call, say

SECRET = "quagmirofex"
"""In the agent's name, its conversations' names, and all that it was told; as one word that no stemmer changes."""
GONE = f"agent.{SECRET}"
WORDS: dict[str, Any] = {"embedding": HashingEmbedder()}
"""What an agent is given in every test."""
PARTS = 5
"""How often the erasing of one agent tells what comes next."""


def lived(settings: Settings, tmp_path: Path) -> None:
    """Make two agents; the one to be erased has memory of every common kind and two conversations."""
    document = tmp_path / "outside" / "cv.txt"
    document.parent.mkdir(exist_ok=True)
    document.write_text(f"Employer: {SECRET} and sons.\n" * 40)
    with MemGPTAgent(agent_id="keep", model=ScriptedModel([say("Hello")]), **WORDS, settings=settings) as agent:
        agent.step("I like pears")
        agent.tools.archival_memory_insert("Pears ripen in September", tags=["fruit"])
    edit = call("core_memory_append", label="human", content=f"Works for {SECRET}.", request_heartbeat=True)
    script = [edit, say("Noted"), *[say(f"{SECRET} {n}") for n in range(8)]]
    with MemGPTAgent(agent_id=GONE, model=ScriptedModel(script), **WORDS, settings=settings, human=f"Of {SECRET}") as agent:
        agent.step(f"I work for {SECRET}")
        for n in range(6):
            agent.step(f"{SECRET} message {n}")
        agent.tools.archival_memory_insert(f"Paid by {SECRET}", tags=[SECRET])
        list(agent.memory.files.load(find_files(document)))
        assert SECRET in str(agent.tools.archival_memory_search(f"paid by {SECRET}"))
        agent.tools.core_memory_replace(label="human", old_content=f"Of {SECRET}", new_content=f"{SECRET} " * 40)
        agent.tools.core_memory_replace(label="human", old_content=f"{SECRET} " * 40, new_content="Rewritten")
    with MemGPTAgent(agent_id=GONE, thread_id=f"{SECRET}-2", model=ScriptedModel([say("Yes")]), **WORDS, settings=settings) as agent:
        agent.step(f"{SECRET} again")


def left(settings: Settings, secret: str = SECRET) -> dict[str, int]:
    """Return which files of the data folder hold the secret in content or name, and how often."""
    found = {path.name: path.read_bytes().lower().count(secret.encode()) for path in settings.home.rglob("*") if path.is_file()}
    assert not list(settings.home.rglob(f"*{secret}*"))
    return {name: count for name, count in found.items() if count}


def assert_keep_lives(settings: Settings) -> None:
    """The other agent has its memory, its conversation, and finds by words and meaning."""
    with MemGPTAgent(agent_id="keep", model=ScriptedModel([say("Pears.")]), **WORDS, settings=settings) as agent:
        assert [m.text for m in agent.messages()][:1] == ["I like pears"]
        assert "September" in str(agent.tools.archival_memory_search("when are pears ripe"))
        assert agent.step("What do I like?").message == "Pears."


def python(code: str, *args: str) -> "subprocess.Popen[str]":
    """A process that runs the code with these arguments."""
    return subprocess.Popen([sys.executable, "-c", code, *args], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_no_byte_of_a_deleted_agent_is_left(tmp_path: Path) -> None:
    """Neither what was deleted nor what was overwritten before, nor its name: in the files, their free pages, their logs."""
    settings, told = Settings(home=tmp_path / "home"), list[str]()
    lived(settings, tmp_path)
    assert left(settings)["memory.db"] > 100
    delete_agent(GONE, settings, tell=told.append)
    assert left(settings) == {}
    assert [agent["agent_id"] for agent in list_agents(settings)] == ["keep"]
    assert len(told) == PARTS
    assert told[0] == "Deleting its memory"
    assert told[-1].startswith("Rewriting the memory (")
    assert told[-1].endswith(" MB, about 1 s)")
    assert_keep_lives(settings)
    assert left(settings) == {}
    with pytest.raises(AgentNotFound):
        delete_agent(GONE, settings)


KILLED = """
import os, sys
from memgpt_agent import Settings, delete_agent
from pathlib import Path

def tell(part):
    global parts
    parts -= 1
    if not parts:
        os.kill(os.getpid(), 9)

parts = int(sys.argv[2])
delete_agent(sys.argv[3], Settings(home=Path(sys.argv[1])), tell=tell)
"""


@pytest.mark.parametrize("part", range(1, PARTS + 1))
@pytest.mark.parametrize("again", ["delete", "open"])
def test_what_a_kill_cut_off_is_finished_later(tmp_path: Path, part: int, again: str) -> None:
    """Killed before any part the agent is whole or gone; deleting it again, or opening another, leaves no byte."""
    settings = Settings(home=tmp_path / "home")
    lived(settings, tmp_path)
    killed = python(KILLED, str(settings.home), str(part), GONE)
    assert killed.wait(120) == -9
    killed.communicate()
    there = GONE in [agent["agent_id"] for agent in list_agents(settings)]
    assert there == (part == 1)
    assert left(settings)
    if there or again == "delete":
        if part < PARTS:
            delete_agent(GONE, settings)
        else:  # nothing but free pages knows its name any more
            with pytest.raises(AgentNotFound):
                delete_agent(GONE, settings)
    assert_keep_lives(settings)
    assert left(settings) == {}
    with open_configured_store(settings, searches=False) as store:
        assert not store.search(namespaces.ERASURES)


def test_an_agent_that_is_being_erased_is_not_begun_anew(tmp_path: Path) -> None:
    """It would find the old conversations; when the erasing is over it is a new agent."""
    settings = Settings(home=tmp_path / "home")
    lived(settings, tmp_path)
    with python(KILLED, str(settings.home), "2", GONE) as killed:
        assert killed.wait(120) == -9
    with (
        open_configured_store(settings, searches=False) as store,
        open_checkpointer(tmp_path / "other.db") as other,
        pytest.raises(ConversationBusy, match="is being erased"),
    ):
        MemGPTAgent(agent_id=GONE, model=ScriptedModel(), settings=settings, store=store, checkpointer=other)
    with MemGPTAgent(agent_id=GONE, model=ScriptedModel([say("Who are you?")]), **WORDS, settings=settings) as agent:
        assert agent.messages() == []
        assert agent.step("Hi").message == "Who are you?"


WATCHING = """
import sys
from pathlib import Path
from memgpt_agent import MemGPTAgent, Settings
from memgpt_agent.errors import AgentNotFound
from memgpt_agent.memory import namespaces
from memgpt_agent.memory.opening import open_configured_store
from memgpt_agent.testing import HashingEmbedder, ScriptedModel, say

settings, name = Settings(home=Path(sys.argv[1])), sys.argv[2]
opened = MemGPTAgent(agent_id=name, thread_id="third", model=ScriptedModel([say("Hi")] * 3), embedding=HashingEmbedder(), settings=settings)
with open_configured_store(settings, searches=False) as store, opened as agent:
    agent.step("warm " + sys.argv[3])
    assert sys.argv[3] in str(agent.tools.archival_memory_search("who pays")) + str(agent.tools.conversation_search("message 1"))
    seen, below = [], (namespaces.encode_label(name),)
    print("ready", flush=True)
    while not seen or seen[-1]:
        count = len(store.list_namespaces(prefix=below, limit=1000))
        if [count] != seen[-1:]:
            seen.append(count)
    sys.stdin.readline()
    try:
        agent.step("Still there?")
    except AgentNotFound:
        seen.append("not found")
    found = [agent.tools.archival_memory_search("who pays"), agent.tools.conversation_search("message 1")]
    found = str([*found, dict(agent.core_memory), agent.messages()])
    print(len(seen), seen[-1], found.count(sys.argv[3]), flush=True)
    sys.stdin.readline()
"""


def test_a_process_that_has_the_agent_open_sees_it_whole_or_not_at_all(tmp_path: Path) -> None:
    """Its searches, blocks and messages, which it had in memory, give nothing any more; a turn says that the agent is gone."""
    settings = Settings(home=tmp_path / "home")
    lived(settings, tmp_path)
    with python(WATCHING, str(settings.home), GONE, SECRET) as other:
        assert other.stdin
        assert other.stdout
        assert other.stdout.readline() == "ready\n"
        delete_agent(GONE, settings)
        assert left(settings) == {}
        print(file=other.stdin, flush=True)
        assert other.stdout.readline() == "3 not found 0\n", "all of its namespaces, none, and the refused turn"
        assert left(settings) == {}
        print(file=other.stdin, flush=True)
        assert other.wait(60) == 0
    assert left(settings) == {}


def test_a_conversation_of_two_agents_stays_when_one_is_deleted(tmp_path: Path) -> None:
    """It is the other one's too."""
    settings = Settings(home=tmp_path / "home")
    for name in ("ann", "bob"):
        with MemGPTAgent(agent_id=name, thread_id="both", model=ScriptedModel([say(f"I am {name}")]), **WORDS, settings=settings) as agent:
            agent.step("Hi")
    delete_agent("ann", settings)
    with MemGPTAgent(agent_id="bob", thread_id="both", model=ScriptedModel(), **WORDS, settings=settings) as agent:
        queue = agent.graph.get_state({"configurable": {"thread_id": "both"}}).values["messages"]
        assert "I am bob" in [message.text for message in queue]
