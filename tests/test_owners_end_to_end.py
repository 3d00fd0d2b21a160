"""Two owners with agents on the same files, without a server: nothing of the one is read or written through the other."""

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from memgpt_agent import MemGPTAgent, aagent_for, agent_for, create_graph, delete_agent, list_agents
from memgpt_agent.agent_file import export_agent, export_agent_file, import_agents
from memgpt_agent.checkpoints import SqliteCheckpointer
from memgpt_agent.config import Settings
from memgpt_agent.errors import (
    AgentNotFound,
    BlockInUse,
    LeaseLost,
    LimitReached,
    MemGPTError,
    NotAllowed,
    ToolError,
    UnknownBlock,
)
from memgpt_agent.leases import LEASES
from memgpt_agent.memory import namespaces
from memgpt_agent.memory.core.shared_blocks import SharedBlocks
from memgpt_agent.memory.opening import open_configured_store
from memgpt_agent.owners import Identity, assign, claim, owner_of, share
from memgpt_agent.owners.audit import read_audit
from memgpt_agent.store import FaissStore
from memgpt_agent.store.update import update
from memgpt_agent.testing import HashingEmbedder, ScriptedModel, call, say
from memgpt_agent.turns.repairing import repair_agent


@pytest.fixture
def opened(store: FaissStore, saver: SqliteCheckpointer, tmp_path: Path) -> Any:
    """Opens agents on the same files; all of them are closed at the end."""
    return lambda *lines, **given: MemGPTAgent(
        llm_client=ScriptedModel(lines or [say("Yes.")] * 9), store=store, checkpointer=saver, settings=Settings(home=tmp_path), **given
    )


@pytest.fixture
def everything(store: FaissStore, saver: SqliteCheckpointer) -> Any:
    """All that is stored, to see that nothing has changed."""
    return lambda: (
        [(i.namespace, i.key, i.value, i.updated_at) for i in store.search((), limit=10_000)],
        [c.checkpoint["id"] for c in saver.list(None)],
    )


def test_another_owners_agent_is_answered_as_one_that_is_not_there(opened: Any, everything: Any) -> None:
    """In the same words, and nothing is written: no lease, no definition, no version."""
    with opened(owner="ann", human="Ann keeps bees.") as ann:
        ann.step("The hive is blue.")
        secret = ann.agent_id
    before, told = everything(), list[str]()
    for agent_id in (secret, "agent-none", "user:ann", "owner:ann/x", "default"):
        with pytest.raises(AgentNotFound) as refused:
            opened(agent_id=agent_id, owner="bob")
        told.append(str(refused.value).replace(agent_id, "X"))
    assert set(told) == {"There is no agent 'X' that you may use."}
    assert everything() == before


def test_a_conversation_of_another_owner_is_not_met_by_its_name(opened: Any) -> None:
    """Bob's conversation of that name is one of his own agent; neither reading nor giving up a turn touches Ann's."""
    with opened(owner="ann", thread_id="house") as ann:
        ann.step("The key is under the stone.")
        for name in ("house", ann.thread_id, ann.agent_id):
            with opened(owner="bob", thread_id=name) as bob:
                assert bob.thread_id.startswith(bob.agent_id)
                assert bob.messages() == []
                assert bob.context_sections() == {}
                bob.end_turn()
                bob.step("Where is the key?")
                assert "stone" not in str(bob.graph.get_state({"configurable": {"thread_id": bob.thread_id}}).values)
        assert [m.text for m in ann.messages() if m.role == "user"] == ["The key is under the stone."]
    with opened(owner="ann", agent_id=ann.agent_id, thread_id="house") as again:
        assert again.thread_id == ann.thread_id
        assert len(again.messages()) == len(ann.messages())


def test_forgetting_a_conversation_by_its_name_forgets_the_owners_own(opened: Any) -> None:
    """Another owner's conversation of that name, or of that whole id, stays."""
    with opened(owner="ann", thread_id="house") as ann, opened(owner="bob") as bob:
        ann.step("The key is under the stone.")
        for name in ("house", ann.thread_id, ann.agent_id):
            bob.forget(thread_id=name).erase()
        assert ann.context_sections()
        assert len(ann.messages()) == 2
        ann.forget(thread_id="house").erase()
        assert ann.messages() == []
        assert ann.context_sections() == {}


