"""The queue's reducer: what is added, replaced, ignored and moved."""

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, RemoveMessage

from memgpt_agent.events import Mark, mark_of, with_mark
from memgpt_agent.state import merge_queue


def received(text: str, message_id: str) -> AnyMessage:
    """Return a message as the agent keeps it."""
    return with_mark(HumanMessage(text, id=message_id), Mark(kind="event", turn=message_id))  # pyright: ignore[reportReturnType]


def test_a_message_that_is_new_goes_to_the_end() -> None:
    """The queue is in the order in which things came."""
    merged = merge_queue([received("one", "1")], [HumanMessage("two", id="2")])
    assert [m.text for m in merged] == ["one", "two"]


def test_a_single_message_and_the_short_forms_are_taken_too() -> None:
    """A client may send one message, a pair of role and text, or a dict."""
    queue = merge_queue([], AIMessage("one", id="1"))
    queue = merge_queue(queue, [("user", "two"), {"role": "user", "content": "three", "id": "3"}])
    assert [(m.type, m.text) for m in queue] == [("ai", "one"), ("human", "two"), ("human", "three")]


def test_what_was_received_stands_when_a_client_sends_it_again() -> None:
    """A resent message without the agent's mark changes nothing, as a message and as a dict."""
    queue = [received("one", "1")]
    again = merge_queue(queue, [HumanMessage("changed", id="1"), {"role": "user", "content": "changed", "id": "1"}])
    assert again == queue
    assert mark_of(again[0]).get("kind") == "event"


def test_the_agent_itself_may_replace_a_message() -> None:
    """A message with the mark takes the place of the one with its id."""
    assert [m.text for m in merge_queue([received("one", "1"), received("two", "2")], [received("ONE", "1")])] == ["ONE", "two"]


def test_a_message_is_removed_by_id() -> None:
    """A removal takes one message out and leaves the rest in place."""
    assert [m.text for m in merge_queue([received("one", "1"), received("two", "2")], [RemoveMessage(id="1")])] == ["two"]


def test_a_message_removed_and_given_again_moves_to_the_end() -> None:
    """So the reply becomes the last message of its turn, and stands there once."""
    reply = received("reply", "r")
    merged = merge_queue([reply, received("later", "2")], [received("last", "3"), RemoveMessage(id="r"), reply])
    assert [m.text for m in merged] == ["later", "last", "reply"]
