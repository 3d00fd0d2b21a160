"""The same items and queries in both stores: the same order."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from memgpt_agent.store import FaissStore, open_store
from memgpt_agent.store.protocol import Dialogue
from memgpt_agent.testing import HashingEmbedder
from tests.store.servers import fresh_url

NS = ("agent", "recall")
SAID = [
    "Have you booked the hotel in Basel?", "Yes, I bought the tickets possibly too early", "Order 94071d67-86df was sent for $1,299",
    "Wir haben die Wohnungen besichtigt", "Die Häuser waren alle verkauft", "我们明天去北京旅行", "She was running from the dogs",
    "He runs an apology of a hotel", "Sensible people use methodology", "Call +41 61 123 45 67 😀", "Why did the train leave?",
    "The trains left at nine", "J'ai acheté des billets", "Nous avons visité les maisons", "C++ and dotNet are used", "мы купили дома",
]  # fmt: skip
QUERIES = [
    "who booked hotels", "Anna bought a ticket", "possible apologies", "94071d67", "1299", "Wohnung besichtigen", "Haus", "北京",
    "dog runs", "using methodologies", "+41611234567", "when did the trains leave", "billet", "maison", "c++", "купил дом", "the",
]  # fmt: skip
DIALOGUE = Dialogue("thread_id", "chars", "asks", "speaker", "dated", {"n": {"$lt": 90}})


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Any]]:
    """Return both stores with the same sayings."""
    folder: Path = tmp_path_factory.mktemp("pair")
    index: Any = {"embed": HashingEmbedder(64), "fields": ["text"]}
    with open_store(folder / "a.sqlite", index=index) as first, open_store(fresh_url(), index=index) as second:
        assert isinstance(first, FaissStore)
        for number in range(160):
            text = f"{SAID[number * 7 % len(SAID)]} {SAID[number % 13] if number % 3 else ''} {number % 11}"
            value = {
                "text": text, "thread_id": f"t{number // 20}", "chars": len(text), "asks": text.rstrip(" 0123456789").endswith("?"),
                "speaker": ["Anna", "Ben", None][number % 3], "n": number, "dated": number % 4 == 0,
            }  # fmt: skip
            for store in (first, second):
                store.put(NS, str(number), value, index=None if number % 10 else ["words:text"])
        for store in (first, second):
            store.delete(NS, "17")
        yield [first, second]


@pytest.mark.parametrize("near", [None, "thread_id", DIALOGUE], ids=["alone", "near", "dialogue"])
@pytest.mark.parametrize("mode", ["words", "meaning", "hybrid"])
def test_both_stores_rank_alike(pair: list[Any], mode: Any, near: Any) -> None:
    """Keys and scores, with and without a filter; what scores alike to a millionth may change places."""
    for query in QUERIES:
        for wanted in (None, {"n": {"$gte": 40}}, {"thread_id": "t3"}):
            mine, theirs = (
                [(item.key, item.score) for item in store.find(NS, query, mode=mode, filter=wanted, limit=200, near=near)]
                for store in pair
            )
            assert dict(mine) == pytest.approx(dict(theirs), abs=1e-5), query
            for (key, score), (other, _) in zip(mine, theirs, strict=True):
                assert key == other or score == pytest.approx(dict(theirs)[other], abs=1e-5), query


def test_words_have_the_stems_of_the_embedded_store() -> None:
    """As FTS5 gives them: endings that Snowball treats otherwise, and short words behind the namespace's number."""
    from memgpt_agent.store.postgres.searches import stem

    words = [
        "running", "runs", "ran", "apology", "apologies", "possibly", "sensibly", "ostensibly", "assembly",
        "use", "used", "using", "age", "one", "ones", "methodology", "logy", "relational", "conditional",
        "happy", "happiness", "hopping", "hoping", "agreed", "plastered", "flies", "dies", "bly", "oats",
        "troubles", "sized", "is", "as",
    ]  # fmt: skip
    with sqlite3.connect(":memory:") as connection:
        connection.execute("""CREATE VIRTUAL TABLE one USING fts5 (tokens, tokenize="porter ascii tokenchars '_'")""")
        connection.execute("CREATE VIRTUAL TABLE places USING fts5vocab ('one', 'instance')")
        connection.executemany("INSERT INTO one (rowid, tokens) VALUES (?, ?)", [(n, f"1x{w}") for n, w in enumerate(words)])
        theirs = {words[doc]: term[2:] for doc, term in connection.execute("SELECT doc, term FROM places")}
    connection.close()
    assert {word: stem(word) for word in words} == theirs