def test_an_agent_of_before_opens_for_nobody_until_it_is_assigned(opened: Any, store: FaissStore) -> None:
    """Then with the conversations that it had, under the names that they had."""
    with opened(agent_id="old", thread_id="talk") as old:
        old.step("I like honey.")
    with pytest.raises(AgentNotFound):
        opened(agent_id="old", owner="ann")
    assign(store, "old", "ann")
    with opened(agent_id="old", owner="ann", thread_id="talk") as agent:
        assert agent.thread_id == "talk"
        assert [m.text for m in agent.messages() if m.role == "user"] == ["I like honey."]
        agent.step("Still there?")


def test_a_graph_for_an_owner_continues_nobody_elses_conversation(store: FaissStore, saver: SqliteCheckpointer, everything: Any) -> None:
    """Neither with its own agent named nor without; and whatever the state says, what it names is checked."""

    def say_in(thread: str, owner: str | None, **context: Any) -> Any:
        graph: Any = create_graph(model=ScriptedModel([say("Yes.")]), store=store, checkpointer=saver, owner=owner)
        config = {"configurable": {"thread_id": thread}}
        graph.invoke({"messages": [("user", "Hello")]}, config, context=context or None, durability="sync")
        return graph

    graph = say_in("t", "ann")
    assert graph.get_state({"configurable": {"thread_id": "t"}}).values["agent_id"] == "owner:ann/t"
    before = everything()[0]
    for context in ({}, {"agent_id": "user:bob"}, {"agent_id": "owner:ann/t"}):
        with pytest.raises(AgentNotFound, match="owner:ann/t"):
            say_in("t", "bob", **context)
    mine = say_in("mine", "bob")
    mine.update_state({"configurable": {"thread_id": "mine"}}, {"agent_id": "owner:ann/t"})
    with pytest.raises(AgentNotFound, match="owner:ann/t"):
        say_in("mine", "bob")
    say_in("unowned", None)
    with pytest.raises(AgentNotFound, match="'unowned'"):
        say_in("unowned", "bob")
    assert [item for item in everything()[0] if item[0][0].startswith("owner%3Aann")] == [
        item for item in before if item[0][0].startswith("owner%3Aann")
    ]


def test_an_agents_tools_name_no_agent_of_another_owner(opened: Any, store: FaissStore) -> None:
    """Listing, writing to one by its name, to one that is not there, and to many by a tag; an agent of the owner's is reached."""
    with opened(owner="bob", agent_id="user:bob", tags=["crew"]), opened(agent_id="old", tags=["crew"]):
        pass
    with opened(say("I read it."), owner="ann", agent_id="owner:ann/notes", tags=["crew"]):
        pass
    lines = [
        call("list_agents"),
        call("send_message_to_agent", agent_id="user:bob", message="Who are you?", wait=True, request_heartbeat=True),
        call("send_message_to_agent", agent_id="nobody", message="Who are you?", wait=False, request_heartbeat=True),
        call("send_message_to_agents_with_tags", tags=["crew"], message="All of you?", request_heartbeat=True),
        say("Done."),
    ]
    with opened(*lines, owner="ann", agent_id="user:ann", tools=["agents"]) as ann:
        results = [c["result"] for c in ann.step("Ask around.").tool_calls]
    assert results[0] == "- owner:ann/notes (tags: crew)"
    assert results[1].replace("user:bob", "X") == results[2].replace("nobody", "X")
    assert "no agent" in results[1]
    assert results[3] == "Sent to owner:ann/notes."
    assert store.search(("user%3Abob", "inbox")) == []


def test_a_letter_is_read_in_the_name_of_the_recipients_owner(opened: Any, store: FaissStore) -> None:
    """Ann may write to Bob's agent; that one still reaches none of hers but by answering."""
    with opened(owner="bob", agent_id="user:bob", tools=["agents"]), opened(owner="ann", agent_id="owner:ann/diary"):
        pass
    share(store, "user:bob", "ann", "write")
    lines = [
        call("send_message_to_agent", agent_id="user:bob", message="Whom do you know?", wait=True, request_heartbeat=True),
        call("list_agents"),
        say("Nobody."),
        say("Done."),
    ]
    with opened(*lines, owner="ann", agent_id="user:ann", tools=["agents"]) as ann:
        assert "Nobody." in ann.step("Ask Bob's.").tool_calls[0]["result"]
    heard = [item.value["text"] for item in store.search(("user%3Abob", "journal"), limit=50)] + [
        item.value["text"] for item in store.search(("user%3Abob", "recall"), limit=50)
    ]
    assert any("no other agents" in text for text in heard)


