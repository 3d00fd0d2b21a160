"""What a guided model sees of its messages."""

import json
from typing import Any

from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage

from memgpt_agent.models.guided.view import content_words, read_view


def event(text: str, kind: str = "user_message", *, marked: bool = True) -> HumanMessage:
    """Make an event as the agent puts it."""
    told = json.dumps({"type": kind, "message": text, "time": "now"})
    return HumanMessage(told, additional_kwargs={"memgpt": {"type": kind, "text": text}} if marked else {})


def call(name: str, **arguments: Any) -> AIMessage:
    """Make an answer with one tool call."""
    return AIMessage("", tool_calls=[{"name": name, "args": arguments, "id": "1"}])


def result(name: str, text: str, status: str = "OK") -> ToolMessage:
    """Make a tool's result as the agent puts it."""
    return ToolMessage(json.dumps({"status": status, "message": text}), tool_call_id="1", name=name)


def test_core_memory_is_read_from_the_data_beside_the_system_text():
    """The lines of the block about the user are its facts; the persona stands apart."""
    blocks = [
        {"label": "persona", "value": "I am Sam."},
        {"label": "human", "value": "The user is Bo.\n\nThe user sails."},
        {"label": "system", "value": "Be brief.", "read_only": True},
    ]
    about = {"memgpt": {"blocks": blocks, "summary": "They met.", "now": "2026-11-21T10:00"}}
    view = read_view([SystemMessage("long", additional_kwargs=about), event("Hi")])
    assert view.facts == ("The user is Bo.", "The user sails.")
    assert (view.persona, view.other_blocks) == ("I am Sam.", (("system", "Be brief."),))
    assert (view.summary, view.now, view.user) == ("They met.", "2026-11-21T10:00", "Hi")


def test_a_message_is_read_by_its_mark_its_json_or_as_it_is():
    """Whichever form a caller uses, the user's words are the same."""
    for message in (event("Hi"), event("Hi", marked=False), HumanMessage("Hi")):
        assert read_view([message]).user == "Hi"


def test_an_exchange_is_what_was_said_and_what_was_answered():
    """Calls and results between them are gone from the next turn's view."""
    view = read_view(
        [
            event("My cat is Tom."),
            call("core_memory_append", label="human", content="The user's cat is Tom."),
            result("core_memory_append", "done"),
            call("send_message", message="Noted."),
            result("send_message", "Sent."),
            event("Who is Tom?"),
        ]
    )
    assert view.exchanges == (("My cat is Tom.", "Noted."),)
    assert (view.user, view.found, view.steps) == ("Who is Tom?", (), 0)


def test_results_of_the_turn_are_kept_with_whether_they_succeeded():
    """A search that found nothing is told apart from one that failed or found something."""
    view = read_view(
        [
            event("What did I say?"),
            call("conversation_search", query="say"),
            result("conversation_search", "Nothing found for 'say'."),
            call("conversation_search", query=""),
            result("conversation_search", "BadDate", "Failed"),
        ]
    )
    assert [(found.ok, found.empty) for found in view.found] == [(True, True), (False, True)]
    assert view.steps == 2


def test_an_alert_within_a_turn_does_not_take_the_users_place():
    """The user still waits for an answer."""
    assert read_view([event("Hi"), event("Context is 80% full.", "system_alert")]).user == "Hi"


def test_nobody_waits_at_a_heartbeat_after_an_answer():
    """What the user said before was answered already."""
    messages = [
        event("Hi"),
        call("send_message", message="Hello."),
        result("send_message", "Sent."),
        event("", "heartbeat"),
    ]
    assert read_view(messages).user is None


def test_words_of_meaning_meet_in_a_common_stem():
    """Articles and pronouns carry none; a plural meets its singular."""
    assert content_words("My dogs are barking") & content_words("a dog barked") == content_words("dog bark")
    assert content_words("What is it?") == set()
