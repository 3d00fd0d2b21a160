"""The agent asleep, end to end through the real graph and store: what it reads, what it changes, that it is in nobody's way."""

import threading
import time
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage

from memgpt_agent import MemGPTAgent, create_graph
from memgpt_agent.agent_file import export_agent, import_agents
from memgpt_agent.config import Settings
from memgpt_agent.errors import NothingToDecide
from memgpt_agent.memory.archival import RetiredPassages
from memgpt_agent.memory.waking import SleepDiary
from memgpt_agent.testing import Clock, HashingEmbedder, ScriptedModel, call, say
from memgpt_agent.tools.recall import recall
from memgpt_agent.tools.rules import RequiresApprovalRule
from memgpt_agent.turns.sleeper import SleepRule
from memgpt_agent.turns.turn_reader import AgentResponse
from tests.seen import memory_shown


def agent(home: Path, script: list[Any], sleeping: list[Any] = (), **choices: Any) -> MemGPTAgent:  # type: ignore[assignment]
    """An agent awake and asleep on scripts of their own."""
    return MemGPTAgent(
        llm_client=ScriptedModel(script), sleep_model=ScriptedModel(list(sleeping)), agent_id="ann", embedding=HashingEmbedder(),
        settings=Settings(home=home), **choices,
    )  # fmt: skip


def test_asleep_it_reads_what_was_said_and_rewrites_what_it_shares(tmp_path: Path) -> None:
    """Blocks, archive and knowledge are changed by the sleep-time agent; the agent awake sees it, also after a restart."""
    seen: list[list[BaseMessage]] = []

    def look(messages: list[BaseMessage]) -> AIMessage:
        seen.append(messages)
        return call(
            "memory_rethink", label="human", new_memory="Name: Ida.\nLives in Faro since May.", request_heartbeat=True
        )

    sleeping = [
        look,
        call(
            "archival_memory_insert",
            content="Ida lives in Faro since May; before that in Porto.",
            request_heartbeat=True,
        ),
        call("knowledge_insert", subject="Ida", relation="lives in", object="Faro", request_heartbeat=True),
        call("memory_finish_edits"),
    ]
    with agent(tmp_path, [say("Hello Ida."), say("Noted.")], sleeping) as ida:
        ida.step("I am Ida and live in Porto.")
        ida.step("I moved to Faro in May.")
        report = ida.sleep()
        assert [c["name"] for c in report.tool_calls][-1] == "memory_finish_edits"
        assert (report.messages_read, report.messages_left, report.interrupted) == (4, 0, False)
        read = seen[0][-1].text + seen[0][-2].text
        assert all(
            line in read for line in ("I am Ida and live in Porto.", "Hello Ida.", "I moved to Faro in May.", "Noted.")
        )
        assert ida.core_memory["human"] == "Name: Ida.\nLives in Faro since May."
    with agent(tmp_path, [say("In Faro.")]) as ida:
        assert ida.core_memory["human"] == "Name: Ida.\nLives in Faro since May."
        assert "Faro" in ida.memory.archival.search("Where does Ida live?")[0].text
        ida.step("Where do I live?")
        system = memory_shown(ida._model.calls[0])  # type: ignore[union-attr]
        assert "Lives in Faro since May." in system
        edits = list(ida.core_memory.history("human"))
        assert edits


def test_what_it_thinks_asleep_is_no_part_of_the_conversation(tmp_path: Path) -> None:
    """Neither the queue nor a search of what was said holds it."""
    sleeping = [
        call("archival_memory_insert", content="A zebra was mentioned.", request_heartbeat=True),
        call("memory_finish_edits"),
    ]
    with agent(tmp_path, [say("A zebra, how nice."), say("Yes?")], sleeping) as ann:
        ann.step("I saw a zebra.")
        ann.sleep()
        assert [m.text for m in ann.messages()] == ["I saw a zebra.", "A zebra, how nice."]
        found = ann.tools.conversation_search("zebra", roles=["user", "assistant", "tool", "system"], limit=50)
        assert "since you were last here" not in found
        assert "A zebra was mentioned" not in found
        ann.step("Hello?")
        queue = ann.graph.get_state({"configurable": {"thread_id": "ann"}}).values["messages"]
        assert not any("zebra was mentioned" in m.text for m in queue)


