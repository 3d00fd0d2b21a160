"""The queue's reducer: what is added, replaced, ignored and moved."""

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, RemoveMessage
from langgraph.graph.message import REMOVE_ALL_MESSAGES

from memgpt_agent.events import Mark, digest_of, is_edited, mark_of, removal, with_mark
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
    """A resent message without the agent's mark changes nothing, as a message and as a dict, also with space around it."""
    queue = [received("one", "1")]
    again = merge_queue(queue, [HumanMessage("one ", id="1"), {"role": "user", "content": [{"type": "text", "text": "one"}], "id": "1"}])
    assert again == queue
    assert mark_of(again[0]).get("kind") == "event"


def test_a_message_that_comes_again_with_other_words_is_edited_in_its_place() -> None:
    """It keeps its mark, which says what the agent knows, so that the agent sees that it was edited."""
    for edit in (HumanMessage("uno", id="1"), {"role": "user", "content": "uno", "id": "1"}):
        first, second = merge_queue([received("one", "1"), received("two", "2")], [edit])
        assert (first.text, mark_of(first).get("kind"), is_edited(first), second.text) == ("uno", "event", True, "two")


def test_an_old_copy_does_not_take_back_an_edit() -> None:
    """A client that has not seen the edit sends its whole history again: before the agent has taken the edit in, and after."""
    pending = merge_queue([received("one", "1")], [HumanMessage("uno", id="1")])
    taken = with_mark(HumanMessage("uno", id="1"), Mark(kind="event", said=digest_of(HumanMessage("uno")), was=[digest_of(HumanMessage("one"))]))
    for queue in (pending, [taken]):
        assert [m.text for m in merge_queue(queue, [HumanMessage("one", id="1")])] == ["uno"]  # pyright: ignore[reportArgumentType]


def test_a_message_of_another_kind_under_a_known_id_changes_nothing() -> None:
    """What a person said does not become the agent's words."""
    assert [m.type for m in merge_queue([received("one", "1")], [AIMessage("uno", id="1")])] == ["human"]


def test_what_others_remove_is_noted_on_a_neighbour_until_the_agent_has_seen_it() -> None:
    """On the message behind it, or before it at the end; all at once too; not where the agent itself removes something."""
    queue = [received(text, text) for text in "abc"]
    one, last = merge_queue(queue, [RemoveMessage(id="b")]), merge_queue(queue, [RemoveMessage(id="c"), RemoveMessage(id="b")])
    assert [mark_of(m).get("removed") for m in one] == [None, ["b"]]
    assert [mark_of(m).get("removed") for m in last] == [["b", "c"]]
    assert [mark_of(m).get("removed") for m in merge_queue(queue, [removal("b")])] == [None, None]
    kept = merge_queue(queue, [RemoveMessage(id=REMOVE_ALL_MESSAGES), HumanMessage("c", id="c")])
    assert [(m.text, mark_of(m).get("removed")) for m in kept] == [("c", ["a", "b"])]


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


def test_the_chunk_that_a_client_of_javascript_gives_back_is_a_message() -> None:
    """LangChain does not read a chunk's type as data; the reply stands as it is, or is edited."""
    reply: AnyMessage = with_mark(AIMessage("Hello", id="r"), Mark(kind="reply"))  # pyright: ignore[reportAssignmentType]
    same, edited = ({"type": "AIMessageChunk", "content": text, "id": "r"} for text in ("Hello", "Hi"))
    assert merge_queue([reply], [same]) == [reply]
    assert [(m.type, m.text) for m in merge_queue([reply], [edited])] == [("ai", "Hi")]
