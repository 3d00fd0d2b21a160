"""Backups: as of one moment while others write, whole or not there, put back without losing what is there; upgrades; the full check."""

import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from memgpt_agent import MemGPTAgent, Settings
from memgpt_agent.backups import backup, check_home, restore, verify_backup
from memgpt_agent.checkpoints import open_checkpointer
from memgpt_agent.errors import ConfigurationError, NotAllowed, StoreCorrupt, StoreError
from memgpt_agent.leases import Leases
from memgpt_agent.store import FaissStore
from memgpt_agent.store.sqlite.schema import MIGRATIONS
from memgpt_agent.stored_agents import delete_agent
from memgpt_agent.testing import HashingEmbedder, ScriptedModel, say

COMPAT = Path(__file__).parent.parent / "compat"


def speak(home: Path, *said: str) -> list[str]:
    """Say something to the agent of a data folder; return all that it ever heard."""
    model = ScriptedModel([say("I see.")] * len(said))
    with MemGPTAgent(llm_client=model, agent_id="ann", settings=Settings(home=home), embedding=HashingEmbedder()) as agent:
        for words in said:
            agent.step(words)
        queue = agent.graph.get_state({"configurable": {"thread_id": "ann"}}).values.get("messages", [])
        return [str(message.content) for message in queue if message.type == "human"]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A data folder in which an agent was told something, with a key, a model, a history and snapshots."""
    place = tmp_path / "home"
    assert speak(place, "My dog is Rex.") == ["My dog is Rex."]
    for name, text in (("keys/openai", "sk-1"), ("models/a.gguf", "weights"), ("history", "typed"), ("memory.db.indexes/1-a/x", "derived")):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(text)
    return place


def rights(folder: Path) -> set[str]:
    """The rights of all that is in a folder."""
    return {oct(place.stat().st_mode & 0o777) for place in (folder, *folder.rglob("*"))}


def test_a_backup_brings_an_agent_back(home: Path, tmp_path: Path) -> None:
    """All but keys, models and derived files; only its owner may read it; what is left out is said; the home goes on."""
    made = backup(tmp_path / "b" / "today", Settings(home=home))
    assert [file.name for file in made.files] == ["memory.db", "checkpoints.db", "history"]
    assert [words.split(" (")[0] for words in made.left_out] == ["model files", "keys of providers"]
    assert rights(tmp_path / "b" / "today") <= {"0o700", "0o600"}
    assert speak(home, "It barks.")[-1] == "It barks."
    assert verify_backup(tmp_path / "b" / "today").files == made.files
    done = restore(tmp_path / "b" / "today", Settings(home=tmp_path / "new"))
    assert done.moved_to is None
    assert rights(tmp_path / "new") <= {"0o700", "0o600"}
    assert speak(tmp_path / "new", "And you?") == ["My dog is Rex.", "And you?"]


def test_a_restore_writes_over_nothing(home: Path, tmp_path: Path) -> None:
    """It wants to be told; then what was there is moved aside and kept, and keys and models stay in use."""
    settings = Settings(home=home)
    backup(tmp_path / "b", settings)
    speak(home, "It barks.")
    with pytest.raises(ConfigurationError, match=r"holds memory\.db and checkpoints\.db already"):
        restore(tmp_path / "b", settings)
    done = restore(tmp_path / "b", settings, replace=True)
    assert speak(home) == ["My dog is Rex."]
    assert (home / "keys" / "openai").read_text() == "sk-1"
    assert (home / "models" / "a.gguf").exists()
    assert done.moved_to is not None
    assert speak(done.moved_to) == ["My dog is Rex.", "It barks."]


WRITER = """
import itertools, sys
from memgpt_agent.checkpoints import open_checkpointer
from memgpt_agent.store import FaissStore
with FaissStore(sys.argv[1] + "/memory.db") as store, open_checkpointer(sys.argv[1] + "/checkpoints.db") as saver:
    config = {"configurable": {"thread_id": "t", "checkpoint_ns": "", "checkpoint_id": "1"}}
    for nth in itertools.count():
        store.put(("notes",), str(nth), {"nth": nth}, index=False)
        saver.put_writes(config, [("x", nth)], str(nth))
        if nth == 3: print("begun", flush=True)
