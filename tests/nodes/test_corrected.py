"""Messages that others edit or remove in the state: edited for the model, in recall memory and in the summaries, with history."""

import json
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, RemoveMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph.message import REMOVE_ALL_MESSAGES
from langgraph.store.base import BaseStore

from memgpt_agent.graph.builder import create_graph
from memgpt_agent.memory import namespaces
from memgpt_agent.memory.corrections import Corrections
from memgpt_agent.memory.hierarchy import SummaryTree
from memgpt_agent.memory.recall import RecallMemory
from memgpt_agent.testing import Clock, ScriptedModel, call, calls, say

THREAD: Any = {"configurable": {"thread_id": "ann"}}
SECRET = "zanzibar"
pytestmark = pytest.mark.parametrize("store", ["file", "memory"], indirect=True)
"""The embedded store, and one that can do no more than LangGraph's own."""


class Talk:
    """A conversation with a scripted agent, as a program sees it through the graph."""

    def __init__(self, store: BaseStore, *script: Any, **options: Any) -> None:
        self.model, self.store, clock = ScriptedModel(script), store, Clock()

        def ticking() -> datetime:
            clock.advance(seconds=1)
            return clock()

        self.graph: Any = create_graph(model=self.model, store=store, checkpointer=InMemorySaver(), clock=ticking, **options)
        self.recall = RecallMemory(store, "ann")
        self.corrections = Corrections(self.recall, store, "ann")

    def say(self, text: str, message_id: str, config: Any = THREAD, **context: Any) -> list[Any]:
        """Say something under an id of one's own; return the queue."""
        return self.graph.invoke({"messages": [HumanMessage(text, id=message_id)]}, config, context=context or None)["messages"]

    def edit(self, *messages: Any, **how: Any) -> None:
        """Edit the state as a client does."""
        self.graph.update_state(THREAD, {"messages": list(messages)}, **how)

    def queue(self) -> list[Any]:
        """Return the queue as it is stored."""
        return self.graph.get_state(THREAD).values["messages"]

    def sent(self, number: int = -1) -> str:
        """Return all that the model was sent in one call."""
        return json.dumps([[m.content, getattr(m, "tool_calls", [])] for m in self.model.calls[number]], default=str)

    def found(self, query: str) -> list[str]:
        """Return what a search of recall memory finds."""
        return [m.text for m in self.recall.search(query, limit=20)]

    def everywhere(self, tier: str = "recall") -> str:
        """Return a whole tier of the agent as text: the searched fields too."""
        return json.dumps([item.value for item in self.store.search(namespaces.of("ann", tier), limit=1_000)], default=str)


@pytest.mark.parametrize("marked", [False, True], ids=["a new message", "the message from the state, changed"])
@pytest.mark.parametrize("node", [None, "execute_tools"])
def test_an_edited_message_is_edited_for_the_model_and_in_recall_memory(store: BaseStore, marked: bool, node: str | None) -> None:
    """Its old words are searched no more, also not beside what was said after it; its history has them."""
    talk = Talk(store, say("Noted."), say("Fine."), say("You said it."))
    talk.say(f"The code is {SECRET}.", "m1")
    talk.say("And now to the weather.", "m2")
    new = talk.queue()[0].model_copy(update={"content": "The code is xxx."}) if marked else HumanMessage("The code is xxx.", id="m1")
    talk.edit(new, as_node=node)
    queue = talk.say("What is the code?", "m3")
    assert [m.text for m in queue if m.type == "human"] == ["The code is xxx.", "And now to the weather.", "What is the code?"]
    assert SECRET not in talk.sent()
    assert "The code is xxx." in talk.sent()
    assert SECRET not in talk.everywhere()
    assert "The code is xxx." in talk.found("code")
    assert "The code is xxx." in talk.everywhere().split('"And now to the weather."')[1]  # beside the message behind it
    kept = talk.corrections.of(["m1"])["m1"]
    assert [(e.text, e.how, e.actor) for e in kept.entries] == [(f"The code is {SECRET}.", "edited", "client")]
    assert talk.recall.get(["m1"])["m1"].edited == kept.time


def test_an_edit_is_taken_in_once(store: BaseStore) -> None:
    """Later runs and further copies of the same words add nothing to its history; a second edit does."""
    talk = Talk(store, *[say(f"Reply {n}") for n in range(6)])
    talk.say("one", "m1")
    talk.edit(HumanMessage("uno", id="m1"))
    talk.say("two", "m2")
    talk.edit(HumanMessage("uno", id="m1"))
    talk.say("three", "m3")
    talk.edit(HumanMessage("eins", id="m1"))
    talk.say("four", "m4")
    assert [e.text for e in talk.corrections.of(["m1"])["m1"].entries] == ["one", "uno"]
    assert talk.recall.get(["m1"])["m1"].text == "eins"


