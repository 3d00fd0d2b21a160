"""What was sent stays as it was sent until the queue is cut; what changes of memory meanwhile rides with a newer message."""

import json
from typing import Any

import pytest
from langchain_core.messages import HumanMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.store.base import BaseStore
from langgraph.store.memory import InMemoryStore

from memgpt_agent.events import mark_of
from memgpt_agent.graph.builder import create_graph
from memgpt_agent.memory.core import Block, CoreMemory
from memgpt_agent.prompts import LAST_STEP
from memgpt_agent.testing import Clock, ScriptedModel, call, say
from memgpt_agent.tools.profiles import MEMGPT_REACT

THREAD: Any = {"configurable": {"thread_id": "ann"}}
APPEND = call("core_memory_append", label="human", content="Dog: Rex", request_heartbeat=True)
ROOMY: dict[str, Any] = {"context_window_tokens": 32_768}


class Talk:
    """A conversation with a script."""

    def __init__(self, *script: Any, store: BaseStore | None = None, **given: Any) -> None:
        self.model, self.store = ScriptedModel(script), store or InMemoryStore()
        self.graph: Any = create_graph(model=self.model, store=self.store, checkpointer=InMemorySaver(), clock=Clock(), **given)
        self.core = CoreMemory(self.store, "ann", Clock())

    def say(self, text: str, **context: Any) -> dict[str, Any]:
        """Say something; return the state."""
        self.graph.invoke({"messages": [HumanMessage(text)]}, THREAD, context={**ROOMY, **context})
        return self.graph.get_state(THREAD).values

    def sent(self, nth: int) -> list[str]:
        """Return what the model was sent in a call."""
        return [str(m.content) for m in self.model.calls[nth]]

    def notes(self, nth: int) -> list[str]:
        """Return what rides with the newest message of a call."""
        return json.loads(self.sent(nth)[-1]).get("notes", [])

    def grows(self) -> None:
        """Check that each prompt begins with the one before it."""
        for before, now in zip(self.model.calls, self.model.calls[1:], strict=False):
            assert [m.content for m in now[: len(before)]] == [m.content for m in before]


def test_an_edit_is_seen_in_the_next_step_and_nothing_before_it_changes() -> None:
    """The new text rides with the result of the edit, and stays there."""
    talk = Talk(APPEND, say("Noted."), say("Rex."))
    talk.say("My dog is called Rex.")
    talk.say("What is he called?")
    assert "This replaces the block 'human' above (8/2000 characters):\nDog: Rex" in talk.notes(1)[0]
    assert len(talk.notes(1)) == 1
    assert talk.notes(2) == []
    talk.grows()


def test_an_edit_by_others_rides_with_the_next_event() -> None:
    """The user's own, another thread's or the sleeping agent's."""
    talk = Talk(say("Hello."), say("Rex."))
    talk.say("Hello.")
    talk.core.append("human", "Dog: Rex")
    state = talk.say("What is my dog called?")
    assert talk.notes(1) == ["This replaces the block 'human' above (8/2000 characters):\nDog: Rex"]
    event = next(m for m in state["messages"] if m.text == "What is my dog called?")
    riding: Any = mark_of(event).get("rides")
    assert riding["told"] == talk.notes(1)
    talk.grows()


def test_a_text_that_comes_back_is_told_again() -> None:
    """The newest text is the one that counts, though the same stands in the system message."""
    talk = Talk(*[say("Yes.")] * 3)
    talk.core.create([Block("human", "Cat: Tom", "About the user")])
    talk.say("Hello.")
    talk.core.overwrite("human", "Dog: Rex")
    talk.say("Hello.")
    talk.core.overwrite("human", "Cat: Tom")
    talk.say("Hello.")
    assert talk.notes(2) == ["This replaces the block 'human' above (8/2000 characters):\nCat: Tom"]


def test_new_and_deleted_blocks_are_told() -> None:
    """A new one with what it is for."""
    talk = Talk(*[say("Yes.")] * 3)
    talk.say("Hello.")
    talk.core.create([Block("plans", "Learn to sail", "What the user wants to do", limit_chars=500)])
    talk.say("Hello.")
    talk.core.delete("plans")
    talk.say("Hello.")
    assert talk.notes(1) == ["There is a new block 'plans', What the user wants to do (13/500 characters):\nLearn to sail"]
    assert talk.notes(2) == ["The block 'plans' above is gone."]
    talk.grows()