"""


def test_a_restore_harms_neither_the_backup_nor_what_is_no_folder(home: Path, tmp_path: Path) -> None:
    """Not onto the backup, nor into it, also through a link; not onto a file. A link to the data folder stays one."""
    made = backup(tmp_path / "b", Settings(home=home)).folder
    (tmp_path / "link").symlink_to(made)
    (tmp_path / "file").write_text("mine")
    for place in (made, made / "in", tmp_path / "link", tmp_path / "file"):
        with pytest.raises(ConfigurationError, match="no folder" if place.name == "file" else "is the backup itself, or lies in it"):
            restore(made, Settings(home=place), replace=True)
    assert verify_backup(made).files
    assert (tmp_path / "file").read_text() == "mine"
    (tmp_path / "away").symlink_to(home)
    done = restore(made, Settings(home=tmp_path / "away"), replace=True)
    assert done.home == home
    assert (tmp_path / "away").is_symlink()
    assert speak(tmp_path / "away", "And you?") == ["My dog is Rex.", "And you?"]


TOO_LARGE = """
import resource, signal, sys
from pathlib import Path
from memgpt_agent import Settings
from memgpt_agent.backups import backup, restore
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
home, act = Path(sys.argv[1]), sys.argv[2]
if act == "restore":
    backup(home.parent / "whole", Settings(home=home))
resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, resource.RLIM_INFINITY))
try:
    if act == "backup":
        backup(home.parent / "made", Settings(home=home))
    else:
        restore(home.parent / "whole", Settings(home=home.parent / "made"))
except Exception as error:
    print(type(error).__name__, error)
