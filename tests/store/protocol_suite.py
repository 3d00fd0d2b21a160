"""The contract of the ``MemoryStore`` protocol, for any store: subclass it, give ``opener_source`` and ``open_other``.

class TestPostgresStore(MemoryStoreContract):
    @pytest.fixture
    def opener_source(self, server):
        return f"def open_store(): return ..."

    @pytest.fixture
    def open_other(self, server):
        return lambda: ...
"""

import asyncio
import random
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from typing import Any

import numpy as np
import pytest
from langgraph.store.base import PutOp

from memgpt_agent.errors import EmbeddingMismatch, LeaseLost, ValueNotStorable
from memgpt_agent.store import MemoryStore
from memgpt_agent.store.protocol import EmbeddingIdentity, Guard, IndexedItem, Tally
from memgpt_agent.testing import HashingEmbedder

NS = ("agent", "recall")
BELOW = ("agent", "recall", "below")
OTHER = ("other", "recall")
PROCESSES, THREADS, INCREMENTS = 3, 6, 15
ITEMS: dict[str, dict[str, Any]] = {
    "apple": {"text": "red apple", "role": "user", "tags": ["fruit", "red"], "time": "2026-01-03", "n": 3},
    "train": {"text": "slow train to Basel", "role": "tool", "tags": [], "time": "2026-01-01", "n": 1},
    "code": {"text": "the key is 94071d67-86df", "role": "user", "tags": ["key"], "time": "2026-01-02", "n": 10},
    "pear": {"text": "green pear, not an apple", "role": None, "tags": ["fruit"], "time": "2026-01-04"},
}
OPERATIONS = ("find", "newest", "count", "put_if")


