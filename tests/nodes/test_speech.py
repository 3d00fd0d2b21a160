"""Streaming what is spoken, from arguments that are still being generated."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.tool import tool_call_chunk

from memgpt_agent.nodes.speech import SpeechStream


def speak(arguments: str, size: int = 3, name: str = "send_message") -> tuple[SpeechStream, list[dict[str, Any]]]:
    """Feed one call's arguments in pieces; return the stream and what it wrote."""
    written: list[dict[str, Any]] = []
    stream = SpeechStream(written.append, lambda ordinal: f"reply-{ordinal}")
    grown = AIMessageChunk(content="", tool_call_chunks=[tool_call_chunk(name=name, args="", id="c", index=0)])
    for start in range(0, len(arguments), size):
        piece = tool_call_chunk(name=None, args=arguments[start : start + size], id=None, index=0)
        grown = grown + AIMessageChunk(content="", tool_call_chunks=[piece])
        stream.watch(grown)  # pyright: ignore[reportArgumentType]
    return stream, written


def whole(arguments: dict[str, Any], name: str = "send_message") -> AIMessage:
    """Return the complete answer."""
    return AIMessage("", tool_calls=[{"name": name, "args": arguments, "id": "c", "type": "tool_call"}])


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40), st.booleans(), st.integers(1, 9))
def test_the_deltas_join_to_the_message_and_each_is_whole_characters(text: str, escaped: bool, size: int) -> None:
    """Also where a provider escapes what is not ASCII, so that an emoji comes as two halves in two pieces."""
    stream, written = speak(json.dumps({"thinking": "hm", "message": text, "request_heartbeat": False}, ensure_ascii=escaped), size)
    stream.finish(whole({"message": text}))
    assert "".join(w["delta"] for w in written) == text
    assert all(w["delta"].encode() for w in written)


def test_half_an_emoji_is_held_back() -> None:
    """Until the other half has come."""
    _, written = speak('{"message": "a\\ud83d', size=1)
    assert [w["delta"] for w in written] == ["a"]
    _, written = speak('{"message": "a\\ud83d\\ude00', size=1)
    assert "".join(w["delta"] for w in written) == "a😀"


def test_the_beginning_is_written_before_the_end_is_there() -> None:
    """Under the id that the reply will have."""
    _, written = speak('{"message": "Hello, wo')
    assert written[0] == {"reply_id": "reply-0", "delta": "H"} or written[0]["delta"].startswith("H")
    assert "".join(w["delta"] for w in written) == "Hello, wo"


def test_only_send_message_is_spoken() -> None:
    """Another tool's argument of that name is not for the user."""
    stream, written = speak('{"message": "secret"}', name="note")
    stream.finish(whole({"message": "secret"}, name="note"))
    assert written == []


def test_what_does_not_hold_in_the_end_is_withdrawn() -> None:
    """And what holds instead is written anew."""
    stream, written = speak('{"message": "Hello')
    stream.finish(whole({"message": "Good day"}))
    assert written[-2:] == [{"reply_id": "reply-0", "withdrawn": "the message changed"}, {"reply_id": "reply-0", "delta": "Good day"}]


def test_a_call_that_could_not_be_read_is_withdrawn() -> None:
    """Whether it has lost its arguments or is gone."""
    for final in (whole({}), AIMessage("")):
        stream, written = speak('{"message": "Hello')
        stream.finish(final)
        assert written[-1] == {"reply_id": "reply-0", "withdrawn": "the call could not be read"}


def test_all_can_be_taken_back_once() -> None:
    """As when the model fails in the middle."""
    stream, written = speak('{"message": "Hello')
    stream.withdraw("the model failed")
    stream.withdraw("the model failed")
    assert [w for w in written if "withdrawn" in w] == [{"reply_id": "reply-0", "withdrawn": "the model failed"}]


def test_arguments_that_are_no_object_say_nothing() -> None:
    """Nor does a message that is no text."""
    for arguments in ("[1, 2]", '{"message": 7}', "}{"):
        assert speak(arguments)[1] == []
