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


@pytest.mark.parametrize("mode", ["messages-tuple", "messages"])
def test_the_messages_stream_holds_whole_messages_and_no_pieces_of_arguments(talk: Any, mode: str) -> None:
    """The reply comes once, under the id under which its pieces came as custom events."""
    parts = talk(f"chat-{mode}").stream("Hi, I'm Alice, quietly", mode, "custom")
    given = [part.data for part in parts if part.event.startswith("messages") and part.event != "messages/metadata"]
    messages = [data[0] for data in given]
    assert len({m["id"] for m in messages}) == len(messages)
    reply = "I know: I am a helpful assistant with a long memory. / Name: Alice"
    assert shown(messages) == [("ai", reply)]
    pieces = [part.data for part in parts if part.event == "custom"]
    assert "".join(piece["delta"] for piece in pieces) == reply
    assert {piece["reply_id"] for piece in pieces} == {messages[-1]["id"]}
    assert len(pieces) > 5
    assert not any("thinking" in m["content"] or "request_heartbeat" in m["content"] for m in messages)
