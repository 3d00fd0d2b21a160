"""One thing is forgotten with all that was made of it: nothing finds it, no prompt holds it, no file has it."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import HumanMessage

from memgpt_agent import Block, MemGPTAgent
from memgpt_agent.documents import find_files
from memgpt_agent.errors import ConfigurationError
from memgpt_agent.testing import ScriptedModel, call, calls, say
from tests.documents.made import word
from tests.memory.forgetting.conftest import Left, Opened

PLACE = "Brindlemoor"
ACCENTED = "Žlutá Ulička 北京路"


def lived(place: str) -> list[Any]:
    """A script in which an agent notes a place in every way that it has, and talks on until the place has left its view."""
    fact = {"subject": "Ann", "relation": "lives in", "object": place, "request_heartbeat": True}
    return [
        calls(("knowledge_insert", fact), ("archival_memory_insert", {"content": f"Ann moved to {place}", "request_heartbeat": True})),
        call("core_memory_append", label="human", content=f"Ann lives in {place}. Drinks tea.\nHas a dog.", request_heartbeat=True),
        say(f"Welcome to {place}!"),
        call("conversation_search", query=f"move {place}"),
        say("You told me where."),
        call("core_memory_replace", label="human", old_content="Has a dog.", new_content="Has two dogs.", request_heartbeat=True),
        say("Nice."),
        *[say(f"Answer {n}. " + "More to read. " * 30) for n in range(30)],
    ]


def live(agent: MemGPTAgent, place: str, folder: Path, turns: int) -> None:
    """Let the agent live by the script: files, tasks, a conversation that overflows."""
    folder.mkdir()
    (folder / "notes.md").write_text(f"# Notes\nThe first line.\nThe flat is in {place}.\nThe last line.\n")
    list(agent.memory.files.load(find_files(folder / "notes.md")))
    agent.tools.task_add(title=f"Send the parcel to {place}")
    agent.tools.task_add(title="Buy milk")
    agent.step(f"I moved to {place} in May")
    agent.step("Where did I say?")
    agent.step("And two dogs now")
    for n in range(turns):
        agent.step(f"Something else, number {n}. " + "Words of no importance. " * 20)


@pytest.mark.parametrize(("place", "turns"), [(PLACE, 0), (ACCENTED, 16)])
def test_no_byte_of_one_thing_is_left(place: str, turns: int, opened: Opened, left: Left, tmp_path: Path) -> None:
    """In view still or evicted long ago: blocks, versions, passages, facts, tasks, files, summaries, checkpoints lose it, and only it."""
    summarizer = ScriptedModel([lambda sent: f"Tea, dogs, {place}." if place in str(sent) else "Something else."] * 100)
    tools = ["knowledge", "tasks", "files"]
    with opened(lived(place), tools=tools, context_window=6_000 if turns else 30_000, summarizer=summarizer) as agent:
        live(agent, place, tmp_path / "docs", turns)
        state: Any = agent.graph.get_state({"configurable": {"thread_id": "ann"}}).values
        assert bool(state.get("summary")) == bool(turns)
        assert len(left(place)) > 1
        plan = agent.forget(place.lower())
        assert left(place), "a plan erases nothing"
        kinds = {one.kind for one in plan.ticked}
        assert kinds == {"message", "passage", "fact", "name", "task", "line"}
        done = plan.erase()
        assert done.counts == plan.counts()
        assert left(place) == {}
        assert agent.core_memory["human"] == "Drinks tea.\nHas two dogs."
        assert [t["title"] for t in agent.memory.store.search(("ann", "tasks"))[0].value["open"]] == ["Buy milk"]
        assert "The last line." in str(agent.tools.grep_files("line"))
        for search in (agent.tools.conversation_search, agent.tools.archival_memory_search, agent.tools.knowledge_search):
            assert place not in str(search(f"{place} lives moved")).replace(f"'{place} lives moved'", "")
        agent.core_memory.undo("human")
        assert agent.core_memory["human"] == "Drinks tea.\nHas a dog."
        agent.core_memory.redo("human")
        agent.step("Go on")
        model: Any = agent._model
        assert place not in str(model.calls[-1])
        assert left(place) == {}
        if turns:
            summary: Any = agent.graph.get_state({"configurable": {"thread_id": "ann"}}).values["summary"]
            assert "Something else" in summary["text"], "a digest of what remains"


def test_other_conversations_forks_and_agents(opened: Opened, left: Left) -> None:
    """Every conversation of the agent loses it, each fork too; another agent keeps what it knows itself."""
    with opened([say("Yes.")], agent_id="bob") as bob:
        bob.step(f"{PLACE} is a place")
    with opened([say("Noted."), say("A fork."), say("Hm.")]) as agent:
        agent.step(f"My flat is in {PLACE}")
        before = next(iter(agent.graph.get_state_history({"configurable": {"thread_id": "ann"}})))
        agent.graph.invoke({"messages": [HumanMessage(f"{PLACE} again")]}, before.config, context=agent.context)
        agent.step("Go on")
    with opened([say("A second conversation.")], thread_id="second") as agent:
        agent.step(f"Also here: {PLACE}")
        assert [one.kind for one in agent.forget(PLACE).ticked] == ["message"] * 3
        agent.forget(PLACE).erase()
        history: Any = list(agent.graph.get_state_history({"configurable": {"thread_id": "ann"}}))
        assert len(history) > 4
        assert PLACE not in str(history)
    with opened(agent_id="bob") as bob:
        assert [m.text for m in bob.messages()] == [f"{PLACE} is a place", "Yes."]
        bob.forget(PLACE).erase()
    assert left(PLACE) == {}


def test_what_comes_near_is_listed_and_stays(opened: Opened) -> None:
    """Invoice 1041 is not invoice 1042, however alike two vectors are; a word within a longer one is another word."""
    with opened([say("Fine.")] * 3) as agent:
        agent.step("Invoice 1041 over 300 euro was paid")
        agent.step("Invoice 1042 over 300 euro was paid")
        agent.tools.archival_memory_insert("Anna planned the annual meeting")
        wanted = agent.messages()[0].id
        plan = agent.forget(wanted)
        assert [(one.id, one.why) for one in plan.ticked] == [(wanted, "named")]
        near = [one for one in plan.found if not one.ticked]
        assert [(one.text, one.why) for one in near] == [("Invoice 1042 over 300 euro was paid", "nearly the same")]
        assert agent.forget("ann").ticked == ()
        plan.erase()
        assert [m.text for m in agent.messages()] == ["Fine.", "Invoice 1042 over 300 euro was paid", "Fine."]


def test_by_meaning_nothing_is_erased_unless_it_is_named(opened: Opened, left: Left) -> None:
    """A search does not know what is meant: its hits are listed, and with the ticked one goes what was made of it."""
    edit = call("core_memory_append", label="human", content=f"Street: {PLACE} 5", request_heartbeat=True)
    with opened([edit, say("Noted."), say("Good.")]) as agent:
        agent.step(f"My home address is {PLACE} 5")
        agent.step("I like pears")
        plan = agent.forget("what is my home address")
        assert plan.ticked == ()
        assert plan.erase().counts == {}
        named = next(one for one in plan.found if one.text.startswith("My home address"))
        more = plan.tick(named.id)
        assert {one.kind for one in more.ticked} == {"message", "line"}
        with pytest.raises(ConfigurationError, match="Nothing of the id 'x'"):
            plan.tick("x")
        more.erase()
        assert left(PLACE) == {}
        assert dict(agent.core_memory)["human"] == ""
        assert "I like pears" in [m.text for m in agent.messages()]


def test_what_is_kept_stays_everywhere(opened: Opened) -> None:
    """A message that is unticked stays in recall and in view; all else goes."""
    with opened([say("One."), say("Two."), say("Three.")]) as agent:
        agent.step(f"{PLACE} is where I work")
        agent.step(f"{PLACE} is where I live")
        kept = agent.messages()[0].id
        agent.forget(PLACE).untick(kept).erase()
        assert [m.text for m in agent.messages()] == [f"{PLACE} is where I work", "One.", "Two."]
        agent.step("Go on")
        model: Any = agent._model
        assert "where I work" in str(model.calls[-1])
        assert "where I live" not in str(model.calls[-1])


def test_a_replay_of_what_was_forgotten_does_nothing(opened: Opened, left: Left) -> None:
    """The same event delivered again is known, although its words are not; keys in the journal cannot be checked by guessing."""
    edit = call("core_memory_append", label="human", content=f"In {PLACE}", request_heartbeat=True)
    with opened([edit, say("Noted."), say("Next.")]) as agent:
        agent.step(f"I live in {PLACE}", event_id="e1")
        agent.forget(PLACE).erase()
        assert left(PLACE) == {}
        again = agent.step(f"I live in {PLACE}", event_id="e1")
        assert PLACE not in str(again)
        model: Any = agent._model
        assert len(model.calls) == 2, "the model is not asked again"
        assert agent.core_memory["human"] == ""
        kept = agent.memory.store.search(("ann", "forgotten"), limit=20)
        assert sum(item.key.startswith("forgotten-") for item in kept) == 2
        assert [item.value["erased"] for item in kept if item.key.startswith("log-")] == [{"message": 2, "line": 1}]


def test_a_call_that_waits_and_holds_it_does_nothing_when_it_is_decided(opened: Opened, left: Left) -> None:
    """The question stays, without the words; approved, the call fails harmlessly and the turn goes on."""
    from memgpt_agent.tools.rules import RequiresApprovalRule

    wanted = call("archival_memory_insert", content=f"Secret of {PLACE}", request_heartbeat=True)
    rules = [RequiresApprovalRule("archival_memory_insert")]
    with opened([wanted, say("Then not.")], rules=rules) as agent:
        agent.step("File something")
        assert agent.approval is not None
        agent.forget(PLACE).erase()
        assert left(PLACE) == {}
    with opened([say("Then not.")], rules=rules) as agent:
        assert agent.approval is not None
        assert PLACE not in str(agent.approval)
        *_, done = agent.decide({"type": "approve"})
        assert done.response is not None
        assert done.response.message == "Then not."
        assert agent.memory.archival.search("", limit=5) == []


def test_a_line_a_fact_and_a_passage_are_forgotten_by_their_ids(opened: Opened) -> None:
    """``LABEL:NUMBER`` names a line of a block."""
    with opened(human="Plays chess.\nOwns a boat.", tools=["knowledge"]) as agent:
        agent.tools.archival_memory_insert("The boat is called Petrel")
        agent.tools.archival_memory_insert("The car is red")
        agent.tools.knowledge_insert(subject="Ann", relation="owns", object="Petrel")
        agent.forget("human:2").erase()
        assert agent.core_memory["human"] == "Plays chess."
        passage = next(p for p in agent.memory.archival.search("car", limit=5) if "red" in p.text)
        agent.forget(passage.id).erase()
        assert [p.text for p in agent.memory.archival.search("", limit=5)] == ["The boat is called Petrel"]
        fact = agent.memory.store.search(("ann", "facts"))[0].key
        agent.forget(fact).erase()
        assert agent.memory.store.search(("ann", "facts")) == []
        assert agent.memory.store.search(("ann", "entities")) == []


def test_words_over_several_lines(opened: Opened, left: Left) -> None:
    """Each of the lines that were written with them goes, however little it says by itself."""
    words = 'the code is "A\\B"\nand\t42'
    with opened([call("core_memory_append", label="human", content=words, request_heartbeat=True), say("Noted.")], human="Likes tea.") as agent:
        agent.step(words)
        agent.forget(words).erase()
        assert agent.core_memory["human"] == "Likes tea."
        assert [m.text for m in agent.messages()] == ["Noted."]
    assert left(words) == {}


def test_what_belongs_to_others_is_listed_and_stays(opened: Opened) -> None:
    """A shared block, a user's name: the plan names them, with what to do."""
    with opened([say("Hi.")], user_id=PLACE) as agent:
        agent.core_memory.create([Block("team", f"Meets in {PLACE}")])
        agent.core_memory.share("team", "team-block")
        agent.step("Hello")
        plan = agent.forget(PLACE)
        assert [what.partition(":")[0] for what in plan.stays] == [
            "the shared block 'team-block'",
            f"the name of the user '{PLACE}'",
            "exports, backups and the documents themselves, wherever they lie.",
        ]
        plan.erase()
        assert agent.core_memory["team"] == f"Meets in {PLACE}"


