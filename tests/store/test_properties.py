"""FaissStore against InMemoryStore and SqliteStore, over any sequence of operations."""

import asyncio
import json
import os
import random
import sqlite3
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from langgraph.store.base import GetOp, ListNamespacesOp, MatchCondition, Op, PutOp, SearchOp

from memgpt_agent.store import FaissStore
from memgpt_agent.store.filters import matches
from memgpt_agent.store.index.index_cache import Sizes
from memgpt_agent.store.rows import encode_value
from memgpt_agent.store.sqlite.filter_sql import judge, to_sql
from tests.store.reference import DIMS, ExactEmbedder, Reference, passes, shown

EXAMPLES = int(os.environ.get("MEMGPT_TEST_EXAMPLES", "0"))
"""Set it to look longer, and elsewhere at each run; 0 is a short run that is the same everywhere."""
IN_MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
"""Where a file is not synced to a disk hundreds of times, since nothing is killed here."""
INDEX: Any = {"dims": DIMS, "embed": ExactEmbedder(), "fields": ["text", "tags[*]"]}

LABELS = st.sampled_from(["a", "b", "c", "ab"])
NAMESPACES = st.sampled_from([("a",), ("a", "b"), ("a", "b", "c"), ("ab",), ("c",), ("b", "a")])
PREFIXES = st.sampled_from([(), ("a",), ("a", "b"), ("ab",), ("b",), ("none",)])
KEYS = st.sampled_from(["k", "l", "m", "é.x"])
WORDS = st.sampled_from(
    ["", "x", "2", "10", "1e1", "red apple", "😀", "it's", "\x00", "x\x00y", "\ud83d", "2026-01-02", "nan"]
)
SCALARS = st.none() | st.booleans() | st.integers(-3, 12) | st.sampled_from([0.5, -1.5, 1e300, 10**400, 2**63]) | WORDS
FIELDS = st.sampled_from(["n", "text", "tags", "meta"])
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(FIELDS, inner, max_size=2), max_leaves=4
)
VALUES = st.dictionaries(FIELDS, JSON, max_size=3)
OPERATORS = st.sampled_from(["$eq", "$ne", "$gt", "$gte", "$lt", "$lte"])
CONDITIONS = st.recursive(
    JSON | st.dictionaries(OPERATORS, JSON, min_size=1, max_size=2),
    lambda inner: st.dictionaries(FIELDS, inner, max_size=2) | st.lists(inner, max_size=2),
    max_leaves=3,
)
FILTERS = st.none() | st.dictionaries(FIELDS | st.just("a.b"), CONDITIONS, max_size=2)
QUERIES = st.none() | st.sampled_from(["", " ", "x", "red apple", "2", "True", "\ud83d"])
INDEXED = (
    st.none()
    | st.just(False)
    | st.lists(st.sampled_from(["n", "text", "tags[0]", "meta.text", "{n,text}", "*"]), max_size=2, unique=True)
)
MATCHES = st.lists(
    st.builds(
        MatchCondition,
        match_type=st.sampled_from(["prefix", "suffix"]),
        path=st.lists(LABELS | st.just("*"), min_size=1, max_size=3).map(tuple),
    ),
    max_size=2,
).map(tuple)
PUTS = st.builds(PutOp, NAMESPACES, KEYS, VALUES | st.none(), INDEXED, st.none())
READS: st.SearchStrategy[Op] = st.one_of(
    st.builds(GetOp, NAMESPACES, KEYS, st.booleans()),
    st.builds(SearchOp, PREFIXES, FILTERS, st.integers(0, 6), st.integers(0, 3), QUERIES, st.booleans()),
    st.builds(ListNamespacesOp, MATCHES, st.none() | st.integers(1, 3), st.integers(0, 8), st.integers(0, 2)),
)
BATCHES = st.tuples(st.sampled_from(["sync", "async", "reopen"]), st.lists(PUTS | READS, min_size=1, max_size=5))
EVERYTHING: list[Op] = [SearchOp((), limit=1000), SearchOp((), limit=1000, query="x"), ListNamespacesOp(limit=100)]


def opened(path: Path, snapshot_docs: int) -> FaissStore:
    """Open the file; snapshots are written after so many changes instead of 20,000."""
    return FaissStore(path, index=INDEX, sizes=Sizes(snapshot_docs=snapshot_docs))


def agree(path: Path, batches: list[tuple[str, list[Op]]], snapshot_docs: int) -> None:
    """Give both stores the same batches, and the same answers are wanted; the file is opened anew where a batch says so."""
    reference = Reference(index=INDEX)
    store = opened(path, snapshot_docs)
    try:
        for how, batch in [*batches, ("sync", EVERYTHING), ("reopen", EVERYTHING)]:
            wanted = shown(reference.batch(batch))
            if how == "reopen":
                store.close()
                store = opened(path, snapshot_docs)
            found = asyncio.run(store.abatch(batch)) if how == "async" else store.batch(batch)
            for operation, one, other in zip(batch, shown(found), wanted, strict=True):
                assert one == other, operation
    finally:
        store.close()


