"""Archival memory: each text once, found by words, tags and days."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langgraph.store.memory import InMemoryStore

from memgpt_agent.errors import ToolError
from memgpt_agent.memory.archival import MAX_PASSAGE_CHARS, StoreArchive, passage_id
from memgpt_agent.memory.dates import range_filter
from memgpt_agent.memory.store import FaissStore
from memgpt_agent.testing import Clock


@pytest.fixture(params=["in memory", "sqlite file"])
def archive(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StoreArchive]:
    """A plain store, and the embedded one in a real file; three passages on three days."""

    def filled(archive: StoreArchive, clock: Clock) -> StoreArchive:
        for text, tags in (("Alice likes green tea", ["tea", "alice"]), ("Bob likes black tea", ["tea"]), ("Rain tomorrow", [])):
            archive.insert(text, tags)
            clock.advance(days=1)
        return archive

    clock = Clock("2026-01-01T12:00:00+00:00")
    if request.param == "in memory":
        yield filled(StoreArchive(InMemoryStore(), "ann", clock), clock)
    else:
        with FaissStore(tmp_path / "memory.db") as store:
            yield filled(StoreArchive(store, "ann", clock), clock)


def texts(archive: StoreArchive, query: str = "", **how: object) -> list[str]:
    """Return what a search finds, in order."""
    return [p.text for p in archive.search(query, **how)]  # pyright: ignore[reportArgumentType]


def test_a_passage_is_found_by_its_words(archive: StoreArchive) -> None:
    """With its tags and time."""
    best = archive.search("green tea")[0]
    assert (best.text, best.tags, best.time) == ("Alice likes green tea", ("tea", "alice"), "2026-01-01T12:00:00.000000+00:00")


def test_the_same_text_is_kept_once_with_the_tags_of_both(archive: StoreArchive) -> None:
    """Case, white space and compatible characters do not make another text."""
    passage, new = archive.insert("alice  LIKES green\ntea", ["drinks", "tea"])
    assert not new
    assert (passage.text, passage.tags) == ("Alice likes green tea", ("tea", "alice", "drinks"))
    assert len(texts(archive)) == 3


def test_the_same_act_again_gets_the_same_answer(archive: StoreArchive) -> None:
    """A replayed insert is told that the passage is new, as it was the first time; another act is not."""
    first = archive.insert("A new thing", ["n"], cause="call-1")
    assert archive.insert("A new thing", ["n"], cause="call-1") == first
    assert first[1] is True
    assert archive.insert("A new thing", ["n"], cause="call-2")[1] is False


def test_tags_are_matched_by_any_or_all(archive: StoreArchive) -> None:
    """Newest first where there is no query."""
    assert texts(archive, tags=["tea", "alice"]) == ["Bob likes black tea", "Alice likes green tea"]
    assert texts(archive, tags=["tea", "alice"], match="all") == ["Alice likes green tea"]
    assert texts(archive, tags=["none"]) == []


def test_days_narrow_the_search(archive: StoreArchive) -> None:
    """Both ends are included."""
    assert texts(archive, dates=range_filter("2026-01-02", "2026-01-03")) == ["Rain tomorrow", "Bob likes black tea"]


def test_pages_follow_each_other(archive: StoreArchive) -> None:
    """Counted from 0."""
    assert [texts(archive, limit=2, page=n) for n in range(3)] == [["Rain tomorrow", "Bob likes black tea"], ["Alice likes green tea"], []]


@pytest.mark.parametrize(("text", "says"), [(" \n", "empty"), ("x" * (MAX_PASSAGE_CHARS + 1), "50,001 characters; the limit is 50,000")])
def test_a_text_that_cannot_be_kept_is_refused(archive: StoreArchive, text: str, says: str) -> None:
    """The message says why."""
    with pytest.raises(ToolError, match=says):
        archive.insert(text)


def test_tags_from_many_threads_are_all_kept(archive: StoreArchive) -> None:
    """Two who file the same text under different tags both succeed."""
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda n: archive.insert("shared", [f"t{n}"]), range(6)))
    assert sorted(archive.search("shared", tags=["t0"])[0].tags) == [f"t{n}" for n in range(6)]


@given(st.text(min_size=1))
def test_an_id_follows_from_the_text(text: str) -> None:
    """The same in every process; more white space is the same text."""
    text = text.encode(errors="ignore").decode() or "x"
    assert passage_id(text) == passage_id(f"  {text}\n")
