"""The facade, from the outside: what somebody who embeds an agent in an app relies on."""

import asyncio
import inspect
import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import BaseMessage
from langchain_core.vectorstores import InMemoryVectorStore
from langgraph.checkpoint.memory import InMemorySaver

from memgpt_agent import Block, MemGPTAgent, Persona, Settings, delete_agent, list_agents
from memgpt_agent.checkpoints import open_checkpointer
from memgpt_agent.errors import AgentNotFound, ConfigurationError, MissingCredential, UnknownBlock
from memgpt_agent.memory import definitions
from memgpt_agent.store import FaissStore
from memgpt_agent.testing import Clock, HashingEmbedder, ScriptedModel, call, calls, say
from memgpt_agent.turns.turn_reader import AgentResponse, TurnReader


def agent_of(store: Any, *script: Any, **given: Any) -> MemGPTAgent:
    """An agent ``a`` whose model follows the script."""
    given = {"checkpointer": InMemorySaver(), "agent_id": "a", **given}
    return MemGPTAgent(model=ScriptedModel(script), store=store, **given)


def test_the_program_of_the_readme_runs_as_it_stands() -> None:
    """Persona, vector store, steps, memory operations, tools by name and a heartbeat work together."""
    archival_db = InMemoryVectorStore(HashingEmbedder())
    llm_client = ScriptedModel(
        [
            call("core_memory_append", label="human", content="Name: Alice. Python developer.", request_heartbeat=True),
            say("Hi Alice!"),
            say("You are Alice."),
            call("archival_memory_insert", content="Meeting notes: we ship on Friday.", request_heartbeat=True),
            say("Filed."),
            "Nothing to do just now.",
        ]
    )
    persona = Persona(name="Claude", description="A helpful assistant", traits=["curious", "precise", "friendly"])
    agent = MemGPTAgent(persona=persona, archival_store=archival_db, llm_client=llm_client)
    response = agent.step("Hi! I'm Alice, I'm a Python developer.")
    assert response.message == "Hi Alice!"
    assert response.memory_operations == ["core_memory_append(label='human', content='Name: Alice. Python developer.')"]
    assert response.context_usage == response.context_sections["total"] > 1_000
    assert agent.step("What's my name again?").message == "You are Alice."
    assert dict(agent.core_memory) == {
        "persona": "My name is Claude.\nI am: A helpful assistant\nI am curious, precise, friendly.",
        "human": "Name: Alice. Python developer.",
    }
    agent.step("Here's the meeting notes from today: we ship on Friday")
    assert "we ship on Friday" in agent.tools.archival_memory_search("meeting notes", limit=3)
    assert agent.heartbeat().message == ""
    agent.close()


def test_an_agents_id_alone_brings_it_back(tmp_path: Path) -> None:
    """After a restart: the same blocks, conversation, settings; a seed that is given again does not overwrite them."""
    settings = Settings(home=tmp_path)
    with MemGPTAgent(
        agent_id="alice.1", persona="I am Kim.", context_window=8_000, settings=settings,
        model=ScriptedModel([call("core_memory_append", label="human", content="Likes tea", request_heartbeat=True), say("Noted.")]),
    ) as agent:  # fmt: skip
        agent.step("I like tea")
    model = ScriptedModel([say("Tea.")])
    with MemGPTAgent(agent_id="alice.1", persona="Somebody else", model=model, settings=settings) as agent:
        assert dict(agent.core_memory) == {"persona": "I am Kim.", "human": "Likes tea"}
        response = agent.step("What do I like?")
        assert response.context_sections["budget"] == 6_000
        assert [m.text for m in agent.messages() if m.role != "tool"] == [
            "I like tea",
            "Noted.",
            "What do I like?",
            "Tea.",
        ]
    assert any("I like tea" in str(m.content) for m in model.calls[0])
    assert [a["agent_id"] for a in list_agents(settings)] == ["alice.1"]
    delete_agent("alice.1", settings)
    assert list_agents(settings) == []
    with pytest.raises(AgentNotFound, match="alice"):
        delete_agent("alice.1", settings)