def test_a_client_with_the_old_words_does_not_bring_them_back(store: BaseStore) -> None:
    """It sends its whole history with each message, as many do."""
    talk = Talk(store, say("a"), say("b"), say("c"))
    first = talk.say(f"My name is {SECRET}.", "m1")
    talk.edit(HumanMessage("My name is Ann.", id="m1"))
    history = [HumanMessage(f"My name is {SECRET}.", id="m1"), AIMessage("a", id=first[-1].id)]
    for number in (2, 3):
        history.append(HumanMessage(f"Question {number}", id=f"m{number}"))
        talk.graph.invoke({"messages": history}, THREAD)
        assert SECRET not in talk.sent()
        assert SECRET not in talk.everywhere()


def test_an_edited_reply_is_edited_in_the_call_that_spoke_it(store: BaseStore) -> None:
    """The model is shown its call: it says what the reply says now, and so does recall memory, once."""
    talk = Talk(store, say(f"The code is {SECRET}."), say("Well."))
    reply = talk.say("What is the code?", "m1")[-1]
    talk.edit(AIMessage("I may not say it.", id=reply.id))
    talk.say("Why?", "m2")
    assert SECRET not in talk.sent()
    assert "I may not say it." in talk.sent()
    assert SECRET not in json.dumps([m.model_dump() for m in talk.queue()], default=str)
    assert SECRET not in talk.everywhere()
    assert [m.text for m in talk.recall.of_thread("ann") if m.role == "assistant"] == ["I may not say it.", "Well."]


def test_an_edited_call_is_edited_in_its_reply_and_its_record(store: BaseStore) -> None:
    """In Studio one may edit the call instead of the reply; of another tool's call the arguments are kept, and edited too."""
    talk = Talk(store, calls(("archival_memory_insert", {"content": SECRET}), ("send_message", {"message": f"Kept {SECRET}"})), say("ok"))
    talk.say("Keep it", "m1")
    action = next(m for m in talk.queue() if m.type == "ai" and m.tool_calls)
    edited = [{**c, "args": {**c["args"], **({"content": "x"} if "content" in c["args"] else {"message": "Kept x"})}} for c in action.tool_calls]
    talk.edit(action.model_copy(update={"tool_calls": edited}))
    talk.say("Go on", "m2")
    assert SECRET not in talk.sent()
    assert SECRET not in talk.everywhere()
    assert [m.text for m in talk.queue() if m.type == "ai" and m.text] == ["Kept x", "ok"]


def test_an_edited_result_and_an_edited_plain_answer_are_edited(store: BaseStore) -> None:
    """What a tool returned, and what a model said without a tool."""

    def lookup() -> str:
        """Look it up."""
        return SECRET

    talk = Talk(store, call("lookup", request_heartbeat=True), f"It is {SECRET}.", say("ok"), tools=[lookup])
    queue = talk.say("Look it up", "m1")
    result, answer = next(m for m in queue if m.type == "tool"), queue[-1]
    talk.edit(result.model_copy(update={"content": "hidden"}), AIMessage("It is hidden.", id=answer.id))
    talk.say("Go on", "m2")
    assert SECRET not in talk.sent()
    assert SECRET not in talk.everywhere()
    assert {"hidden", "It is hidden."} <= {m.text for m in talk.recall.of_thread("ann")}


def test_a_removed_message_leaves_recall_memory_and_can_be_brought_back(store: BaseStore) -> None:
    """A question and a reply; the call that spoke the reply goes with it. A client with an old copy does not ask it again."""
    talk = Talk(store, say(f"Yes, {SECRET}."), say("b"), say("c"), say("d"))
    first = talk.say(f"Is it {SECRET}?", "m1")
    talk.say("And now?", "m2")
    talk.edit(RemoveMessage(id="m1"), RemoveMessage(id=first[-1].id))
    talk.graph.invoke({"messages": [HumanMessage(f"Is it {SECRET}?", id="m1"), HumanMessage("So?", id="m3")]}, THREAD)
    assert SECRET not in talk.sent()
    assert SECRET not in talk.everywhere()
    assert [m.text for m in talk.queue() if m.type == "human" or m.text == "c"] == ["And now?", "So?", "c"]
    assert talk.corrections.undo("m1").text == f"Is it {SECRET}?"
    talk.say("Once more?", "m4")
    assert f"Is it {SECRET}?" in talk.found(SECRET)


