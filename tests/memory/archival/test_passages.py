"""Archival memory: each text once, found by words, tags and days."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.documents import Document
from langchain_core.vectorstores import InMemoryVectorStore
from langgraph.store.base import BaseStore

from memgpt_agent.errors import ToolError
from memgpt_agent.memory.archival import MAX_PASSAGE_CHARS, Passage, StoreArchive, passage_id
from memgpt_agent.memory.archival.passages import closeness
from memgpt_agent.memory.archival.vector_archive import VectorArchive
from memgpt_agent.memory.dates import range_filter
from memgpt_agent.store import FaissStore
from memgpt_agent.testing import Clock, HashingEmbedder


@pytest.fixture
def archive(store: BaseStore) -> StoreArchive:
    """Ann's archive: three passages on three days."""
    clock = Clock("2026-01-01T12:00:00+00:00")
    archive = StoreArchive(store, "ann", clock)
    for text, tags in (
        ("Alice likes green tea", ["tea", "alice"]),
        ("Bob likes black tea", ["tea"]),
        ("Rain tomorrow", []),
    ):
        archive.insert(text, tags)
        clock.advance(days=1)
    return archive


def texts(archive: StoreArchive, query: str = "", **how: object) -> list[str]:
    """Return what a search finds, in order."""
    return [p.text for p in archive.search(query, **how)]  # pyright: ignore[reportArgumentType]


def test_a_passage_is_found_by_its_words(archive: StoreArchive) -> None:
    """With its tags and time."""
    best = archive.search("green tea")[0]
    assert (best.text, best.tags, best.time) == (
        "Alice likes green tea",
        ("tea", "alice"),
        "2026-01-01T12:00:00.000000+00:00",
    )


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
    assert [texts(archive, limit=2, page=n) for n in range(3)] == [
        ["Rain tomorrow", "Bob likes black tea"],
        ["Alice likes green tea"],
        [],
    ]


@pytest.mark.parametrize(
    ("text", "says"), [(" \n", "empty"), ("x" * (MAX_PASSAGE_CHARS + 1), "50,001 characters; the limit is 50,000")]
)
def test_a_text_that_cannot_be_kept_is_refused(archive: StoreArchive, text: str, says: str) -> None:
    """The message says why."""
    with pytest.raises(ToolError, match=says):
        archive.insert(text)


def test_tags_from_many_threads_are_all_kept(archive: StoreArchive) -> None:
    """Two who file the same text under different tags both succeed."""
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda n: archive.insert("shared", [f"t{n}"]), range(6)))
    assert sorted(archive.search("shared", tags=["t0"])[0].tags) == [f"t{n}" for n in range(6)]


def test_many_are_inserted_in_one_write_as_one_by_one(archive: StoreArchive) -> None:
    """The same text is kept once, within the many and with what is there; of that one the tags are merged."""
    found = archive.insert_many(["One", "Two", "one ", "Alice likes green tea"], ["new"], sources=["a", "b", "c", "d"])
    assert [new for _, new in found] == [True, True, False, False]
    assert [p.text for p, _ in found] == ["One", "Two", "One", "Alice likes green tea"]
    assert [p.source for p, _ in found] == ["a", "b", "a", ""]
    assert found[3][0].tags == ("tea", "alice", "new")
    assert sorted(texts(archive, tags=["new"])) == ["Alice likes green tea", "One", "Two"]


def test_many_by_the_same_act_again_get_the_same_answer(archive: StoreArchive) -> None:
    """A load that died after its write and is run again."""
    first = archive.insert_many(["One", "Two"], cause="load-1")
    assert archive.insert_many(["One", "Two"], cause="load-1") == first
    assert [new for _, new in archive.insert_many(["One", "Two"], cause="load-2")] == [False, False]


def test_of_many_none_is_kept_where_one_cannot_be(archive: StoreArchive) -> None:
    """Nothing at all comes of nothing, too."""
    with pytest.raises(ToolError, match="empty"):
        archive.insert_many(["One", " "])
    assert len(texts(archive)) == 3
    assert archive.insert_many([]) == []


