"""The benchmark of finding reads its data as it is, mistakes included, and goes through the agent's own tools."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from benchmarks.embedding import Cached
from benchmarks.locomo import read, turns_named
from benchmarks.recall.agent import Turn, hear, searched, seconds
from benchmarks.recall.baselines import TextbookBm25, indexed_texts
from benchmarks.recall.measure_languages import pairs_of
from benchmarks.recall.measure_locomo import heard
from benchmarks.recall.measure_others import holding
from memgpt_agent.store import FaissStore
from memgpt_agent.testing import HashingEmbedder

CONVERSATION = {
    "sample_id": "conv-0",
    "conversation": {
        "speaker_a": "Ann",
        "session_1_date_time": "1:56 pm on 8 May, 2023",
        "session_1": [
            {"speaker": "Ann", "dia_id": "D1:1", "text": "What is your dog called?"},
            {"speaker": "Bob", "dia_id": "D1:2", "text": "Rex!", "blip_caption": "a brown dog"},
        ],
        "session_2_date_time": "1:56 pm on 8 May, 2023",
        "session_2": [{"speaker": "Ann", "dia_id": "D2:1", "text": "Rain again."}],
    },
    "qa": [
        {"question": "What is Bob's dog called?", "category": 4, "evidence": ["D1:02; D:1:1", "D9:9"]},
        {"question": "Nobody knows", "category": 5, "evidence": []},
    ],
}


@pytest.mark.parametrize(
    ("evidence", "ids"),
    [("D1:2", ["D1:2"]), ("D:11:26", ["D11:26"]), ("D30:05", ["D30:5"]), ("D8:6; D9:17 D4", ["D8:6", "D9:17"])],
)
def test_evidence_is_read_however_it_is_spelt(evidence: str, ids: list[str]) -> None:
    """A few are malformed in the published data."""
    assert turns_named(evidence) == ids


def test_a_conversation_goes_in_as_it_was_said_and_is_found_by_the_tool(tmp_path: Path) -> None:
    """Captions belong to the text; no two turns have the same second; evidence that names no turn is counted."""
    (tmp_path / "data.json").write_text(json.dumps([CONVERSATION]))
    (conversation,) = read(tmp_path / "data.json")
    turns = list(heard(conversation))
    assert [turn.text for turn in turns] == [
        "What is your dog called?",
        "Rex! [image: a brown dog]",
        "Rain again.",
    ]
    assert (conversation.questions[0].evidence, conversation.left_out, conversation.unknown) == (("D1:2", "D1:1"), 1, 1)
    with FaissStore(
        tmp_path / "m.db", index={"embed": Cached(HashingEmbedder(64)), "dims": 64, "fields": ["$"]}
    ) as store:
        memory = hear(store, turns)
        found = searched(memory, "What is Bob's dog called?", 2, seconds(turns))
        assert set(found) == {"D1:1", "D1:2"}
        texts = indexed_texts(store, turns)
        assert (
            texts[1] == "[2023-05-08] Bob: Rex! [image: a brown dog]\nMonday 8 May 2023\nAnn: What is your dog called?"
        )
        assert TextbookBm25(["1", "2", "3"], texts).search("brown rain", 3) == ["3", "2"]


def test_a_quote_is_placed_in_the_message_that_holds_most_of_it() -> None:
    """Shortened at its ends as it is; nowhere if not half of it stands there."""
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    said = {"a": "Hello there, you all.", "b": "Well, my counter is only 38 square feet wide."}
    turns = [Turn(key, "user", text, "t", moment) for key, text in said.items()]
    assert holding("...my counter is only 38 square feet.", turns) == {"b"}
    assert holding("nothing of this was ever said by anyone", turns) == frozenset()


def test_each_language_has_sixty_different_facts_and_questions() -> None:
    """A question is none of the facts, and no two facts are one."""
    files = sorted(Path("benchmarks/recall/languages").glob("*.txt"))
    assert [file.stem for file in files] == ["de", "en", "es", "fr", "it", "ja", "nl", "pt", "zh"]
    for file in files:
        texts = [text for pair in pairs_of(file) for text in pair]
        assert (file.stem, len(set(texts))) == (file.stem, 120)