def test_a_stored_agent_keeps_the_names_it_was_made_with(store: FaissStore) -> None:
    """Opened again with objects, or with nothing, its definition still tells them; another name of an embedding takes its place.

    A model's name is kept once it has answered: here it is as if it had.
    """

    def told() -> tuple[str | None, str | None]:
        (agent,) = list_agents(store=store)
        return agent["model"], agent["embedding"]

    given: dict[str, Any] = {"store": store, "checkpointer": InMemorySaver(), "agent_id": "a"}
    MemGPTAgent(model="openai:some-model", embedding="openai:some-embedding", **given)
    assert told() == (None, "openai:some-embedding")
    definitions.keep_model(store, "a", "openai:some-model")
    assert told() == ("openai:some-model", "openai:some-embedding")
    MemGPTAgent(model=ScriptedModel([]), embedding=HashingEmbedder(), **given)
    assert told() == ("openai:some-model", "openai:some-embedding")
    MemGPTAgent(**given)
    assert told() == ("openai:some-model", "openai:some-embedding")
    MemGPTAgent(model="openai:another-model", embedding="minilm", **given)
    assert told() == ("openai:some-model", "minilm")


def test_an_agent_made_with_objects_is_told_of_without_names(store: FaissStore) -> None:
    """Until it is given some."""
    agent_of(store, embedding=HashingEmbedder())
    assert [(a["model"], a["embedding"]) for a in list_agents(store=store)] == [(None, None)]
    agent_of(store, embedding="minilm")
    assert [(a["model"], a["embedding"]) for a in list_agents(store=store)] == [(None, "minilm")]


def test_two_threads_of_one_agent_share_memory_and_not_the_conversation(store: FaissStore) -> None:
    """What was said in one conversation is not in the other's main context, but its core memory and recall are."""
    saver = InMemorySaver()
    noted = call("core_memory_append", label="human", content="Name: Ada", request_heartbeat=True)
    first = agent_of(store, noted, say("Hello"), checkpointer=saver)
    first.step("I am Ada and I keep bees")
    second = agent_of(store, say("Ada"), checkpointer=saver, thread_id="b")
    second.step("Who am I?")
    model: Any = second._model
    sent = "\n".join(str(m.content) for m in model.calls[0])
    assert "Name: Ada" in sent
    assert "bees" not in sent
    assert "bees" in second.tools.conversation_search("bees")


def test_a_conversation_is_not_copied_over_another(store: FaissStore) -> None:
    """Neither over one of another agent nor over itself; a copy under a new id has what was said."""
    saver = InMemorySaver()
    ours = agent_of(store, say("Hello!"), checkpointer=saver, agent_id="ours")
    theirs = agent_of(store, say("Hi!"), checkpointer=saver, agent_id="theirs")
    ours.step("ours")
    theirs.step("theirs")
    before = saver.get_tuple({"configurable": {"thread_id": "theirs"}})
    for there in ("theirs", "ours"):
        with pytest.raises(ConfigurationError, match="already"):
            ours.fork(there)
    assert saver.get_tuple({"configurable": {"thread_id": "theirs"}}) == before
    assert ours.fork("copy") == "copy"


def test_two_agents_do_not_see_each_other(store: FaissStore) -> None:
    """Neither blocks nor messages nor passages of one agent are found by another in the same file."""
    one, two = agent_of(store, say("ok"), agent_id="one"), agent_of(store, say("ok"), agent_id="two")
    one.step("the secret word is xylophone")
    one.tools.archival_memory_insert("the secret word is xylophone")
    one.tools.core_memory_append("human", "xylophone")
    assert "Nothing found" in two.tools.conversation_search("xylophone")
    assert "Nothing found" in two.tools.archival_memory_search("xylophone")
    assert "xylophone" not in str(two.core_memory)