def test_a_conversation_that_is_cleared_is_not_found_any_more(store: BaseStore) -> None:
    """With nothing left, and with some messages given again; what else the agent keeps stays."""
    talk = Talk(store, say("a"), say("b"), say("c"), say("d"))
    talk.say(f"It is {SECRET}", "m1")
    talk.edit(RemoveMessage(id=REMOVE_ALL_MESSAGES))
    assert talk.queue() == []
    talk.say("Hello again", "m2")
    assert SECRET not in talk.sent()
    assert [m.text for m in talk.recall.of_thread("ann")] == ["Hello again", "b"]
    kept = [m for m in talk.queue() if m.type == "human"]
    talk.edit(RemoveMessage(id=REMOVE_ALL_MESSAGES), *kept)
    talk.say("And now", "m3")
    assert [m.text for m in talk.recall.of_thread("ann")] == ["Hello again", "And now", "c"]


def test_a_message_that_comes_again_with_other_words_is_answered_anew(store: BaseStore) -> None:
    """Under its old id, in a run of its own: the old answer leaves the conversation; what was said before stays."""
    talk = Talk(store, say("Hi"), say(f"Rain in {SECRET}"), say("Sun in Rome"), say("Bye"))
    talk.say("Hello", "m0")
    talk.say(f"Weather in {SECRET}?", "m1")
    queue = talk.say("Weather in Rome?", "m1")
    assert [(m.type, m.text) for m in queue] == [
        ("human", "Hello"), ("ai", ""), ("tool", "Sent."), ("ai", "Hi"),
        ("human", "Weather in Rome?"), ("ai", ""), ("tool", "Sent."), ("ai", "Sun in Rome"),
    ]  # fmt: skip
    assert SECRET not in talk.sent()
    assert SECRET not in talk.everywhere()
    assert [m.text for m in talk.recall.of_thread("ann")] == ["Hello", "Hi", "Weather in Rome?", "Sun in Rome"]
    again = talk.say("Weather in Rome?", "m1")  # delivered twice: handled once
    assert (again, len(talk.model.calls)) == (queue, 3)
    assert talk.say("Thanks", "m2")[-1].text == "Bye"


def test_an_edit_beside_a_new_message_asks_nothing_anew(store: BaseStore) -> None:
    """A client that sends its whole history, edited, with a new message: the new one is answered."""
    talk = Talk(store, say("a"), say("b"))
    talk.say("one", "m1")
    queue = talk.graph.invoke({"messages": [HumanMessage("uno", id="m1"), HumanMessage("two", id="m2")]}, THREAD)["messages"]
    assert [m.text for m in queue if m.text != "Sent."] == ["uno", "", "a", "two", "", "b"]
    assert talk.recall.get(["m1"])["m1"].text == "uno"


def test_a_fork_with_an_edited_message_gives_up_the_branch_behind_it(store: BaseStore) -> None:
    """As Agent Chat UI does: from the checkpoint before the message, with a new one. The old question and its answer are history."""
    talk = Talk(store, say("Hi"), say(f"Rain in {SECRET}"), say("Sun in Rome"), say("Bye"), say("Snow"))
    talk.say("Hello", "m0")
    before = talk.graph.get_state(THREAD).config
    talk.say(f"Weather in {SECRET}?", "m1")
    talk.say("Weather in Rome?", "m2", before)
    assert SECRET not in talk.sent()
    assert SECRET not in talk.everywhere()
    assert [m.text for m in talk.recall.of_thread("ann")] == ["Hello", "Hi", "Weather in Rome?", "Sun in Rome"]
    assert talk.corrections.of(["m1"])["m1"].how == "replaced"
    assert talk.say("Thanks", "m3")[-1].text == "Bye"
    assert [m.text for m in talk.recall.of_thread("ann")][-1] == "Bye"


def test_the_first_message_of_a_conversation_can_be_edited_by_a_fork(store: BaseStore) -> None:
    """Under its old id or another; then nothing stands before it."""
    for number, new_id in enumerate(("m1", "other")):
        talk = Talk(store, say(f"Rain in {SECRET}"), say("Sun in Rome"))
        config: Any = {"configurable": {"thread_id": f"t{number}"}}
        talk.say(f"Weather in {SECRET}?", "m1", config, agent_id="ann")
        first = list(talk.graph.get_state_history(config))[-1].config
        queue = talk.say("Weather in Rome?", new_id, first, agent_id="ann")
        assert [m.text for m in queue if m.type == "human" or m.text == "Sun in Rome"] == ["Weather in Rome?", "Sun in Rome"]
        assert SECRET not in talk.everywhere()
        assert [m.text for m in talk.recall.of_thread(f"t{number}")] == ["Weather in Rome?", "Sun in Rome"]


