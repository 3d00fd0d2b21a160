"""Recall memory: every message once, found by words, roles and days."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from langgraph.store.base import BaseStore
from langgraph.store.memory import InMemoryStore

from memgpt_agent.memory.dates import range_filter
from memgpt_agent.memory.recall import Message, RecallMemory
from memgpt_agent.memory.store import FaissStore

MESSAGES = [
    Message("1", "user", "My dog is called Rex.", "2026-01-01T10:00:00.000000+00:00", user_id="alice"),
    Message("2", "assistant", "Rex is a fine name!", "2026-01-01T10:00:01.000000+00:00"),
    Message("3", "tool", "found: My dog is called Rex.", "2026-01-02T10:00:00.000000+00:00", tool="conversation_search", echo=True),
    Message("4", "tool", "22 degrees", "2026-01-03T23:59:59.900000+00:00", tool="weather", arguments='{"city": "Lisbon"}'),
    Message("5", "system", "Context is full.", "2026-01-04T10:00:00.000000+00:00"),
]


@pytest.fixture(params=["in memory", "sqlite file"])
def recall(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RecallMemory]:
    """A plain store, and the embedded one in a real file."""
    if request.param == "in memory":
        store: BaseStore = InMemoryStore()
        memory = RecallMemory(store, "ann")
        memory.add(MESSAGES)
        yield memory
    else:
        with FaissStore(tmp_path / "memory.db") as opened:
            memory = RecallMemory(opened, "ann")
            memory.add(MESSAGES)
            yield memory


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


def test_a_long_message_is_kept_whole_and_found_by_its_beginning() -> None:
    """Only its beginning is indexed."""
    recall = RecallMemory(InMemoryStore(), "ann")
    text = "meeting notes " + "bla " * 5_000 + "end"
    recall.add([Message("1", "user", text, "2026-01-01T10:00:00.000000+00:00")])
    assert recall.search("meeting")[0].text == text


def test_a_message_is_indexed_with_what_was_said_before_it() -> None:
    """'Rex.' alone says nothing; after the question it does. The speaker and the day stand with it."""
    operation = RecallMemory(InMemoryStore(), "ann").put_operation(
        Message("1", "user", "Rex.", "2026-01-01T10:00:00.000000+00:00", user_id="alice"), ["assistant: What is your dog called?"]
    )
    assert operation.value is not None
    assert operation.value["indexed"] == "assistant: What is your dog called?\n[2026-01-01] alice: Rex."
    assert operation.index == ["indexed"]


def test_one_agents_messages_are_not_anothers(recall: RecallMemory) -> None:
    """The namespace is the agent's."""
    assert RecallMemory(InMemoryStore(), "bob").search("dog") == []
