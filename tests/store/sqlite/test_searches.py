"""Filters and words kept in memory say what the file says; finding by candidates says what finding by everything says."""

import math
import random
from pathlib import Path
from typing import Any

import pytest
from langchain_core.embeddings import Embeddings
from langgraph.store.base import PutOp

from memgpt_agent.store import FaissStore
from memgpt_agent.store.filters import matches
from memgpt_agent.store.index.index_cache import Sizes
from memgpt_agent.store.protocol import Dialogue
from memgpt_agent.testing import HashingEmbedder

NS = ("agent", "recall")
WORDS = ["apple", "pear", "train", "river", "running", "invoice", "2026-01-02", "94071d67-86df", "slow", "red"]
FILTERS: list[dict[str, Any]] = [
    {"role": "user"},
    {"role": {"$in": ["tool", "user"]}, "echo": False},
    {"time": {"$gte": "2026-01-10", "$lt": "2026-01-20"}},
    {"tags": {"$any": ["a", "z"]}},
    {"tags": {"$all": ["a", "b"]}},
    {"n": {"$gt": 3, "$lte": 9}},
    {"role": {"$ne": "user"}},
    {"box": {"deep": 1}},
    {"n": None},
    {"a key": "x"},
]


def opened(path: Path, **sizes: int) -> FaissStore:
    """Open the file with an index over ``text``."""
    return FaissStore(path, index={"embed": HashingEmbedder(64), "fields": ["text"]}, sizes=Sizes(**sizes))


def value(dice: random.Random) -> dict[str, Any]:
    """Return a value with fields of every type."""
    return {
        "text": " ".join(dice.choices(WORDS, k=6)),
        "role": dice.choice(["user", "assistant", "tool", None, "nul\x00role"]),
        "echo": dice.random() < 0.3,
        "time": f"2026-01-{dice.randrange(1, 29):02}",
        "tags": dice.choices(["a", "b", "z", "\ud83d"], k=2),
        "n": dice.choice([dice.randrange(12), "7", None, True]),
        "box": {"deep": dice.randrange(3)},
        "a key": dice.choice("xy"),
    }


def test_a_filter_in_memory_follows_every_write(tmp_path: Path) -> None:
    """Over puts, updates and deletes, in a store that searches at every step and in one that was just opened."""
    dice = random.Random(5)
    path = tmp_path / "store.sqlite"
    with opened(path) as store:
        for _ in range(6):
            store.batch([PutOp(NS, str(dice.randrange(80)), value(dice)) for _ in range(30)])
            store.batch([PutOp(NS, str(dice.randrange(80)), None) for _ in range(8)])
            every = {item.key: item.value for item in store.search(NS, limit=1000)}
            for wanted in FILTERS:
                right = {key for key, one in every.items() if matches(one, wanted)}
                for mode in ("hybrid", "meaning"):
                    found = store.find(NS, "red apple", filter=wanted, limit=1000, mode=mode)  # type: ignore[arg-type]
                    assert {item.key for item in found} == right, wanted
                assert {item.key for item in store.search(NS, query="pear", filter=wanted, limit=1000)} == right, wanted
                with opened(path) as fresh:
                    again = fresh.find(NS, "red apple", filter=wanted, limit=1000)
                    known = store.find(NS, "red apple", filter=wanted, limit=1000)
                    assert [(i.key, i.score) for i in again] == [(i.key, pytest.approx(i.score)) for i in known]


def test_a_field_too_large_to_keep_is_asked_of_the_file(tmp_path: Path) -> None:
    """With the same answers."""
    dice = random.Random(6)
    with opened(tmp_path / "store.sqlite", facet_bytes=500) as store:
        store.batch([PutOp(NS, str(n), value(dice)) for n in range(60)])
        every = {item.key: item.value for item in store.search(NS, limit=1000)}
        for wanted in ({"text": {"$gt": "red"}}, {"time": {"$gt": "2026-01-15"}, "echo": True}):
            right = {key for key, one in every.items() if matches(one, wanted)}
            assert {item.key for item in store.find(NS, "apple", filter=wanted, limit=1000, mode="meaning")} == right


