"""The queue: its exchanges, what leaves first, and what the model sees of it."""

import json

from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, SystemMessage, ToolMessage

from memgpt_agent.events import Mark, with_mark
from memgpt_agent.memory.main_context import (
    as_lines,
    choose_evicted,
    results_of,
    seen_of,
    split_exchanges,
    split_steps,
)
from memgpt_agent.prompts import RESULT_UNKNOWN


def event(message_id: str, text: str = "hi") -> AnyMessage:
    """Return an event that begins a turn."""
    return with_mark(HumanMessage(text, id=message_id), Mark(kind="event", type="user_message", turn=message_id))  # pyright: ignore[reportReturnType]


def answer(*call_ids: str, text: str = "", name: str = "look") -> AIMessage:
    """Return an answer that makes these calls."""
    calls = [{"name": name, "args": {"message": i}, "id": i, "type": "tool_call"} for i in call_ids]
    return AIMessage(text, tool_calls=calls, id=f"a{'-'.join(call_ids)}{text}")  # pyright: ignore[reportArgumentType]


def result(call_id: str, text: str = "ok", name: str = "look") -> ToolMessage:
    """Return a call's result."""
    return ToolMessage(text, tool_call_id=call_id, name=name, id=f"r{call_id}")


def reply(text: str) -> AIMessage:
    """Return the plain message that repeats what was spoken."""
    return with_mark(AIMessage(text, id=f"reply {text}"), Mark(kind="reply"))  # pyright: ignore[reportReturnType]


TWO = [event("1"), answer("c1"), result("c1"), reply("x"), event("2"), answer("c2"), result("c2"), answer("c3"), result("c3")]


def seen(messages: list[AnyMessage], limit: int = 10_000) -> list:  # pyright: ignore[reportMissingTypeArgument]
    """Return what the model sees, long texts cut at a number of characters."""
    results = results_of(messages)
    return [
        shown
        for message in messages
        for shown in seen_of(message, results, time_zone="UTC", cut=lambda text, _: text[:limit], beside=lambda _: {})
    ]


def test_an_exchange_goes_from_one_event_to_the_next() -> None:
    """What stands before the first event is one too."""
    assert split_exchanges([]) == []
    assert split_exchanges([result("c0"), *TWO]) == [[result("c0")], TWO[:4], TWO[4:]]


def test_a_step_keeps_a_call_with_its_results() -> None:
    """A reply begins no step."""
    assert split_steps(TWO[:4]) == [TWO[:1], TWO[1:4]]


def test_whole_exchanges_leave_oldest_first_until_there_is_room() -> None:
    """Never the newest."""
    three = [*TWO, event("3")]
    assert choose_evicted(three, len, 1) == TWO[:4]
    assert choose_evicted(three, len, 5) == TWO
    assert choose_evicted(three, len, 1_000) == TWO
    assert choose_evicted(three, len, 0) == []


def test_of_a_single_exchange_the_oldest_steps_leave() -> None:
    """Its event and its newest step stay."""
    assert choose_evicted(TWO[4:], len, 1_000) == TWO[5:7]
    assert choose_evicted([event("1"), answer("c"), result("c")], len, 1_000) == []
    assert choose_evicted([], len, 1) == []


def test_events_are_json_replies_are_only_calls_and_results_have_a_status() -> None:
    """What was spoken is seen once."""
    shown = seen([event("1", "hello"), answer("c", name="send_message"), result("c", "Sent.", "send_message"), reply("c")])
    assert [m.type for m in shown] == ["human", "ai", "tool"]
    assert json.loads(shown[0].text)["message"] == "hello"
    assert json.loads(shown[2].text) == {"status": "OK", "message": "Sent.", "time": ""}


def test_a_call_without_a_result_gets_one_that_says_so() -> None:
    """A provider refuses a call that has none."""
    shown = seen([event("1"), answer("c1", "c2"), result("c2")])
    assert [m.tool_call_id for m in shown[2:]] == ["c1", "c2"]
    assert json.loads(shown[2].text) == {"status": "Failed", "message": RESULT_UNKNOWN, "time": ""}


