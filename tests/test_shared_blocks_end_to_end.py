"""A block that several agents share, end to end: real graph, store and checkpoints, turns at the same time, a restart between."""

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, ToolMessage

from memgpt_agent import MemGPTAgent
from memgpt_agent.agent_file import export_agent, import_agents
from memgpt_agent.config import Settings
from memgpt_agent.memory.core import Block, CoreMemory
from memgpt_agent.memory.core.shared_blocks import SharedBlocks
from memgpt_agent.store import FaissStore
from memgpt_agent.testing import HashingEmbedder, ScriptedModel, call, say
from tests.seen import memory_shown, notes_of

EDITS = 5
APPENDING = """
import sys
from memgpt_agent.memory.core import CoreMemory
from memgpt_agent.store import FaissStore
with FaissStore(sys.argv[1]) as store:
    core = CoreMemory(store, sys.argv[2])
    for number in range(int(sys.argv[3])):
        core.append("team", f"{sys.argv[2]} {number}")
        print(number, flush=True)
"""
"""A process that adds lines to a block, and says so of each when it is done."""


def agent(home: Path, name: str, script: list[Any], sleeping: list[Any] | None = None, **choices: Any) -> MemGPTAgent:
    """An agent with files of its own, open at the same time as the others."""
    return MemGPTAgent(
        llm_client=ScriptedModel(script), sleep_model=ScriptedModel(sleeping or []), agent_id=name,
        embedding=HashingEmbedder(), settings=Settings(home=home), **choices,
    )  # fmt: skip


def edits(name: str, start: Barrier) -> list[Any]:
    """A turn of several steps, each of which adds a line; it begins when the other agent's begins."""

    def first(_: list[BaseMessage]) -> AIMessage:
        start.wait(10)
        return call("core_memory_append", label="team", content=f"{name} 0", request_heartbeat=True)

    rest = [
        call("core_memory_append", label="team", content=f"{name} {n}", request_heartbeat=True) for n in range(1, EDITS)
    ]
    return [first, *rest, say("Noted.")]


def test_two_agents_edit_one_block_at_once_a_third_reads_it_and_one_of_them_rethinks_it_asleep(tmp_path: Path) -> None:
    """No line is lost, each has its agent in the history, and all of it is there after a restart, in every model's context."""
    start = Barrier(2)
    team = Block("team", "Plan:", "What the crew works on.")
    with (
        agent(tmp_path, "ann", edits("ann", start), blocks=[team]) as ann,
        agent(tmp_path, "ben", edits("ben", start)) as ben,
    ):
        ben.core_memory.attach(ann.core_memory.share("team", "crew"))
        with ThreadPoolExecutor(2) as pool:
            replies = list(pool.map(lambda one: one.step("Note what you do."), (ann, ben)))
        assert [reply.message for reply in replies] == ["Noted.", "Noted."]
        text = ann.core_memory["team"]
        assert ben.core_memory["team"] == text
        lines = text.split("\n")
        assert lines[0] == "Plan:"
        assert sorted(lines[1:]) == sorted(f"{name} {n}" for name in ("ann", "ben") for n in range(EDITS))
        for name in ("ann", "ben"):
            assert [line for line in lines if line.startswith(name)] == [f"{name} {n}" for n in range(EDITS)]

    told: list[str] = []

    def after_refusal(messages: list[BaseMessage]) -> AIMessage:
        told.extend(m.text for m in messages if isinstance(m, ToolMessage))
        return say("I can only read it.")

    try_it = call("core_memory_append", label="work", content="cat was here", request_heartbeat=True)
    with agent(tmp_path, "cat", [try_it, after_refusal]) as cat:
        cat.core_memory.attach("crew", "work", read_only=True)
        assert cat.step("Add yourself.").message == "I can only read it."
        assert "read-only" in told[0]
        assert "ben 4" in memory_shown(cat._model.calls[0])  # type: ignore[union-attr]
        assert cat.core_memory["work"] == text

    asleep = [
        call("memory_rethink", label="team", new_memory="Plan: done.", request_heartbeat=True),
        call("memory_finish_edits"),
    ]
    with agent(tmp_path, "ann", [say("Good night.")], asleep) as ann:
        ann.step("Good night.")
        assert "ben 4" in memory_shown(ann._model.calls[0])  # type: ignore[union-attr]
        ann.sleep()
        newest = ann.core_memory.log("team")[0]
        assert (newest.actor, newest.agent, newest.value) == ("sleeptime", "ann", "Plan: done.")
    with agent(tmp_path, "ben", [say("All done.")]) as ben, agent(tmp_path, "cat", []) as cat:
        ben.step("What is left?")
        newest = notes_of(ben._model.calls[0])[-1]  # type: ignore[union-attr]
        assert "Plan: done." in newest
        assert "ben 4" not in newest
        log = ben.core_memory.log("team", limit=100)
        assert [v.version for v in log] == list(range(2 * EDITS + 2, 0, -1))
        assert [v.agent for v in log].count("ben") == EDITS
        ben.core_memory.undo("team")
        assert cat.core_memory["work"] == text
        assert [a.agent_id for a in SharedBlocks(ben.memory.store).get("crew").attached] == ["ann", "ben", "cat"]


