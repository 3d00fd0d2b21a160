"""Recall memory: every message once, found by words, roles and days."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from langgraph.store.base import BaseStore
from langgraph.store.memory import InMemoryStore

from memgpt_agent.memory.dates import range_filter
from memgpt_agent.memory.recall import Message, RecallMemory
from memgpt_agent.store import FaissStore
from memgpt_agent.testing import HashingEmbedder

MESSAGES = [
    Message("1", "user", "My dog is called Rex.", "2026-01-01T10:00:00.000000+00:00", user_id="alice"),
    Message("2", "assistant", "Rex is a fine name!", "2026-01-01T10:00:01.000000+00:00"),
    Message(
        "3",
        "tool",
        "found: My dog is called Rex.",
        "2026-01-02T10:00:00.000000+00:00",
        tool="conversation_search",
        echo=True,
    ),
    Message(
        "4", "tool", "22 degrees", "2026-01-03T23:59:59.900000+00:00", tool="weather", arguments='{"city": "Lisbon"}'
    ),
    Message("5", "system", "Context is full.", "2026-01-04T10:00:00.000000+00:00"),
]


@pytest.fixture
def recall(store: BaseStore) -> RecallMemory:
    """Ann's recall memory with the messages."""
    memory = RecallMemory(store, "ann")
    memory.add(MESSAGES)
    return memory


def ids(found: list[Message]) -> list[str]:
    """Return the ids in order."""
    return [m.id for m in found]


def test_a_message_is_found_by_its_words_and_comes_back_whole(recall: RecallMemory) -> None:
    """All fields as they were kept."""
    assert recall.search("dog")[0] == MESSAGES[0]


def test_an_empty_query_gives_the_newest_first(recall: RecallMemory) -> None:
    """Also one without a letter; results of memory searches only repeat and are left out."""
    assert ids(recall.search("")) == ids(recall.search(" ?!")) == ["5", "4", "2", "1"]


def test_roles_narrow_the_search(recall: RecallMemory) -> None:
    """Asked for tools, the results of memory searches are shown too."""
    assert ids(recall.search("", roles=["user"])) == ["1"]
    assert ids(recall.search("", roles=["tool"])) == ["4", "3"]


def test_days_are_whole(recall: RecallMemory) -> None:
    """The last second of the end day counts."""
    assert ids(recall.search("", dates=range_filter("2026-01-02", "2026-01-03"))) == ["4"]


def test_pages_follow_each_other(recall: RecallMemory) -> None:
    """Counted from 0."""
    assert [ids(recall.search("", limit=2, page=n)) for n in range(3)] == [["5", "4"], ["2", "1"], []]


def test_adding_a_message_again_changes_nothing(recall: RecallMemory) -> None:
    """What is kept stands."""
    recall.add([Message("1", "user", "changed", "2026-02-01T00:00:00.000000+00:00")])
    assert recall.get(["1", "none"]) == {"1": MESSAGES[0]}


@pytest.fixture
def searchable(tmp_path: Path) -> Iterator[RecallMemory]:
    """An embedded store with an embedding, so that words and meaning are searched together."""
    with FaissStore(tmp_path / "memory.db", index={"embed": HashingEmbedder(64), "fields": ["$"]}) as store:
        yield RecallMemory(store, "ann")


def said(number: int, text: str, **more: str) -> Message:
    """Return a message of its own minute."""
    return Message(str(number), "user", text, f"2026-01-01T10:{number:02}:00.000000+00:00", **more)  # pyright: ignore[reportArgumentType]


def test_the_end_of_a_long_message_is_found_too(searchable: RecallMemory) -> None:
    """It is embedded in parts; of a very long one also what is between them is found by its words."""
    long = "meeting notes " + "bla " * 5_000 + "zebra " + "blub " * 5_000 + "giraffe"
    searchable.add([said(1, "nothing"), said(2, long), said(3, "much else")])
    for word in ("meeting", "zebra", "giraffe"):
        assert searchable.search(word)[0].text == long


def test_a_message_is_indexed_with_its_day_its_speaker_and_what_was_said_before_it() -> None:
    """'Rex.' alone says nothing; after the question it does. What stands beside it is searched by its words only."""
    operation = RecallMemory(InMemoryStore(), "ann").put_operation(
        Message("1", "user", "Rex.", "2026-01-01T10:00:00.000000+00:00", user_id="alice"),
        ["assistant: Hi.", "assistant: Your dog?"],
    )
    assert operation.value is not None
    assert operation.value["indexed"] == "[2026-01-01] alice: Rex."
    assert operation.value["beside"] == "Thursday 1 January 2026\nassistant: Hi.\nassistant: Your dog?"
    assert operation.index == ["indexed", "words:beside"]