def test_a_shared_block_is_attached_only_from_an_agent_that_the_owner_may_use(opened: Any, store: FaissStore) -> None:
    """What is foreign and what is absent have one answer; what may only be read is not attached to be written."""
    with (
        opened(owner="ann", agent_id="user:ann", core_memory={"plan": "Buy bees."}) as ann,
        opened(owner="ann", agent_id="owner:ann/second") as second,
        opened(owner="bob", agent_id="user:bob") as bob,
    ):
        plan = ann.core_memory.share("plan", "plan")
        assert plan == "owner:ann/plan"
        told: list[str] = []
        for block_id in (plan, "none"):
            for attempt in (bob.core_memory.attach, SharedBlocks(store, Identity("bob")).get, SharedBlocks(store, Identity("bob")).delete):
                with pytest.raises(UnknownBlock) as refused:
                    attempt(block_id)
                told.append(str(refused.value).replace(block_id, "X"))
        assert set(told) == {"There is no shared block 'X' that you may use."}
        assert SharedBlocks(store, Identity("bob")).all() == []
        second.core_memory.attach(plan)
        assert [b.id for b in SharedBlocks(store, Identity("ann")).all()] == [plan]
        with opened(agent_id="user:bob") as admin:
            admin.core_memory.attach(plan, read_only=True)
        seen = SharedBlocks(store, Identity("bob")).get(plan)
        assert [a.agent_id for a in seen.attached] == ["user:bob"]
        with pytest.raises(UnknownBlock):
            bob.core_memory.attach(plan)
        bob.core_memory.detach("plan")
        with pytest.raises(BlockInUse, match="'user:ann'"):
            SharedBlocks(store, Identity("ann")).delete(plan)


def test_who_may_only_read_an_agent_changes_nothing_in_it(opened: Any, store: FaissStore, everything: Any) -> None:
    """Its blocks and its messages are seen; every way to change them is refused."""
    with opened(owner="ann", agent_id="user:ann", human="Ann keeps bees.") as ann:
        ann.step("The hive is blue.")
    share(store, "user:ann", "bob", "read")
    before = everything()
    with opened(owner="bob", agent_id="user:ann") as bob:
        assert bob.core_memory["human"] == "Ann keeps bees."
        assert [m.text for m in bob.messages() if m.role == "user"] == ["The hive is blue."]
        attempts = [
            lambda: bob.step("Forget the hive."),
            bob.heartbeat,
            bob.end_turn,
            bob.sleep,
            lambda: bob.core_memory.overwrite("human", "Bob keeps bees."),
            lambda: bob.core_memory.create([]) or bob.core_memory.delete("human"),
            lambda: bob.tools.archival_memory_insert(content="The hive is red."),
            lambda: bob.core_memory.share("human"),
            lambda: bob.rename("Beekeeper"),
        ]
        for attempt in attempts:
            with pytest.raises(NotAllowed, match="read"):
                attempt()
    assert everything() == before


def test_a_right_that_is_taken_away_ends_at_the_next_turn(opened: Any, store: FaissStore) -> None:
    """Also for an agent that is open."""
    with opened(owner="ann", agent_id="user:ann"):
        pass
    share(store, "user:ann", "bob", "write")
    with opened(owner="bob", agent_id="user:ann") as bob:
        bob.step("Hello.")
        share(store, "user:ann", "bob", None)
        with pytest.raises(AgentNotFound):
            bob.step("Hello again.")


def test_an_owners_agent_sleeps_and_beats_as_any_other(opened: Any) -> None:
    """Its background has a conversation of its own, which is the owner's as well."""
    lines = [say("Yes."), call("memory_finish_edits"), say("Good morning.")]
    with opened(*lines, owner="ann", agent_id="user:ann") as ann:
        ann.step("I keep bees.")
        assert ann.sleep().messages_left == 0
        assert ann.heartbeat("Wake up.").message == "Good morning."


