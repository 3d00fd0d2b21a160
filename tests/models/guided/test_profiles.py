"""The guided model with the later profiles: the same acts by other names, and reflection."""

import json

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage

from memgpt_agent.models.guided.profiles import (
    LATER_TOOLS,
    may_ask_for,
    owes_reflection,
    reflection_arguments,
    translated,
    wants_reflection,
)
from memgpt_agent.models.guided.view import View, read_view
from memgpt_agent.tools.profiles import MEMGPT_REACT, MEMGPT_TOOLS

REACT = {tool.name for tool in MEMGPT_REACT.tools}
PAPER = {tool.name for tool in MEMGPT_TOOLS}


def event(text: str, kind: str = "user_message") -> HumanMessage:
    """An event as the agent puts it."""
    return HumanMessage(json.dumps({"type": kind, "message": text}))


def did(tool: str, status: str = "OK", **arguments: object) -> list[BaseMessage]:
    """A call and its result."""
    made = AIMessage("", tool_calls=[{"name": tool, "args": dict(arguments), "id": "1"}])
    return [made, ToolMessage(json.dumps({"status": status, "message": "m"}), tool_call_id="1", name=tool)]


def test_the_papers_acts_are_done_by_the_later_tools() -> None:
    """With their own argument names; a tool that is there keeps its call, one that is not is left out."""
    calls = [
        ("core_memory_append", {"label": "human", "content": "The user is Bo."}),
        ("core_memory_replace", {"label": "human", "old_content": "a", "new_content": "b"}),
        ("archival_memory_insert", {"content": "note"}),
        ("weather", {}),
    ]
    assert translated(calls, REACT, set()) == [
        ("memory_insert", {"label": "human", "new_string": "The user is Bo."}),
        ("memory_replace", {"label": "human", "old_string": "a", "new_string": "b"}),
        ("archival_memory_insert", {"content": "note"}),
    ]
    assert translated(calls, PAPER, set()) == calls[:3]


def test_two_searches_become_one_and_it_is_not_repeated() -> None:
    """It has looked everywhere already."""
    both = [("archival_memory_search", {"query": "dog"}), ("conversation_search", {"query": "dog"})]
    assert translated(both, REACT, set()) == [("recall", {"query": "dog"})]
    assert translated(both, REACT, {"recall"}) == []
    assert translated(both, PAPER, set()) == both


def test_it_reflects_when_asked_and_nobody_waits() -> None:
    """After its answer in a user's turn, at once on a heartbeat; once."""
    asked = event("10 turns. Then call reflect: what you learned", "system_alert")
    waiting = read_view([event("Hello"), asked])
    assert (wants_reflection(waiting, REACT), owes_reflection(waiting, REACT)) == (False, True)
    answered = [event("Hello"), asked, *did("send_message", message="Hi.")]
    assert wants_reflection(read_view(answered), REACT)
    assert not wants_reflection(read_view([*answered, *did("reflect")]), REACT)
    assert wants_reflection(read_view([*answered[:1], *answered[2:], event("", "heartbeat"), asked]), REACT)
    assert not wants_reflection(read_view([event("Hello"), *did("send_message", message="Hi.")]), REACT)
    assert not wants_reflection(read_view(answered), PAPER)


def test_a_draft_that_was_not_sent_was_not_said() -> None:
    """It does not stand in the history beside the answer."""
    messages = [
        event("Hi"),
        *did("send_message", "Failed", message="draft"),
        *did("send_message", message="final"),
        event("Next"),
    ]
    assert read_view(messages).exchanges == (("Hi", "final"),)


def test_the_tasks_in_view_are_seen() -> None:
    """They stand in the system message as a section, and are told to the model among its blocks."""
    shown = SystemMessage('You are.\n\n<tasks open="1">\n1. [normal] Call Ana\n   1 [ ] dial\n</tasks>\n\nMore.')
    assert read_view([shown, event("Hi")]).other_blocks == (("Your open tasks", "1. [normal] Call Ana\n   1 [ ] dial"),)
    assert read_view([SystemMessage('<tasks open="0">\n</tasks>'), event("Hi")]).other_blocks == ()


def test_what_nobody_said_is_not_learned() -> None:
    """A small model invents; broken JSON is nothing."""
    view = View(user=None, exchanges=(("My dog Rex is ill.", "I am sorry."),))
    written = {
        "learned": ["The user's dog is Rex.", "The user loves chess."],
        "uncertain": [],
        "next_steps": ["Ask about Rex"] * 2,
    }
    assert reflection_arguments(json.dumps(written), view) == {
        "learned": ["The user's dog is Rex."], "uncertain": [], "next_steps": ["Ask about Rex"],
    }  # fmt: skip
    assert reflection_arguments('{"learned": [', view) == {"learned": [], "uncertain": [], "next_steps": []}


def test_a_task_is_asked_for_in_words_of_tasks() -> None:
    """Other messages are not even put to the model; a tool of the user's own always is."""
    assert may_ask_for("task_add", "Remind me to call Ana.")
    assert may_ask_for("task_complete", "The report is written, task 2 is done.")
    assert not may_ask_for("task_add", "The report is written, task 2 is done.")
    assert not may_ask_for("task_complete", "I am a nurse and live in Porto.")
    assert not may_ask_for("task_add", "What is on your task list?")
    assert may_ask_for("weather", "Is it warm?")


def test_the_tools_it_knows_are_those_of_the_profile() -> None:
    """Only what a message may ask for by itself is put to the model as a question."""
    asked_for = REACT - LATER_TOOLS - PAPER
    assert asked_for == {"task_add", "task_complete"}
