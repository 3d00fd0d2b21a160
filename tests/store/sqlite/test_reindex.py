"""Embedding a store anew: complete, resumable, and unnoticed until it is done."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from memgpt_agent.errors import ConfigurationError, EmbeddingMismatch, StoreError
from memgpt_agent.store import FaissStore, open_store
from memgpt_agent.store.protocol import Progress
from memgpt_agent.store.sqlite.reindex import DOCS_AT_ONCE
from memgpt_agent.testing import HashingEmbedder

NS = ("agent", "recall")
OLD, NEW = 160, 128
ITEMS = 3 * DOCS_AT_ONCE


def reindex_file(path: Path, embedding: HashingEmbedder, progress: Progress | None = None) -> int:
    """Embed everything in a file anew, opened for this alone, as ``memgpt reindex`` does."""
    with open_store(path, create=False) as store:
        return store.reindex(embedding, progress=progress)


def opened(path: Path, dims: int) -> FaissStore:
    """Open the file with an embedding of so many dimensions."""
    return FaissStore(path, index={"embed": HashingEmbedder(dims), "fields": ["text"]})


@pytest.fixture
def path(tmp_path: Path, made: Path) -> Path:
    """Return a file of the test's own with items embedded by the old embedding."""
    return Path(shutil.copy(made, tmp_path / "store.sqlite"))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make it once."""
    path = tmp_path_factory.mktemp("made") / "store.sqlite"
    with opened(path, OLD) as store:
        for number in range(ITEMS):
            store.put(
                NS, f"k{number}", {"text": f"apple number {number}", "note": "pear"}, index=["text", "words:note"]
            )
        store.put(("other",), "two", {"a": "red apple", "b": "slow train"}, index=["a", "b"])
        store.put(NS, "plain", {"text": "not indexed"}, index=False)
    return path


def is_whole(path: Path, dims: int) -> bool:
    """Whether every indexed item is found by its own vector, and nothing else is in the file."""
    with opened(path, dims) as store:
        assert [i.key for i in store.search(("other",), query="slow train")] == ["two"]
        for number in range(0, ITEMS, 97):
            hits = store.search(NS, query=f"apple number {number}", limit=40)  # words may share a hash
            assert f"k{number}" in [hit.key for hit in hits if hit.score == pytest.approx(1.0, abs=1e-5)]
        with store._database.read() as connection:
            rows, vectors = connection.execute(
                "SELECT (SELECT count(*) FROM vector_rows), (SELECT count(*) FROM vectors)"
            ).fetchone()
            bare = connection.execute("SELECT count(*) FROM docs WHERE id NOT IN (SELECT doc FROM vectors)").fetchone()[
                0
            ]
        return (rows - vectors, bare) == (0, 0)


def test_a_new_embedding_is_put_in_force(path: Path) -> None:
    """Progress is told; the old embedding is refused afterwards and the new one before."""
    told: list[tuple[int, int]] = []
    with pytest.raises(EmbeddingMismatch, match="memgpt reindex"):
        opened(path, NEW)
    embedded = reindex_file(path, HashingEmbedder(NEW), progress=lambda done, total: told.append((done, total)))
    assert embedded == ITEMS + 1
    assert told == [(256, 769), (512, 769), (768, 769), (769, 769)]
    assert is_whole(path, NEW)
    with pytest.raises(EmbeddingMismatch):
        opened(path, OLD)


def test_the_old_index_answers_meanwhile_and_what_is_written_is_caught_up(path: Path) -> None:
    """In another store over the same file: searches, updates, deletes, new items, until the moment of the change."""
    with opened(path, OLD) as old:

        def meanwhile(done: int, _total: int) -> None:
            assert old.search(NS, query="apple number 7", limit=1)[0].score == pytest.approx(1.0, abs=1e-5)
            old.put(NS, "k1", {"text": f"changed {done}"})
            old.delete(NS, f"k{done}")
            old.put(NS, f"new{done}", {"text": f"quite new {done}"})

        reindex_file(path, HashingEmbedder(NEW), progress=meanwhile)
        with pytest.raises(EmbeddingMismatch):
            old.search(NS, query="apple")
        with pytest.raises(EmbeddingMismatch):
            old.put(NS, "late", {"text": "by the old embedding"})
        assert old.get(NS, "late") is None
        assert [i.key for i in old.find(NS, "quite new 256", mode="words", limit=1)] == ["new256"]
    with opened(path, NEW) as new:
        assert new.search(NS, query="quite new 512", limit=1)[0].key == "new512"
        assert new.search(NS, query="quite new 512", limit=1)[0].score == pytest.approx(1.0, abs=1e-5)
        assert new.get(NS, "k256") is None


def test_an_interrupted_run_is_gone_on_with(path: Path) -> None:
    """Nothing is embedded twice but the batch that was interrupted; the file is the old one until the end."""
    embedder = HashingEmbedder(NEW)

    def interrupt(done: int, total: int) -> None:
        if done >= 512:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        reindex_file(path, embedder, progress=interrupt)
    with opened(path, OLD) as store:
        assert store.search(NS, query="apple number 600", limit=1)[0].score == pytest.approx(1.0, abs=1e-5)
    before = len(embedder.texts)
    reindex_file(path, embedder)
    assert len(embedder.texts) - before == ITEMS - 512 + 2
    assert is_whole(path, NEW)


def test_another_embedding_after_an_interruption_begins_anew(path: Path) -> None:
    """What the abandoned run has written is taken out."""

    def interrupt(_done: int, _total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        reindex_file(path, HashingEmbedder(NEW), progress=interrupt)
    reindex_file(path, HashingEmbedder(48))
    assert is_whole(path, 48)


def test_of_two_runs_for_different_embeddings_the_first_gives_way(path: Path) -> None:
    """It says by what the file is being embedded."""

    def overtaken(done: int, _total: int) -> None:
        if done == 256:
            reindex_file(path, HashingEmbedder(48))

    with pytest.raises(StoreError, match="another run"):
        reindex_file(path, HashingEmbedder(NEW), progress=overtaken)
    assert is_whole(path, 48)


def test_of_two_runs_for_the_same_embedding_each_does_a_part(path: Path) -> None:
    """The one that comes late finds it done."""

    def overtaken(done: int, _total: int) -> None:
        if done == 256:
            reindex_file(path, HashingEmbedder(NEW))

    reindex_file(path, HashingEmbedder(NEW), progress=overtaken)
    assert is_whole(path, NEW)


KILLED = """
import os, sys
from pathlib import Path
from memgpt_agent.store.sqlite.database import Database
from memgpt_agent.store.embedding import Embedder
from memgpt_agent.store.sqlite.reindex import Reindexing
from memgpt_agent.testing import HashingEmbedder
kill_at = int(sys.argv[2])
class Dying(HashingEmbedder):
    def embed_documents(self, texts):
        Dying.calls = getattr(Dying, "calls", 0) + 1
        if Dying.calls == kill_at:
            os.kill(os.getpid(), 9)
        return super().embed_documents(texts)