def test_a_program_makes_an_agent_of_its_own_naming_for_an_owner(opened: Any, store: FaissStore) -> None:
    """It claims the id first; a second owner of the same id is refused."""
    claim(store, "agent-7", "ann")
    with opened(agent_id="agent-7", owner="ann") as agent:
        agent.step("Hello.")
    with pytest.raises(AgentNotFound):
        claim(store, "agent-7", "bob")


def test_each_user_has_one_agent_whatever_they_are_called(store: FaissStore, saver: SqliteCheckpointer) -> None:
    """Opened again it is the same; no two users meet; the names are such as break ids, paths and queries."""
    users = ["ann", "Ann", "ann ", "../ann", "ann~sleep", "a.b", "\x00", "\ud83d", "user:ann", "*", "x" * 500, "agents", "é", "e\u0301"]

    def of(user: str) -> MemGPTAgent:
        return agent_for(user, llm_client=ScriptedModel([say("Yes.")]), store=store, checkpointer=saver)

    for number, user in enumerate(users):
        with of(user) as agent:
            agent.step(f"I am number {number}.")
    ids: set[str] = set()
    for number, user in enumerate(users):
        with of(user) as agent:
            ids.add(agent.agent_id)
            assert [m.text for m in agent.messages() if m.role == "user"] == [f"I am number {number}."]
    assert len(ids) == len(users)


