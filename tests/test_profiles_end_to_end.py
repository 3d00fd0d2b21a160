"""The later profiles played through the real graph, store and checkpoints, each with a restart on the same files."""

import json
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import BaseMessage, ToolMessage

from memgpt_agent import MemGPTAgent
from memgpt_agent.checkpoints import open_checkpointer
from memgpt_agent.memory.tasks import TaskList
from memgpt_agent.prompts import CHECK_ANSWER
from memgpt_agent.store import FaissStore
from memgpt_agent.testing import Clock, HashingEmbedder, ScriptedModel, call, calls, say
from memgpt_agent.tools.profiles import MEMGPT_REACT, MEMGPT_V2
from memgpt_agent.tools.reflection import remind_to_reflect
from tests.seen import memory_shown

Open = Callable[..., Any]


@pytest.fixture
def clock() -> Clock:
    """A Thursday noon."""
    return Clock("2026-01-01T12:00:00+00:00")


@pytest.fixture
def opened(tmp_path: Path, clock: Clock) -> Open:
    """Return what opens the agent ann on one pair of files, as each new process would."""

    @contextmanager
    def open_agent(*script: Any, **given: Any) -> Generator[tuple[MemGPTAgent, ScriptedModel]]:
        model = ScriptedModel(script)
        with ExitStack() as files:
            index = {"dims": 64, "embed": HashingEmbedder()}
            store = files.enter_context(FaissStore(tmp_path / "memory.db", index=index))
            checkpointer = files.enter_context(open_checkpointer(tmp_path / "checkpoints.db"))
            parts: dict[str, Any] = {
                "store": store,
                "checkpointer": checkpointer,
                "clock": clock,
                "agent_id": "ann",
                **given,
            }
            yield MemGPTAgent(model=model, **parts), model

    return open_agent


def last_result(model: ScriptedModel, number: int = -1) -> dict[str, Any]:
    """Return the newest tool result in one of the model's calls."""
    found = [m for m in model.calls[number] if isinstance(m, ToolMessage)]
    return json.loads(found[-1].text)


def test_the_later_agent_edits_by_lines_and_remembers_after_a_restart(opened: Open) -> None:
    """It sees its lines numbered, is corrected where it copies the numbers, and its profile comes back with it."""
    with opened(
        call("memory_insert", label="human", new_string="Name: Ann\nCity: Porto", request_heartbeat=True),
        call("memory_replace", label="human", old_string="2→ City: Porto", new_string="City: Lisbon"),
        call(
            "memory_replace", label="human", old_string="City: Porto", new_string="City: Lisbon", request_heartbeat=True
        ),
        call("memory_rethink", label="plans", new_memory="Sail to Madeira.", request_heartbeat=True),
        say("Noted."),
        profile="memgpt_v2",
    ) as (agent, model):
        assert agent.step("I am Ann, I moved from Porto to Lisbon and want to sail to Madeira.").message == "Noted."
        assert "\n1→ Name: Ann\n2→ City: Porto" in memory_shown(model.calls[1])
        refusal = last_result(model, 2)
        assert refusal["status"] == "Failed"
        assert "Line numbers are only in your view" in refusal["message"]
        assert "block 'human' above (22/2000 characters)" in memory_shown(model.calls[3])  # numbers do not count
    with opened(call("memory_finish_edits")) as (agent, model):
        assert agent.heartbeat().message == ""
        assert dict(agent.core_memory)["plans"] == "Sail to Madeira."
        assert "1→ Name: Ann\n2→ City: Lisbon" in memory_shown(model.calls[-1])
        offered = [tool["function"]["name"] for tool in model.tools_offered[0]]
        assert offered[:6] == [
            "send_message",
            "memory_insert",
            "memory_replace",
            "memory_rethink",
            "memory_finish_edits",
            "recall",
        ]


def test_the_log_tells_what_was_done_in_the_background(opened: Open) -> None:
    """An edit by an agent that works unseen is sleep-time's, not the agent's who speaks."""
    unseen = replace(MEMGPT_V2, name="unseen", in_background=True)
    with opened(
        call("memory_insert", label="human", new_string="Ann"), call("memory_finish_edits"), profile=unseen
    ) as (agent, _):
        agent.heartbeat()
        assert [(v.actor, v.tool, v.value) for v in agent.core_memory.log("human", limit=1)] == [
            ("sleeptime", "memory_insert", "Ann")
        ]


