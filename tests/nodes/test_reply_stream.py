"""Pieces of a reply in the messages stream: chunks under the reply's id, withdrawn where they do not hold."""

from collections.abc import Iterator
from typing import Any

import pytest
from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGenerationChunk
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.store.memory import InMemoryStore

from memgpt_agent import create_graph
from memgpt_agent.nodes.reply_stream import Withdrawal
from memgpt_agent.testing import Clock, ScriptedModel, calls, say

HELLO: Any = {"messages": [("user", "Hello")]}
THREAD: Any = {"configurable": {"thread_id": "t"}}
TEXT = "Grüezi, friend 🦊: how are you today?"
BOTH = pytest.mark.parametrize("how", ["sync", "async"])


def agent(*script: Any, model: Any = None, **more: Any) -> Any:
    """Return a graph over a script."""
    given = model or ScriptedModel(script, chunk_chars=3)
    return create_graph(model=given, store=InMemoryStore(), checkpointer=InMemorySaver(), clock=Clock(), **more)


async def streamed(graph: Any, how: str, **more: Any) -> list[BaseMessage]:
    """Return what a turn gives to ``stream_mode="messages"``."""
    if how == "sync":
        return [message for message, _ in graph.stream(HELLO, THREAD, stream_mode="messages", **more)]
    return [message async for message, _ in graph.astream(HELLO, THREAD, stream_mode="messages", **more)]


def added_up(messages: list[Any]) -> dict[str, str]:
    """Return the text of each id, as a client has it that adds up the chunks of one id as LangChain does."""
    kept: dict[str, Any] = {}
    for message in messages:
        kept[message.id] = kept[message.id] + message if message.id in kept else message
    return {key: message.text for key, message in kept.items() if message.text}


def replies(messages: list[Any]) -> dict[str, str]:
    """Return what a client shows: neither tools' results nor messages without text."""
    return added_up([m for m in messages if m.type != "tool"])


@BOTH
async def test_the_chunks_add_up_to_the_reply_under_its_id(how: str) -> None:
    """The whole message does not come once more; what the model thinks and its arguments are no part of it."""
    graph = agent(calls(("send_message", {"thinking": "a stranger", "message": TEXT})))
    messages = await streamed(graph, how)
    reply = graph.get_state(THREAD).values["messages"][-1]
    pieces = [m for m in messages if m.id == reply.id]
    assert len(pieces) > 5
    assert all(type(m) is AIMessageChunk for m in pieces)
    assert replies(messages) == {reply.id: TEXT}
    assert reply.text == TEXT
    assert not any(word in str(m.content) for m in messages for word in ("stranger", "thinking", "{"))


@BOTH
async def test_the_state_is_the_same_whichever_stream_is_read(how: str) -> None:
    """Chunks go to the stream alone."""
    kept: list[Any] = []
    answer, given = say(TEXT), {"messages": [{"role": "user", "content": "Hello", "id": "m1"}]}
    for mode in ("values", "messages", "custom"):
        graph = agent(answer)
        if how == "sync":
            list(graph.stream(given, THREAD, stream_mode=mode))
        else:
            _ = [part async for part in graph.astream(given, THREAD, stream_mode=mode)]
        kept.append(graph.get_state(THREAD).values["messages"])
    assert kept[0] == kept[1] == kept[2]
    assert [type(m).__name__ for m in kept[1]] == ["HumanMessage", "AIMessage", "ToolMessage", "AIMessage"]


@BOTH
@pytest.mark.parametrize(
    "answer",
    [
        calls(("send_message", {"message": "Draft", "tone": "warm"})),
        AIMessage("", invalid_tool_calls=[{"name": "send_message", "args": '{"message": "Draft', "id": "x", "error": None}]),
    ],
)  # fmt: skip
async def test_a_rejected_send_is_withdrawn(answer: AIMessage, how: str) -> None:
    """By a message of type ``remove`` under its id; added up, nothing of it is left."""
    messages = await streamed(agent(answer, say("Final")), how)
    taken = [m for m in messages if m.type == "remove"]
    assert [type(m) for m in taken] == [Withdrawal]
    assert "Draft" in "".join(m.text for m in messages if m.id == taken[0].id)
    assert list(replies(messages).values()) == ["Final"]


class Breaking(ScriptedModel):
    """A model whose connection breaks in its first answer."""

    breaks_after: int = 13
    """So many pieces come."""

    def _stream(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: CallbackManagerForLLMRun | None = None, **kwargs: Any
    ) -> Iterator[ChatGenerationChunk]:
        for nth, piece in enumerate(super()._stream(messages, stop, run_manager, **kwargs)):
            if len(self.calls) == 1 and nth > self.breaks_after:
                raise ConnectionError("reset")
            yield piece


@BOTH
@pytest.mark.parametrize("second", ["Good day to you", "Hello there, good to see you"])
async def test_where_the_model_is_tried_again_the_reply_begins_anew_under_its_id(second: str, how: str) -> None:
    """The pieces of the broken answer do not stand before those of the next one."""
    model = Breaking(script=[say("Hello there, how are you?"), say(second)], chunk_chars=4)
    graph = agent(model=model)
    context = {"retry_wait_seconds": 0.0}
    messages = await streamed(graph, how, context=context)
    reply = graph.get_state(THREAD).values["messages"][-1]
    assert [m.id for m in messages if m.type == "remove"] == [reply.id]
    assert replies(messages) == {reply.id: second}