def test_one_kind_of_thing_at_a_time(opened: Opened) -> None:
    """Neither nothing nor two of them."""
    with opened() as agent:
        for given in ({}, {"thread_id": "a", "user_id": "b"}):
            with pytest.raises(ConfigurationError, match="one of them"):
                agent.forget(**given)
        with pytest.raises(ConfigurationError, match="nothing to forget"):
            agent.forget("  ")


def test_in_an_asyncio_loop(opened: Opened, left: Left) -> None:
    """The async forms do the same."""

    async def forgets() -> None:
        async with opened([say("Yes.")]) as agent:
            await agent.astep(f"At {PLACE}")
            plan = await agent.aforget(PLACE)
            assert (await plan.aerase()).counts == {"message": 1}

    asyncio.run(forgets())
    assert left(PLACE) == {}


def test_the_history_of_the_prompt_loses_it_too(opened: Opened, left: Left) -> None:
    """What was typed there stands in a file of its own."""
    with opened([say("Yes.")]) as agent:
        history = agent._settings.home / "history"
        history.write_text(f"\n# 2026-01-01\n+I live in {PLACE}\n\n# 2026-01-02\n+Hello\n+there\n")
        agent.step(f"I live in {PLACE}")
        agent.forget(PLACE).erase()
        assert history.read_text() == "\n# 2026-01-02\n+Hello\n+there\n"
    assert left(PLACE) == {}


