"""A turn from its event to its end: who gets another step, and why, with a scripted model and the real graph."""

import json
from datetime import datetime
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.store.memory import InMemoryStore

from memgpt_agent.errors import ConfigurationError
from memgpt_agent.events import mark_of
from memgpt_agent.graph.builder import create_graph
from memgpt_agent.memory import namespaces
from memgpt_agent.memory.recall import RecallMemory, Role
from memgpt_agent.prompts import LAST_STEP, NO_ANSWER_REPLY, UNANSWERED, UNUSABLE
from memgpt_agent.testing import Clock, ScriptedModel, call, calls, say
from memgpt_agent.tools.rules import RequiresApprovalRule

THREAD: Any = {"configurable": {"thread_id": "ann"}}


def agent(*script: Any, **options: Any) -> tuple[Any, ScriptedModel, InMemoryStore]:
    """Return a graph over a script, its model and its store."""
    model, store, clock = ScriptedModel(script), InMemoryStore(), Clock()

    def ticking() -> datetime:
        clock.advance(seconds=1)
        return clock()

    return create_graph(model=model, store=store, checkpointer=InMemorySaver(), clock=ticking, **options), model, store


def ask(graph: Any, text: str = "Hello", **context: Any) -> list[Any]:
    """Say something as the user; return the queue."""
    return graph.invoke({"messages": [("user", text)]}, THREAD, context=context or None)["messages"]


def beat(graph: Any, **event: Any) -> list[Any]:
    """Send a heartbeat; return the queue."""
    return graph.invoke({"event": {"type": "heartbeat", **event}}, THREAD)["messages"]


def told(model: ScriptedModel, call_number: int = -1) -> str:
    """Return the last message of what the model was sent."""
    return str(model.calls[call_number][-1].content)


def said(store: InMemoryStore, role: Role) -> list[str]:
    """Return what recall memory holds of one side, oldest first."""
    return [m.text for m in reversed(RecallMemory(store, "ann").search("", roles=[role], limit=100))]


def test_a_message_sent_ends_the_turn() -> None:
    """The reply is the last message, and one model call was made."""
    graph, model, store = agent(say("Hi Alice"))
    queue = ask(graph)
    assert [(m.type, m.text) for m in queue] == [("human", "Hello"), ("ai", ""), ("tool", "Sent."), ("ai", "Hi Alice")]
    assert len(model.calls) == 1
    assert (said(store, "user"), said(store, "assistant"), said(store, "tool")) == (["Hello"], ["Hi Alice"], [])


def test_a_message_is_indexed_with_the_words_of_both_sides_before_it() -> None:
    """Each line with its speaker; an agent's thoughts are not among them."""
    graph, _, store = agent(say("Hi Alice"), call("core_memory_append", label="human", content="Dog: Rex", request_heartbeat=True), say("Noted"))
    ask(graph, "My name is Alice.")
    ask(graph, "My dog is called Rex.")
    beside = {i.value["text"]: i.value["beside"].split("\n")[1:] for i in store.search(namespaces.of("ann", "recall"), limit=50)}
    assert beside["My name is Alice."] == []
    assert beside["My dog is called Rex."] == ["user: My name is Alice.", "assistant: Hi Alice"]
    assert beside["Noted"] == ["assistant: Hi Alice", "user: My dog is called Rex."]


def test_a_heartbeat_requested_gives_another_step() -> None:
    """And the edit of one step is in view in the next, behind what was sent, which stays as it was."""
    graph, model, _ = agent(call("core_memory_append", label="human", content="Dog: Rex", request_heartbeat=True), say("Noted"))
    assert ask(graph)[-1].text == "Noted"
    assert model.calls[1][0].text == model.calls[0][0].text
    told = json.loads(model.calls[1][-1].text)
    assert told["notes"] == ["This replaces the block 'human' above (8/2000 characters):\nDog: Rex"]


@pytest.mark.parametrize("tool", ["conversation_search", "archival_memory_search"])
def test_reading_memory_gives_another_step(tool: str) -> None:
    """What was read would be lost otherwise."""
    graph, model, _ = agent(call(tool, query="dog"), say("Nothing"))
    assert ask(graph)[-1].text == "Nothing"
    assert "Nothing found" in told(model)


