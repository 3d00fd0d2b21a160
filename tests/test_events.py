"""Events, their marks, and how they are put to the model."""

import json
from datetime import UTC, datetime

import pytest
from langchain_core.messages import HumanMessage, SystemMessage

from memgpt_agent.events import (
    Event,
    begins_turn,
    event_message,
    is_event,
    local_time,
    mark_of,
    put_to_model,
    utc_now,
    with_mark,
)

NOW = datetime(2026, 3, 1, 23, 30, tzinfo=UTC)


def test_what_a_person_said_is_a_human_message() -> None:
    """It is marked with its kind, type, time and turn."""
    message = event_message(Event(type="user_message", text="hi"), event_id="e1", now=NOW)
    assert isinstance(message, HumanMessage)
    assert (message.id, message.text) == ("e1", "hi")
    assert mark_of(message) == {"kind": "event", "type": "user_message", "time": NOW.isoformat(), "turn": "e1"}


@pytest.mark.parametrize("kind", ["heartbeat", "system_alert", "login", "agent_message"])
def test_everything_else_is_a_system_message(kind: str) -> None:
    """Chat clients do not show it, and it has no text unless there is something to say."""
    message = event_message(Event(type=kind), event_id="e1", now=NOW)  # pyright: ignore[reportArgumentType]
    assert isinstance(message, SystemMessage)
    assert message.text == ""
    assert is_event(message)
    assert begins_turn(message)


def test_an_event_keeps_its_own_time_and_sender() -> None:
    """What happened earlier is not dated by its receipt."""
    event = Event(type="agent_message", text="done", time="2026-02-01T08:00:00+00:00", sender="researcher")
    shown = put_to_model(event_message(event, event_id="e1", now=NOW), time_zone="UTC")
    assert json.loads(shown.text) == {
        "type": "agent_message", "message": "done", "from": "researcher", "time": "2026-02-01 08:00:00 UTC (Sunday)",
    }  # fmt: skip


def test_an_alert_within_a_turn_does_not_begin_one() -> None:
    """It is an event that belongs to another's turn."""
    alert = event_message(Event(type="system_alert", text="hurry"), event_id="e2", now=NOW, turn="e1")
    assert is_event(alert)
    assert not begins_turn(alert)


def test_a_message_that_nobody_received_has_no_mark() -> None:
    """And is no event."""
    assert mark_of(HumanMessage("hi")) == {}
    assert not is_event(HumanMessage("hi"))


def test_a_mark_is_set_on_a_copy() -> None:
    """Other keyword arguments stay, and the message given is as it was."""
    message = HumanMessage("hi", additional_kwargs={"colour": "red"})
    marked = with_mark(message, {"kind": "event"})
    assert marked.additional_kwargs == {"colour": "red", "memgpt": {"kind": "event"}}
    assert message.additional_kwargs == {"colour": "red"}


def test_an_image_is_kept_behind_the_text() -> None:
    """Content blocks that are no text reach the model."""
    image = {"type": "image", "url": "https://example.org/cat.png"}
    shown = put_to_model(HumanMessage([{"type": "text", "text": "look"}, image]), time_zone="UTC")
    text, block = shown.content
    assert json.loads(text["text"])["message"] == "look"  # pyright: ignore[reportArgumentType]
    assert block["type"] == "image"  # pyright: ignore[reportArgumentType]


def test_letters_of_any_script_are_shown_as_they_are() -> None:
    """No escapes: they would cost tokens and confuse small models."""
    assert "Zażółć 😀" in put_to_model(HumanMessage("Zażółć 😀"), time_zone="UTC").text


def test_time_is_told_in_the_agents_zone_with_the_weekday() -> None:
    """Near midnight the day differs."""
    assert local_time(NOW.isoformat(), "Asia/Tokyo") == "2026-03-02 08:30:00 JST (Monday)"


def test_what_is_no_time_is_told_as_it_is() -> None:
    """A sender's odd time does not stop the agent."""
    assert local_time("yesterday", "UTC") == "yesterday"
    assert local_time("", "UTC") == ""


def test_the_default_clock_knows_its_zone() -> None:
    """Times without a zone cannot be ordered."""
    assert utc_now().tzinfo is UTC
