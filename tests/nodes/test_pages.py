"""Pages: the queue in numbered spans, taken out under memory pressure and looked at again."""

import json
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.store.memory import InMemoryStore

from memgpt_agent.graph.builder import create_graph
from memgpt_agent.memory.archival import StoreArchive
from memgpt_agent.memory.main_context import pages_of
from memgpt_agent.memory.recall import RecallMemory
from memgpt_agent.testing import Clock, ScriptedModel, call, calls, say

THREAD: Any = {"configurable": {"thread_id": "ann"}}
LONG = "bla " * 520
"""More than a page holds in a window of 8,192 tokens."""


def agent(script: Any, **options: Any) -> tuple[Any, ScriptedModel, InMemoryStore]:
    """Return a graph, its model and its store."""
    model, store = ScriptedModel(script), InMemoryStore()
    writer = ScriptedModel(["Summary."] * 99)
    return (
        create_graph(
            model=model, summarizer=writer, store=store, checkpointer=InMemorySaver(), clock=Clock(), **options
        ),
        model,
        store,
    )


def ask(graph: Any, text: str, window: int = 8_192) -> Any:
    """Say something as the user; return the state's values."""
    graph.invoke({"messages": [("user", text)]}, THREAD, context={"context_window_tokens": window})
    return graph.get_state(THREAD).values


def shown_pages(sent: list[Any]) -> list[int]:
    """Return the page numbers that the events of a prompt bear."""
    return [told["page"] for told in (json.loads(str(m.content)) for m in sent if m.type == "human") if "page" in told]


def test_exchanges_stand_on_numbered_pages_that_keep_their_numbers() -> None:
    """A page takes exchanges until it is full; numbers grow and never change."""
    graph, model, _ = agent([say("ok")] * 5)
    for text in ("short", "short too", LONG, LONG, "short"):
        ask(graph, text)
    assert shown_pages(model.calls[-1]) == [1, 1, 1, 2, 3]

    assert shown_pages(model.calls[2]) == [1, 1, 1]


def test_an_old_page_is_taken_out_and_shown_again() -> None:
    """A line stands for it; the note is in archival memory, every word in recall memory; reading it again brings it back."""
    script = [
        say("Noted."),
        say("ok"),
        say("ok"),
        call("page_out", content="Where the anchor is kept.", page_number=1, request_heartbeat=True),
    ]
    graph, model, store = agent([*script, say("Done"), call("page_in", page_number=1), say("Room 7")])
    for text in (f"The anchor is kept in room 7. {LONG}", LONG, LONG):
        ask(graph, text)
    state = ask(graph, "Make room.")
    after = model.calls[4]
    assert "Page 1 is out (4 messages): Where the anchor is kept." in str(after[1].content)
    assert not any("room 7" in str(m.content) for m in after)
    assert 1 in pages_of(state["messages"])
    assert [p.tags for p in StoreArchive(store, "ann").search("anchor")] == [("page",)]
    assert "room 7" in RecallMemory(store, "ann").search("anchor", roles=["user"])[0].text
    ask(graph, "Where is it?")
    back = json.loads(str(model.calls[-1][-1].content))["message"]
    assert "user: The anchor is kept in room 7." in back
    assert "assistant: Noted." in back


def test_a_long_page_is_shown_in_parts() -> None:
    """Each part says how to read on."""
    script = [say("ok")] * 3 + [
        call("page_out", content="x", page_number=1),
        call("page_in", page_number=1),
        say("Read"),
    ]
    graph, model, _ = agent(
        [*script[:3], calls(("page_out", {"content": "x", "page_number": 1, "request_heartbeat": True})), *script[4:]]
    )
    for text in ("start " + "word " * 3_000 + "end", LONG, LONG):
        ask(graph, text)
    ask(graph, "Show page 1 again")
    found = next(m for m in reversed(model.calls[-1]) if m.type == "tool")
    back = json.loads(str(found.content))["message"]
    assert "read on: page_in(page_number=1, start=" in back
    assert "start word" in back


@pytest.mark.parametrize(
    ("page", "says"),
    [(99, "There is no page 99 in view"), (4, "Page 4 is the current page"), (1, "Page 1 is out already")],
)
def test_what_cannot_be_taken_out_is_refused_with_the_pages_there_are(page: int, says: str) -> None:
    """A page that is not there, the current one, or one that is out."""
    out = [("page_out", {"content": "x", "page_number": n, "request_heartbeat": True}) for n in (1, page)]
    graph, model, _ = agent([say("ok"), say("ok"), say("ok"), calls(*out), say("Sorry")])
    for text in (LONG, LONG, LONG, "Make room"):
        ask(graph, text)
    assert says in str(model.calls[-1][-1].content)
    assert "In view are the pages" in str(model.calls[-1][-1].content)


