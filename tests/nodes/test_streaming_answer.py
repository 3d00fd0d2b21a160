"""An answer as it grows: calls told apart by their ids, length counted by what is said."""

from typing import Any

import pytest
from langchain_core.messages import AIMessageChunk
from langchain_core.messages.tool import tool_call_chunk

from memgpt_agent.nodes.reading import ReadCall, own_name, read_call
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
        ([("send_message", '{"message": "Hi"}', "a", 0), ("page_out", '{"page_number": 2}', "a", 0)], TWO),
        ([("send_message", '{"message": "Hi"}', "a", 0), ("page_out", "", "a", 1), (None, '{"page_number": 2}', None, 1)], TWO),
        ([("send_message", '{"message": "Hi"}', "a", 0), ("send_message", '{"message": "Hi"}', "a", 0)], ONE),
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


@pytest.mark.parametrize(
    "given",
    [
        '"{\\"city\\": \\"Bonn\\"}"', '{"city": "Bonn",}', "{'city': 'Bonn'}", '```json\n{"city": "Bonn"}\n```', '[{"city": "Bonn"}]',
        '{city: "Bonn"}',
    ],
)  # fmt: skip
def test_arguments_are_read_as_weak_models_write_them(given: str) -> None:
    """In quotes, with a comma too many, with Python's quotes, in a code block, in a list, without quotes around a name."""
    assert read_call("weather", given) == ReadCall("weather", {"city": "Bonn"})


@pytest.mark.parametrize("given", ['{"city": "Bo', "{'city': 'Bo", '{"city": "Bonn"} and more', "[1, 2]", '"Bonn"', "null"])
def test_arguments_that_break_off_or_are_none_are_an_error(given: str) -> None:
    """Nothing is completed or guessed."""
    read = read_call("weather", given)
    assert (read.arguments, bool(read.error)) == ({}, True)


@pytest.mark.parametrize(
    "given",
    [
        "send_message", "functions.send_message", "default_api.sendMessage", "send_message<|channel|>json", " Send-Message ",
        "tools.send_message:0",
    ],
)  # fmt: skip
def test_a_tool_is_known_by_its_letters_behind_a_namespace_and_before_marks(given: str) -> None:
    """So models write the name where they make a call as well as where they write one."""
    assert own_name(given, {"send_message"}, {"sendmessage": "send_message"}) == "send_message"
    assert own_name("send_messages", {"send_message"}, {"sendmessage": "send_message"}) == ""