def test_reading_and_then_speaking_in_one_answer_is_the_end() -> None:
    """Only an answer of nothing but reads goes on."""
    graph, model, _ = agent(calls(("conversation_search", {"query": "x"}), ("send_message", {"message": "Hi"})))
    assert ask(graph)[-1].text == "Hi"
    assert len(model.calls) == 1


def test_a_failed_tool_gives_another_step_with_the_reason() -> None:
    """The result says what went wrong."""
    graph, model, _ = agent(call("core_memory_append", label="humans", content="x"), say("Sorry"))
    assert ask(graph)[-1].text == "Sorry"
    assert '"status": "Failed"' in told(model)
    assert "The blocks are: 'persona', 'human'" in told(model)


def test_a_user_who_was_not_answered_is_pointed_out_once() -> None:
    """After that the turn ends, with words of apology rather than silence."""
    edit = call("core_memory_append", label="human", content="x")
    graph, model, _ = agent(edit, call("core_memory_append", label="human", content="y"))
    queue = ask(graph)
    assert UNANSWERED in told(model)
    assert queue[-1].text == NO_ANSWER_REPLY
    assert len(model.calls) == 2


def test_plain_text_in_a_users_turn_is_the_reply() -> None:
    """Kept as the assistant's words."""
    graph, _, store = agent("Hi there")
    assert ask(graph)[-1].text == "Hi there"
    assert said(store, "assistant") == ["Hi there"]


def test_plain_text_in_a_heartbeats_turn_is_an_inner_thought() -> None:
    """Nobody was spoken to, so recall memory holds nothing of it, and nobody is reminded."""
    graph, model, store = agent("I wonder what she meant.")
    beat(graph)
    assert said(store, "assistant") == []
    assert len(model.calls) == 1
    assert '"type": "heartbeat"' in told(model)


def test_an_agent_may_do_nothing_in_a_heartbeats_turn() -> None:
    """No reminder, no apology."""
    graph, model, _ = agent(call("core_memory_append", label="human", content="x"))
    assert beat(graph)[-1].type == "tool"
    assert len(model.calls) == 1


@pytest.mark.parametrize("allowed", [0, 1, 2])
def test_unusable_answers_are_sent_back_a_bounded_number_of_times(allowed: int) -> None:
    """Then the user gets an apology, kept in recall memory."""
    graph, model, store = agent(*[AIMessage("")] * (allowed + 1))
    assert ask(graph, max_unusable_answers=allowed)[-1].text == NO_ANSWER_REPLY
    assert len(model.calls) == allowed + 1
    assert said(store, "assistant") == [NO_ANSWER_REPLY]
    if allowed:
        assert UNUSABLE in told(model)


def test_an_agent_that_comes_to_itself_goes_on() -> None:
    """One empty answer is not the end."""
    graph, _, _ = agent(AIMessage(" \n"), say("Here I am"))
    assert ask(graph)[-1].text == "Here I am"


def test_reaching_the_step_limit_is_an_orderly_end() -> None:
    """In the last step only speaking is offered; whoever does not speak is spoken for, and the next turn is as ever."""
    search = [call("conversation_search", query=str(n)) for n in range(3)]
    graph, model, _ = agent(*search, say("Back again"))
    queue = ask(graph, max_steps=3)
    offered = [[t["function"]["name"] for t in tools] for tools in model.tools_offered]
    assert [len(names) for names in offered] == [9, 9, 1]
    assert offered[-1] == ["send_message"]
    assert "3 steps" in queue[-1].text
    assert len(model.calls) == 3
    assert ask(graph, "And now?")[-1].text == "Back again"


def test_the_model_is_told_that_a_step_is_its_last() -> None:
    """It would wonder where its tools have gone."""
    graph, model, _ = agent(call("conversation_search", query="x"), say("Done"))
    ask(graph, max_steps=2)
    assert any(LAST_STEP in str(m.content) for m in model.calls[1])
    assert not any(LAST_STEP in str(m.content) for m in model.calls[0])


def test_the_reply_is_last_also_when_the_agent_went_on_after_speaking() -> None:
    """A chat client shows ``messages[-1]``; what was spoken stands there once."""
    edit = call("core_memory_append", label="human", content="x")
    graph, _, _ = agent(say("One moment", request_heartbeat=True), edit)
    queue = ask(graph)
    assert [m.type for m in queue] == ["human", "ai", "tool", "ai", "tool", "ai"]
    assert [m.text for m in queue].count("One moment") == 1
    assert queue[-1].text == "One moment"