def test_the_end_of_a_long_passage_is_found_and_it_comes_back_whole(archive: StoreArchive) -> None:
    """It is embedded in parts."""
    long = "bla " * 3_000 + "zebra " + "blub " * 5_000 + "giraffe"
    archive.insert(long, ["long"])
    for word in ("zebra", "giraffe"):
        found = archive.search(word)[0]
        assert (found.text, found.tags) == (long, ("long",))


def test_close_passages_are_named_and_not_the_passage_itself(archive: StoreArchive) -> None:
    """Without an embedding: those that share half of the words of both."""
    paid, _ = archive.insert("Invoice 1042 was paid on 3 May")
    archive.insert("Invoice 77 is open")
    by_ann, _ = archive.insert("The invoice 1042 was paid on 3 May by Ann")
    assert archive.close_to(by_ann) == [paid]
    assert archive.close_to(Passage("x", "Nothing like it", time="2027")) == []


def test_by_meaning_and_words_what_was_filed_later_is_not_named() -> None:
    """The same act, done again, gets the same answer."""
    clock = Clock("2026-01-01T12:00:00+00:00")
    with FaissStore(":memory:", index={"embed": HashingEmbedder(256), "fields": ["$"]}) as store:
        archive = StoreArchive(store, "ann", clock)
        kept = []
        for text in ("Alice is allergic to peanuts", "Alice is allergic to all peanuts", "Rain is expected tomorrow"):
            kept.append(archive.insert(text)[0])
            clock.advance(days=1)
        assert [archive.close_to(p) for p in kept] == [[], [kept[0]], []]


def test_closeness_is_the_share_of_telling_words() -> None:
    """Case and function words do not count."""
    assert closeness("The dog is HERE", "a dog") == 1.0
    assert closeness("red dog", "red cat") == pytest.approx(1 / 3)
    assert closeness("", "") == 0.0


@given(st.text(min_size=1))
def test_an_id_follows_from_the_text(text: str) -> None:
    """The same in every process; more white space is the same text."""
    text = text.encode(errors="ignore").decode() or "x"
    assert passage_id(text) == passage_id(f"  {text}\n")


def test_two_agents_in_one_vector_store_know_nothing_of_each_others_texts() -> None:
    """The same text is new to each, is found by each, and neither's tags are overwritten; what an earlier version stored is still known."""
    shared = InMemoryVectorStore(HashingEmbedder())
    shared.add_documents([Document("The boat is old.", metadata={"agent_id": "ann", "tags": ["old"]}, id=passage_id("The boat is old."))])
    ann, bob = VectorArchive(shared, "ann"), VectorArchive(shared, "bob")
    assert ann.insert("The boat is old.")[0].tags == ("old",)
    ann.insert("The key is under the stone.", ["hers"])
    found, _ = bob.insert("The key is under the stone.", ["his"])
    assert found.tags == ("his",)
    assert bob.insert("The boat is old.")[0].tags == ()
    assert [p.tags for p in ann.search("key stone", limit=1)] == [("hers",)]
    assert [p.tags for p in bob.search("key stone", limit=1)] == [("his",)]


def test_the_vector_store_of_langchain_community_is_an_archive() -> None:
    """FAISS as it comes from langchain-community: filed once with the tags of both, found by meaning and by tags, counted."""
    import faiss
    from langchain_community.docstore.in_memory import InMemoryDocstore
    from langchain_community.vectorstores import FAISS

    embedding = HashingEmbedder()
    index = faiss.IndexFlatL2(len(embedding.embed_query("x")))
    vectors = FAISS(embedding_function=embedding, index=index, docstore=InMemoryDocstore(), index_to_docstore_id={})
    archive = VectorArchive(vectors, "ann")
    first, new = archive.insert("The harbour opens at six.", tags=["harbour"])
    archive.insert("The boiler is old.")
    again, anew = archive.insert("The harbour opens at six.", tags=["time"])
    assert (new, anew, again.id) == (True, False, first.id)
    assert archive.search("when does the harbour open?")[0].id == first.id
    assert [passage.id for passage in archive.search("anything", tags=["harbour"])] == [first.id]
