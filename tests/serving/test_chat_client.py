"""What a chat client shows that knows nothing of this agent: one reply, no arguments of tools, none of the system's words."""

from typing import Any

import pytest

from memgpt_agent.events import HIDDEN

pytestmark = pytest.mark.server


def shown(messages: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """What Agent Chat UI shows with tool calls hidden: all texts but those of tools and of messages marked as not for users."""
    return [
        (m["type"], m["content"])
        for m in messages
        if m["type"] != "tool" and m["content"] and not m["id"].startswith(HIDDEN)
    ]


def test_a_chat_client_reads_one_reply_from_the_values(talk: Any) -> None:
    """Also where the agent first forgot to answer and was told so, and where a heartbeat came in between."""
    ann = talk("chat")
    parts = ann.stream("Hi, I'm Alice, quietly", "values")
    last = parts[-1].data["messages"]
    reply = "I know: I am a helpful assistant with a long memory. / Name: Alice"
    assert (last[-1]["type"], last[-1]["content"], last[-1]["tool_calls"]) == ("ai", reply, [])
    assert [m["type"] for m in last] == ["human", "ai", "tool", "system", "ai", "tool", "ai"]
    ann.event(type="heartbeat", text="The clock woke you.")
    assert shown(ann.say("say bye")["messages"]) == [
        ("human", "Hi, I'm Alice, quietly"), ("ai", reply), ("ai", reply), ("human", "say bye"), ("ai", "re bye"),
    ]  # fmt: skip


MODES = pytest.mark.parametrize("mode", ["messages-tuple", "messages"])


def texts(parts: list[Any], mode: str) -> dict[str, str]:
    """What a client has of each message that has a text: added up (``messages-tuple``), or as the server did that (``messages``)."""
    had: dict[str, str] = {}
    for part in parts:
        if part.event.startswith("messages") and part.event != "messages/metadata":
            message = part.data[0]
            added = had.get(message["id"], "") if mode == "messages-tuple" else ""
            had[message["id"]] = "" if message["type"] == "remove" else added + message["content"]
            if message["type"] == "tool":
                del had[message["id"]]
    return {key: text for key, text in had.items() if text and not key.startswith(HIDDEN)}


@MODES
def test_the_messages_stream_holds_the_reply_and_no_pieces_of_arguments(talk: Any, mode: str) -> None:
    """The reply comes in pieces that add up to it, under the id under which they come as custom events."""
    ann = talk(f"chat-{mode}")
    parts = ann.stream("Hi, I'm Alice, quietly", mode, "custom")
    reply = ann.values()["messages"][-1]
    assert reply["content"] == "I know: I am a helpful assistant with a long memory. / Name: Alice"
    assert texts(parts, mode) == {reply["id"]: reply["content"]}
    pieces = [part.data for part in parts if part.event == "custom"]
    assert "".join(piece["delta"] for piece in pieces) == reply["content"]
    assert {piece["reply_id"] for piece in pieces} == {reply["id"]}
    given = [part.data[0] for part in parts if part.event.startswith("messages") and part.event != "messages/metadata"]
    assert len([m for m in given if m["id"] == reply["id"]]) == len(pieces) > 5
    assert not any("thinking" in m["content"] or "request_heartbeat" in m["content"] for m in given)
    assert not any(m.get("tool_call_chunks") for m in given)


@MODES
def test_the_first_word_is_there_while_the_model_is_still_writing(talk: Any, held: Any, mode: str) -> None:
    """The model stops in the middle of its answer until the client has read a word of it."""
    bob = talk(f"held-{mode}")
    parts: list[Any] = []
    for part in bob.client.runs.stream(bob.thread, "memgpt", **bob.given("What do you know? held", stream_mode=[mode])):
        parts.append(part)
        if texts(parts, mode):
            held.go_on.set()
    reply = bob.values()["messages"][-1]
    assert held.told
    assert texts(parts, mode) == {reply["id"]: reply["content"]}


@MODES
def test_a_rejected_draft_is_taken_back(talk: Any, mode: str) -> None:
    """No reply is left of it in a client that follows the stream; the next one stands alone."""
    cas = talk(f"draft-{mode}")
    parts = cas.stream("say nonsense", mode)
    reply = cas.values()["messages"][-1]
    assert texts(parts, mode) == {reply["id"]: "Nice to meet you!"}
