"""An embedding that is down: what is written is found by words at once, and by meaning once the embedding is back."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from memgpt_agent.agent import MemGPTAgent
from memgpt_agent.errors import EmbeddingMismatch
from memgpt_agent.store import FaissStore
from memgpt_agent.store.embedding import CATCH_UP_DOCS
from memgpt_agent.testing import HashingEmbedder, ScriptedModel, say

NS = ("ann", "notes")


class Shaky(HashingEmbedder):
    """An embedding on a server that may be down."""

    name = "tests.Shaky"
    down = False
    asked = 0

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return the vectors, if the server is there."""
        self.asked += 1
        if self.down:
            raise ConnectionError("connection refused")
        return super().embed_documents(texts)

    def embed_query(self, text: str) -> list[float]:
        """Return one vector, if the server is there."""
        if self.down:
            raise ConnectionError("connection refused")
        return super().embed_query(text)


@pytest.fixture
def embedding() -> Shaky:
    """It is there at first."""
    return Shaky()


def opened(path: Path, embedding: Any) -> FaissStore:
    """The store of a file."""
    return FaissStore(path / "memory.db", index={"embed": embedding, "dims": 64, "fields": ["text"]})


@pytest.fixture
def store(tmp_path: Path, embedding: Shaky) -> Iterator[FaissStore]:
    """A store whose embedding may go down."""
    with opened(tmp_path, embedding) as store:
        yield store


def by_meaning(store: FaissStore, query: str) -> list[str]:
    """The keys that a search by meaning alone finds."""
    return [item.key for item in store.find(NS, query, mode="meaning")]


def test_what_is_written_meanwhile_is_found_by_words_and_later_by_meaning(
    store: FaissStore, embedding: Shaky, caplog: pytest.LogCaptureFixture
) -> None:
    """Put, batch and put_if, in both faces; the outage is said once. The next write that succeeds embeds what waits."""
    store.put(NS, "before", {"text": "the harbour at dawn"})
    embedding.down = True
    store.put(NS, "a", {"text": "my dog is called Biscuit"})
    assert store.put_if(NS, "b", {"text": "a cat named Pixel"}, expected=None)
    asyncio.run(store.aput(NS, "c", {"text": "a parrot named Captain"}))
    assert store.pending() == 3
    assert [item.key for item in store.find(NS, "Biscuit")] == ["a"]
    assert {item.key for item in store.search(NS, query="parrot")} == {"before", "a", "b", "c"}  # unranked, as without an index
    assert caplog.text.count("searched by words; what is written is embedded later") == 1
    embedding.down = False
    store.put(NS, "after", {"text": "the harbour at night"})
    assert store.pending() == 0
    assert by_meaning(store, "my dog is called Biscuit")[0] == "a"
    assert set(by_meaning(store, "named")) == {"before", "a", "b", "c", "after"}
    kept = store.get(NS, "a")
    assert kept is not None
    assert kept.value == {"text": "my dog is called Biscuit"}


def test_an_index_in_memory_and_another_process_learn_of_the_late_vectors(
    store: FaissStore, embedding: Shaky, tmp_path: Path
) -> None:
    """Both have searched the namespace before."""
    store.put(NS, "before", {"text": "the harbour at dawn"})
    with opened(tmp_path, HashingEmbedderOf()) as other:
        assert by_meaning(other, "harbour") == by_meaning(store, "harbour") == ["before"]
        embedding.down = True
        store.put(NS, "a", {"text": "Biscuit is a dog"})
        embedding.down = False
        store.put(NS, "z", {"text": "unrelated"})
        assert by_meaning(other, "Biscuit is a dog")[0] == by_meaning(store, "Biscuit is a dog")[0] == "a"


class HashingEmbedderOf(Shaky):
    """The same embedding in another process."""


def test_what_waits_survives_a_restart_and_is_caught_up_in_portions(tmp_path: Path, embedding: Shaky) -> None:
    """So that no write takes long after a long outage; what was deleted or written anew meanwhile does not wait any more."""
    embedding.down = True
    with opened(tmp_path, embedding) as store:
        for nth in range(CATCH_UP_DOCS + 10):
            store.put(NS, str(nth), {"text": f"note number {nth}"})
        store.delete(NS, "0")
        store.put(NS, "1", {"text": "another text"})
        assert store.pending() == CATCH_UP_DOCS + 9
    embedding.down = False
    with opened(tmp_path, embedding) as store:
        waiting = [store.pending()]
        for nth in range(3):
            store.put(NS, f"new {nth}", {"text": "new"})
            waiting.append(store.pending())
        assert waiting == [CATCH_UP_DOCS + 9, 9, 0, 0]
        asked = embedding.asked
        store.put(NS, "last", {"text": "last"})
        assert embedding.asked == asked + 1


def test_reindexing_embeds_all_that_waits(store: FaissStore, embedding: Shaky) -> None:
    """At once."""
    embedding.down = True
    store.put(NS, "a", {"text": "my dog is called Biscuit"})
    embedding.down = False
    store.reindex()
    assert store.pending() == 0
    assert by_meaning(store, "Biscuit") == ["a"]


def test_a_wrong_dimension_is_no_outage(tmp_path: Path) -> None:
    """It is a mistake in the configuration, and is raised."""
    with (
        FaissStore(tmp_path / "memory.db", index={"embed": HashingEmbedder(), "dims": 32}) as store,
        pytest.raises(EmbeddingMismatch),
    ):
        store.put(NS, "a", {"text": "x"})


def test_a_store_without_an_embedding_waits_for_nothing(tmp_path: Path) -> None:
    """It searches by words for good."""
    with FaissStore(tmp_path / "memory.db") as store:
        store.put(NS, "a", {"text": "x"})
        assert store.pending() == 0


def test_turns_go_on_while_the_embedding_is_down(store: FaissStore, embedding: Shaky) -> None:
    """Said, answered, remembered and found."""
    model = ScriptedModel([say("One."), say("Two."), say("Three.")])
    with MemGPTAgent(agent_id="ann", model=model, store=store) as agent:
        agent.step("First.")
        embedding.down = True
        assert agent.step("My dog is called Biscuit \ud83d\u0000.").message == "Two."
        assert "Biscuit" in agent.tools.conversation_search("dog Biscuit")
        assert store.pending() > 0
        embedding.down = False
        assert agent.step("Still there?").message == "Three."
    assert store.pending() == 0