def test_words_kept_in_memory_follow_every_write(tmp_path: Path) -> None:
    """The scores are those of a store that reads them from the file; also where the memory for them is small."""
    dice = random.Random(7)
    path = tmp_path / "store.sqlite"
    for room in (1 << 20, 200):
        with opened(path, words_kept_from=2, words_bytes=room) as store:
            for _ in range(12):
                store.batch([PutOp(NS, str(dice.randrange(60)), value(dice)) for _ in range(12)])
                store.batch([PutOp(NS, str(dice.randrange(60)), None) for _ in range(6)])
                for query in ("red apples", "the invoice 94071d67-86df", "runs to the river"):
                    with opened(path) as fresh:
                        right = [(i.key, i.score) for i in fresh.find(NS, query, mode="words", limit=100)]
                    found = [(i.key, i.score) for i in store.find(NS, query, mode="words", limit=100)]
                    assert [key for key, _ in found] == [key for key, _ in right]
                    assert [score for _, score in found] == pytest.approx([score for _, score in right])


@pytest.mark.parametrize("wanted", [None, {"role": "tool"}])
def test_finding_by_candidates_is_finding_by_everything_while_all_are_candidates(
    tmp_path: Path, wanted: dict[str, Any] | None
) -> None:
    """The same items, order and scores, with documents that were deleted and such as have no vector."""
    dice = random.Random(8)
    path = tmp_path / "store.sqlite"
    with opened(path, whole_docs=100_000) as store, opened(path, whole_docs=0) as by_candidates:
        store.batch([PutOp(NS, str(n), value(dice)) for n in range(300)])
        store.batch([PutOp(NS, f"w{n}", value(dice), ["words:text"]) for n in range(20)])
        store.batch([PutOp(NS, str(n), None) for n in range(0, 300, 11)])
        for query in ("red apple", "train to the river", "invoice 94071d67-86df"):
            whole = [(i.key, i.score) for i in store.find(NS, query, filter=wanted, limit=400)]
            found = [(i.key, i.score) for i in by_candidates.find(NS, query, filter=wanted, limit=400)]
            assert found == [(key, pytest.approx(score)) for key, score in whole]


def test_finding_by_candidates_finds_the_same_best_in_a_large_namespace(tmp_path: Path) -> None:
    """Ten thousand documents, of which a tenth at most is looked at: the first ten nearly always the same."""
    dice = random.Random(9)
    many = [f"word{n}" for n in range(400)]
    same = total = 0
    path = tmp_path / "store.sqlite"
    with opened(path, whole_docs=100_000) as store, opened(path, whole_docs=0) as by_candidates:
        texts = [" ".join(dice.choices(many, k=6)) for _ in range(10_000)]
        store.batch([PutOp(NS, str(n), {"text": text}) for n, text in enumerate(texts)])
        for number in range(0, 400, 40):
            query = f"word{number} word{number + 7} word{number + 11}"
            whole = {i.key for i in store.find(NS, query)}
            same += len(whole & {i.key for i in by_candidates.find(NS, query)})
            total += len(whole)
    assert same >= 0.95 * total


class Compass(Embeddings):
    """Embeds a number as that direction, in degrees."""

    def __init__(self, degrees: dict[str, int]) -> None:
        self.degrees = degrees

    def embed_query(self, text: str) -> list[float]:
        angle = math.radians(self.degrees[text] if text in self.degrees else int(text))
        return [math.cos(angle), math.sin(angle)]

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [self.embed_query(text) for text in texts]


def test_a_question_about_one_speaker_is_drawn_towards_how_that_speaker_would_say_it() -> None:
    """Not all the way: what fits the question as it was asked comes next. Where nobody is named, it alone counts."""
    asked = Compass({"Where did Ann go?": 0, "Where did I go?": 90, "Where did she go?": 0})
    dialogue = Dialogue("thread", "chars", "asks", "speaker")
    with FaissStore(":memory:", index={"embed": asked, "dims": 2, "fields": ["text"]}) as store:
        for text, speaker in (("0", "Ann"), ("30", "Ann"), ("90", "Ann"), ("180", "Ben")):
            store.put(NS, text, {"text": text, "speaker": speaker, "thread": text, "chars": 50, "asks": False})
        found = {
            query: [item.key for item in store.find(NS, query, mode="meaning", near=dialogue, limit=3)]
            for query in ("Where did Ann go?", "Where did she go?")
        }
    assert found == {"Where did Ann go?": ["30", "0", "90"], "Where did she go?": ["0", "30", "90"]}