def test_a_run_of_the_graph_is_given_what_the_agents_own_runs_are(store: FaissStore) -> None:
    """`context` holds the choices that hold for the agent, those that were stored too; it cannot be exchanged."""
    with agent_of(store, agent_id="kim", thread_id="one", context={"page_faults": "on"}, context_window=8_000):
        pass
    with agent_of(store, say("Hi."), agent_id="kim", thread_id="two", user_id="ann") as agent:
        chosen = agent.context.model_dump(exclude_defaults=True)
        assert chosen == {"agent_id": "kim", "user_id": "ann", "page_faults": "on", "context_window_tokens": 8_000}
        config: Any = {"configurable": {"thread_id": "two"}}
        agent.graph.invoke({"messages": [("user", "Hello.")]}, config, context=agent.context)  # type: ignore[typeddict-item]
        assert [(m.text, m.user_id) for m in agent.messages()] == [("Hello.", "ann"), ("Hi.", "")]
        with pytest.raises(AttributeError, match="context"):
            agent.context = agent.context  # type: ignore[misc]


def test_a_tool_by_name_is_the_models_path_as_the_users_doing(store: FaissStore) -> None:
    """Same behaviour and errors; ``section`` is taken for ``label``; history says who did it."""
    agent = agent_of(store, human="Name: Ann")
    agent.tools.core_memory_replace(section="human", old_content="Ann", new_content="Anna")
    assert agent.core_memory["human"] == "Name: Anna"
    last = agent.core_memory.history("human")[-1]
    assert (last["actor"], last["tool"], last["version"]) == ("user", "core_memory_replace", 2)
    with pytest.raises(UnknownBlock, match="'persona', 'human'"):
        agent.tools.core_memory_append("huamn", "x")
    with pytest.raises(AttributeError, match="send_message"):
        agent.tools.no_such_tool()


def test_a_turn_is_streamed_as_it_happens(store: FaissStore) -> None:
    """Thoughts, calls, results and pieces of the reply come in order; the last event holds the response."""
    agent = agent_of(store, call("conversation_search", query="tea", thinking="let me look"), say("Nothing about tea."))
    events = list(agent.stream("Did I mention tea?"))
    assert [e.type for e in events if e.type != "delta"] == [
        "thinking", "tool_call", "tool_result", "tool_call", "tool_result", "done",
    ]  # fmt: skip
    assert "".join(e.text for e in events if e.type == "delta") == "Nothing about tea."
    response = events[-1].response
    assert response is not None
    assert response.message == "Nothing about tea."
    told = [e.call_id for e in events if e.type in {"tool_call", "tool_result"}]
    assert told == [made["id"] for made in response.tool_calls for _ in ("call", "result")]


def test_a_turn_that_has_not_begun_has_an_empty_response() -> None:
    """Nothing was said, called or counted."""
    assert TurnReader().response() == AgentResponse("")


async def test_the_async_forms_do_the_same(store: FaissStore) -> None:
    """A step, a heartbeat, messages and tools in an asyncio loop; many at once take turns."""
    agent = agent_of(store, *[say(f"answer {n}") for n in range(5)], "thought")
    answers = await asyncio.gather(*(agent.astep(f"question {n}") for n in range(5)))
    assert sorted(a.message for a in answers) == [f"answer {n}" for n in range(5)]
    assert (await agent.aheartbeat()).message == ""
    assert "question 3" in await agent.atools.conversation_search("question 3")
    assert len([m for m in await agent.amessages() if m.role == "user"]) == 5


def test_a_turn_given_up_leaves_an_agent_that_answers(store: FaissStore) -> None:
    """After an interrupted turn was ended, its call is not carried out and the next message is answered."""
    model = ScriptedModel([call("core_memory_append", label="human", content="x"), say("Here I am.")])
    agent = MemGPTAgent(model=model, store=store, checkpointer=InMemorySaver(), agent_id="a")
    events = agent.stream("first")
    while next(events).type != "tool_call":
        pass
    events.close()  # type: ignore[attr-defined]
    agent.end_turn()
    assert agent.step("second").message == "Here I am."
    assert agent.core_memory["human"] == ""


async def test_a_turn_given_up_in_a_loop_leaves_an_agent_that_answers(store: FaissStore) -> None:
    """Also where its stream was left standing and is still held."""
    agent = agent_of(store, call("core_memory_append", label="human", content="x"), say("Here I am."))
    events = agent.astream("first")
    async for event in events:
        if event.type == "tool_call":
            break
    await agent.aend_turn()
    assert (await agent.astep("second")).message == "Here I am."
    assert agent.core_memory["human"] == ""
    assert [event async for event in events] == []