@settings(max_examples=EXAMPLES or 60, deadline=None, derandomize=not EXAMPLES)
@given(st.lists(BATCHES, max_size=10), st.sampled_from([1, 3, 20_000]))
def test_any_sequence_of_batches_gives_what_in_memory_store_gives(
    batches: list[tuple[str, list[Op]]], snapshot_docs: int
) -> None:
    """Values, scores and order: puts with any ``index``, searches with and without a query, filters, pages, namespaces; both faces."""
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as folder:
        agree(Path(folder) / "store.sqlite", batches, snapshot_docs)


@pytest.mark.parametrize("seed", range(1, 2 + EXAMPLES // 100))
def test_a_long_life_gives_what_in_memory_store_gives(tmp_path: Path, seed: int) -> None:
    """Hundreds of batches over few keys: deletes pile up, indexes are compacted and snapshotted, the file is opened anew."""
    dice = random.Random(seed)
    some = [("a",), ("a", "b"), ("c",)]
    batches: list[tuple[str, list[Op]]] = []
    for number in range(250):
        batch: list[Op] = []
        for _ in range(dice.randint(1, 8)):
            value = None if dice.random() < 0.3 else {"text": f"text {dice.randrange(300)}", "n": dice.randrange(9)}
            batch.append(PutOp(dice.choice(some), f"k{dice.randrange(40)}", value))
        if number % 5 == 0:
            batch.append(SearchOp(dice.choice([(), *some]), {"n": {"$gte": dice.randrange(9)}}, 50, 0, "text 1"))
            batch.append(SearchOp(dice.choice([(), *some]), None, dice.choice([3, 200]), dice.randrange(4), "text 2"))
        batches.append((dice.choice(["sync"] * 20 + ["async", "reopen"]), batch))
    agree(tmp_path / "store.sqlite", batches, snapshot_docs=40)


@settings(max_examples=EXAMPLES or 30, deadline=None, derandomize=not EXAMPLES)
@given(
    st.dictionaries(
        st.text(max_size=3),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
            max_leaves=5,
        ),
    ),
    st.text(min_size=1),
)
def test_any_json_value_under_any_key_comes_back_as_it_was_put(value: dict[str, Any], key: str) -> None:
    """Whatever characters are in it, from get, search, find and a file opened anew."""
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as folder:
        path = Path(folder) / "store.sqlite"
        for write in (True, False):
            with FaissStore(path) as store:
                if write:
                    store.put(("a",), key, value, index=["$"])
                found = store.get(("a",), key)
                assert found is not None
                assert found.value == value
                assert [item.key for item in store.search(("a",))] == [key]
                assert [item.value for item in store.find(("a",), " ")] == [value]


@settings(max_examples=10 * EXAMPLES or 300, deadline=None, derandomize=not EXAMPLES)
@given(VALUES, FILTERS)
@example({"n": 10**400}, {"n": {"$gt": 1}})
def test_a_filter_lets_through_what_in_memory_store_lets_through(
    value: dict[str, Any], wanted: dict[str, Any] | None
) -> None:
    """Mixed types, nested fields, every operator; where InMemoryStore raises, a comparison does not hold."""
    assert matches(json.loads(json.dumps(value)), wanted) == passes(value, wanted)


LISTED = st.dictionaries(
    st.sampled_from(["$in", "$any", "$all", "$eq", "$gt", "$lte"]),
    st.lists(SCALARS, max_size=3),
    min_size=1,
    max_size=2,
)


@settings(max_examples=10 * EXAMPLES or 300, deadline=None, derandomize=not EXAMPLES)
@given(VALUES, FILTERS | st.dictionaries(FIELDS, LISTED, max_size=2))
@example({"n": "\ud83d"}, {"n": {"$gt": "x"}})
@example({"n": "1_0"}, {"n": {"$lt": "x"}})
def test_sqlite_lets_through_what_python_lets_through(value: dict[str, Any], wanted: dict[str, Any] | None) -> None:
    """A filter as SQL passes just the right items; what SQL cannot say it asks Python."""
    passed, right = judged(value, wanted)
    assert passed == right


@pytest.mark.parametrize("wanted", [{"n": "x"}, {"n": "x\x00y"}])
def test_a_filter_sees_the_whole_of_a_text_with_a_null_character(wanted: dict[str, Any]) -> None:
    """As Python compares it."""
    passed, right = judged({"n": "x\x00y"}, wanted)
    assert passed == right


def judged(value: dict[str, Any], wanted: dict[str, Any] | None) -> tuple[bool, bool]:
    """Return what SQLite says and what Python says."""
    condition = to_sql(wanted, {})
    connection = sqlite3.connect(":memory:")
    connection.create_function("passes", 2, judge)
    try:
        sql = f"SELECT count(*) FROM (SELECT ? AS value) AS items WHERE {condition.sql}"  # noqa: S608 - the package's own statement
        passed = bool(connection.execute(sql, [encode_value(value), *condition.parameters]).fetchone()[0])
    finally:
        connection.close()
    return passed, matches(json.loads(json.dumps(value)), wanted)