def test_a_section_rides_as_blocks_do() -> None:
    """Open tasks, for one: one that is added, and one that is dropped."""
    script = [
        call("task_add", title="Water the plants", request_heartbeat=True),
        call("task_drop", task=1, reason="it rained", request_heartbeat=True), *[say("Done.")] * 2,
    ]  # fmt: skip
    talk = Talk(*script, profile=MEMGPT_REACT)
    talk.say("Remind me of the plants.")
    assert talk.notes(1) == ['This replaces what is shown above of your tasks:\n<tasks open="1">\n1. [normal] Water the plants\n</tasks>']
    assert talk.notes(2) == ['This replaces what is shown above of your tasks:\n<tasks open="0">\n</tasks>']
    assert talk.sent(2)[0] == talk.sent(0)[0]


def test_the_queue_is_cut_and_all_is_put_where_it_belongs() -> None:
    """The system message is new with the newest text; nothing rides any more."""
    long = "The way to the river is long. " * 60
    talk = Talk(APPEND, say("Noted."), "Spoke of the river.", *[say(long)] * 12)
    talk.say("My dog is called Rex.", context_window_tokens=6_000)
    state: dict[str, Any] = {}
    while not state.get("summary"):
        state = talk.say(long, context_window_tokens=6_000)
    assert "\nDog: Rex\n" in talk.sent(-1)[0]
    assert not any('"notes"' in text for text in talk.sent(-1))


def test_where_it_would_take_too_much_of_the_window_it_is_put_in_place_at_once() -> None:
    """A long text in a small window is not told twice."""
    talk = Talk(*[say("Yes.")] * 2)
    talk.say("Hello.", context_window_tokens=4_096)
    talk.core.overwrite("human", "The user likes the river and its long banks. " * 30)
    talk.say("Hello.", context_window_tokens=4_096)
    assert "likes the river" in talk.sent(1)[0]
    assert talk.notes(1) == []


def test_memory_that_is_always_more_than_its_share_is_sent_once() -> None:
    """In a window so small that shortening is not enough, the next turn still begins as the last one did."""
    talk = Talk(*[say("Yes.")] * 2)
    talk.core.create([Block(f"notes {n}", "The user likes the river and its long banks. " * 20) for n in range(4)])
    for _ in range(2):
        talk.say("Hello.", context_window_tokens=4_096)
    assert talk.sent(1)[0] == talk.sent(0)[0]


def test_an_older_conversation_goes_on() -> None:
    """Its state knows nothing of what was sent: memory is put into the system message as it is now."""
    talk = Talk(*[say("Yes.")] * 2)
    talk.say("Hello.")
    talk.graph.update_state(THREAD, {"sent_memory": {}}, as_node="execute_tools")
    talk.core.append("human", "Dog: Rex")
    talk.say("Hello.")
    assert "\nDog: Rex\n" in talk.sent(1)[0]
    assert talk.notes(1) == []


def test_the_last_step_is_told_behind_what_was_sent() -> None:
    """And once, though the step is compiled more than once."""
    talk = Talk(APPEND, say("Noted."))
    talk.say("My dog is called Rex.", max_steps=2)
    assert talk.notes(1)[1:] == [LAST_STEP]
    talk.grows()


def test_the_text_is_told_again_where_the_page_that_carried_it_is_taken_out() -> None:
    """What is not in view any more was not told."""
    long = "The way to the river is long. " * 200
    talk = Talk(
        APPEND, say("Noted."), *[say(long)] * 3,
        call("page_out", content="the beginning", page_number=1, request_heartbeat=True), say("Rex."),
    )  # fmt: skip
    talk.say("My dog is called Rex.")
    for _ in range(3):
        talk.say(long)
    talk.say("What is he called?")
    assert any(note.endswith("Dog: Rex") for note in talk.notes(-1))
    assert talk.sent(-1)[0] == talk.sent(0)[0]


@pytest.mark.parametrize("share", [0.05, 0.3])
def test_what_rides_counts_in_the_budget(share: float) -> None:
    """The sections of the last prompt sum up to its total, and the total is within the budget."""
    talk = Talk(*[reply for _ in range(12) for reply in (APPEND, say("Noted. " * 40))], "They spoke of a dog.", "Of a dog.")
    for _ in range(8):
        state = talk.say("My dog is called Rex. " * 30, context_window_tokens=8_192, page_fault_share=share)
        usage = state["context_usage"]
        assert usage["total"] <= usage["budget"]
        assert usage["total"] == sum(n for name, n in usage.items() if name not in {"total", "budget"})