def test_an_agent_with_a_shared_block_can_be_exported_and_imported(tmp_path: Path) -> None:
    """The copy works, has its own blocks, and does not write into the shared one; with its text kept as a copy it has that too."""
    with agent(tmp_path, "ann", [say("Hello.")], blocks=[Block("team", "Plan.")]) as ann:
        ann.core_memory.share("team", "crew")
        ann.step("Hello")
    settings, file = Settings(home=tmp_path), tmp_path / "ann.json"
    with agent(tmp_path, "ben", []) as ben:
        export_agent("ann", file, settings=settings, store=ben.memory.store)
        import_agents(file, agent_id="eve", settings=settings, store=ben.memory.store)
    with agent(tmp_path, "eve", [say("Hello, I am Eve.")]) as eve:
        assert eve.step("Hello").message == "Hello, I am Eve."
        assert "human" in eve.core_memory
        eve.core_memory.rethink("team", "Eve's own.")
    with agent(tmp_path, "ann", []) as ann:
        assert ann.core_memory["team"] == "Plan."
        ann.core_memory.detach("team", keep_copy=True)
        export_agent("ann", file, settings=settings, store=ann.memory.store)
        import_agents(file, agent_id="fay", settings=settings, store=ann.memory.store)
    with agent(tmp_path, "fay", []) as fay:
        assert fay.core_memory["team"] == "Plan."


def test_of_two_processes_that_edit_one_block_one_is_killed(tmp_path: Path) -> None:
    """Every line that was acknowledged is there once, in order; the history has no gap and ends with the text."""
    path = tmp_path / "memory.db"
    with FaissStore(path) as store:
        ann, ben = CoreMemory(store, "ann"), CoreMemory(store, "ben")
        ann.create([Block("team", limit_chars=100_000)])
        ben.attach(ann.share("team"))

    def begin(name: str, lines: int) -> "subprocess.Popen[str]":
        command = [sys.executable, "-c", APPENDING, str(path), name, str(lines)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    with begin("ann", 10_000) as killed, begin("ben", 40) as living:
        assert killed.stdout is not None
        assert living.stdout is not None
        assert living.stdout.readline() == "0\n"
        time.sleep(0.1)
        killed.kill()
        acknowledged = [int(line) for line in killed.stdout if line.endswith("\n")]
        assert living.wait(60) == 0
    with FaissStore(path) as store:
        core = CoreMemory(store, "ben")
        lines = core["team"].strip().split("\n")
        assert [line for line in lines if line.startswith("ben")] == [f"ben {n}" for n in range(40)]
        anns = [line for line in lines if line.startswith("ann")]
        assert anns == [f"ann {n}" for n in range(len(anns))]
        assert len(anns) in (len(acknowledged), len(acknowledged) + 1)
        log = core.log("team", limit=20_000)
        assert [v.version for v in log] == list(range(len(lines) + 1, 0, -1))
        assert log[0].value == core["team"]