"""


@pytest.mark.skipif(os.name != "posix", reason="limits as on Unix")
@pytest.mark.parametrize("act", ["backup", "restore"])
def test_a_destination_that_fails_in_the_middle_is_named_and_left_empty(home: Path, tmp_path: Path, act: str) -> None:
    """As where the disk fills up meanwhile: it is not taken for damage of what is copied."""
    done = subprocess.run([sys.executable, "-c", TOO_LARGE, str(home), act], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.startswith("StoreError "), done.stdout + done.stderr
    assert "cannot be written" in done.stdout
    assert not (tmp_path / "made").exists()
    assert [place.name for place in tmp_path.iterdir() if place.name.startswith(".")] == []


@pytest.mark.parametrize("name", ["n" * 300, "file/in"])
def test_a_destination_that_cannot_be_is_an_error_of_ours(home: Path, tmp_path: Path, name: str) -> None:
    """A name that is too long, a folder within a file."""
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot be written"):
        backup(tmp_path / name, Settings(home=home))


def test_both_databases_are_of_one_moment(tmp_path: Path) -> None:
    """While a process writes to one and then to the other, again and again, no backup has more than that one step between them."""
    (tmp_path / "home").mkdir()
    child = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path / "home")], stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == "begun\n"
        for n in range(5):
            made = backup(tmp_path / f"b{n}", Settings(home=tmp_path / "home"))
            rows = {file.name: file.rows for file in made.files}
            assert rows["memory.db"]["items"] - rows["checkpoints.db"]["writes"] in {0, 1}
            assert verify_backup(tmp_path / f"b{n}") == made
    finally:
        child.kill()
        child.communicate()


def test_it_waits_for_a_moment_without_a_turn_and_names_those_that_do_not_end(home: Path, tmp_path: Path) -> None:
    """A turn that ends in time is in it whole."""
    with FaissStore(home / "memory.db") as store, Leases(store).hold("ann", 5):
        assert backup(tmp_path / "b", Settings(home=home), turn_wait_seconds=0.2).unfinished == ("ann",)
    assert backup(tmp_path / "c", Settings(home=home)).unfinished == ()


@pytest.mark.parametrize("act", ["backup", "restore"])
def test_a_kill_leaves_a_backup_and_a_home_whole_or_not_there(home: Path, tmp_path: Path, act: str) -> None:
    """Whenever it comes; afterwards the same command works."""
    code = (
        "import sys, pathlib\nfrom memgpt_agent import Settings\nfrom memgpt_agent.backups import backup, restore\nprint('go', flush=True)\n"
        "here = pathlib.Path(sys.argv[1])\nwhile True:\n"
        "  if sys.argv[2] == 'backup': backup(here / 'b' / str(len(list((here / 'b').glob('[0-9]*')))), Settings(home=here / 'home'))\n"
        "  else: restore(here / 'b' / '0', Settings(home=here / 'home'), replace=True)\n"
    )
    (tmp_path / "b").mkdir()
    backup(tmp_path / "b" / "0", Settings(home=home))
    dice = random.Random(5)
    for _ in range(3):
        child = subprocess.Popen([sys.executable, "-c", code, str(tmp_path), act], stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        assert child.stdout.readline() == "go\n"
        time.sleep(dice.uniform(0.01, 0.3))
        child.send_signal(signal.SIGKILL)
        child.communicate()
        for made in (tmp_path / "b").glob("[0-9]*"):
            verify_backup(made)
        if not home.exists():  # killed between two renames: nothing is lost, and the same command makes it
            restore(tmp_path / "b" / "0", Settings(home=home))
        assert speak(home) == ["My dog is Rex."]


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lambda folder: (folder / "memory.db").write_bytes((folder / "memory.db").read_bytes()[:-1] + b"x"), "size or checksum differs"),
        (lambda folder: (folder / "checkpoints.db").unlink(), "cannot be read"),
        (lambda folder: (folder / "manifest.json").unlink(), "is no backup"),
        (lambda folder: (folder / "manifest.json").write_text('{"format": "memgpt-backup"}'), "is damaged"),
        (lambda folder: (folder / "manifest.json").write_text("[" * 100_000), "is damaged"),
        (lambda folder: edit(folder, "name", "../../evil"), "would lead out"),
        (lambda folder: edit(folder, "name", "/etc/passwd"), "would lead out"),
        (lambda folder: edit(folder, "rows", {"items": 10**6}), "rows are not those"),
        (lambda folder: exchange(folder),  # noqa: PLW0108 - defined below
         "size or checksum differs"),
    ],
)
def test_a_backup_that_is_not_whole_is_refused_and_changes_nothing(home: Path, tmp_path: Path, harm, words: str) -> None:
    """A byte, a file, the manifest, names that lead out, rows, a link in a file's place."""
    backup(tmp_path / "b", Settings(home=home))
    harm(tmp_path / "b")
    before = sorted((place.relative_to(home), place.stat().st_size) for place in home.rglob("*"))
    with pytest.raises(StoreCorrupt, match=words):
        restore(tmp_path / "b", Settings(home=home), replace=True)
    assert sorted((place.relative_to(home), place.stat().st_size) for place in home.rglob("*")) == before
    assert not list(tmp_path.glob(".home.restoring*"))


def edit(folder: Path, name: str, value: object) -> None:
    """Change the manifest's word on the first file."""
    read = json.loads((folder / "manifest.json").read_text())
    read["files"][0][name] = value
    (folder / "manifest.json").write_text(json.dumps(read))


def exchange(folder: Path) -> None:
    """Put a link in the place of a file, to the very same bytes."""
    (folder / "memory.db").rename(folder.parent / "elsewhere.db")
    (folder / "memory.db").symlink_to(folder.parent / "elsewhere.db")


def test_a_backup_says_what_it_cannot_do(home: Path, tmp_path: Path) -> None:
    """Over something, into the data folder, of a server, of a home that is not there, of a damaged file, for one owner of several."""
    settings = Settings(home=home)
    for place, words in ((tmp_path, "is there already"), (home / "b", "lies in the data folder")):
        with pytest.raises(ConfigurationError, match=words):
            backup(place, settings)
    with pytest.raises(ConfigurationError, match="pg_dump"):
        backup(tmp_path / "b", Settings(home=home, store="postgresql://localhost/x"))
    with pytest.raises(StoreError, match="nothing to back up"):
        backup(tmp_path / "b", Settings(home=tmp_path / "none"))
    with pytest.raises(NotAllowed, match="every owner's agents"):
        backup(tmp_path / "b", Settings(home=home, owner="ann"))
    spoil(home / "checkpoints.db")
    with pytest.raises(StoreCorrupt, match="doctor --deep"):
        backup(tmp_path / "b", settings)
    assert [place.name for place in tmp_path.iterdir()] == ["home"]


