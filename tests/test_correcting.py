"""Correcting what an agent remembers, by its facade: edits with history, a turn taken back, conversations, names."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from memgpt_agent import MemGPTAgent, Persona, Settings, list_agents, rename_agent
from memgpt_agent.errors import (
    AgentExists,
    AgentNotFound,
    ConfigurationError,
    ConversationBusy,
    NothingToUndo,
    ToolError,
    UnknownPassage,
)
from memgpt_agent.memory.corrections import Corrections
from memgpt_agent.memory.knowledge import KnowledgeGraph
from memgpt_agent.testing import HashingEmbedder, ScriptedModel, call, calls, say
from memgpt_agent.tools.rules import RequiresApprovalRule

SECRET = "zanzibar"
Open = Callable[..., MemGPTAgent]


@pytest.fixture
def opened(tmp_path: Path) -> Open:
    """Opens agents in one folder, each with a script."""

    def open_one(*script: Any, agent_id: str = "ann", **given: Any) -> MemGPTAgent:
        return MemGPTAgent(
            llm_client=ScriptedModel(script), agent_id=agent_id, settings=Settings(home=tmp_path), embedding=HashingEmbedder(), **given
        )

    return open_one


def sent(agent: MemGPTAgent) -> str:
    """Return all that the model was sent in its last call."""
    model: Any = agent._model  # pyright: ignore[reportPrivateUsage]
    return str([(m.content, getattr(m, "tool_calls", [])) for m in model.calls[-1]])


def test_a_message_and_a_reply_are_edited_in_memory_and_in_the_conversation_at_once(opened: Open) -> None:
    """The next prompt, the next search and the transcript have the new words; the history has the old ones, and undo brings them back."""
    with opened(say(f"Noted: {SECRET}"), say("ok"), say("fine")) as agent:
        agent.step(f"The code is {SECRET}.", event_id="m1")
        reply = agent.messages()[-1]
        assert agent.edit_message("m1", "The code is secret.").text == "The code is secret."
        agent.edit_message(reply.id, "Noted.")
        assert SECRET not in agent.transcript(tools=True)
        assert SECRET not in agent.tools.conversation_search(SECRET)
        agent.step("And now?")
        assert SECRET not in sent(agent)
        assert [(e.text, e.how, e.actor) for e in agent.edits("m1")] == [(f"The code is {SECRET}.", "edited", "user")]
        agent.undo_edit("m1")
        agent.undo_edit(reply.id)
        agent.step("And then?")
        assert SECRET in agent.tools.conversation_search("code")
        assert f"Noted: {SECRET}" in sent(agent)
        with pytest.raises(NothingToUndo):
            agent.undo_edit("m1")


def test_messages_of_other_conversations_and_of_closed_agents_are_edited_too(opened: Open) -> None:
    """The one that is edited need not be the one that is open; no model is needed for it."""
    with opened(say("ok"), thread_id="work") as agent:
        agent.step(f"It is {SECRET}", event_id="m1")
    with opened(thread_id="other") as agent:
        agent.edit_message("m1", "It is x")
    with opened(say("ok"), thread_id="work") as agent:
        agent.step("So?")
        assert SECRET not in sent(agent)
        assert "It is x" in sent(agent)


def test_a_message_of_an_unfinished_turn_waits(opened: Open) -> None:
    """Until the call that waits for approval is decided; nothing was changed."""
    with opened(call("archival_memory_insert", content="x"), say("done"), rules=[RequiresApprovalRule("archival_memory_insert")]) as agent:
        agent.step("Keep x", event_id="m1")
        with pytest.raises(ConversationBusy, match="unfinished"):
            agent.edit_message("m1", "Keep y")
        assert agent.messages()[0].text == "Keep x"
        agent.approve()
        assert agent.edit_message("m1", "Keep y").text == "Keep y"


def test_what_is_not_there_or_says_nothing_is_refused(opened: Open) -> None:
    """With what to do instead."""
    with opened(say("ok")) as agent:
        agent.step("Hi", event_id="m1")
        with pytest.raises(ToolError, match="forget"):
            agent.edit_message("m1", "  ")
        with pytest.raises(ToolError, match="no message"):
            agent.edit_message("m2", "x")
        with pytest.raises(UnknownPassage):
            agent.edit_passage("passage-x", "x")
        with pytest.raises(NothingToUndo):
            agent.undo_edit("m2")
        with pytest.raises(UnknownPassage):
            agent.undo_edit("passage-x")
        with pytest.raises(ToolError, match="no fact"):
            agent.undo_edit("fact-x")
        assert (agent.edits("m2"), agent.edits("passage-x"), agent.edits("fact-x")) == ([], [], [])


def test_a_passage_is_edited_with_its_tags_and_time_and_taken_back(opened: Open) -> None:
    """Its id follows from its text. A second edit and its undo go step by step; by an earlier id, both are refused."""
    with opened() as agent:
        first, _ = agent.memory.archival.insert("The key is in the shed.", ["house"])
        second = agent.edit_passage(first.id, "The key is behind the clock.")
        third = agent.edit_passage(second.id, "The key is in the clock.")
        assert (third.tags, third.time) == (("house",), first.time)
        assert [p.text for p in agent.memory.archival.search("key")] == ["The key is in the clock."]
        assert [e.text for e in agent.edits(third.id)] == ["The key is in the shed.", "The key is behind the clock."]
        for old in (first.id, second.id):
            with pytest.raises(UnknownPassage, match=f"{third.id}.*The key is in the clock"):
                agent.undo_edit(old)
            with pytest.raises(UnknownPassage, match=third.id):
                agent.edit_passage(old, "The key is lost.")
        assert [p.text for p in agent.memory.archival.search("key")] == ["The key is in the clock."]
        assert agent.undo_edit(third.id) == second
        assert agent.undo_edit(second.id) == first
        assert [p.text for p in agent.memory.archival.search("key")] == ["The key is in the shed."]


def test_a_passage_may_become_one_that_is_there_or_differ_in_case_alone(opened: Open) -> None:
    """The one that is there gets the tags, and stays when the edit is taken back."""
    with opened() as agent:
        wrong, _ = agent.memory.archival.insert("Teh harbour", ["a"])
        there, _ = agent.memory.archival.insert("The harbour", ["b"])
        assert set(agent.edit_passage(wrong.id, "The harbour").tags) == {"a", "b"}
        agent.undo_edit(there.id)
        assert {p.text for p in agent.memory.archival.search("")} == {"Teh harbour", "The harbour"}
        same = agent.edit_passage(there.id, "the Harbour")
        assert same.id == there.id
        assert agent.undo_edit(there.id) == agent.memory.archival.search("harbour", tags=["b"])[0]


def test_a_fact_is_put_right(opened: Open) -> None:
    """With an undo like the others."""
    with opened() as agent:
        facts = KnowledgeGraph(agent.memory.store, agent.agent_id)
        wrong = facts.insert("Alice", "lives in", "Bergn").fact
        right = agent.edit_fact(wrong.id, object="Bergen")
        assert [f.object for f in facts.every(past=False)] == ["Bergen"]
        assert [e.text for e in agent.edits(right.id)] == ["Alice lives in Bergn"]
        agent.undo_edit(right.id)
        assert [f.object for f in facts.every(past=False)] == ["Bergn"]


def test_an_agent_that_exists_gets_another_persona(opened: Open) -> None:
    """From the next turn on, with who it was in the history."""
    with opened(say("a"), say("b"), persona="I am Sam.") as agent:
        agent.step("Hi")
        agent.set_persona(Persona("Max", "a sailor", traits=["brief"]))
        agent.step("Who are you?")
        assert "Max" in sent(agent)
        assert "I am Sam." not in sent(agent)
        agent.core_memory.undo("persona")
        assert agent.core_memory["persona"] == "I am Sam."


def remembering() -> Any:
    """Return an answer that writes into every tier, and sends a mail."""
    return calls(
        ("core_memory_append", {"label": "human", "content": SECRET}),
        ("archival_memory_insert", {"content": f"It is {SECRET}."}),
        ("knowledge_insert", {"subject": "Alice", "relation": "lives in", "object": SECRET}),
        ("knowledge_insert", {"subject": "Alice", "relation": "likes", "object": "tea", "valid_until": "now"}),
        ("send_mail", {"to": "bob"}),
        ("send_message", {"message": f"Noted {SECRET}"}),
    )


def send_mail(to: str) -> str:
    """Send a mail."""
    return f"sent to {to}"


def test_a_turn_that_is_taken_back_was_never_said(opened: Open) -> None:
    """It leaves the conversation and recall memory, what it wrote is as before, and what it did in the world is told."""
    with opened(say("Hi"), remembering(), say("Hello"), tools=[send_mail, "knowledge"]) as agent:
        agent.step("Hello", event_id="m1")
        facts = KnowledgeGraph(agent.memory.store, agent.agent_id)
        facts.insert("Alice", "lives in", "Oslo")
        facts.insert("Alice", "likes", "tea")
        before = dict(agent.core_memory)
        agent.step(f"I live in {SECRET}.", event_id="m2")
        undone = agent.undo_turn()
        assert (undone.text, undone.blocks, len(undone.passages), len(undone.facts)) == (f"I live in {SECRET}.", ("human",), 1, 1)
        assert undone.stays == ('send_mail({"to": "bob"})',)
        assert dict(agent.core_memory) == before
        assert [f.object for f in facts.every(past=False)] == ["Oslo", "tea"]
        found = agent.tools.archival_memory_search("It is") + agent.tools.conversation_search("I live in")
        assert SECRET not in found + agent.transcript(tools=True)
        agent.step("Still there?")
        assert SECRET not in sent(agent)
        assert [m.text for m in agent.messages()] == ["Hello", "Hi", "Still there?", "Hello"]
        kept = Corrections(agent.memory.recall, agent.memory.store, "ann").of(["m2"])["m2"]
        assert (kept.how, kept.text) == ("taken back", f"I live in {SECRET}.")


def test_turns_are_taken_back_one_after_another_until_none_is_left(opened: Open) -> None:
    """And the same words can be said again, also under their id."""
    with opened(say("a"), say("b"), say("c")) as agent:
        agent.step("one", event_id="m1")
        agent.step("two", event_id="m2")
        assert [agent.undo_turn().text, agent.undo_turn().text] == ["two", "one"]
        with pytest.raises(NothingToUndo):
            agent.undo_turn()
        assert agent.messages() == []
        assert agent.step("two", event_id="m2").message == "c"


def test_what_was_edited_since_stays_and_is_told(opened: Open) -> None:
    """A block that somebody else has edited after the turn."""
    with opened(call("core_memory_append", label="human", content="tall", request_heartbeat=True), say("ok")) as agent:
        agent.step("I am tall")
        agent.core_memory.append("human", "and old")
        undone = agent.undo_turn()
        assert undone.blocks == ()
        assert undone.stays == ('core_memory_append({"label": "human", "content": "tall"})',)
        assert agent.core_memory["human"] == "tall\nand old"


def test_a_turn_that_waits_for_an_approval_is_taken_back_too(opened: Open) -> None:
    """The call is never made."""
    with opened(call("archival_memory_insert", content=SECRET), say("ok"), rules=[RequiresApprovalRule("archival_memory_insert")]) as agent:
        assert agent.step("Keep it").approval is not None
        agent.undo_turn()
        assert agent.approval is None
        assert agent.step("Hello").message == "ok"
        assert agent.memory.archival.search("") == []


def test_a_block_that_the_turn_made_goes_with_it(opened: Open) -> None:
    """As it was not there before."""
    with opened(call("memory_rethink", label="plans", new_memory="sail", request_heartbeat=True), say("ok"), profile="memgpt_v2") as agent:
        agent.step("I plan to sail")
        assert agent.core_memory["plans"] == "sail"
        assert agent.undo_turn().blocks == ("plans",)
        assert "plans" not in agent.core_memory


def test_a_new_conversation_has_the_memory_and_none_of_the_words(opened: Open) -> None:
    """It goes on later under its id; the first one is as it was."""
    with opened(call("core_memory_append", label="human", content="likes tea", request_heartbeat=True), say("a"), say("b"), say("c")) as agent:
        agent.step("I like tea, said softly")
        with agent.new_conversation() as new:
            assert new.thread_id != agent.thread_id
            assert new.step("Hello").message == "b"
            assert "likes tea" in sent(new)
            assert "said softly" not in sent(new)
            assert [m.text for m in new.messages()] == ["Hello", "b"]
        assert agent.step("Back").message == "c"
        assert "said softly" in sent(agent)
        assert "Hello" not in agent.transcript()
        assert "Hello" in agent.transcript(thread_id=new.thread_id)


def test_a_transcript_has_what_was_said_and_what_is_asked_for_beside_it(opened: Open) -> None:
    """As text, Markdown and JSON; with thoughts, tools and ids."""
    script = [call("archival_memory_insert", content="a ``` b", thinking="worth keeping", request_heartbeat=True), say("Kept.", thinking="done")]
    with opened(*script, user_id="Alice") as agent:
        agent.step("Keep it:\ntwo lines", event_id="m1")
        text = agent.transcript()
        lines = [line.partition("] ")[2] or line for line in text.split("\n") if line]
        assert lines == ["Alice:", "  Keep it:", "  two lines", "assistant:", "  Kept."]
        assert "[m1]" in agent.transcript(ids=True)
        whole = agent.transcript("markdown", thoughts=True, tools=True)
        assert "> *worth keeping*" in whole
        assert "````\narchival_memory_insert" in whole
        data = json.loads(agent.transcript("json", tools=True, thoughts=True))
        assert [(m["role"], m["tool"]) for m in data] == [("user", ""), ("tool", "archival_memory_insert"), ("assistant", "")]
        assert (data[0]["id"], data[1]["thinking"]) == ("m1", "worth keeping")
        assert "thinking" not in json.loads(agent.transcript("json"))[0]
        assert agent.transcript(thread_id="nowhere") == ""
        with pytest.raises(ConfigurationError, match="markdown"):
            agent.transcript("pdf")  # pyright: ignore[reportArgumentType]


def test_a_transcript_says_which_calls_failed(opened: Open) -> None:
    """As text and in Markdown, before what the tool said."""
    with opened(call("core_memory_append", label="nowhere", content="x", request_heartbeat=True), say("Kept.")) as agent:
        agent.step("Keep it.")
        said = "failed: There is no core memory block 'nowhere'"
        assert f'  > core_memory_append({{"label": "nowhere", "content": "x"}})\n  {said}' in agent.transcript(tools=True)
        assert f'```\ncore_memory_append({{"label": "nowhere", "content": "x"}})\n{said}' in agent.transcript("markdown", tools=True)


def test_a_long_conversation_is_written_out_from_its_beginning(opened: Open) -> None:
    """More than is read at once."""
    from memgpt_agent.memory.recall import Message

    with opened() as agent:
        said = [Message(f"m{n}", "user", f"line {n}", f"2026-01-01T00:{n // 60:02}:{n % 60:02}.000000+00:00", "ann") for n in range(2_100)]
        agent.memory.recall.add(said)
        lines = [line for line in agent.transcript().split("\n") if "line" in line]
        assert (len(lines), lines[0], lines[-1]) == (2_100, "  line 0", "  line 2099")


def test_a_name_is_another_word_for_an_agent_and_belongs_to_one(opened: Open, tmp_path: Path) -> None:
    """The id stays. A name or an id that another agent has is refused; an empty name takes it away."""
    settings = Settings(home=tmp_path)
    with opened(agent_id="a1") as one, opened(agent_id="a2"):
        one.rename(" Sam ")
        for taken in ("Sam", "a1"):
            with pytest.raises(AgentExists, match="a1"):
                rename_agent("a2", taken, settings)
        assert [(a["agent_id"], a["name"]) for a in list_agents(settings)] == [("a1", "Sam"), ("a2", "")]
        rename_agent("a1", "Sam", settings)
        rename_agent("a1", "", settings)
        assert rename_agent("a2", "Sam", settings).name == "Sam"
        for bad in ("x" * 201, "two\nlines"):
            with pytest.raises(ConfigurationError):
                one.rename(bad)
        with pytest.raises(AgentNotFound):
            rename_agent("a3", "Max", settings)
    with opened(agent_id="a2") as two:
        two.core_memory.append("human", "x")
    assert list_agents(settings)[1]["name"] == "Sam"


async def test_on_an_event_loop_all_of_it_is_the_same(opened: Open) -> None:
    """Each call has an async form."""
    agent = opened(say("Noted"), say("ok"))
    async with agent:
        await agent.astep(f"It is {SECRET}", event_id="m1")
        await agent.aedit_message("m1", "It is x")
        assert [e.text for e in await agent.aedits("m1")] == [f"It is {SECRET}"]
        assert "It is x" in await agent.atranscript()
        await agent.aset_persona("I am Max.")
        await agent.arename("Max")
        async with await agent.anew_conversation() as new:
            assert (await new.astep("Hi")).message == "ok"
        assert (await agent.aundo_turn()).text == "It is x"
        passage = agent.memory.archival.insert("teh key")[0]
        fixed = await agent.aedit_passage(passage.id, "the key")
        assert await agent.aundo_edit(fixed.id) == passage
        fact = KnowledgeGraph(agent.memory.store, "ann").insert("Alice", "likes", "tea").fact
        assert (await agent.aedit_fact(fact.id, object="coffee")).object == "coffee"


def test_what_is_forgotten_is_forgotten_in_its_earlier_words_too(opened: Open, tmp_path: Path) -> None:
    """A message that was edited, one that was taken back, and the digests by which edits are noticed."""
    with opened(say("ok"), say("ok"), say("ok")) as agent:
        agent.step(f"The code is {SECRET}.", event_id="m1")
        agent.edit_message("m1", "The code is secret.")
        agent.step(f"It is {SECRET}!", event_id="m2")
        agent.undo_turn()
        agent.forget(SECRET).erase()
        assert (agent.edits("m1"), agent.edits("m2")) == ([], [])
        assert agent.step("And now?").message == "ok"
        assert [m.text for m in agent.messages()] == ["The code is secret.", "ok", "And now?", "ok"]
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]


def test_a_message_that_was_erased_is_no_edit(opened: Open) -> None:
    """What stands in its place in the conversation is not taken for a person's words."""
    with opened(say("ok"), say("fine"), say("good")) as agent:
        agent.step(f"The code is {SECRET}.", event_id="m1")
        agent.step("Something else", event_id="m2")
        agent.forget("m1").erase()
        assert agent.step("And now?").message == "good"
        assert agent.edits("m1") == []
        assert SECRET not in sent(agent)


def test_an_agent_that_gets_another_profile_has_left_no_branch(opened: Open) -> None:
    """What was said under the other one is found as before."""
    with opened(say("one")) as agent:
        agent.step("My boat is called Luna.")
    with opened(say("two"), profile="memgpt_v2") as agent:
        agent.step("Hello")
        assert "My boat is called Luna." in [m.text for m in agent.messages()]
    with opened(say("three"), profile="memgpt") as agent:
        agent.step("Hello again")
        assert {"My boat is called Luna.", "Hello", "Hello again"} <= {m.text for m in agent.messages()}
