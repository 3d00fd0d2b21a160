"""The fakes that users test their own agents with."""

from datetime import UTC, datetime

import numpy as np
import pytest
from langchain_core.messages import AIMessage, HumanMessage

from memgpt_agent.testing import Clock, HashingEmbedder, ScriptedModel, ScriptExhausted, call, calls, say


def test_the_model_answers_with_its_lines_in_order_and_records_its_calls() -> None:
    """A line is a message, text, or a function of what was sent."""
    model = ScriptedModel(["one", say("two"), lambda messages: f"{len(messages)} sent"])
    assert model.invoke("a").text == "one"
    assert model.invoke("b").tool_calls[0]["args"]["message"] == "two"
    assert model.invoke([HumanMessage("c"), HumanMessage("d")]).text == "2 sent"
    assert [[m.text for m in sent] for sent in model.calls] == [["a"], ["b"], ["c", "d"]]


def test_a_model_call_that_nobody_planned_is_an_error() -> None:
    """The script does not start again from the top."""
    model = ScriptedModel(["only"])
    model.invoke("a")
    with pytest.raises(ScriptExhausted, match="call 2, but the script has 1"):
        model.invoke("b")


def test_an_error_in_the_script_is_raised_and_used_up() -> None:
    """The next call gets the next line."""
    model = ScriptedModel([TimeoutError("slow"), "fine"])
    with pytest.raises(TimeoutError, match="slow"):
        model.invoke("a")
    assert model.invoke("a").text == "fine"


def test_a_streamed_call_arrives_in_pieces_that_make_the_whole() -> None:
    """Arguments come a few characters at a time, as from a provider."""
    chunks = list(ScriptedModel([say("Hello, world")], chunk_chars=4).stream("a"))
    pieces = [c.tool_call_chunks[0]["args"] for c in chunks if c.tool_call_chunks]  # pyright: ignore[reportAttributeAccessIssue]
    assert max(len(piece or "") for piece in pieces) == 4
    assert "Hello, world" in "".join(piece or "" for piece in pieces)


async def test_the_model_streams_to_an_event_loop_too() -> None:
    """The same script serves sync and async code."""
    parts = [chunk.text async for chunk in ScriptedModel(["all"]).astream("a")]
    assert "".join(parts) == "all"


def test_the_tools_that_were_offered_are_recorded() -> None:
    """In OpenAI's form; empty where none were bound."""

    def look(word: str) -> str:
        """Look."""
        return word

    model = ScriptedModel(["a", "b"])
    model.bind_tools([look]).invoke("x")
    model.invoke("y")
    assert [[t["function"]["name"] for t in offered] for offered in model.tools_offered] == [["look"], []]


def test_calls_are_written_shortly() -> None:
    """``call`` makes one, ``calls`` several in order, each under an id of its own."""
    one = call("look", word="x", request_heartbeat=True, thinking="hm")
    assert one.tool_calls[0]["args"] == {"thinking": "hm", "word": "x", "request_heartbeat": True}
    two = calls(("a", {}), ("b", {"n": 1}))
    assert isinstance(two, AIMessage)
    assert [(c["name"], c["args"]) for c in two.tool_calls] == [("a", {}), ("b", {"n": 1})]
    assert len({c["id"] for c in [*one.tool_calls, *two.tool_calls]}) == 3


def test_texts_that_share_words_are_close_and_every_vector_has_unit_length() -> None:
    """The same on every machine; an empty text has a vector too."""
    embedder = HashingEmbedder(dims=256)
    question, answer, other, empty = (
        np.array(v) for v in embedder.embed_documents(["Alice likes tea", "does Alice like TEA?", "rain tomorrow", ""])
    )
    assert question @ answer > 0.5 > abs(question @ other)
    assert [round(float(np.linalg.norm(v)), 9) for v in (question, answer, other, empty)] == [1.0] * 4
    assert embedder.texts[0] == "Alice likes tea"


def test_the_clock_stands_still_until_it_is_moved() -> None:
    """It takes a text or a datetime, and gives UTC."""
    clock = Clock("2026-01-01T12:00:00+02:00")
    assert clock() == clock() == datetime(2026, 1, 1, 10, tzinfo=UTC)
    clock.advance(days=1, hours=2)
    assert clock().isoformat() == "2026-01-02T12:00:00+00:00"