def test_one_recall_finds_what_was_said_filed_and_loaded(opened: Open) -> None:
    """After a restart, from the store alone; it returns to the model without a heartbeat."""
    with opened(
        call("archival_memory_insert", content="The boat is called Gaivota.", request_heartbeat=True),
        say("Filed."),
        profile="memgpt_v2",
    ) as (agent, _):
        agent.step("My boat is called Gaivota.")
        agent.memory.archival.insert("Boat engines want oil every 100 hours.", source="manual.pdf, page 7")
    with opened(call("recall", query="boat"), say("Gaivota.")) as (agent, model):
        agent.step("What is its name?")
        found = last_result(model)["message"]
        for where in (
            "- conversation [2026-01-01 12:00:00 UTC (Thursday), user] My boat",
            "- archival passage-",
            "- file manual.pdf, page 7 [",
        ):
            assert where in found


def test_what_the_agent_came_to_believe_between_two_turns_can_be_seen_and_taken_back(
    opened: Open, clock: Clock
) -> None:
    """Each edit with its thoughts and its turn; also after a restart; undo, redo and restore through the facade."""
    learns = call(
        "memory_insert", label="human", new_string="City: Porto", thinking="Worth keeping.", request_heartbeat=True
    )
    corrects = call(
        "memory_replace",
        label="human",
        old_string="Porto",
        new_string="Lisbon",
        thinking="She moved.",
        request_heartbeat=True,
    )
    with opened(learns, say("Ok."), say("Nice."), corrects, say("Ok."), profile="memgpt_v2") as (agent, _):
        for text in ("I live in Porto.", "It rains.", "I moved to Lisbon."):
            agent.step(text)
            clock.advance(minutes=1)
        turns = [m.turn for m in agent.messages() if m.role == "user"]
    with opened() as (agent, _):
        core = agent.core_memory
        newest = core.log(limit=1)[0]
        assert (newest.actor, newest.tool, newest.thinking, newest.turn) == (
            "agent",
            "memory_replace",
            "She moved.",
            turns[2],
        )
        call_made = agent.memory.recall.get([newest.act])[newest.act]
        assert json.loads(call_made.arguments)["old_string"] == "Porto"
        between = core.diff(turns[0], turns[2])
        assert [(d.before, d.after) for d in between] == [("City: Porto", "City: Lisbon")]
        assert core.diff(turns[0], turns[1]) == []
        core.undo()
        assert core["human"] == "City: Porto"
        core.redo()
        core.restore(at=turns[1])
        assert core["human"] == "City: Porto"
    with opened() as (agent, _):
        assert [v.tool for v in agent.core_memory.log(limit=3)] == ["restore", "redo", "undo"]
        agent.core_memory.undo()
        assert agent.core_memory["human"] == "City: Lisbon"


def test_tasks_are_planned_worked_on_and_filed_across_restarts(opened: Open, clock: Clock) -> None:
    """Always in view, overdue ones marked; a heartbeat works on the most urgent one and says only what matters."""
    with opened(
        call("task_add", title="Renew the passport", due="2026-01-03", steps=["take a photo", "go to the office"], request_heartbeat=True),
        say("I will remind you."), say("I will remind you."),
        profile="memgpt_react",
    ) as (agent, model):  # fmt: skip
        assert '<tasks open="0">' in agent_sees(agent, model, "Remind me of my passport by Saturday.", 0)
        assert "1. [normal, due 2026-01-03, in 2 days] Renew the passport\n   1 [ ] take a photo" in memory_shown(model.calls[1])
    clock.advance(days=3)
    with opened(
        call("task_update", task=1, steps_done=[1], note="she has a photo", request_heartbeat=True),
        say("Your passport was due yesterday."),
    ) as (agent, model):
        assert agent.heartbeat().message == "Your passport was due yesterday."
        assert '<tasks open="1" overdue="1">\n1. [normal, due 2026-01-03, OVERDUE] Renew' in memory_shown(model.calls[0])
        assert "   1 [x] take a photo\n   2 [ ] go to the office" in memory_shown(model.calls[1])
    with opened(
        call("task_complete", task=1, outcome="Renewed.", request_heartbeat=True), say("Well done."), say("Well done.")
    ) as (agent, model):
        operations = agent.step("It is done.").memory_operations
        assert operations == ["task_complete(task=1, outcome='Renewed.')"]
        assert '<tasks open="0">' in memory_shown(model.calls[-1])
        assert [p.text.split("\n")[:2] for p in agent.memory.archival.search("passport", tags=["task"])] == [
            ["Task 1 done on 2026-01-04: Renew the passport", "Outcome: Renewed."]
        ]


