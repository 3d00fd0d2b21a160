"""An answer as it grows: calls told apart by their ids, length counted by what is said."""

from typing import Any

import pytest
from langchain_core.messages import AIMessageChunk
from langchain_core.messages.tool import tool_call_chunk

from memgpt_agent.nodes.streaming_answer import StreamingAnswer

Piece = tuple[str | None, str | None, str | None, int | None]


def grown(*pieces: Piece) -> list[tuple[str, dict[str, Any]]]:
    """Return the calls of a stream of (name, arguments, id, index)."""
    growing = StreamingAnswer(1_000)
    for name, arguments, call_id, index in pieces:
        growing.add(AIMessageChunk(content="", tool_call_chunks=[tool_call_chunk(name=name, args=arguments, id=call_id, index=index)]))
    assert not any(call.error for call in growing.calls())
    return [(call.name, call.arguments) for call in growing.calls()]


ONE = [("send_message", {"message": "Hi"})]
TWO = [("send_message", {"message": "Hi"}), ("page_out", {"page_number": 2})]


@pytest.mark.parametrize(
    ("pieces", "calls"),
    [
        ([("send_message", "", "a", 0), (None, '{"mess', None, 0), (None, 'age": "Hi"}', None, 0)], ONE),
        ([("send_message", '{"mess', "a", 0), ("send_message", 'age": "Hi"}', "a", 0)], ONE),
        ([("send_message", '{"mess', "a", 0), ("send_message", 'age": "Hi"}', "b", 0)], ONE),
        ([("send_message", "", "a", 0), ("send_message", "", "a", 0), ("send_message", '{"message": "Hi"}', "a", 0)], ONE),
        ([("send_", "", "a", 0), ("message", '{"message": "Hi"}', None, 0)], ONE),
        ([("send_message", '{"mess', "a", None), (None, 'age": "Hi"}', None, None)], ONE),
        ([("send_message", '{"message": "Hi"}', "a", 0), ("page_out", '{"page_number": 2}', "b", 0)], TWO),
        ([("send_message", '{"message": "Hi"}', None, 0), ("page_out", '{"page_number": 2}', None, 0)], TWO),
        (
            [
                ("send_message", "", "a", 0), (None, '{"message": ', "a", 0), ("page_out", "", "b", 0), (None, '{"page_number"', "b", 0),
                (None, '"Hi"}', "a", 0), (None, ": 2}", "b", 0),
            ],
            TWO,
        ),
        ([("send_message", '{"message": "Hi"}', "a", None), ("page_out", '{"page_number": 2}', "b", None)], TWO),
        (
            [
                ("send_message", "", "a", 0), ("page_out", "", "b", 1), (None, '{"page_number": 2}', None, 1),
                (None, '{"message": "Hi"}', None, 0),
            ],
            TWO,
        ),
    ],
)  # fmt: skip
def test_the_calls_of_a_stream_are_told_apart(pieces: list[Piece], calls: list[tuple[str, dict[str, Any]]]) -> None:
    """By ids where there are any: servers repeat the name with each piece, or give every call the index 0."""
    assert grown(*pieces) == calls


def test_a_long_text_in_wrapped_pieces_is_counted_by_its_words() -> None:
    """A reply of 600 words in pieces of four characters, as the Responses API wraps them, is within 1,024 tokens."""
    growing = StreamingAnswer(1_024)
    text = "word " * 600
    for start in range(0, len(text), 4):
        assert growing.add(AIMessageChunk(content=[{"type": "text", "text": text[start : start + 4], "index": 0, "annotations": []}]))
    assert growing.message().text == text
    assert growing.stop().kind == ""


def test_an_answer_that_grows_without_end_is_left() -> None:
    """Text, thoughts and arguments count alike; signatures do not."""
    for block in ({"type": "text", "text": "x" * 600}, {"type": "thinking", "thinking": "x" * 600}):
        growing = StreamingAnswer(64)
        assert not growing.add(AIMessageChunk(content=[block]))
        assert growing.stop().reason == "endless"
    assert StreamingAnswer(64).add(AIMessageChunk(content=[{"type": "thinking", "thinking": "hm", "signature": "x" * 6_000}]))