async def test_a_turn_that_another_task_is_taking_is_waited_for_and_not_given_up(store: FaissStore) -> None:
    """Nothing is left to give up when it is over."""
    entered = asyncio.Event()
    loop = asyncio.get_running_loop()

    def slow(messages: list[BaseMessage]) -> Any:
        loop.call_soon_threadsafe(entered.set)
        time.sleep(0.2)
        return say("Done.")

    agent = agent_of(store, slow)
    turn = asyncio.create_task(agent.astep("first"))
    await entered.wait()
    await agent.aend_turn()
    assert (await turn).message == "Done."


async def test_the_other_calls_have_async_forms_too(store: FaissStore) -> None:
    """The graph, the context's sections, heartbeats by the clock, closing: they tell and do what the sync forms do."""
    agent = agent_of(store, say("Hello."))
    assert await agent.acontext_sections() == {}
    await agent.astep("Hi")
    assert await agent.acontext_sections() == agent.context_sections()
    assert await agent.agraph() is agent.graph
    beats = await agent.aschedule("1h", quiet="22:00-07:00")
    assert beats.pulse.rhythm.every_seconds == 3_600
    with pytest.raises(ConfigurationError, match="no span of time"):
        await agent.aschedule("often")
    await agent.aclose()


def test_every_call_has_an_async_form() -> None:
    """Under the same name with an ``a`` before it, with the same arguments.

    But core memory is a mapping, edited by ``atools``, for the context, the currency, the model's name and the audit log nothing is
    read, and a temporary chat is opened as an agent is.
    """
    public = {name: value for name, value in inspect.getmembers(MemGPTAgent) if not name.startswith("_")}
    forms = {f"a{name}" for name in public}
    without = {"audit", "context", "core_memory", "currency", "model", "temporary"}
    assert {name for name in public if name not in forms and f"a{name}" not in public} == without
    for name, value in public.items():
        if name not in {*forms, *without} and inspect.isfunction(value):
            form: Any = public[f"a{name}"]
            assert list(inspect.signature(form).parameters) == list(inspect.signature(value).parameters)
            assert (inspect.getdoc(form) or "").startswith(f"Async form of :meth:`{name}`")


def test_a_model_that_cannot_be_had_is_an_error_before_the_first_turn(store: FaissStore) -> None:
    """No key: the error names the variable, nothing is recorded, and another model then works."""
    agent = MemGPTAgent(model="openai:some-model", store=store, checkpointer=InMemorySaver(), agent_id="a")
    with pytest.raises(MissingCredential, match="OPENAI_API_KEY"):
        agent.step("Hi")
    assert agent.messages() == []
    assert agent_of(store, say("hello")).step("Hi").message == "hello"


def test_bad_arguments_are_named(store: FaissStore) -> None:
    """Two models, an empty message, an impossible setting, a wrong archive: each is refused by name."""
    with pytest.raises(ConfigurationError, match="llm_client"):
        MemGPTAgent(model="x:y", llm_client="x:y", store=store)
    with pytest.raises(ConfigurationError, match="context_window_tokens = 100"):
        agent_of(store, context_window=100)
    with pytest.raises(ConfigurationError, match="archival_store is a dict"):
        agent_of(store, archival_store={})
    with pytest.raises(ConfigurationError, match="empty"):
        agent_of(store).step("  ")


def test_blocks_of_ones_own(store: FaissStore) -> None:
    """Blocks given whole or as text stand beside persona and human; a read-only one is refused to the model."""
    agent = agent_of(
        store,
        calls(("core_memory_append", {"label": "rules", "content": "be rude", "request_heartbeat": False})),
        say("I may not."),
        blocks=[Block("rules", "Be kind.", "What always holds", 500, read_only=True)],
        core_memory={"project": "Orion"},
    )
    response = agent.step("Change your rules")
    assert response.message == "I may not."
    assert "read-only" in response.tool_calls[0]["result"]
    assert dict(agent.core_memory)["rules"] == "Be kind."
    assert list(agent.core_memory) == ["persona", "human", "project", "rules"]