def test_the_reply_is_seen_once_by_the_model_and_held_once_by_recall() -> None:
    """As the call that spoke it."""
    graph, model, store = agent(say("Blue whale"), say("Yes"))
    ask(graph)
    ask(graph, "What did you say?")
    assert sum("Blue whale" in str([m.content, getattr(m, "tool_calls", "")]) for m in model.calls[1]) == 1
    assert said(store, "assistant") == ["Blue whale", "Yes"]


def test_a_resent_history_changes_nothing() -> None:
    """The model is not called, and recall memory holds no more."""
    graph, model, store = agent(say("Hi"))
    queue = ask(graph)
    plain = [m.model_copy(update={"additional_kwargs": {}}) for m in queue]
    for again in (queue, plain):
        assert graph.invoke({"messages": again}, THREAD)["messages"] == queue
    assert len(model.calls) == 1
    assert said(store, "user") == ["Hello"]


def test_a_resent_history_with_a_new_message_is_answered_once() -> None:
    """Only what is new is received."""
    graph, model, store = agent(say("Hi"), say("Fine"))
    queue = ask(graph)
    plain = [m.model_copy(update={"additional_kwargs": {}}) for m in queue]
    assert graph.invoke({"messages": [*plain, ("user", "How are you?")]}, THREAD)["messages"][-1].text == "Fine"
    assert len(model.calls) == 2
    assert said(store, "user") == ["Hello", "How are you?"]


def test_the_same_event_twice_is_handled_once() -> None:
    """Delivered at least once, handled once."""
    graph, model, _ = agent("ok", "ok again")
    first = beat(graph, id="e1", text="Nightly")
    assert beat(graph, id="e1", text="Nightly") == first
    assert len(model.calls) == 1
    beat(graph, id="e2", text="Nightly")
    assert len(model.calls) == 2


def test_an_alert_and_another_agents_message_reach_the_model_as_what_they_are() -> None:
    """With their sender."""
    graph, model, store = agent("ok")
    graph.invoke({"event": {"type": "agent_message", "text": "Report done", "sender": "researcher"}}, THREAD)
    assert '"type": "agent_message", "message": "Report done", "from": "researcher"' in told(model)
    assert said(store, "system") == ["Report done"]


def test_every_message_carries_when_and_in_which_turn() -> None:
    """What a client needs to show a timeline."""
    graph, _, _ = agent(say("Hi"))
    queue = ask(graph)
    assert {mark_of(m).get("turn") for m in queue} == {queue[0].id}
    assert [mark_of(m).get("kind") for m in queue] == ["event", "action", "result", "reply"]
    times = [mark_of(m).get("time", "") for m in queue]
    assert times == sorted(times)
    assert times[0].startswith("2026-01-01T12:00:0")


def test_several_calls_are_carried_out_in_order() -> None:
    """Each with its result right behind it in what the model sees."""
    edits = [("core_memory_append", {"label": "human", "content": text}) for text in ("one", "two")]
    graph, model, store = agent(calls(*edits, ("send_message", {"message": "Hi", "request_heartbeat": True})), say("Bye"))
    ask(graph)
    assert "(7/2000 characters):\\none\\ntwo" in str(model.calls[1][-1].content)
    sent: list[Any] = list(model.calls[1])
    answer = sent[2]
    assert [m.tool_call_id for m in sent[3:]] == [c["id"] for c in answer.tool_calls]
    assert said(store, "assistant") == ["Hi", "Bye"]


def test_two_messages_in_one_turn_are_two_replies() -> None:
    """Each kept once, in order."""
    graph, _, store = agent(calls(("send_message", {"message": "One"}), ("send_message", {"message": "Two"})))
    queue = ask(graph)
    assert [m.text for m in queue if mark_of(m).get("kind") == "reply"] == ["One", "Two"]
    assert said(store, "assistant") == ["One", "Two"]


