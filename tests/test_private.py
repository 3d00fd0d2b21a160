"""What is kept is its owner's alone: folder, databases, logs, snapshots, exports; and nothing is traced against the owner's word."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from langgraph.store.memory import InMemoryStore

from memgpt_agent.agent import MemGPTAgent
from memgpt_agent.agent_file import export_agent
from memgpt_agent.backups import backup
from memgpt_agent.cli.terminal import Terminal, clean
from memgpt_agent.config import Settings
from memgpt_agent.errors import StoreCorrupt
from memgpt_agent.memory.opening import open_configured_store
from memgpt_agent.private import tighten
from memgpt_agent.store import FaissStore
from memgpt_agent.store.index.index_cache import DEFAULT_SIZES
from memgpt_agent.stored_agents import list_agents
from memgpt_agent.testing import HashingEmbedder, ScriptedModel, say

posix = pytest.mark.skipif(os.name != "posix", reason="rights as on Unix")


def agent_in(home: Path, *script: str) -> MemGPTAgent:
    """An agent of this data folder."""
    model = ScriptedModel([say(text) for text in script])
    return MemGPTAgent(agent_id="ann", model=model, embedding=HashingEmbedder(), settings=Settings.load(home=home))


def open_to_others(folder: Path) -> list[str]:
    """What in a folder, itself included, anybody else has a right to."""
    return [str(p.relative_to(folder)) for p in (folder, *sorted(folder.rglob("*"))) if p.stat().st_mode & 0o077]


@posix
def test_a_new_home_is_its_owners_alone_while_it_is_open_and_after(tmp_path: Path) -> None:
    """Whatever the shell's umask: the databases with their logs, and an export."""
    home, before = tmp_path / "home", os.umask(0)
    try:
        with agent_in(home, "Hi.") as agent:
            agent.step("Hello.")
            assert {p.name for p in home.iterdir()} >= {"memory.db", "memory.db-wal", "memory.db-shm", "checkpoints.db"}
            assert open_to_others(home) == []
            export_agent("ann", home / "ann.json", settings=Settings.load(home=home), store=agent.memory.store)
    finally:
        os.umask(before)
    assert open_to_others(home) == []


@posix
def test_a_home_of_before_becomes_private_when_it_is_opened(tmp_path: Path) -> None:
    """Its files too; what else lies in the folder is not touched."""
    home = tmp_path / "home"
    with agent_in(home, "Hi.") as agent:
        agent.step("Hello.")
    (home / "mine.txt").write_text("unrelated")
    for path in (home, *home.iterdir()):
        path.chmod(0o755 if path.is_dir() else 0o644)
    with agent_in(home):
        assert open_to_others(home) == ["mine.txt"]


@posix
def test_a_command_that_only_looks_makes_all_of_it_private(tmp_path: Path) -> None:
    """Also the files that it does not open: conversations, keys, the history of the prompt."""
    home = tmp_path / "home"
    with agent_in(home, "Hi.") as agent:
        agent.step("Hello.")
    (home / "keys").mkdir()
    for name in ("keys/anthropic", "history", "mine.txt"):
        (home / name).write_text("text")
    for path in (home, *home.rglob("*")):
        path.chmod(0o777)
    assert [found["agent_id"] for found in list_agents(Settings(home=home))] != []
    assert open_to_others(home) == ["mine.txt"]


@posix
def test_a_folder_that_is_not_a_home_keeps_its_rights(tmp_path: Path) -> None:
    """A store beside other files, a folder for many such as /tmp, a new folder that somebody prepared."""
    shared = tmp_path / "project"
    shared.mkdir(mode=0o755)
    with FaissStore(shared / "memory.db"):
        assert open_to_others(shared) == ["."]
    sticky = tmp_path / "many"
    sticky.mkdir()
    sticky.chmod(0o1777)
    tighten(sticky)
    assert sticky.stat().st_mode & 0o7777 == 0o1777


@posix
def test_snapshots_of_indexes_are_private(tmp_path: Path) -> None:
    """The vectors tell what was said."""
    sizes, index = replace(DEFAULT_SIZES, snapshot_docs=2), {"embed": HashingEmbedder(), "dims": 64, "fields": ["text"]}
    before = os.umask(0)
    try:
        with FaissStore(tmp_path / "own" / "memory.db", index=index, sizes=sizes) as store:
            for nth in range(8):
                store.put(("notes",), str(nth), {"text": f"note {nth}"})
            store.find(("notes",), "note 3")
    finally:
        os.umask(before)
    assert len(list((tmp_path / "own").rglob("*"))) > 2
    assert open_to_others(tmp_path / "own") == []


@pytest.mark.parametrize(
    ("left", "whole", "words"),
    [
        (b"", ["checkpoints.db"], r"memory\.db is empty \(0 bytes\).*checkpoints\.db: the memory was lost.*restore.*--home"),
        (None, ["checkpoints.db"], r"memory\.db is not there.*checkpoints\.db: the memory was lost.*restore.*--home"),
        (None, ["memory.db-wal"], r"memory\.db is not there.*memory\.db-wal: the memory was lost"),
        (b"not a database at all", ["checkpoints.db"], r"memory\.db is not a SQLite database.*restore the file from a backup"),
        (b"SQLite format 3\0" + bytes(9), ["checkpoints.db"], r"memory\.db is not a SQLite database.*restore the file from a backup"),
    ],
)
def test_a_memory_that_was_lost_is_not_made_anew(tmp_path: Path, left: bytes | None, whole: list[str], words: str) -> None:
    """Gone, emptied or another file, beside what belongs to it: Python and the command line say so, and nothing is written."""
    home = tmp_path / "home"
    with agent_in(home, "Hi.") as agent:
        agent.step("Hello.")
    for path in home.iterdir():
        if path.name not in whole:
            path.unlink()
    for name in whole:
        (home / name).write_bytes((home / name).read_bytes() if (home / name).exists() else b"a page that never came into the file")
    if left is not None:
        (home / "memory.db").write_bytes(left)
    before = {path.name: path.read_bytes() for path in home.iterdir()}
    for act in (lambda: agent_in(home), lambda: list_agents(Settings.load(home=home)), lambda: Terminal(home=home).agents()):
        with pytest.raises(StoreCorrupt, match=words):
            act()
    with pytest.raises(StoreCorrupt, match=r"memory\.db"):
        backup(tmp_path / "copy", Settings.load(home=home))
    assert {path.name: path.read_bytes() for path in home.iterdir()} == before
    assert not (tmp_path / "copy").exists()


