"""A LangChain document compressor as reranker, for recall memory and the archive, and through an agent."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from langchain_core.callbacks import Callbacks
from langchain_core.documents import BaseDocumentCompressor, Document

from memgpt_agent.agent import MemGPTAgent
from memgpt_agent.memory.archival import StoreArchive
from memgpt_agent.memory.recall import Message, RecallMemory
from memgpt_agent.store import FaissStore
from memgpt_agent.testing import HashingEmbedder, ScriptedModel, call, say


class Longest(BaseDocumentCompressor):
    """Puts the longest text first, and keeps at most so many."""

    keeps: int = 50

    def compress_documents(self, documents: Sequence[Document], query: str, callbacks: Callbacks = None) -> Sequence[Document]:
        """Return the documents, the longest first."""
        if query == "fail":
            raise RuntimeError("out of order")
        return sorted(documents, key=lambda one: -len(one.page_content))[: self.keeps]


TEXTS = ["a dog", "a dog and a cat", "a dog, a cat and a parrot", "a dog again"]


@pytest.fixture
def store(tmp_path: Path) -> Any:
    """An embedded store."""
    with FaissStore(tmp_path / "memory.db", index={"embed": HashingEmbedder(), "dims": 64, "fields": ["text"]}) as opened:
        yield opened


@pytest.mark.parametrize("keeps", [50, 2])
def test_the_reranker_orders_what_was_found_and_drops_nothing(store: Any, keeps: int) -> None:
    """What it leaves out comes behind, in the search's order; pages go on where the page before ended."""
    archive = StoreArchive(store, "ann", rerank=Longest(keeps=keeps))
    archive.insert_many(TEXTS)
    found = [passage.text for passage in archive.search("a dog", limit=4)]
    assert found[:2] == ["a dog, a cat and a parrot", "a dog and a cat"]
    assert sorted(found) == sorted(TEXTS)
    assert [p.text for page in (0, 1) for p in archive.search("a dog", limit=2, page=page)] == found
    assert archive.search("", limit=1) == StoreArchive(store, "ann").search("", limit=1)


def test_a_reranker_that_fails_leaves_the_order_of_the_search(store: Any, caplog: pytest.LogCaptureFixture) -> None:
    """And the log says so."""
    recall = RecallMemory(store, "ann", rerank=Longest())
    recall.add([Message(str(n), "user", text, f"2026-01-0{n + 1}T10:00:00.000000+00:00") for n, text in enumerate(TEXTS)])
    assert [m.text for m in recall.search("a dog", limit=1)] == ["a dog, a cat and a parrot"]
    assert recall.search("fail") == RecallMemory(store, "ann").search("fail")
    assert "Longest failed (RuntimeError: out of order)" in caplog.text


def test_an_agent_searches_with_the_reranker_that_it_was_given(store: Any) -> None:
    """Its tools show the reranker's order."""
    model = ScriptedModel([call("archival_memory_search", query="a dog"), say("Found.")])
    with MemGPTAgent(agent_id="ann", model=model, store=store, rerank=Longest()) as agent:
        StoreArchive(store, "ann").insert_many(TEXTS)
        agent.step("Which animals?")
    shown = str(model.calls[-1][-1].content)
    assert shown.index("a parrot") < shown.index("a dog and a cat") < shown.index("a dog again")
