"""`memgpt reindex`."""

import json
from pathlib import Path
from typing import Any

import pytest
from langgraph.store.base import PutOp

from memgpt_agent.store import open_store
from memgpt_agent.testing import HashingEmbedder, say


def test_all_memories_are_embedded_anew(memgpt: Any) -> None:
    """By the embedding that is named; without a name by the one that the store has, and never by another unasked."""
    memgpt.home.mkdir(parents=True)
    with open_store(memgpt.home / "memory.db", index={"embed": HashingEmbedder(64), "fields": ["text"]}) as store:
        store.put(("a",), "k", {"text": "red apple"})
    memgpt.script(say("Hello."))
    refused = memgpt("reindex")
    assert refused.exit_code == 1
    assert "were embedded by memgpt_agent.testing.HashingEmbedder. Name the embedding to use: --embedding" in refused.stderr
    done = json.loads(memgpt.ok("reindex", "--embedding", "multilingual", "--json"))
    assert (done["embedding"], done["embedded"]) == ("universal-sentence-encoder-multilingual-3", 1)
    assert "0 memories embedded by universal-sentence-encoder-multilingual-3" in memgpt.ok("reindex")
    assert memgpt("run", "Hi").exit_code == 0


def test_without_a_store_there_is_nothing_to_do(memgpt: Any) -> None:
    """One red line, and no file is made."""
    result = memgpt("reindex")
    assert result.exit_code == 1
    assert "no store at" in result.stderr
    assert not Path(memgpt.home / "memory.db").exists()


class Pressed(HashingEmbedder):
    """An embedding during which somebody presses Ctrl-C, once, after so many batches."""

    name = "pressed"

    def __init__(self, dims: int, batches: int) -> None:
        super().__init__(dims)
        self.batches_left = batches

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return the vectors, unless Ctrl-C is pressed."""
        self.batches_left -= 1
        if self.batches_left == -1:
            raise KeyboardInterrupt
        return super().embed_documents(texts)


def test_an_interruption_says_how_to_go_on(memgpt: Any) -> None:
    """Exit code 130, how far it came, and that nothing has changed yet; the same command does the rest."""
    memgpt.home.mkdir(parents=True)
    index = {"embed": HashingEmbedder(64), "fields": ["text"]}
    with open_store(memgpt.home / "memory.db", index=index) as store:
        store.batch([PutOp(("a",), str(n), {"text": f"apple {n}"}) for n in range(600)])
    memgpt.embedding = Pressed(48, batches=1)
    result = memgpt("reindex")
    assert result.exit_code == 130
    said = " ".join(result.stderr.split())
    assert "Stopped at 256 of 600. The old index is in use; the same command goes on from here." in said
    with open_store(memgpt.home / "memory.db", index=index) as store:
        assert store.search(("a",), query="apple 7", limit=1)[0].key == "7"
    assert "344 memories embedded by pressed, which is in use now." in memgpt.ok("reindex")


def test_a_store_in_memory_has_nothing_to_embed_anew(memgpt: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends with its process."""
    monkeypatch.setenv("MEMGPT_STORE", "memory://")
    result = memgpt("reindex")
    assert result.exit_code == 1
    assert "is temporary" in result.stderr