def test_a_long_message_needs_no_context() -> None:
    """The lines before it fill it up to 600 characters."""
    put = RecallMemory(InMemoryStore(), "ann").put_operation
    short, long = (put(said(1, "x" * length), ["user: a", "user: " + "b" * 100]).value for length in (550, 600))
    assert short is not None
    assert long is not None
    assert short["beside"].split("\n")[1:] == ["user: " + "b" * 44]
    assert long["beside"] == "Thursday 1 January 2026"


def test_messages_that_are_added_stand_with_those_before_them_until_a_pause(searchable: RecallMemory) -> None:
    """What was said the day before, or in another conversation, is not of the same talk."""
    evening = Message("9", "user", "Max.", "2026-01-01T23:00:00.000000+00:00")
    searchable.add(
        [said(1, "What is your dog called?"), said(2, "Rex."), said(3, "Moritz.", thread_id="other"), evening]
    )
    assert {m.id for m in searchable.search("dog called")[:2]} == {"1", "2"}
    assert "dog" not in str([searchable._store.get(("ann", "recall"), i) for i in ("3", "9")])


def test_a_day_is_found_as_one_names_it(searchable: RecallMemory) -> None:
    """The time alone holds no 'May'."""
    searchable.add([Message(str(n), "user", "We went out.", f"2026-{n:02}-07T10:00:00+00:00") for n in (4, 5, 6)])
    assert searchable.search("Where did we go on 7 May 2026?")[0].id == "5"


def test_a_form_that_no_stemmer_joins_is_found() -> None:
    """A question has 'buy' where what was said has 'bought'."""
    with FaissStore(":memory:") as store:
        recall = RecallMemory(store, "ann")
        recall.add([said(1, "I bought a bicycle."), said(2, "I wrote a letter.")])
        assert recall.search("What did I buy?")[0].id == "1"
        assert recall.search("Who writes?")[0].id == "2"


def test_what_stands_around_a_message_speaks_for_it() -> None:
    """Of two equal answers the one that stands in the talk about the question comes first."""
    with FaissStore(":memory:") as store:
        recall = RecallMemory(store, "ann")
        rain = [said(n, "Rain again today.", thread_id="b") for n in range(5)]
        dogs = [
            said(10 + n, text, thread_id="a")
            for n, text in enumerate(["The vet saw the dog.", "So?", "Oh.", "Vaccinated on Monday."])
        ]
        recall.add([*rain, said(5, "Vaccinated on Monday.", thread_id="b"), *dogs])
        found = ids(recall.search("When was the dog vaccinated at the vet?"))
        assert found.index("13") < found.index("5")


@pytest.mark.parametrize(
    "query", ["🦕", '"quoted" AND (NOT', "a:b*c^2 -d", "word " * 2_000, "NEAR(a b)", "% _ \\ ' ;--", "\ud83d"]
)
def test_any_text_is_a_query(recall: RecallMemory, searchable: RecallMemory, query: str) -> None:
    """Nothing in it is syntax."""
    searchable.add(MESSAGES)
    for memory in (recall, searchable):
        assert isinstance(memory.search(query), list)


@pytest.mark.parametrize(
    "code", ["94071d67-86df-455c-8ee9-691e492ff740", "INV-2026/118", "a.b+c@example.org", "Xquzzle", "v2.10.3"]
)
def test_a_code_is_found_whole_among_others_nearly_like_it(searchable: RecallMemory, code: str) -> None:
    """The embedding hardly tells them apart; the words do."""
    searchable.add(
        [said(n, f"The number is {other}.") for n, other in enumerate([code[:-1] + "9", code, code[::-1], "none"])]
    )
    assert searchable.search(f"What was {code}?")[0].id == "1"


def test_filters_come_before_ranking(searchable: RecallMemory) -> None:
    """A hundred better hits that do not pass leave the one that does in its place."""
    searchable.add([said(n % 60, "dog dog dog", user_id=str(n)) for n in range(1)])
    searchable.add([Message(f"t{n}", "tool", "dog dog", "2026-02-01T10:00:00+00:00", tool="x") for n in range(100)])
    searchable.add([Message("u", "user", "A dog, among much else that was said.", "2026-03-01T10:00:00+00:00")])
    assert ids(searchable.search("dog", roles=["user"], dates=range_filter("2026-02-15", "2026-03-15"), limit=1)) == [
        "u"
    ]


def test_one_agents_messages_are_not_anothers(recall: RecallMemory) -> None:
    """The namespace is the agent's."""
    assert RecallMemory(InMemoryStore(), "bob").search("dog") == []