def test_what_is_no_file_is_no_memory(tmp_path: Path) -> None:
    """A folder or a pipe in its place is named, and nobody waits for what a pipe may bring."""
    for make in (Path.mkdir, os.mkfifo):
        home = tmp_path / make.__name__
        home.mkdir()
        make(home / "memory.db")
        with pytest.raises(StoreCorrupt, match=r"memory\.db is no file.*Nothing was changed"):
            agent_in(home)


def test_what_was_not_lost_is_a_beginning_or_goes_on(tmp_path: Path) -> None:
    """An empty file alone is a new home; agents whose conversations' file is gone still remember every message."""
    fresh, home = tmp_path / "fresh", tmp_path / "home"
    fresh.mkdir()
    (fresh / "memory.db").touch()
    open_configured_store(Settings.load(home=fresh), searches=False).close()
    with agent_in(home, "Hi.") as agent:
        agent.step("My boat is called Petrel.")
    for path in home.glob("checkpoints.db*"):
        path.unlink()
    with agent_in(home, "Yes.") as agent:
        assert agent.memory.recall.search("Petrel")
        assert agent.step("Are you there?").message == "Yes."


ALONE = "open_configured_store(Settings.load(), searches=False).close()"
BESIDE_ONE_THAT_TRACES = (
    "embedding = HashingEmbedder()\nwith shared_store(Settings(home=Settings.load().home), embedding) as first:\n"
    "    assert is_traced()\n    with shared_store(Settings.load(), embedding) as second: assert second is first"
)


@pytest.mark.parametrize(("said", "traced"), [("", "True"), ("off", "False")])
@pytest.mark.parametrize("opened", [ALONE, BESIDE_ONE_THAT_TRACES])
def test_tracing_can_be_stopped_for_memgpt(tmp_path: Path, opened: str, said: str, traced: str) -> None:
    """LangChain's own variable sends conversations away; ours stops it, in whatever order they are read, also in a store that is open."""
    source = (
        "from memgpt_agent.config import Settings\nfrom memgpt_agent.memory.opening import open_configured_store, shared_store\n"
        f"from memgpt_agent.private import is_traced\nfrom memgpt_agent.testing import HashingEmbedder\n{opened}\nprint(is_traced())"
    )
    environment = {**os.environ, "LANGSMITH_TRACING": "true", "MEMGPT_HOME": str(tmp_path), "MEMGPT_TRACING": said}
    done = subprocess.run([sys.executable, "-c", source], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == traced


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\u200bb", "a<U+200B>b"),
        ("pay\u202egnp.exe", "pay<U+202E>gnp.exe"),
        ("hi\U000e0049\U000e0067", "hi<U+E0049><U+E0067>"),
        ("\ufeffstart", "<U+FEFF>start"),
        ("ab\u200dcd", "ab<U+200D>cd"),
        ("\U0001f469\u200d\U0001f680", "\U0001f469\u200d\U0001f680"),
        ("\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"),
        ("tab\tand\nline", "tab\tand\nline"),
        ("\u2764\ufe0f \u00e9\u0301", "\u2764\ufe0f \u00e9\u0301"),
    ],
)
def test_what_cannot_be_seen_is_shown_by_its_number(text: str, shown: str) -> None:
    """Instructions in tags, widths of zero, directions turned round. Joiners in emoji and Persian stay."""
    assert clean(text) == shown


def test_conversations_of_a_store_of_ones_own_are_no_remains_of_a_lost_memory(tmp_path: Path) -> None:
    """The folder opens with a memory of its own afterwards; where a memory was lost, another store does not hide it."""
    settings = Settings.load(home=tmp_path / "home")
    with MemGPTAgent(model=ScriptedModel(["Hello."]), store=InMemoryStore(), settings=settings, agent_id="a") as agent:
        agent.step("Hi")
    with MemGPTAgent(model=ScriptedModel(["Hello."]), settings=settings, agent_id="b", embedding=HashingEmbedder()) as agent:
        agent.step("Hi")
    other = Settings.load(home=tmp_path / "other")
    with MemGPTAgent(model=ScriptedModel(["Hello."]), settings=other, agent_id="b", embedding=HashingEmbedder()) as agent:
        agent.step("Hi")
    (other.home / "memory.db").unlink()
    with MemGPTAgent(model=ScriptedModel(["Hello."]), store=InMemoryStore(), settings=other, agent_id="c") as agent:
        agent.step("Hi")
    with pytest.raises(StoreCorrupt, match="the memory was lost"):
        MemGPTAgent(model=ScriptedModel(["Hello."]), settings=other, agent_id="b", embedding=HashingEmbedder())