def test_duplicates_are_listed_merged_and_retired(tmp_path: Path) -> None:
    """The review names passages that are alike; the one taken out is kept aside with its reason."""
    shown: list[str] = []

    def review(messages: list[BaseMessage]) -> AIMessage:
        shown.append(messages[-1].text)
        return call(
            "archival_memory_retire", passage_id=old.id, reason="said twice", replaced_by=new.id, request_heartbeat=True
        )

    sleeping = [call("archival_memory_review"), review, call("memory_finish_edits")]
    with agent(tmp_path, [say("Hm.")], sleeping) as ann:
        old, _ = ann.memory.archival.insert("The boiler was serviced in May by Jonas.")
        new, _ = ann.memory.archival.insert("The boiler was serviced in May by Jonas, who found no fault.")
        ann.memory.archival.insert("Swallows nest under the roof.")
        ann.step("Hello.")
        ann.sleep()
        assert f"like {old.id}" in shown[0]
        assert "Swallows" in shown[0]
        assert {p.text for p in ann.memory.archival.search("")} == {new.text, "Swallows nest under the roof."}
        (kept,) = RetiredPassages(ann.memory.store, "ann").newest()
        assert (kept.id, kept.reason, kept.replaced_by) == (old.id, "said twice", new.id)


def test_what_is_observed_asleep_is_dated_added_once_and_never_written_over(tmp_path: Path) -> None:
    """It bears the day of the event, the day on which it was said and who said it; no tool changes it.

    The agent awake finds it, also after an export, and forgetting the message forgets it.
    """
    seen: list[str] = []

    def observe(text: str, source: int, event_date: str | None = None) -> AIMessage:
        return call("observe", text=text, source=source, event_date=event_date, request_heartbeat=True)

    def first(messages: list[BaseMessage]) -> AIMessage:
        seen.extend(message.text for message in messages)
        return observe("Ida moved to Faro.", 3, "2026-05")

    def retire(messages: list[BaseMessage]) -> AIMessage:
        (passage,) = ida.memory.archival.search("", limit=5)
        return call("archival_memory_retire", passage_id=passage.id, reason="no longer true", request_heartbeat=True)

    sleeping = [
        first, observe("Ida moved to Faro.", 3, "2026-05"), retire, observe("Ida left.", 9), observe("Ida left.", 3, "in May"),
        observe("Ida has a dog.", 1), call("memory_finish_edits"),
    ]  # fmt: skip
    clock = Clock("2026-06-02T10:00:00+00:00")
    with agent(tmp_path, [say("A dog!"), say("Noted."), say("Yes."), say("Yes.")], sleeping, clock=clock, user_id="ida") as ida:
        ida.step("I have a dog.", event_id="m1")
        ida.step("I moved to Faro last month.", event_id="m2")
        done = ida.sleep().tool_calls
        assert "line 3] ida: I moved to Faro last month." in "\n".join(seen)
        assert [c["result"].split(",")[0] for c in done[:2]] == ["Observed", "Observed already"]
        assert "is an observation, and stays" in done[2]["result"]
        assert "the record has 4 lines" in done[3]["result"]
        assert "'in May' is not a date" in done[4]["result"]
        moved, dog = "2026-05: Ida moved to Faro. (said 2026-06-02 by ida)", "Ida has a dog. (said 2026-06-02 by ida)"
        assert {p.text: (p.message, p.tags) for p in ida.memory.archival.search("")} == {
            moved: ("m2", ("observation",)), dog: ("m1", ("observation",)),
        }  # fmt: skip
        assert moved in recall(ida.memory, "Where did Ida move?")
    export_agent("ann", tmp_path / "ann.json", settings=Settings(home=tmp_path))
    there = Settings(home=tmp_path / "there")
    import_agents(tmp_path / "ann.json", settings=there)
    with MemGPTAgent(llm_client=ScriptedModel([]), agent_id="ann", settings=there) as ida:
        assert {p.message for p in ida.memory.archival.search("Ida")} == {"m1", "m2"}
        plan = ida.forget("m2")
        assert {one.text for one in plan.ticked if one.kind == "passage"} == {moved}
        plan.erase()
        assert [p.text for p in ida.memory.archival.search("")] == [dog]


def test_what_was_read_counts_as_read_however_the_turn_ends(tmp_path: Path) -> None:
    """Also where the graph is run by itself, as a server runs it: by plain text, or by a tool that does not go on."""
    ends = [AIMessage("All is in order."), call("memory_rethink", label="human", new_memory="Sees zebras.")]
    for number, end in enumerate(ends):
        with agent(tmp_path / str(number), [say("How nice.")], []) as ann:
            ann.step("I saw a zebra.")
            diary = SleepDiary(ann.memory.store, "ann")
            assert diary.unread() == 2
            graph = create_graph(profile="sleeptime", model=ScriptedModel([end]), store=ann.memory.store)
            graph.invoke({"event": {"type": "heartbeat"}}, context={"agent_id": "ann"})  # type: ignore[call-overload]
            assert diary.unread() == 0


