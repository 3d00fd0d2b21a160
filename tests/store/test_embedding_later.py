"""Vectors that follow the write: words find an item at once, meaning when its vector is there, and nothing is lost in between."""

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from langgraph.store.base import PutOp

from memgpt_agent.agent import MemGPTAgent
from memgpt_agent.store import FaissStore
from memgpt_agent.testing import HashingEmbedder, ScriptedModel, say

NS = ("ann", "notes")


class Held(HashingEmbedder):
    """An embedding of documents that waits until it is let go; it notes how many texts came at once."""

    name = "tests.Held"

    def __init__(self) -> None:
        super().__init__()
        self.go = threading.Event()
        self.asked = threading.Event()
        self.batches: list[int] = []

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return the vectors, once let go."""
        self.asked.set()
        assert self.go.wait(20)
        self.batches.append(len(texts))
        return super().embed_documents(texts)


def opened(folder: Path, embedding: Any) -> FaissStore:
    """The store of a file."""
    return FaissStore(folder / "memory.db", index={"embed": embedding, "dims": 64, "fields": ["text"]})


def found(store: FaissStore, query: str, mode: Any) -> list[str]:
    """The keys that a search finds."""
    return [item.key for item in store.find(NS, query, mode=mode)]


def test_words_find_it_at_once_and_meaning_when_the_vector_is_there(tmp_path: Path) -> None:
    """Written while the embedding is busy, read meanwhile, found by meaning after `finish_embedding`; all that waits is one batch."""
    embedding = Held()
    with opened(tmp_path, embedding) as store:
        store.put_then_embed([PutOp(NS, "a", {"text": "my dog is called Biscuit"})])
        assert embedding.asked.wait(20)
        for key in "bcd":
            store.put_then_embed([PutOp(NS, key, {"text": f"a cat named {key * 3}"})])
        assert found(store, "Biscuit", "words") == ["a"]
        assert found(store, "Biscuit", "meaning") == []
        assert store.pending() == 4
        assert not store.finish_embedding(timeout_seconds=0)
        embedding.go.set()
        assert store.finish_embedding()
        assert store.pending() == 0
        assert found(store, "my dog is called Biscuit", "meaning")[0] == "a"
        assert sorted(found(store, "named", "meaning")) == ["a", "b", "c", "d"]
    assert embedding.batches == [1, 3]


def test_what_was_changed_or_deleted_meanwhile_stays_so(tmp_path: Path) -> None:
    """The vector of an older text is never given to a newer one."""
    embedding = Held()
    with opened(tmp_path, embedding) as store:
        store.put_then_embed([PutOp(NS, "a", {"text": "old words"}), PutOp(NS, "b", {"text": "gone"})])
        assert embedding.asked.wait(20)
        store.put_then_embed([PutOp(NS, "a", {"text": "new words"}), PutOp(NS, "b", None)])
        embedding.go.set()
        assert store.finish_embedding()
        (item,) = store.find(NS, "new words", mode="meaning")
        assert (item.value["text"], store.pending()) == ("new words", 0)
        assert item.score is not None
        assert item.score > 0.99


def test_a_process_that_dies_before_the_vectors_leaves_them_to_the_next(tmp_path: Path) -> None:
    """The text is on disk; the next write of whoever opens the file has it embedded."""
    code = (
        "import os, sys, time\n"
        "from langgraph.store.base import PutOp\n"
        "from memgpt_agent.store import FaissStore\n"
        "from memgpt_agent.testing import HashingEmbedder\n"
        "class Dies(HashingEmbedder):\n"
        "    name = 'tests.Held'\n"
        "    def embed_documents(self, texts):\n"
        "        os._exit(9)\n"
        "store = FaissStore(sys.argv[1], index={'embed': Dies(), 'dims': 64, 'fields': ['text']})\n"
        "store.put_then_embed([PutOp(('ann', 'notes'), 'a', {'text': 'the dog Biscuit'})])\n"
        "time.sleep(20)\n"
    )
    path = str(tmp_path / "memory.db")
    done = subprocess.run([sys.executable, "-c", code, path], timeout=60, check=False, env=os.environ)
    assert done.returncode == 9
    embedding = Held()
    embedding.go.set()
    with opened(tmp_path, embedding) as store:
        assert (store.pending(), found(store, "Biscuit", "words")) == (1, ["a"])
        store.put_then_embed([PutOp(NS, "b", {"text": "another"})])
        assert store.finish_embedding()
        assert (store.pending(), found(store, "the dog Biscuit", "meaning")[0]) == (0, "a")


def test_a_turn_calls_the_model_before_the_vectors_are_there_and_ends_after_them(tmp_path: Path) -> None:
    """The user's message is being embedded while the model answers; when the turn is over, meaning finds it."""
    embedding = Held()

    def answer(_: Any) -> Any:
        embedding.go.set()
        return say("Noted.")

    with opened(tmp_path, embedding) as store, MemGPTAgent(agent_id="ann", model=ScriptedModel([answer]), store=store) as agent:
        assert agent.step("My dog is called Biscuit.").message == "Noted."
        assert store.pending() == 0
        assert sum(embedding.batches) >= 2