def test_on_stores_and_checkpoints_of_langgraph(opened: Opened) -> None:
    """On a plain store and a saver in memory it is gone from both; the conversation keeps its newest state."""
    from langgraph.checkpoint.memory import InMemorySaver
    from langgraph.store.memory import InMemoryStore

    store, saver = InMemoryStore(), InMemorySaver()
    edit = call("core_memory_append", label="human", content=f"In {PLACE}", request_heartbeat=True)
    with opened([edit, say("Noted."), say("Next."), say("On.")], store=store, checkpointer=saver) as agent:
        agent.step(f"I live in {PLACE}")
        agent.step("I like pears")
        agent.forget(PLACE).erase()
        found = [item.value for namespace in store.list_namespaces(limit=100) for item in store.search(namespace, limit=100)]
        states = [state.checkpoint for state in saver.list(None)]
        assert PLACE not in str(found)
        assert PLACE not in str(states)
        assert agent.step("Go on").message == "On."
        assert "I like pears" in [m.text for m in agent.messages()]


def test_a_document_goes_whose_words_are_compressed(opened: Opened, left: Left, tmp_path: Path) -> None:
    """The original of a Word document that came with a message: no byte of it shows its words, its lines do."""
    (tmp_path / "lease.docx").write_bytes(word(f"<w:p><w:r><w:t>The tenant is {PLACE}.</w:t></w:r></w:p>".encode()))
    (tmp_path / "menu.docx").write_bytes(word(b"<w:p><w:r><w:t>Soup of the day.</w:t></w:r></w:p>"))
    with opened([say("Read.")]) as agent:
        agent.step("Two papers", attachments=[str(tmp_path / "lease.docx"), str(tmp_path / "menu.docx")])
        plan = agent.forget(PLACE)
        assert [one.text for one in plan.ticked if one.kind == "upload"] == ["lease.docx"]
        plan.erase()
        assert left(PLACE) == {}
        assert [upload.name for upload in agent.memory.uploads.newest(9)] == ["menu.docx"]


def test_each_of_several_equal_lines_is_counted(opened: Opened) -> None:
    """The same line twice in a block is two lines."""
    with opened(human="Likes figs.\nHas a boat.\nLikes figs.") as agent:
        assert agent.forget("figs").erase().counts == {"line": 2}
        assert agent.core_memory["human"] == "Has a boat."


def test_an_events_id_that_holds_the_words_is_named(opened: Opened) -> None:
    """A sender chooses the ids of events; they stay, since by them a message that is delivered again is known."""
    with opened([say("Yes.")]) as agent:
        agent.step("Hello", event_id=f"mail-{PLACE}-1")
        assert any(f"the event 'mail-{PLACE}-1'" in what for what in agent.forget(PLACE).stays)