def test_it_falls_asleep_after_some_turns_and_gives_way_when_spoken_to(tmp_path: Path) -> None:
    """In the background: the user's next turn does not wait for the sleep, and the sleep goes on from where it was."""
    entered, release = threading.Event(), threading.Event()

    def slow(messages: list[BaseMessage]) -> AIMessage:
        entered.set()
        assert release.wait(20)
        return call("memory_rethink", label="human", new_memory="Likes tea.", request_heartbeat=True)

    sleeping = [slow, call("memory_finish_edits"), call("memory_finish_edits")]
    rule = SleepRule(every_turns=2, after_eviction=False, idle_seconds=None)
    with agent(tmp_path, [say("One."), say("Two."), say("Three.")], sleeping, sleep=rule) as ann:
        ann.step("I like tea.")
        assert not entered.is_set()
        ann.step("And scones.")
        assert entered.wait(20)
        begun = time.monotonic()
        assert ann.step("Are you awake?").message == "Three."
        assert time.monotonic() - begun < 15
        release.set()
        ann._sleeper.wait(20)
        report = ann.sleep()
        assert ann.core_memory["human"] == "Likes tea."
        assert report.messages_left == 0


def test_a_turn_with_a_decision_in_it_is_one_turn_and_a_sleep_gives_way_to_it(tmp_path: Path) -> None:
    """It counts when it is over; a sleep in the background does not go on while it is carried out."""
    entered, release = threading.Event(), threading.Event()

    def slow(messages: list[BaseMessage]) -> AIMessage:
        entered.set()
        assert release.wait(20)
        return call("archival_memory_insert", content="Asleep.", request_heartbeat=True)

    script = [say("One."), call("archival_memory_insert", content="Tea."), say("Kept."), say("Three.")]
    rule = SleepRule(every_turns=2, after_eviction=False, idle_seconds=None)
    rules = [RequiresApprovalRule("archival_memory_insert")]
    with agent(tmp_path, script, [slow], sleep=rule, rules=rules) as ann:
        ann.step("Hello.")
        assert ann.step("Keep this: tea.").approval is not None
        assert ann._sleeper._sleeping is None  # type: ignore[attr-defined]
        assert ann.approve().message == "Kept."
        assert entered.wait(20)
        with pytest.raises(NothingToDecide):
            ann.approve()
        release.set()
        ann._sleeper.wait(20)
        assert [p.text for p in ann.memory.archival.search("")] == ["Tea."]


def test_a_sleep_that_was_killed_is_finished_by_the_next(tmp_path: Path) -> None:
    """The step that was pending is carried out once; nothing is written twice."""

    def die(messages: list[BaseMessage]) -> AIMessage:
        raise KeyboardInterrupt

    sleeping = [call("archival_memory_insert", content="Ann keeps bees.", request_heartbeat=True), die]
    with agent(tmp_path, [say("Nice.")], sleeping) as ann:
        ann.step("I keep bees.")
        with pytest.raises(KeyboardInterrupt):
            ann.sleep()
    with agent(tmp_path, [], [call("memory_finish_edits"), call("memory_finish_edits")]) as ann:
        report = ann.sleep()
        assert report.messages_left == 0
        assert [p.text for p in ann.memory.archival.search("")] == ["Ann keeps bees."]


def test_the_heart_beats_by_the_clock_until_the_agent_is_closed(tmp_path: Path) -> None:
    """Each beat is a turn; its response is told, and being spoken to brings back the usual pace."""
    beaten = threading.Event()
    told: list[str] = []

    def tell(response: AgentResponse) -> None:
        told.append(response.message)
        beaten.set()

    with agent(tmp_path, [say("Good morning.")] * 50) as ann:
        beats = ann.schedule("1s", longest="1h", jitter=0, on_response=tell)
        assert beaten.wait(20)
        beats.stop()
        assert told[0] == "Good morning."
        before = beats.pulse.state()
        assert before.beats == len(told)
        slow = beats.pulse.beaten(0, something_happened=False)
        assert slow.interval_seconds > 1
        ann.step("Hello?")
        assert beats.pulse.state().interval_seconds == 1
    with agent(tmp_path, [say("Again.")]) as ann:
        ann.schedule("1h")
    assert [thread.name for thread in threading.enumerate() if "APScheduler" in thread.name] == []


def test_deleting_the_agent_deletes_what_it_did_asleep(tmp_path: Path) -> None:
    """Its thread, its journal and how far it had read."""
    from memgpt_agent import delete_agent

    with agent(tmp_path, [say("Hi.")], [call("memory_finish_edits")]) as ann:
        ann.step("Hello.")
        ann.sleep()
    settings = Settings(home=tmp_path)
    delete_agent("ann", settings)
    with agent(tmp_path, [], []) as ann:
        assert ann.memory.journal.get([]) == {}
        assert ann.memory.store.list_namespaces(prefix=("ann",)) == [("ann", "core"), ("ann", "core_history")]
        assert not ann.graph.get_state({"configurable": {"thread_id": "ann~sleep"}}).values