class Face:
    """The protocol's operations, called on the sync or the async face."""

    def __init__(self, store: Any, face: str) -> None:
        for name in OPERATIONS:
            setattr(self, name, getattr(store, name) if face == "sync" else self._running(getattr(store, f"a{name}")))

    @staticmethod
    def _running(call: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *given, **named: asyncio.run(call(*given, **named))

    find: Callable[..., Any]
    newest: Callable[..., Any]
    count: Callable[..., Any]
    put_if: Callable[..., Any]


def keys(items: Any) -> list[str]:
    """Return the keys, in order."""
    return [item.key for item in items]


def place(value: Any) -> tuple[int, Any]:
    """Where a field's value stands for ``newest``: texts, then numbers, then what is neither."""
    if isinstance(value, str):
        return 2, value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return 1, value
    return 0, 0


class MemoryStoreContract:
    """What every store under the memory tiers must do; each test is run on both faces."""

    @pytest.fixture
    def opener_source(self) -> str:
        """Return Python source that defines ``open_store()``: a context manager of the store, the same data at each call.

        Its index is ``{"embed": HashingEmbedder(64), "fields": ["text"]}``.
        """
        raise NotImplementedError

    @pytest.fixture
    def open_store(self, opener_source: str) -> Callable[[], AbstractContextManager[Any]]:
        """Return what opens the store in this process."""
        defined: dict[str, Any] = {}
        exec(opener_source, defined)  # noqa: S102 - the suite's own source, run in other processes as well
        return defined["open_store"]

    @pytest.fixture
    def open_other(self) -> Callable[[], AbstractContextManager[Any]]:
        """Return what opens an empty store of the same kind and with the same index."""
        raise NotImplementedError

    @pytest.fixture
    def store(self, open_store: Callable[[], AbstractContextManager[Any]]) -> Iterator[Any]:
        """Return the store with the items put."""
        with open_store() as made:
            for key, value in ITEMS.items():
                made.put(NS, key, value)
            made.put(BELOW, "below", {"text": "red apple below", "time": "2027"})
            made.put(OTHER, "other", {"text": "red apple of another", "time": "2027"})
            yield made

    @pytest.fixture(params=["sync", "async"])
    def face(self, store: Any, request: pytest.FixtureRequest) -> Face:
        """Return one of the two faces of the filled store."""
        return Face(store, request.param)

    def test_the_tiers_recognise_it(self, store: Any) -> None:
        """By the protocol, without a base class."""
        assert isinstance(store, MemoryStore)

    # find

    @pytest.mark.parametrize(
        ("query", "mode", "first"),
        [
            ("red apple", "hybrid", "apple"),
            ("red apple", "words", "apple"),
            ("red apple", "meaning", "apple"),
            ("94071d67-86df", "hybrid", "code"),
            ("94071d67-86df", "words", "code"),
            ("trains", "words", "train"),  # a word's other forms
            ("PEAR", "hybrid", "pear"),
        ],
    )
    def test_the_best_stands_first_in_every_mode(self, face: Face, query: str, mode: str, first: str) -> None:
        """And scores go down, never up."""
        found = face.find(NS, query, mode=mode)
        assert keys(found)[0] == first
        scores = [item.score for item in found]
        assert scores == sorted(scores, reverse=True)
        assert found[0].value == ITEMS[first]
        assert found[0].namespace == NS

    def test_words_find_only_what_says_them_and_only_in_this_namespace(self, face: Face) -> None:
        """Neither the namespace below nor another's."""
        assert set(keys(face.find(NS, "apple", mode="words"))) == {"apple", "pear"}
        assert face.find(NS, "zebra", mode="words") == []
        assert set(keys(face.find(NS, "red apple"))) <= set(ITEMS)
        assert keys(face.find(BELOW, "apple")) == ["below"]
        assert face.find(("nobody",), "apple") == []

    @pytest.mark.parametrize(
        ("wanted", "passing"),
        [
            ({"role": "user"}, {"apple", "code"}),
            ({"role": {"$ne": "user"}}, {"train", "pear"}),
            ({"role": {"$in": ["tool", None]}}, {"train", "pear"}),
            ({"role": {"$in": []}}, set()),
            ({"n": {"$gt": 2}}, {"apple", "code"}),
            ({"n": {"$gte": 1, "$lt": 10}}, {"apple", "train"}),
            ({"time": {"$gte": "2026-01-02", "$lt": "2026-01-04"}}, {"apple", "code"}),
            ({"tags": {"$any": ["red", "key"]}}, {"apple", "code"}),
            ({"tags": {"$all": ["red", "fruit"]}}, {"apple"}),
            ({"tags": {"$all": ["fruit"]}, "role": None}, {"pear"}),
            ({"tags": {"$any": ["none"]}}, set()),
        ],
    )
    def test_a_filter_is_applied_before_ranking_limiting_and_counting(
        self, face: Face, wanted: dict[str, Any], passing: set[str]
    ) -> None:
        """The same filter lets the same items through everywhere."""
        assert set(keys(face.find(NS, "apple train key pear", filter=wanted))) == passing
        assert set(keys(face.find(NS, "", filter=wanted))) == passing
        assert set(keys(face.newest(NS, filter=wanted))) == passing
        assert face.count(NS, wanted) == len(passing)
        for one in passing:
            alone = {**wanted, "text": ITEMS[one]["text"]}
            assert keys(face.find(NS, "red apple", filter=alone, limit=1, mode="meaning")) == [one]

    def test_an_operator_that_nobody_knows_is_refused(self, face: Face) -> None:
        """By every operation that takes a filter."""
        bad = {"role": {"$regex": "x"}}
        with pytest.raises(ValueError, match=r"\$regex"):
            face.find(NS, "x", filter=bad)
        with pytest.raises(ValueError, match=r"\$regex"):
            face.newest(NS, filter=bad)
        with pytest.raises(ValueError, match=r"\$regex"):
            face.count(NS, bad)

    @pytest.mark.parametrize("query", ["", " ", "\n\t"])
    def test_a_blank_query_lists_in_the_order_of_storing(self, face: Face, query: str) -> None:
        """In every mode, a page at a time."""
        for mode in ("hybrid", "words", "meaning"):
            assert keys(face.find(NS, query, mode=mode)) == list(ITEMS)
            assert keys(face.find(NS, query, mode=mode, limit=2, offset=1)) == list(ITEMS)[1:3]

    @pytest.mark.parametrize(
        "query",
        ['"', "a OR", "NEAR(", "*", "-", "%", "\\", "x" * 5000, "\ud83d", "it's", "col:x", "😀", "\x00", "'; --"],
    )
    def test_any_text_is_a_query(self, face: Face, query: str) -> None:
        """No query is a syntax error, in no mode."""
        for mode in ("hybrid", "words", "meaning"):
            assert set(keys(face.find(NS, query, mode=mode))) <= set(ITEMS)

    def test_pages_of_a_ranking_follow_on(self, face: Face) -> None:
        """Page by page gives what one page of all gives."""
        for mode in ("hybrid", "meaning"):
            every = keys(face.find(NS, "green apple key", mode=mode))
            assert sorted(every) == sorted(ITEMS)
            assert [keys(face.find(NS, "green apple key", mode=mode, limit=1, offset=place)) for place in range(5)] == [
                *([key] for key in every),
                [],
            ]
            assert face.find(NS, "apple", mode=mode, limit=0) == []

    def test_what_stands_around_a_hit_raises_it_and_adds_none(self, face: Face, store: Any) -> None:
        """Of two that say the same, the one of the thread that is about it comes first; the hits are the same as without."""
        said = [
            ("a1", "a", "rain"),
            ("a2", "a", "booked"),
            ("a3", "a", "rain"),
            ("b1", "b", "the hotel booked in Basel"),
            ("b2", "b", "booked"),
        ]
        for key, thread, text in said:
            store.put(OTHER, key, {"thread_id": thread, "text": text}, index=["text"])
        found = keys(face.find(OTHER, "hotel booked", mode="words", near="thread_id"))
        assert found.index("b2") < found.index("a2")
        assert set(found) == set(keys(face.find(OTHER, "hotel booked", mode="words")))

    def test_what_was_changed_is_found_by_what_it_says_now(self, face: Face, store: Any) -> None:
        """Neither by its old words nor, deleted or put with ``index=False``, by any; a blank query lists it still."""
        store.put(NS, "apple", {"text": "blue whale"})
        assert keys(face.find(NS, "red", mode="words")) == []
        assert keys(face.find(NS, "blue whale"))[0] == "apple"
        store.put(NS, "apple", {"text": "blue whale"}, index=False)
        assert face.find(NS, "whale", mode="words") == []
        assert "apple" in keys(face.find(NS, ""))
        store.delete(NS, "pear")
        assert face.find(NS, "pear", mode="words") == []
        assert "pear" not in keys(face.find(NS, ""))

    def test_the_index_of_a_put_says_what_is_searched(self, face: Face, store: Any) -> None:
        """Its paths instead of the store's; one behind ``words:`` by words only."""
        store.put(
            NS,
            "paths",
            {"text": "unseen", "title": "yellow lemon", "notes": ["sour", "kiwi"]},
            index=["title", "words:notes[*]"],
        )
        assert face.find(NS, "unseen", mode="words") == []
        for query in ("lemon", "sour", "kiwi"):
            assert keys(face.find(NS, query, mode="words")) == ["paths"]
        assert keys(face.find(NS, "yellow lemon", mode="meaning"))[0] == "paths"
        meant = {item.key: item.score for item in face.find(NS, "sour kiwi", mode="meaning")}
        assert meant["paths"] < 0.9

    # newest and count

    def test_the_newest_stand_first_by_any_field(self, face: Face) -> None:
        """By ``time`` unless another is named; what lacks the field stands last."""
        assert keys(face.newest(NS)) == ["pear", "apple", "code", "train"]
        assert keys(face.newest(NS, limit=2, offset=1)) == ["apple", "code"]
        assert keys(face.newest(NS, by="n")) == ["code", "apple", "train", "pear"]
        assert keys(face.newest(NS, filter={"role": "user"}, limit=1)) == ["apple"]
        assert face.newest(NS, limit=0) == face.newest(("nobody",)) == []

    def test_the_order_of_the_newest_holds_through_any_changes(self, face: Face, store: Any) -> None:
        """Texts, numbers, the rest; equals by storing, the last first; an update keeps the place of the first put."""
        dice = random.Random(1)
        times = ["2026-01-01T10:00:00+00:00", "2026-01-02", "2026", "", 5, -1.5, 10**12, None, True, ["2027"], "é"]
        model: dict[str, dict[str, Any]] = {}
        for number in range(120):
            key = f"k{dice.randrange(40)}"
            if dice.random() < 0.2:
                store.delete(("ordered",), key)
                model.pop(key, None)
            else:
                value = {"time": dice.choice(times), "thread_id": dice.choice("ab"), "other": number % 7}
                if dice.random() < 0.1:
                    del value["time"]
                store.put(("ordered",), key, value, index=False)
                model[key] = value
        for wanted in (None, {"thread_id": "a"}, {"other": {"$gt": 3}}, {"thread_id": "b", "other": {"$in": [1, 2]}}):
            for by in ("time", "other"):
                stored = [key for key, value in model.items() if not wanted or self._passes(value, wanted)]
                last_first = stored[::-1]
                right = sorted(last_first, key=lambda key, by=by: place(model[key].get(by)), reverse=True)
                assert keys(face.newest(("ordered",), by=by, filter=wanted, limit=1000)) == right
                assert keys(face.newest(("ordered",), by=by, filter=wanted, limit=7, offset=3)) == right[3:10]
                assert face.count(("ordered",), wanted) == len(right)

    @staticmethod
    def _passes(value: dict[str, Any], wanted: dict[str, Any]) -> bool:
        checks = {
            "thread_id": lambda w: value["thread_id"] == w,
            "other": lambda w: value["other"] > 3 if "$gt" in w else value["other"] in w["$in"],
        }
        return all(checks[field](condition) for field, condition in wanted.items())

    def test_a_count_follows_every_write_and_knows_its_namespace_only(self, face: Face, store: Any) -> None:
        """Put, update, delete, compare-and-set, batches."""
        assert face.count(NS) == len(ITEMS)
        store.put(NS, "apple", {"text": "again"})
        store.delete(NS, "train")
        store.delete(NS, "nothing")
        assert face.put_if(NS, "new", {"text": "new"}, expected=None)
        assert face.count(NS) == len(ITEMS)
        assert face.count(BELOW) == 1
        assert face.count(("nobody",)) == 0

    # guarded

    def test_a_guarded_view_writes_only_while_the_number_is_the_guards(self, store: Any, face: Face) -> None:
        """Put, deletion and ``put_if`` alike, all of a batch or nothing; it reads in any case, and finds as the store does."""
        sync = face.put_if == store.put_if
        store.put(("leases",), "t", {"number": 7, "holder": None}, index=False)
        held, lost = (store.guarded(Guard(("leases",), "t", number)) for number in (7, 6))
        nobody: Any = store.guarded(Guard(("leases",), "missing", 7))
        assert all(isinstance(view, MemoryStore) for view in (held, lost, nobody))
        for refused in (lost, nobody):
            view, before = Face(refused, "sync" if sync else "async"), store.count(NS)
            writes: list[Callable[[], Any]] = [
                lambda view=view: view.put_if(NS, "new", {"text": "late"}, expected=None),
                lambda refused=refused: refused.batch([PutOp(NS, "a", {"text": "late"}), PutOp(NS, "pear", None)]),
                lambda refused=refused: asyncio.run(refused.aput(NS, "b", {"text": "late"})),
                lambda refused=refused: refused.put_items([IndexedItem(NS, "c", {"text": "late"}, None)]),
            ]
            for write in writes:
                with pytest.raises(LeaseLost, match="taken over"):
                    write()
            assert store.count(NS) == before
            assert keys(view.find(NS, "red apple"))[0] == "apple"
        view = Face(held, "sync" if sync else "async")
        assert view.put_if(NS, "new", {"text": "in time"}, expected=None)
        held.put(NS, "apple", {"text": "red apple, eaten"})
        assert store.get(NS, "apple").value == {"text": "red apple, eaten"}

    # moving items

    def test_items_move_to_another_store_as_they_were(
        self, store: Any, open_other: Callable[[], AbstractContextManager[Any]]
    ) -> None:
        """Values, order, what is indexed, and every vector to the last bit; what is found there is what is found here."""
        store.put(NS, "pear", {"text": "green pear, rewritten"})
        store.delete(NS, "train")
        store.put(NS, "paths", {"title": "lemon", "notes": ["sour", "kiwi"]}, index=["title", "notes[*]"])
        store.put(NS, "train", {"text": "put again"}, index=False)
        store.put(NS, "words", {"text": "heard", "beside": "seen"}, index=["text", "words:beside"])
        made_by = store.embedding()
        moved = list(store.items(NS, vectors_by=made_by))
        assert [item.key for item in moved] == ["apple", "code", "pear", "paths", "train", "words"]
        assert {item.namespace for item in moved} == {NS}
        assert [item.index for item in moved] == [
            ("text",), ("text",), ("text",), ("title", "notes[*]"), None, ("text", "words:beside")
        ]  # fmt: skip
        assert [sorted(item.vectors) for item in moved] == [
            ["text"], ["text"], ["text"], ["notes[*].0", "notes[*].1", "title"], [], ["text"]
        ]  # fmt: skip
        assert {len(vector) for item in moved for vector in item.vectors.values()} == {4 * made_by.dims}
        assert all(item.vectors == {} for item in store.items(NS))
        assert list(store.items(("nobody",))) == []
        with open_other() as other:
            other.put_items(moved, vectors_by=made_by)
            assert list(other.items(NS, vectors_by=made_by)) == moved
            for query in ("green pear", "kiwi", "seen", "lemon"):
                found = [(item.key, pytest.approx(item.score)) for item in store.find(NS, query)]
                assert [(item.key, item.score) for item in other.find(NS, query)] == found

    def test_the_embedding_has_a_name_that_every_opening_agrees_on(
        self, store: Any, open_store: Callable[[], AbstractContextManager[Any]]
    ) -> None:
        """Vectors are handed over under that name and no other, so that nobody takes them for what they are not."""
        with open_store() as second:
            assert (
                store.embedding()
                == second.embedding()
                == EmbeddingIdentity(HashingEmbedder.__module__ + ".HashingEmbedder", 64)
            )
        with pytest.raises(EmbeddingMismatch, match="another"):
            list(store.items(NS, vectors_by=EmbeddingIdentity("another", 64)))

    def test_vectors_that_come_along_are_taken_and_others_made(
        self, open_other: Callable[[], AbstractContextManager[Any]]
    ) -> None:
        """Of the store's own embedding only; of another, texts are embedded, and progress says of how many."""
        odd = np.zeros(64, "<f4")
        odd[7] = 1.0
        told: list[tuple[int, int]] = []
        with open_other() as other:
            mine = other.embedding()
            carried = IndexedItem(NS, "carried", {"text": "red apple"}, ("text",), {"text": odd.tobytes()})
            missing = IndexedItem(NS, "missing", {"text": "slow train"}, ("text",))
            other.put_items([carried, missing], vectors_by=mine, progress=lambda *done: told.append(done))
            found = {item.key: item.vectors["text"] for item in other.items(NS, vectors_by=mine)}
            assert found["carried"] == odd.tobytes()
            assert found["missing"] != odd.tobytes()
            assert told == [(1, 1)]
            stranger = EmbeddingIdentity("another", 64)
            other.put_items([carried], vectors_by=stranger, progress=lambda *done: told.append(done))
            (again,) = [item for item in other.items(NS, vectors_by=mine) if item.key == "carried"]
            assert again.vectors["text"] != odd.tobytes()
            assert told == [(1, 1), (1, 1)]

    def test_many_puts_are_one_transaction(self, store: Any) -> None:
        """With what is put or deleted beside them: where one of them cannot be stored, nothing is."""
        good = IndexedItem(NS, "good", {"text": "purple plum"}, ("text",))
        with pytest.raises(ValueNotStorable):
            store.put_items([good, IndexedItem(NS, "bad", {"text": object()}, None)], [PutOp(NS, "apple", None)])
        assert keys(store.find(NS, "")) == list(ITEMS)
        store.put_items([good], [PutOp(NS, "apple", None), PutOp(OTHER, "agent", {"text": "x"})])
        assert keys(store.find(NS, "")) == ["train", "code", "pear", "good"]
        assert keys(store.find(NS, "plum", mode="words")) == ["good"]
        assert store.get(OTHER, "agent").value == {"text": "x"}

    def test_items_are_read_in_one_state(self, store: Any) -> None:
        """However much is written while they are taken; and many at a time."""
        store.batch([PutOp(("many",), f"k{number}", {"n": number}) for number in range(2_500)])
        reading = store.items(("many",))
        first = next(reading)
        store.batch([PutOp(("many",), f"k{number}", None) for number in range(1_000, 2_500)])
        store.put(("many",), "later", {"n": 0})
        assert [first.key, *(item.key for item in reading)] == [f"k{number}" for number in range(2_500)]
        assert store.count(("many",)) == 1_001

    def test_an_iterator_that_is_left_early_holds_nothing(self, store: Any) -> None:
        """Closed, it lets the store be written and closed."""
        for _ in range(40):
            reading = store.items(NS)
            next(reading)
            reading.close()
        store.put(NS, "after", {"text": "after"})

    # upkeep

    def test_a_new_embedding_takes_the_place_of_the_old(
        self, store: Any, open_store: Callable[[], AbstractContextManager[Any]]
    ) -> None:
        """Everything that is indexed is embedded anew; who has the store open with the old one is refused where vectors are needed."""
        with open_store() as second:
            told: list[tuple[int, int]] = []
            assert store.reindex(HashingEmbedder(32), progress=lambda *done: told.append(done)) == len(ITEMS) + 2
            assert told[-1] == (len(ITEMS) + 2, len(ITEMS) + 2)
            assert store.embedding() == second.embedding() == (store.embedding().name, 32)
            assert keys(store.find(NS, "red apple", mode="meaning"))[0] == "apple"
            assert {
                len(v) for item in store.items(NS, vectors_by=store.embedding()) for v in item.vectors.values()
            } == {128}
            assert second.get(NS, "apple").value == ITEMS["apple"]
            with pytest.raises(EmbeddingMismatch):
                second.put(NS, "new", {"text": "needs a vector"})
        assert store.reindex(HashingEmbedder(32)) == 0

    def test_its_sizes_follow_what_it_holds_and_compacting_loses_nothing(self, store: Any) -> None:
        """Items are counted everywhere; bytes are of the whole."""
        before = store.sizes()
        assert before.items == len(ITEMS) + 2
        store.batch([PutOp(("many",), str(n), {"text": f"{n} " * 500}, index=False) for n in range(500)])
        full = store.sizes()
        assert full.items == before.items + 500
        assert full.bytes > before.bytes
        store.batch([PutOp(("many",), str(n), None) for n in range(500)])
        assert store.compact() > 0
        assert store.sizes().bytes < full.bytes
        assert keys(store.find(NS, "")) == list(ITEMS)

    def test_a_tally_follows_every_write(self, store: Any) -> None:
        """The most used first, of equals the first by name; each item counts a tag once."""
        assert store.tally(NS) == Tally(4, [("fruit", 2), ("key", 1), ("red", 1)])
        store.put(NS, "pear", {"text": "pear", "tags": ["red", "red", "key"]})
        store.delete(NS, "code")
        assert store.tally(NS, limit=2) == Tally(3, [("red", 2), ("fruit", 1)])
        assert asyncio.run(store.atally(NS)) == store.tally(NS)
        assert store.tally(("nobody",)) == Tally(0, [])

    # put_if

    def test_a_write_happens_only_if_what_is_stored_is_what_was_expected(self, face: Face, store: Any) -> None:
        """Expected None: only if there is nothing. Equality is by value, whatever the order of keys."""
        first: dict[str, Any] = {"text": "one", "n": [1, {"a": 1.5, "b": None}]}
        assert not face.put_if(NS, "block", {"text": "x"}, expected={"text": "one"})
        assert store.get(NS, "block") is None
        assert face.put_if(NS, "block", first, expected=None)
        assert not face.put_if(NS, "block", {"text": "two"}, expected=None)
        assert not face.put_if(NS, "block", {"text": "two"}, expected={"text": "one"})
        assert store.get(NS, "block").value == first
        assert face.put_if(NS, "block", {"text": "two"}, expected={"n": [1, {"b": None, "a": 1.5}], "text": "one"})
        assert store.get(NS, "block").value == {"text": "two"}
        store.delete(NS, "block")
        assert not face.put_if(NS, "block", {"text": "three"}, expected={"text": "two"})
        assert face.put_if(NS, "block", {"text": "three"}, expected=None)

    def test_what_was_written_so_is_found_and_what_was_not_is_not(self, face: Face) -> None:
        """The index follows the outcome."""
        assert face.put_if(NS, "block", {"text": "purple plum"}, expected=None)
        assert not face.put_if(NS, "block", {"text": "orange quince"}, expected=None)
        assert keys(face.find(NS, "plum", mode="words")) == ["block"]
        assert face.find(NS, "quince", mode="words") == []
        assert face.put_if(NS, "block", {"text": "purple plum"}, expected={"text": "purple plum"}, index=False)
        assert face.find(NS, "plum", mode="words") == []

    def test_of_threads_that_expect_the_same_one_wins(
        self, open_store: Callable[[], AbstractContextManager[Any]]
    ) -> None:
        """Two stores of the same data, threads on each: no increment is lost."""
        with ExitStack() as stack:
            stores = [stack.enter_context(open_store()) for _ in range(2)]
            threads = [
                threading.Thread(target=count_up, args=(stores[number % 2], INCREMENTS)) for number in range(THREADS)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert stores[0].get(NS, "n").value == {"n": THREADS * INCREMENTS}

    def test_of_processes_that_expect_the_same_one_wins(
        self, opener_source: str, open_store: Callable[[], AbstractContextManager[Any]]
    ) -> None:
        """Processes that each open the store: no increment is lost, and none fails."""
        script = (
            f"{opener_source}\nfrom tests.store.protocol_suite import count_up\n"
            f"with open_store() as store:\n    count_up(store, {INCREMENTS})\n"
        )
        workers = [
            subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE, text=True)
            for _ in range(PROCESSES)
        ]
        assert [worker.communicate(timeout=120)[1] for worker in workers] == [""] * PROCESSES
        with open_store() as store:
            assert store.get(NS, "n").value == {"n": PROCESSES * INCREMENTS}


def count_up(store: Any, times: int) -> None:
    """Add one to a number so often, each time by reading it and writing if nobody else has."""
    for _ in range(times):
        while True:
            item = store.get(NS, "n")
            old = item.value if item else None
            if store.put_if(NS, "n", {"n": (old or {"n": 0})["n"] + 1}, expected=old, index=False):
                break