def test_the_date_is_the_agents_clock(store: FaissStore) -> None:
    """Messages carry the time of the clock, so that a search by day finds them."""
    clock = Clock("2026-10-12T09:00:00+00:00")
    agent = agent_of(store, say("ok"), say("ok"), clock=clock)
    agent.step("I like polars")
    clock.advance(days=30)
    agent.step("I like pandas")
    found = agent.tools.conversation_search("like", start_date="2026-10-12", end_date="2026-10-12")
    assert "polars" in found
    assert "pandas" not in found


def test_history_is_kept_for_so_many_turns_and_the_file_stops_growing(store: FaissStore, tmp_path: Path) -> None:
    """One can go back within them and go on from there; once main context is full, the file has the size that it keeps."""

    def answer(messages: list[BaseMessage]) -> Any:
        return say("ok") if len(messages) > 1 else "They talked."  # the summarizer is sent one message

    path, thread = tmp_path / "checkpoints.db", {"configurable": {"thread_id": "a"}}
    with open_checkpointer(path) as saver:
        agent = agent_of(store, *[answer] * 200, checkpointer=saver, history_turns=4, context_window=5_000)
        pages: list[int] = []
        for n in range(90):
            agent.step(f"message {n} {'word ' * 40}")
            pages.append(saver.conn.execute("PRAGMA page_count").fetchone()[0])
        assert max(pages[60:]) <= max(pages[:60]) * 1.05
        graph: Any = agent.graph
        history = list(graph.get_state_history(thread))
        inputs = [state for state in history if state.metadata and state.metadata["source"] == "input"]
        assert 4 <= len(inputs) <= 5
        before = next(state for state in history if state.config == inputs[3].parent_config)
        forked = graph.invoke({"messages": [("user", "another way")]}, before.config, context={"agent_id": "a"})
        said = [m.text.split()[:2] for m in forked["messages"] if m.type == "human"]
        assert said[-2:] == [["message", "85"], ["another", "way"]]


def saves_what_it_is_told(messages: list[BaseMessage]) -> Any:
    """A line of a script: file what the user said, then say so."""
    said = json.loads(str(messages[-1].content))
    if "status" in said:
        return say("Saved.")
    return call("archival_memory_insert", content=said["message"], request_heartbeat=True)


FIND = """
import json, sys
from memgpt_agent import MemGPTAgent
from langgraph.checkpoint.memory import InMemorySaver
agent = MemGPTAgent(agent_id=sys.argv[1], checkpointer=InMemorySaver())
for line in sys.stdin:
    found = agent.memory.recall.search(json.loads(line), roles=["user"], limit=5)
    print(json.dumps([m.text for m in found]))
"""


@pytest.mark.parametrize(("scenario", "share"), [("customer", 0.8), ("notetaker", 0.8)])
def test_what_was_told_is_found_by_another_process(shared_data: Path, scenario: str, share: float) -> None:
    """BFCL's conversations are played through the graph; then, in a new process, a question finds its source."""
    folder = shared_data / "bfcl_memory"
    told = [
        m["content"]
        for line in _lines(folder / f"conversation_{scenario}.json")
        for turn in line["question"]
        for m in turn
    ]
    with MemGPTAgent(agent_id="bfcl", model=ScriptedModel([saves_what_it_is_told] * (3 * len(told)))) as agent:
        for text in told:
            agent.step(text)
    sources = {a["id"]: a["source"] for a in _lines(folder / "answers.jsonl")}
    asked = [q for q in _lines(folder / "questions.jsonl") if q["scenario"] == scenario]
    lines = "".join(json.dumps(q["question"][0][0]["content"]) + "\n" for q in asked)
    done = subprocess.run([sys.executable, "-c", FIND, "bfcl"], input=lines, capture_output=True, text=True, check=True)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    missed = [q["id"] for q, texts in zip(asked, found, strict=True) if not _holds(texts, sources[q["id"]])]
    assert len(missed) <= (1 - share) * len(asked), missed


def _lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def _holds(texts: list[str], source: str) -> bool:
    """Whether one text has nine in ten of the quote's words: quotes are shortened, and headed by their day or topic."""
    words = set(re.findall(r"\w+", source.casefold()))
    return any(len(words & set(re.findall(r"\w+", text.casefold()))) >= 0.9 * len(words) for text in texts)