def test_many_who_open_a_users_agent_at_once_open_one(tmp_path: Path) -> None:
    """From threads with files of their own, as from processes: one agent, one set of blocks, no turn lost."""
    settings, opened, failed = Settings(home=tmp_path), list[MemGPTAgent](), list[BaseException]()

    def talk(number: int) -> None:
        try:
            with agent_for("ann", llm_client=ScriptedModel([say("Yes.")]), settings=settings, embedding=HashingEmbedder()) as agent:
                agent.step(f"From {number}.")
                opened.append(agent)
        except BaseException as error:  # noqa: BLE001  told to the test
            failed.append(error)

    threads = [threading.Thread(target=talk, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert [a["agent_id"] for a in list_agents(settings)] == ["user:ann"]
    with agent_for("ann", settings=settings, embedding=HashingEmbedder()) as agent:
        assert {m.text for m in agent.messages() if m.role == "user"} == {f"From {n}." for n in range(4)}
        assert list(agent.core_memory) == ["persona", "human"]


def test_a_users_agent_is_opened_in_a_loop_as_well(store: FaissStore, saver: SqliteCheckpointer) -> None:
    """Without holding it up."""

    async def talk() -> str:
        async with await aagent_for("ann", llm_client=ScriptedModel([say("Yes.")]), store=store, checkpointer=saver) as agent:
            return (await agent.astep("Hello.")).message

    assert asyncio.run(talk()) == "Yes."


@pytest.fixture
def home(tmp_path: Path) -> Settings:
    """A data folder with an agent of Ann's, one of Bob's and one of before."""
    settings = Settings(home=tmp_path)
    for agent_id, owner in (("user:ann", "ann"), ("user:bob", "bob"), ("old", None)):
        MemGPTAgent(agent_id=agent_id, owner=owner, settings=settings, embedding=HashingEmbedder()).close()
    return settings


def test_a_process_that_acts_for_an_owner_sees_that_owners_agents(home: Settings) -> None:
    """Listing, deleting and opening go by ``MEMGPT_OWNER``; without it, the person at the machine sees all."""
    ann = home.model_copy(update={"owner": "ann"})
    assert [a["agent_id"] for a in list_agents(ann)] == ["user:ann"]
    assert {a["agent_id"]: a["owner"] for a in list_agents(home)} == {"user:ann": "ann", "user:bob": "bob", "old": ""}
    for agent_id in ("user:bob", "old", "none"):
        with pytest.raises(AgentNotFound, match="that you may use"):
            delete_agent(agent_id, ann)
        with pytest.raises(AgentNotFound, match="that you may use"):
            MemGPTAgent(agent_id=agent_id, settings=ann, embedding=HashingEmbedder())
        for attempt in (export_agent, export_agent_file):
            with pytest.raises(AgentNotFound, match="that you may use"), open_configured_store(ann, searches=False) as store:
                attempt(agent_id, home.home / "out.json", settings=ann, store=store)
        with pytest.raises(AgentNotFound, match="that you may use"):
            repair_agent(agent_id, ann)
    with open_configured_store(ann, searches=False) as store:
        export_agent("user:ann", home.home / "ann.json", settings=ann, store=store)
        with pytest.raises(NotAllowed, match="owner:ann/copy"):
            import_agents(home.home / "ann.json", agent_id="copy", settings=ann, store=store)
    delete_agent("user:ann", ann)
    assert [a["agent_id"] for a in list_agents(home)] == ["user:bob", "old"]


def test_agents_that_only_a_server_has_made_are_listed_for_whoever_gives_them_away(home: Settings) -> None:
    """They have memory and no definition; namespaces of other programs are no agents."""
    with open_configured_store(home, searches=False) as store:
        graph: Any = create_graph(model=ScriptedModel([say("Yes.")]), store=store)
        graph.invoke(
            {"messages": [("user", "Hello")]}, {"configurable": {"thread_id": "t"}}, context={"agent_id": "assistant:7"}
        )
        store.put(("weather", "rome"), "now", {"sun": True})
        assign(store, "assistant:7", "ann")
    assert "assistant:7" not in [a["agent_id"] for a in list_agents(home)]
    every = list_agents(home, undefined=True)
    assert [(a["agent_id"], a["owner"]) for a in every] == [("user:ann", "ann"), ("user:bob", "bob"), ("old", ""), ("assistant:7", "ann")]
    assert [a["agent_id"] for a in list_agents(home.model_copy(update={"owner": "bob"}), undefined=True)] == ["user:bob"]


def test_a_deleted_agents_record_goes_with_it(opened: Any, home: Settings) -> None:
    """Whoever had a right to it has none to what may come under its name."""
    with open_configured_store(home, searches=False) as store:
        share(store, "user:bob", "ann", "write")
    delete_agent("user:bob", home)
    with open_configured_store(home, searches=False) as store:
        assert owner_of(store, "user:bob") == "bob"
        with pytest.raises(MemGPTError):
            MemGPTAgent(agent_id="user:bob", owner="ann", store=store, settings=home)


def test_errors_of_the_walls_are_of_the_package(opened: Any) -> None:
    """A host catches them as it catches the others."""
    assert issubclass(NotAllowed, MemGPTError)
    assert not issubclass(NotAllowed, ToolError)


def test_an_owners_turn_whose_lease_was_lost_writes_nothing_more(opened: Any, store: Any) -> None:
    """As everybody's: the view that shows an owner their rows keeps the guard."""

    def lose() -> str:
        """Let another process take the conversation over."""
        update(store, LEASES, names[0], lambda value: {**(value or {}), "number": (value or {})["number"] + 1})
        return "lost"

    names = list[str]()
    lines = [call("lose", request_heartbeat=True), call("archival_memory_insert", content="Too late."), say("Done.")]
    with opened(*lines, owner="ann", agent_id="user:ann", thread_id="house", tools=[lose]) as ann:
        names.append(ann.thread_id)
        with pytest.raises(LeaseLost):
            ann.step("Keep this.")
        assert not store.search(namespaces.archival("user:ann"))


def test_limits_and_the_log_hold_for_an_owner(store: Any, saver: Any, tmp_path: Path) -> None:
    """Behind row-level security as well: what the counts need is not the owner's to see."""
    (tmp_path / "limits.toml").write_text("turns_a_minute = 1\npassages = 1\nagents = 1")
    settings = Settings(home=tmp_path, audit="on")
    model = ScriptedModel([say("Yes.")] * 3)
    with agent_for("ann", llm_client=model, store=store, checkpointer=saver, settings=settings) as ann:
        ann.step("Hi")
        with pytest.raises(LimitReached, match="1 turn within a minute"):
            ann.step("Hi")
        ann.memory.archival.insert("one")
        with pytest.raises(LimitReached, match="1 passage"):
            ann.memory.archival.insert("two")
        with pytest.raises(LimitReached, match="1 agent"):
            MemGPTAgent(owner="ann", llm_client=model, store=store, checkpointer=saver, settings=settings)
    assert [entry[:4] for entry in read_audit(store)] == [("ann", "turn (user_message)", "user:ann", "")]