@BOTH
async def test_a_reply_that_was_cut_and_continued_adds_up(how: str) -> None:
    """From the arguments of a call that was cut, and plain text that goes on."""
    cut: Any = [{"name": "send_message", "args": '{"message": "The first half, ', "id": "x", "error": None, "type": "invalid_tool_call"}]
    first = AIMessage("", invalid_tool_calls=cut, response_metadata={"finish_reason": "length"})
    graph = agent(first, "and the second.")
    messages = await streamed(graph, how)
    reply = graph.get_state(THREAD).values["messages"][-1]
    assert replies(messages)[reply.id] == reply.text == "The first half, and the second."


async def test_astream_events_shows_the_words_where_it_is_asked_for_messages() -> None:
    """As the graph's own stream events, before the model call ends."""
    graph = agent(say(TEXT))
    heard: list[str] = []
    async for event in graph.astream_events(HELLO, THREAD, version="v2", stream_mode="messages"):
        if event["event"] == "on_chat_model_end":
            assert "".join(heard) == TEXT
        if event["event"] == "on_chain_stream" and event["name"] == "memgpt":
            message = event["data"]["chunk"][0]
            heard += [message.text] if message.type != "tool" else []
    assert "".join(heard) == TEXT


async def test_the_raw_events_of_the_model_say_that_they_are_not_for_show() -> None:
    """By the metadata that AG-UI's adapter obeys: a client of it gets the messages when they are whole, never arguments."""
    events = agent(say(TEXT)).astream_events(HELLO, THREAD, version="v2")
    raw = [event["metadata"] async for event in events if event["event"] == "on_chat_model_stream"]
    assert len(raw) > 5
    assert not any(metadata["emit-messages"] or metadata["emit-tool-calls"] for metadata in raw)


@BOTH
@pytest.mark.filterwarnings("ignore:The v3 streaming protocol:Warning")
async def test_the_newer_event_protocol_gives_the_words_as_they_come(how: str) -> None:
    """As one message in pieces, under the reply's id, and no second time when it is whole."""
    graph = agent(say(TEXT))
    told = await told_by_events(graph, how)
    reply = graph.get_state(THREAD).values["messages"][-1]
    assert [(key, "".join(pieces)) for key, pieces in told if any(pieces)] == [(reply.id, TEXT)]
    assert max(len(pieces) for _, pieces in told) > 5


@pytest.mark.filterwarnings("ignore:The v3 streaming protocol:Warning")
def test_a_message_of_that_protocol_is_one_block_between_its_beginning_and_its_end() -> None:
    """The end has the whole text."""
    run = agent(say(TEXT)).stream_events(HELLO, THREAD, version="v3")
    events: list[Any] = list(next(iter(run.messages)))
    names = [event["event"] for event in events]
    assert [*names[:2], *set(names[2:-2]), *names[-2:]] == [
        "message-start", "content-block-start", "content-block-delta", "content-block-finish", "message-finish",
    ]  # fmt: skip
    assert [event.get("index") for event in events] == [None, *[0] * (len(events) - 2), None]
    assert events[-2]["content"] == {"type": "text", "text": TEXT}


async def told_by_events(graph: Any, how: str) -> list[tuple[str, list[str]]]:
    """Return the messages of a turn as readers of the event protocol have them: each id with its pieces."""
    if how == "sync":
        run = graph.stream_events(HELLO, THREAD, version="v3")
        return [(stream.message_id, list(stream.text)) for stream in run.messages]
    run = await graph.astream_events(HELLO, THREAD, version="v3")
    return [(stream.message_id, [piece async for piece in stream.text]) async for stream in run.messages]


@BOTH
@pytest.mark.filterwarnings("ignore:The v3 streaming protocol:Warning")
async def test_a_rejected_draft_comes_again_empty_there(how: str) -> None:
    """For whoever keeps messages by their id nothing is left of it."""
    told = await told_by_events(agent(calls(("send_message", {"message": "A draft", "tone": "odd"})), say(TEXT)), how)
    kept = {key: "".join(pieces) for key, pieces in told}
    assert ["".join(pieces) for _, pieces in told if any(pieces)] == ["A draft", TEXT]
    assert [text for text in kept.values() if text] == [TEXT]


@BOTH
async def test_a_parent_graph_streams_the_words_of_an_agent_in_it(how: str) -> None:
    """Where it is asked for its subgraphs' messages; else it gets the reply whole, with the agent's update."""
    for subgraphs in (True, False):
        graph = StateGraph(MessagesState)
        graph.add_node("ann", create_graph(name="ann", model=ScriptedModel([say(TEXT)], chunk_chars=3), store=InMemoryStore()))
        graph.add_edge(START, "ann")
        parent: Any = graph.compile(checkpointer=InMemorySaver())
        if how == "sync":
            parts = list(parent.stream(HELLO, THREAD, stream_mode="messages", subgraphs=subgraphs))
        else:
            parts = [part async for part in parent.astream(HELLO, THREAD, stream_mode="messages", subgraphs=subgraphs)]
        messages = [part[1][0] if subgraphs else part[0] for part in parts]
        assert list(replies([m for m in messages if m.type != "human"]).values()) == [TEXT]
        assert (len([m for m in messages if isinstance(m, AIMessageChunk)]) > 5) == subgraphs


def test_what_follows_a_withdrawal_begins_anew() -> None:
    """In whichever order the three are added up."""
    one, taken, two = AIMessageChunk(content="Hel", id="r"), Withdrawal(content="", id="r"), AIMessageChunk(content="Good", id="r")
    assert (one + taken).text == ""
    assert (one + taken + two).text == "Good"
    assert (taken + two).text == "Good"
    assert (taken + two).type == (one + taken).type == "AIMessageChunk"
    assert taken.model_dump()["type"] == "remove"