def test_a_result_without_its_call_is_left_out_and_so_is_an_empty_answer() -> None:
    """And a system message that is no event."""
    assert seen([result("c9"), AIMessage(""), SystemMessage("you are a pirate")]) == []


def test_long_texts_are_cut_wherever_they_stand() -> None:
    """In events, answers, arguments and results; numbers are left alone."""
    long = AIMessage("y" * 99, tool_calls=[{"name": "look", "args": {"a": "z" * 99, "n": 7}, "id": "c", "type": "tool_call"}])
    shown = seen([event("1", "x" * 99), long, result("c", "w" * 99)], limit=5)
    assert json.loads(shown[0].text)["message"] == "xxxxx"
    assert shown[1].text == "yyyyy"
    assert shown[1].tool_calls[0]["args"] == {"a": "zzzzz", "n": 7}
    assert json.loads(shown[2].text)["message"] == "wwwww"


def test_an_answer_keeps_its_notes_for_the_dialect() -> None:
    """The dialect finds the provider's own ids in them, and takes them off."""
    notes = {"memgpt": {"kind": "action", "given": {"c": "toolu_1"}}, "reasoning_content": "hm"}
    noted = answer("c").model_copy(update={"additional_kwargs": notes})
    assert seen([noted, result("c")])[0].additional_kwargs == notes


_IDS = st.sampled_from(["c1", "c2", "c3", "c4"])
_MESSAGES = st.one_of(
    st.integers(1, 9).map(lambda n: event(f"e{n}")), st.lists(_IDS, max_size=3, unique=True).map(lambda ids: answer(*ids)),
    st.text(max_size=5).map(lambda text: answer(text=text)), _IDS.map(result), st.text(max_size=5).map(reply),
    st.just(SystemMessage("s")),
)  # fmt: skip


@given(st.lists(_MESSAGES, max_size=20))
def test_whatever_the_queue_each_call_has_its_result_right_behind_it_and_nothing_is_orphaned(messages: list[AnyMessage]) -> None:
    """What every provider demands."""
    shown = seen(messages)
    place = 0
    while place < len(shown):
        message = shown[place]
        assert not isinstance(message, ToolMessage)
        calls = [c["id"] for c in message.tool_calls] if isinstance(message, AIMessage) else []
        behind = shown[place + 1 : place + 1 + len(calls)]
        assert [m.tool_call_id for m in behind if isinstance(m, ToolMessage)] == calls
        place += 1 + len(calls)


@given(st.lists(_MESSAGES, max_size=20), st.integers(0, 30))
def test_what_leaves_is_a_beginning_of_exchanges_and_no_call_is_parted_from_its_result(messages: list[AnyMessage], to_free: int) -> None:
    """Eviction takes whole exchanges, or whole steps of the only one."""
    gone = choose_evicted(messages, len, to_free)
    exchanges = split_exchanges(messages)
    if len(exchanges) > 1:
        assert gone == messages[: len(gone)]
        assert len(gone) in {sum(map(len, exchanges[:n])) for n in range(len(exchanges))}
    else:
        steps = split_steps(messages)
        assert gone in [[m for s in steps[first:last] for m in s] for first in (0, 1) for last in range(first, len(steps) + 1)] or not gone


def test_the_lines_for_a_summary_hold_each_thing_said_once() -> None:
    """The reply and its call are one; thoughts and control arguments are left out."""
    call = {"name": "look", "args": {"thinking": "t", "word": "é", "request_heartbeat": True}, "id": "c2", "type": "tool_call"}
    messages = [
        event("1", "hello"), answer("Hi!", name="send_message"), result("Hi!", "Sent.", "send_message"), reply("Hi!"),
        AIMessage("hm", tool_calls=[call]), result("c2", "found"), SystemMessage("alert"),
    ]  # fmt: skip
    assert as_lines(messages) == [
        "user: hello", "assistant: Hi!", "assistant: hm", 'assistant called look({"word": "é"})', "result of look: found", "system: alert",
    ]  # fmt: skip
