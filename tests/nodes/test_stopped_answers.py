"""Answers that do not end by themselves: cut ones are continued or marked, refusals are given to the user as what they are."""

import json
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.store.memory import InMemoryStore

from memgpt_agent import MemGPTAgent
from memgpt_agent.graph.builder import create_graph
from memgpt_agent.memory.recall import RecallMemory
from memgpt_agent.nodes.continuing import MAX_CONTINUED
from memgpt_agent.prompts import CUT_NOTE
from memgpt_agent.testing import ScriptedModel, call, calls, say
from memgpt_agent.turns.turn_reader import AgentResponse, StreamEvent

BOTH = pytest.mark.parametrize("how", ["sync", "async"])
TEXT = "The first half of a long story, and 🦊 the second half of it."


def cut(text: str, reason: str = "length") -> AIMessage:
    """Return plain text that the provider cut."""
    return AIMessage(text, response_metadata={"finish_reason": reason})


def cut_call(arguments: str, name: str = "send_message") -> AIMessage:
    """Return a call that broke off at the length limit."""
    bad: Any = [{"name": name, "args": arguments, "id": "x", "error": None, "type": "invalid_tool_call"}]
    return AIMessage("", invalid_tool_calls=bad, response_metadata={"finish_reason": "length"})


async def turn(agent: MemGPTAgent, how: str, text: str = "Tell me") -> list[StreamEvent]:
    """Say something; return what happened."""
    return list(agent.stream(text)) if how == "sync" else [event async for event in agent.astream(text)]


def response(events: list[StreamEvent]) -> AgentResponse:
    """Return what came of a turn."""
    assert events[-1].response is not None
    return events[-1].response


def shown(events: list[StreamEvent]) -> str:
    """Return what a client that shows the stream has on its screen at the end."""
    replies: dict[str, str] = {}
    for event in events:
        if event.type == "withdrawn":
            replies.pop(event.reply_id, None)
        elif event.type in {"delta", "message"}:
            replies[event.reply_id] = replies.get(event.reply_id, "") + event.text
    return "\n\n".join(replies.values())


@BOTH
@pytest.mark.parametrize("reason", ["length", "max_tokens", "MAX_TOKENS", "pause_turn", "model_context_window_exceeded"])
async def test_plain_text_that_was_cut_is_continued(how: str, reason: str) -> None:
    """The user gets one reply, and so does recall memory; the next prompt shows it whole."""
    model = ScriptedModel([cut(TEXT[:20], reason), cut(TEXT[20:40], reason), TEXT[40:], say("Next")])
    with MemGPTAgent(model=model, agent_id="ann") as agent:
        events = await turn(agent, how)
        assert response(events).message == TEXT
        assert response(events).stopped == ""
        assert shown(events) == TEXT
        assert [m.text for m in agent.messages() if m.role == "assistant"] == [TEXT]
        assert response(await turn(agent, how, "More")).message == "Next"
    assert [m.text for m in model.calls[3] if m.type == "ai"] == [TEXT]
    assert not any("length limit" in m.text for m in model.calls[3])
    assert TEXT[:40][-20:] in str(model.calls[2][-1].content)


@BOTH
async def test_an_answer_that_its_provider_pauses_without_end_is_told_as_that(how: str) -> None:
    """The requests are bounded; with and without words of the answer."""
    for text, said, stopped in (("Part. ", "the model's provider paused it", "paused"), ("", "the model's provider paused my answer", "")):
        model = ScriptedModel([cut(text, "pause_turn")] * 9)
        with MemGPTAgent(model=model, agent_id="ann") as agent:
            got = response(await turn(agent, how))
        assert said in got.message
        assert (got.stopped, "length limit" in got.message) == (stopped, False)
        assert len(model.calls) <= 7


def test_an_answer_that_filled_the_window_is_continued_in_a_smaller_prompt() -> None:
    """The rest would not fit behind what filled it."""
    prompts: list[int] = []

    def answers(sent: list[Any]) -> AIMessage | str:
        if sent[0].type != "system":
            return "A summary."
        prompts.append(len(sent))
        if len(prompts) <= 5:
            return say("word " * 400)
        return cut("First half, ", "model_context_window_exceeded") if len(prompts) == 6 else "second half."

    with MemGPTAgent(model=ScriptedModel([answers] * 20), agent_id="ann", context_window=8_192) as agent:
        for n in range(5):
            agent.step(f"Tell me {n}")
        assert agent.step("More").message == "First half, second half."
    assert prompts[6] < prompts[5]