def test_a_page_that_went_out_in_an_earlier_step_stays_as_it_is() -> None:
    """Its line still says how many messages it stands for, and what the first note said."""
    out = [call("page_out", content=note, page_number=1, request_heartbeat=True) for note in ("Bla.", "Other.")]
    graph, model, _ = agent([say("ok"), say("ok"), say("ok"), *out, say("Sorry")])
    for text in (LONG, LONG, LONG, "Make room"):
        state = ask(graph, text)
    assert "Page 1 is out already" in str(model.calls[-1][-1].content)
    assert [m.text for m in state["messages"] if m.text.startswith("Page 1 is out (")] == ["Page 1 is out (4 messages): Bla."]


def test_a_page_that_is_in_view_need_not_be_shown() -> None:
    """It says so; a page that never was is refused."""
    graph, model, _ = agent([calls(("page_in", {"page_number": 1}), ("page_in", {"page_number": 7})), say("ok")])
    ask(graph, "Look")
    told = [json.loads(str(m.content))["message"] for m in model.calls[1][-2:]]
    assert told == ["Page 1 is in view.", "There is no page 7 of this conversation that is out of view."]


def test_taking_a_page_out_twice_by_a_replay_changes_nothing() -> None:
    """The queue, the note and the page are the same as after the first time."""
    answer = calls(("page_out", {"content": "Bla.", "page_number": 1}), ("send_message", {"message": "Done"}))
    graph, _, store = agent([say("ok"), say("ok"), say("ok"), answer])
    for text in (LONG, LONG, LONG, "Make room"):
        first = ask(graph, text)
    before = sorted((i.namespace, i.key, str(i.value)) for i in store.search(("ann",), limit=1_000))
    earlier = next(s for s in graph.get_state_history(THREAD) if s.next == ("execute_tools",))
    again = graph.invoke(None, earlier.config)
    assert [(m.id, m.text) for m in again["messages"]] == [(m.id, m.text) for m in first["messages"]]
    assert any("Page 1 is out" in m.text for m in again["messages"])
    assert sorted((i.namespace, i.key, str(i.value)) for i in store.search(("ann",), limit=1_000)) == before


def test_memory_pressure_names_the_pages_and_what_can_be_done() -> None:
    """Once, hidden from the user; with pages taken out it may come again."""
    graph, model, _ = agent([say("ok")] * 6)
    state, alerts = {}, list[str]()
    for n in range(6):
        state = ask(graph, f"{n} {LONG}")
        alerts = [str(m.content) for m in model.calls[-1] if "Context is" in str(m.content)]
        if alerts:
            break
    assert state["memory_pressure_warned"] is True
    assert "page_out(content, page_number). In view are the pages 1" in alerts[0]
    assert "core_memory_append, archival_memory_insert" in alerts[0]
    assert all("Context is" not in m.text for m in state["messages"] if m.type in {"human", "ai"})


def test_pages_that_were_evicted_can_be_shown_too() -> None:
    """The summary says which pages have left."""
    graph, model, _ = agent([*[say("ok")] * 5, call("page_in", page_number=1), say("Room 7")])
    for text in ("The anchor is kept in room 7.", *["bla " * 500] * 4):
        ask(graph, text, window=4_096)
    ask(graph, "Where is the anchor?", window=4_096)
    assert 'pages="1-' in model.calls[-1][0].text
    found = next(m for m in reversed(model.calls[-1]) if m.type == "tool")
    assert "user: The anchor is kept in room 7." in json.loads(str(found.content))["message"]


def test_outside_of_a_turn_there_is_nothing_to_page() -> None:
    """The error says so; a message is read whole."""
    from memgpt_agent.errors import InvalidArguments
    from memgpt_agent.memory.agent_memory import AgentMemory
    from memgpt_agent.tools.paging import page_in, page_out, read_message

    graph, _, store = agent([say("ok")])
    message = ask(graph, "Hello")["messages"][0]
    memory = AgentMemory(store, "ann")
    with pytest.raises(InvalidArguments, match="a turn that is running"):
        page_out(memory, "x", 1)
    with pytest.raises(InvalidArguments, match="a turn that is running"):
        page_in(memory, 1)
    assert read_message(memory, message.id) == "Hello"
    with pytest.raises(InvalidArguments, match="There is no message 'nowhere'"):
        read_message(memory, "nowhere")
    with pytest.raises(InvalidArguments, match="start = 5: the text has 5 characters"):
        read_message(memory, message.id, 5)