def test_a_branch_that_is_taken_up_again_is_found_again(store: BaseStore) -> None:
    """Whoever goes back to the first branch by its checkpoint has its words in recall memory, and not the other's."""
    talk = Talk(store, say("Hi"), say("Rain"), say("Sun"), say("Still rain"))
    talk.say("Hello", "m0")
    before = talk.graph.get_state(THREAD).config
    talk.say("Weather in Oslo?", "m1")
    oslo = talk.graph.get_state(THREAD).config
    talk.say("Weather in Rome?", "m2", before)
    talk.say("And now?", "m3", oslo)
    assert {m.text for m in talk.recall.of_thread("ann")} == {"Hello", "Hi", "Weather in Oslo?", "Rain", "And now?", "Still rain"}


def test_graphs_that_keep_no_state_give_up_nothing(store: BaseStore) -> None:
    """Without a checkpointer each call begins anew under the same thread; what was said before stays in recall memory."""
    model = ScriptedModel([say("a"), say("b")])
    graph: Any = create_graph(model=model, store=store)
    for number in (1, 2):
        graph.invoke({"messages": [HumanMessage(f"Message {number}", id=f"m{number}")]}, THREAD)
    assert {m.text for m in RecallMemory(store, "ann").of_thread("ann")} == {"Message 1", "a", "Message 2", "b"}


@pytest.mark.parametrize("fails", [False, True], ids=["a model that summarises", "a model that fails"])
def test_a_message_that_left_main_context_is_corrected_in_the_summaries_too(store: BaseStore, fails: bool) -> None:
    """The summary and the hierarchy drew on it: both are made anew, of what recall memory holds now."""

    def summary(messages: list[Any]) -> str:
        if fails:
            raise ValueError("no summary today")
        return "They spoke. " + (SECRET if SECRET in str(messages) else "It is xxx." if "xxx" in str(messages) else "")

    filler = "the harbour log has another line to be read. " * 40
    talk = Talk(store, *[say(f"Reply {n}: {filler}") for n in range(12)], summarizer=ScriptedModel([summary] * 200))
    talk.say(f"The code is {SECRET}.", "m0", context_window_tokens=8_192)
    for number in range(1, 10):
        talk.say(f"Message {number}: {filler}", f"m{number}", context_window_tokens=8_192)
    state = talk.graph.get_state(THREAD).values
    assert SECRET in state["summary"]["text"]
    assert "m0" not in [m.id for m in state["messages"]]
    talk.edit(HumanMessage("The code is xxx.", id="m0"))
    queue = talk.say("Go on", "m10", context_window_tokens=8_192)
    state = talk.graph.get_state(THREAD).values
    assert "m0" not in [m.id for m in queue]
    assert queue[-1].text.startswith("Reply 10")
    assert SECRET not in str(state["summary"])
    assert "xxx" in str(state["summary"])
    assert SECRET not in talk.everywhere("summaries")
    assert SECRET not in talk.everywhere()
    assert SECRET not in talk.sent()
    assert SummaryTree(store, "ann").newest("session")[0].messages > 2


async def test_on_an_event_loop_it_is_the_same(store: BaseStore) -> None:
    """With the graph's async face."""
    talk = Talk(store, say("a"), say("b"))
    await talk.graph.ainvoke({"messages": [HumanMessage(f"It is {SECRET}", id="m1")]}, THREAD)
    await talk.graph.aupdate_state(THREAD, {"messages": [HumanMessage("It is x", id="m1")]})
    await talk.graph.ainvoke({"messages": [HumanMessage("So?", id="m2")]}, THREAD)
    assert SECRET not in talk.sent()
    assert SECRET not in talk.everywhere()


def test_a_clock_that_was_set_back_gives_up_no_branch(store: BaseStore) -> None:
    """Messages that have left main context bear later times and checkpoints than what is said now; they are found as before."""
    filler = "the harbour log has another line to be read. " * 40
    talk = Talk(store, *[say(f"Reply {n}: {filler}") for n in range(12)], summarizer=ScriptedModel(["They spoke."] * 99))
    for number in range(10):
        talk.say(f"Message {number}: {filler}", f"m{number}", context_window_tokens=8_192)
    here = {m.id for m in talk.queue()}
    gone = [m for m in talk.recall.of_thread("ann") if m.id not in here and m.role == "user"]
    later = [replace(m, time=f"2031{m.time[4:]}", checkpoint=f"f{m.checkpoint}") for m in gone]
    store.batch([talk.recall.put_operation(m) for m in later])
    talk.say("And now?", "m10", context_window_tokens=8_192)
    talk.say("And then?", "m11", context_window_tokens=8_192)
    assert later
    assert {m.id for m in later} <= {m.id for m in talk.recall.of_thread("ann")}