def test_what_no_user_is_to_read_has_an_id_that_chat_clients_leave_out() -> None:
    """Alerts, heartbeats, inner thoughts, and the call by which the agent spoke; what was said, done and answered is shown."""
    note = call("core_memory_append", label="human", content="Dog: Rex", request_heartbeat=False)
    graph, _, _ = agent(note, say("Noted"), AIMessage("Nothing to do."))
    queue = [*ask(graph), *beat(graph)[-2:]]
    seen = [m for m in queue if not str(m.id).startswith("do-not-render-")]
    hidden = [(m.type, m.text) for m in queue if m not in seen]
    assert hidden == [("system", UNANSWERED), ("ai", ""), ("tool", "Sent."), ("system", ""), ("ai", "Nothing to do.")]
    assert [(m.type, m.text) for m in seen[1:]] == [("ai", ""), ("tool", seen[2].text), ("ai", "Noted")]
    assert seen[1].tool_calls[0]["name"] == seen[2].name == "core_memory_append"


def test_the_reply_carries_the_thoughts_of_its_call() -> None:
    """Clients that show LangChain's content blocks show them as reasoning; the text is the reply alone, and the model is not sent them twice."""
    graph, model, _ = agent(call("send_message", thinking="Be kind.", message="Hello!"), say("Bye"))
    reply = ask(graph)[-1]
    assert reply.content == "Hello!"
    assert reply.content_blocks == [{"type": "reasoning", "reasoning": "Be kind."}, {"type": "text", "text": "Hello!"}]
    ask(graph)
    assert sum("Be kind." in str(m) for m in model.calls[-1]) == 1


def test_a_message_that_does_more_than_speak_is_shown_with_what_it_does() -> None:
    """Its card stays; what came of the speaking is no card. The same holds of a message that a person has to approve."""
    both = calls(("send_message", {"message": "Noted"}), ("core_memory_append", {"label": "human", "content": "Dog: Rex"}))
    queue = ask(agent(both)[0])
    assert [(m.type, m.name) for m in queue if not str(m.id).startswith("do-not-render-")][1:] == [
        ("ai", None), ("tool", "core_memory_append"), ("ai", None),
    ]  # fmt: skip
    waiting = ask(agent(say("Hi"), rules=[RequiresApprovalRule("send_message")])[0])
    assert not str(waiting[-1].id).startswith("do-not-render-")


def test_only_ids_that_can_come_again_are_kept_of_events_without_a_text() -> None:
    """An id of our own follows from the checkpoint; an agent that beats by a clock of the server keeps nothing for each beat."""
    graph, _, store = agent(AIMessage("Hm."), AIMessage("Hm."), AIMessage("Hm."))
    beat(graph)
    beat(graph, id="by-the-clock")
    beat(graph)
    (kept,) = store.search(("ann", "events"))
    assert [event_id for event_id, _ in kept.value["ids"]] == ["by-the-clock"]


def test_a_conversation_goes_on_with_the_memory_that_it_was_given() -> None:
    """A run that names nobody's memory uses the one that an earlier run of its thread named, not silently another."""
    store = InMemoryStore()
    graph: Any = create_graph(model=ScriptedModel([say("ok")] * 5), store=store, checkpointer=InMemorySaver())

    def said(thread: str, text: str, **context: Any) -> None:
        graph.invoke({"messages": [("user", text)]}, {"configurable": {"thread_id": thread}}, context=context or None)

    def heard(agent_id: str) -> list[str]:
        items = store.search(namespaces.of(agent_id, "recall"), limit=100)
        return sorted(item.value["text"] for item in items if item.value["role"] == "user")

    said("t1", "one", agent_id="ann")
    said("t1", "two")
    said("t2", "three")
    said("t1", "four", agent_id="ben")
    said("t1", "five")
    assert heard("ann") == ["one", "two"]
    assert heard("t2") == ["three"]
    assert heard("ben") == ["five", "four", "ok", "ok", "one", "two"]  # all of it was new to him, the other agent's replies too
    assert heard("t1") == []


def test_an_event_of_an_unknown_type_is_refused_and_holds_up_nothing() -> None:
    """The known ones are named; the next message is answered, though the checkpoint still holds the event."""
    graph, model, _ = agent(say("Hello."))
    for event in ({"type": "nope"}, {"text": "no type"}):
        with pytest.raises(ConfigurationError, match="user_message, heartbeat, system_alert, login, agent_message"):
            graph.invoke({"event": event}, THREAD)
    assert not model.calls
    assert ask(graph)[-1].text == "Hello."
    assert "no type" not in str(model.calls)