def spoil(path: Path) -> None:
    """Overwrite the middle of a database."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096 * 2)
        file.write(os.urandom(size - 4096 * 3))


def test_an_older_home_is_copied_before_it_is_upgraded(tmp_path: Path) -> None:
    """Both files, by whoever opens it first; one goes back to it as to any backup. A home of today is not copied."""
    home = tmp_path / "home"
    with FaissStore(home / "memory.db"), open_checkpointer(home / "checkpoints.db"):
        pass
    with closing(sqlite3.connect(home / "memory.db")) as connection:
        connection.execute("DROP TABLE pending")
        connection.execute("PRAGMA user_version = 5")
        connection.commit()
    assert speak(home, "Hello.") == ["Hello."]
    (copy,) = home.glob("before-upgrade-v5-*")
    assert [file.name for file in verify_backup(copy).files] == ["memory.db", "checkpoints.db"]
    assert speak(home) == ["Hello."]
    assert len(list(home.glob("before-upgrade-*"))) == 1
    with closing(sqlite3.connect(home / "memory.db")) as connection:
        assert connection.execute("PRAGMA user_version").fetchone()[0] == len(MIGRATIONS)
    restore(copy, Settings(home=home), replace=True)
    with closing(sqlite3.connect(f"file:{home / 'memory.db'}?mode=ro", uri=True)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone()[0] == 5


def test_what_is_erased_does_not_stay_in_the_copy_of_an_upgrade(home: Path) -> None:
    """It was made unasked, so it goes when an agent is deleted; a backup that a person made stays theirs."""
    shutil.copytree(home, home / "before-upgrade-v5-20260101-000000")
    delete_agent("ann", Settings(home=home))
    assert not list(home.glob("before-upgrade-*"))


def found(home: Path) -> str:
    """All that the full check says of a data folder."""
    return "\n".join(f"{problem.found} -> {problem.advice}" for problem in check_home(Settings(home=home)))


def change(place: Path, *statements: str) -> None:
    """Change a database behind everybody's back."""
    with closing(sqlite3.connect(place)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


def test_the_full_check_finds_each_kind_of_damage_and_says_what_to_do(home: Path, tmp_path: Path) -> None:
    """A home that is whole has none."""
    shutil.rmtree(home / "memory.db.indexes")
    subprocess.run(["chmod", "-R", "go-rwx", str(home)], check=True)
    assert found(home) == ""
    with FaissStore(home / "memory.db", index={"embed": HashingEmbedder(64)}) as store:
        store.put(("notes",), "a", {"text": "something to find"})
        store.put(("notes",), "b", {"text": "something else"})
    change(
        home / "memory.db",
        "DELETE FROM vector_rows WHERE id = (SELECT max(id) FROM vector_rows)",
        "UPDATE namespaces SET items = items + 1 WHERE path LIKE '%notes%'",
        "UPDATE items SET value = '{broken' WHERE key = 'a'",
        "INSERT INTO meta (key, value) SELECT 'snapshot:99', 'none' WHERE 0",
    )
    change(home / "checkpoints.db", "UPDATE checkpoints SET checkpoint = x'00'")
    (home / "postgres-extra.db").write_bytes(b"SQLite format 3\x00" + b"\x07" * 5_000)
    (home / "history").chmod(0o644)
    told = found(home)
    for words in (
        "neither a vector", "count their items wrongly", "items cannot be read, such as a", "the conversation 'ann' cannot be read",
        "postgres-extra.db is damaged", "others on this machine may read", "memgpt reindex", "memgpt restore", "chmod",
    ):  # fmt: skip
        assert words in told, f"{words} not in\n{told}"