@BOTH
@pytest.mark.parametrize("end", [14, 37, 48, 60])
@pytest.mark.parametrize("rest_is_call", [True, False])
async def test_a_send_message_that_was_cut_is_continued(how: str, end: int, rest_is_call: bool) -> None:
    """Wherever it broke off, also within an escape; what was streamed is gone on with, not shown twice."""
    arguments = json.dumps({"message": TEXT})
    said = json.loads(f'{arguments[:end].rpartition(chr(92))[0] if chr(92) in arguments[:end][-12:] else arguments[:end]}"}}')["message"]
    said = said.encode("utf-16", "surrogatepass").decode("utf-16", "ignore")
    rest = TEXT[len(said) :]
    model = ScriptedModel([cut_call(arguments[:end]), say(rest) if rest_is_call else rest])
    with MemGPTAgent(model=model, agent_id="ann") as agent:
        events = await turn(agent, how)
    assert response(events).message == TEXT
    assert shown(events) == TEXT
    assert not any(event.type == "withdrawn" for event in events)


def test_what_the_rest_repeats_stands_there_once() -> None:
    """Models like to begin a few words back."""
    model = ScriptedModel([cut(TEXT[:40]), TEXT[20:]])
    with MemGPTAgent(model=model, agent_id="ann") as agent:
        assert agent.step("Tell me").message == TEXT


@BOTH
async def test_a_reply_that_is_cut_again_and_again_is_given_marked(how: str) -> None:
    """So many times; then it says so, and the response does."""
    model = ScriptedModel([cut(f"part {n} ") for n in range(MAX_CONTINUED + 1)])
    with MemGPTAgent(model=model, agent_id="ann") as agent:
        events = await turn(agent, how)
    assert response(events).message == f"{''.join(f'part {n} ' for n in range(MAX_CONTINUED + 1))}\n\n{CUT_NOTE}"
    assert response(events).stopped == "cut_off"
    assert shown(events) == response(events).message


@BOTH
async def test_where_the_rest_cannot_be_had_the_user_gets_what_has_come(how: str) -> None:
    """A provider that goes down in between loses nothing."""
    model = ScriptedModel([cut(TEXT[:20]), ValueError("down"), say("Back")])
    with MemGPTAgent(model=model, agent_id="ann") as agent:
        events = await turn(agent, how)
        assert response(events).message == f"{TEXT[:20]}\n\n{CUT_NOTE}"
        assert response(events).stopped == "cut_off"
        assert response(await turn(agent, how, "More")).message == "Back"


def test_a_model_that_does_something_else_instead_leaves_the_reply_marked() -> None:
    """What it calls is carried out."""
    other = calls(("core_memory_append", {"label": "human", "content": "likes stories", "request_heartbeat": True}))
    model = ScriptedModel([cut(TEXT[:20]), other, say("Done")])
    with MemGPTAgent(model=model, agent_id="ann") as agent:
        answer = agent.step("Tell me")
        assert agent.core_memory["human"].endswith("likes stories")
    assert answer.message == f"{TEXT[:20]}\n\n{CUT_NOTE}\n\nDone"


@BOTH
@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (AIMessage("", response_metadata={"finish_reason": "content_filter"}), "content_filter"),
        (AIMessage("", response_metadata={"stop_reason": "refusal"}), "refusal"),
        (AIMessage("", response_metadata={"finish_reason": "SAFETY"}), "safety"),
        (AIMessage("", response_metadata={"finish_reason": "PROHIBITED_CONTENT"}), "prohibited_content"),
        (AIMessage("", response_metadata={"prompt_feedback": {"block_reason": 1, "safety_ratings": []}}), "blocked"),
        (AIMessage("", response_metadata={"incomplete_details": {"reason": "content_filter"}}), "content_filter"),
        (AIMessage("", additional_kwargs={"refusal": "I can't help with that."}), "I can't help with that."),
        (AIMessage([{"type": "refusal", "refusal": "I can't help with that."}]), "I can't help with that."),
    ],
)
async def test_a_refusal_is_given_to_the_user_after_one_request(how: str, answer: AIMessage, reason: str) -> None:
    """As what it is, with the reason; the next message works."""
    model = ScriptedModel([answer, say("Of course")])
    with MemGPTAgent(model=model, agent_id="ann") as agent:
        events = await turn(agent, how)
        assert "refused" in response(events).message
        assert reason in response(events).message
        assert response(events).stopped == "refused"
        assert shown(events) == response(events).message
        assert len(model.calls) == 1
        assert response(await turn(agent, how, "Something else")).message == "Of course"