class Untidy(Reindexing):
    def _discard(self):
        os.kill(os.getpid(), 9)
embedder = Dying(128)
embedder.name = "memgpt_agent.testing.HashingEmbedder"
(Reindexing if kill_at else Untidy)(Database(Path(sys.argv[1])), Embedder(embedder, None)).run()
"""


@pytest.mark.parametrize("kill_at", [1, 2, 4, 0])
def test_a_killed_run_is_gone_on_with(path: Path, kill_at: int) -> None:
    """Killed before the first batch, between batches, before the last, and between the change and the cleaning up."""
    process = subprocess.run([sys.executable, "-c", KILLED, path, str(kill_at)], check=False, capture_output=True)
    assert process.returncode == -9, process.stderr
    if kill_at:
        with opened(path, OLD) as store:
            assert store.search(NS, query="apple number 5", limit=1)[0].score == pytest.approx(1.0, abs=1e-5)
    reindex_file(path, HashingEmbedder(NEW))
    assert is_whole(path, NEW)


def test_what_was_stored_without_an_embedding_gets_its_vectors(tmp_path: Path) -> None:
    """With the embedding that is in force only what lacks a vector is embedded; other stores see it at once."""
    path = tmp_path / "store.sqlite"
    with FaissStore(path) as words:
        words.put(NS, "a", {"text": "red apple"}, index=["text"])
    with opened(path, NEW) as store, opened(path, NEW) as other:
        store.put(NS, "b", {"text": "slow train"})
        assert other.search(NS, query="red apple")[0].key == "b"
        assert store.reindex() == 1
        assert other.search(NS, query="red apple")[0].key == "a"
        assert store.reindex() == 0


async def test_an_open_store_uses_the_new_embedding_at_once(path: Path) -> None:
    """Also one that had none; and a store without any says what it needs."""
    with FaissStore(path) as store:
        with pytest.raises(ConfigurationError, match="Give one"):
            store.reindex()
        await store.areindex(HashingEmbedder(NEW))
        assert store.search(NS, query="apple number 9", limit=1)[0].score == pytest.approx(1.0, abs=1e-5)
        store.put(NS, "new", {"text": "plum"}, index=["text"])
        assert store.search(NS, query="plum", limit=1)[0].key == "new"


@pytest.mark.parametrize("make", [lambda path: reindex_file(path, HashingEmbedder(8))])
def test_a_file_that_is_not_there_is_not_made(tmp_path: Path, make: Callable[[Path], object]) -> None:
    """The error says when there will be one."""
    with pytest.raises(StoreError, match="no store at"):
        make(tmp_path / "none.sqlite")
    assert not (tmp_path / "none.sqlite").exists()