def agent_sees(agent: MemGPTAgent, model: ScriptedModel, text: str, number: int) -> str:
    """Say something and return what one of the model's calls shows of memory."""
    agent.step(text)
    return memory_shown(model.calls[number])


def test_a_task_is_added_once_where_the_process_died_in_the_middle(tmp_path: Path, clock: Clock) -> None:
    """The list was written, the result was not; the pending step is played again and gives the same task."""

    class Dying(FaissStore):
        dies = True

        def put_then_embed(self, puts: Any) -> None:
            if self.dies and any((put.value or {}).get("tool") == "task_add" for put in puts):
                raise KeyboardInterrupt
            super().put_then_embed(puts)

    model = ScriptedModel(
        [call("task_add", title="Call Ana", request_heartbeat=True), say("Yes."), say("Yes."), say("Hi."), say("Hi.")]
    )
    with Dying(tmp_path / "memory.db") as store, open_checkpointer(tmp_path / "checkpoints.db") as checkpointer:
        parts: dict[str, Any] = {
            "store": store,
            "checkpointer": checkpointer,
            "clock": clock,
            "agent_id": "ann",
            "profile": "memgpt_react",
        }
        with pytest.raises(KeyboardInterrupt):
            MemGPTAgent(model=model, **parts).step("Call Ana for me")
        store.dies = False
        agent = MemGPTAgent(model=model, **parts)
        assert [task.number for task in TaskList(agent.memory).open()] == [1]
        agent.step("Hello")
        assert [(task.number, task.title) for task in TaskList(agent.memory).open()] == [(1, "Call Ana")]


def test_a_draft_is_checked_once_before_it_is_sent(opened: Open) -> None:
    """The user sees neither the draft nor its check; the second answer goes out, whatever it is."""
    with opened(say("Two and two is five."), say("Two and two is four."), profile="memgpt_react") as (agent, model):
        events = list(agent.stream("What is two and two?"))
        assert "".join(event.text for event in events if event.type == "delta") == "Two and two is four."
        assert not [event for event in events if event.type == "withdrawn"]
        assert last_result(model)["message"] == CHECK_ANSWER
        said = [(m.role, m.text) for m in agent.messages() if m.role in ("user", "assistant")]
        assert sorted(said) == [("assistant", "Two and two is four."), ("user", "What is two and two?")]
        assert "five" not in str([m.text for m in agent.memory.recall.search("five")])


def test_a_check_never_costs_the_answer(opened: Open) -> None:
    """In the last step it is sent as it is; looking something up in between does not bring a second check."""
    with opened(say("Hello."), profile="memgpt_react", context={"max_steps": 1}) as (agent, _):
        assert agent.step("Hi").message == "Hello."
    with opened(
        say("I think Porto."), call("recall", query="city"), say("Lisbon."), context={"max_steps": 9}
    ) as (agent, model):  # fmt: skip
        assert agent.step("Where do I live?").message == "Lisbon."
        assert len(model.calls) == 3


def test_after_some_turns_the_agent_is_asked_to_reflect_and_files_what_it_finds(opened: Open) -> None:
    """Behind the event of the turn, once; the count outlives a restart; each part is filed where it belongs."""
    profile = replace(MEMGPT_REACT, name="quick", reminders=(remind_to_reflect(2),), checks_answers=False)
    with opened(say("Hi."), profile=profile) as (agent, model):
        agent.step("Hello")
        assert asked(model.calls[0]) == []
    with opened(
        say("Fine.", request_heartbeat=True),
        calls(("reflect", {
            "learned": ["Ann asks briefly."], "uncertain": ["Does Ann have a dog?"], "next_steps": ["Ask about the dog"],
            "request_heartbeat": False,
        })),
        profile=profile,
    ) as (agent, model):  # fmt: skip
        assert agent.step("How are you?").message == "Fine."
        assert len(asked(model.calls[0])) == 1
        assert asked(model.calls[0])[0].startswith("2 turns since you last reflected.")
    with opened(say("Do you have a dog?"), say("Good."), profile=profile) as (agent, model):
        agent.step("Ask me something.")
        assert asked(model.calls[0][-2:]) == []
        assert "Does Ann have a dog?" in memory_shown(model.calls[-1])
        assert "1. [normal] Ask about the dog" in memory_shown(model.calls[-1])
        assert [p.text for p in agent.memory.archival.search("", tags=["learned"])] == ["Ann asks briefly."]


def asked(messages: list[BaseMessage]) -> list[str]:
    """Return the texts of the alerts among messages as the model sees them."""
    told = [json.loads(m.text) for m in messages if m.type == "human"]
    return [event["message"] for event in told if event["type"] == "system_alert"]