def test_what_was_called_beside_a_refusal_is_not_carried_out() -> None:
    """A message that was being streamed is taken back; text that had come is given, and where it stops."""
    answer = say("Half a mess").model_copy(update={"content": "Well,", "response_metadata": {"stop_reason": "refusal"}})
    model = ScriptedModel([answer])
    with MemGPTAgent(model=model, agent_id="ann") as agent:
        events = list(agent.stream("Tell me"))
    assert response(events).message.startswith("Well,")
    assert "stopped the answer here" in response(events).message
    assert response(events).tool_calls == []
    assert shown(events) == response(events).message


def test_a_refusal_in_a_turn_without_a_user_is_no_reply() -> None:
    """It ends the turn in silence."""
    model, store = ScriptedModel([AIMessage("", response_metadata={"stop_reason": "refusal"})]), InMemoryStore()
    graph: Any = create_graph(model=model, store=store, checkpointer=InMemorySaver())
    thread: Any = {"configurable": {"thread_id": "ann"}}
    final = graph.invoke({"event": {"type": "heartbeat", "text": ""}}, thread, context={"context_window_tokens": 8_192})
    assert final["messages"][-1].id.startswith("do-not-render-")
    assert RecallMemory(store, "ann").search("", roles=["assistant"]) == []


@BOTH
@pytest.mark.parametrize("text", ["{\n}", "{}", "[]", "[{}]", "null", "```json\n{}\n```", "{"])
async def test_an_empty_piece_of_json_is_no_reply(how: str, text: str) -> None:
    """Weak models write it in the place of a call; it is sent back, and not kept to be imitated."""
    model = ScriptedModel([text, say("Here.")])
    agent = MemGPTAgent(model=model, store=InMemoryStore(), checkpointer=InMemorySaver(), agent_id="a")
    assert response(await turn(agent, how)).message == "Here."
    assert text not in [m.text for m in model.calls[1]]


@pytest.mark.parametrize("text", ["👍", "...", "?", "[x]", "{curly}", "null and void"])
def test_a_short_reply_stays_a_reply(text: str) -> None:
    """It says something."""
    agent = MemGPTAgent(model=ScriptedModel([text]), store=InMemoryStore(), checkpointer=InMemorySaver(), agent_id="a")
    assert agent.step("Hi").message == text


@BOTH
async def test_the_same_words_are_said_once_in_a_turn(how: str) -> None:
    """A weak model that repeats itself is told so, and the user reads its words once; in the next turn they may be said again."""
    again = call("send_message", message="I remember that.", request_heartbeat=True)
    model = ScriptedModel([again, again, say("Anything else?"), say("I remember that.")])
    agent = MemGPTAgent(model=model, store=InMemoryStore(), checkpointer=InMemorySaver(), agent_id="a")
    events = await turn(agent, how)
    assert response(events).message == "I remember that.\n\nAnything else?"
    assert shown(events) == response(events).message
    assert response(await turn(agent, how)).message == "I remember that."


@BOTH
async def test_a_model_that_only_repeats_itself_is_stopped(how: str) -> None:
    """After some times, with what it said as the reply."""
    again = call("send_message", message="I remember that.", request_heartbeat=True)
    model = ScriptedModel([again] * 6)
    agent = MemGPTAgent(model=model, store=InMemoryStore(), checkpointer=InMemorySaver(), agent_id="a")
    events = await turn(agent, how)
    assert (response(events).message, shown(events)) == ("I remember that.",) * 2


@BOTH
async def test_an_apology_for_no_answer_is_not_shown_to_the_model(how: str) -> None:
    """A weak model would take it for its own words and say it again; the user reads what is wrong."""
    model = ScriptedModel(["", "", "", say("Here I am.")])
    agent = MemGPTAgent(model=model, store=InMemoryStore(), checkpointer=InMemorySaver(), agent_id="a")
    first = response(await turn(agent, how)).message
    assert "its server does not support tool calls" in first
    assert response(await turn(agent, how, "And now?")).message == "Here I am."
    assert first not in str(model.calls[-1])
