"""The middleware among others: the agent's own schemas, other middleware, chat clients, checkpoints, and agents of ours."""

import asyncio
from typing import Any

import pytest
from blockbuster import BlockBuster
from langchain.agents import create_agent
from langchain.agents.middleware import (
    ClearToolUsesEdit,
    ContextEditingMiddleware,
    HumanInTheLoopMiddleware,
    ModelRetryMiddleware,
    TodoListMiddleware,
    ToolRetryMiddleware,
)
from langchain_core.messages import HumanMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.store.memory import InMemoryStore
from langgraph.types import Command
from pydantic import BaseModel
from typing_extensions import TypedDict

from memgpt_agent import FaissStore, MemGPTAgent, MemGPTMiddleware, list_agents
from memgpt_agent.errors import ConfigurationError
from memgpt_agent.memory.agent_memory import AgentMemory
from memgpt_agent.testing import Clock, ScriptedModel, calls
from tests.middleware.agents import THREAD, answer_or_summary, built, prompt_tokens, recalled, told


def test_what_other_middleware_adds_counts_in_the_budget() -> None:
    """Placed last, it counts the tools and the system prompt of those before it."""
    agent, model, _ = built([answer_or_summary] * 60, others=[TodoListMiddleware()], context_window=8_192)
    for turn in range(20):
        told(agent, f"Statement {turn}. " * 60)
    assert "write_todos" in [t["function"]["name"] for t in model.tools_offered[0]]
    assert max(prompt_tokens(model)) <= 8_192 - 2_048


def test_two_of_them_in_one_agent_are_refused() -> None:
    """Neither's model is called; an agent that another one calls as a tool has its own."""
    second = MemGPTMiddleware(agent_id="bea", store=InMemoryStore(), name="Second")
    agent, model, _ = built(["Hello."], others=[second])
    with pytest.raises(ConfigurationError, match="two MemGPTMiddleware, 'Second' and 'MemGPTMiddleware'"):
        told(agent, "Hi")
    assert not model.calls
    inner, _, _ = built(["Inner."], agent_id="bea")

    def ask() -> str:
        """Ask Bea."""
        return told(inner, "Hi", {"configurable": {"thread_id": "inner"}})[-1].text

    outer, _, _ = built([calls(("ask", {})), "Outer."], tools=[ask])
    assert [m.text for m in told(outer, "Hi")][-2:] == ["Inner.", "Outer."]


def test_a_person_decides_about_a_call_of_memory() -> None:
    """HumanInTheLoopMiddleware stops before an edit; what was approved is done once, what was edited is done as edited."""
    others = [HumanInTheLoopMiddleware(interrupt_on={"core_memory_append": {"allowed_decisions": ["approve", "edit", "reject"]}})]
    script = [calls(("core_memory_append", {"label": "human", "content": "Secret."})), "Done."]
    agent, _, store = built(script, others=others)
    told(agent, "Write")
    assert AgentMemory(store, "ada").core["human"] == ""
    edited = {"type": "edit", "edited_action": {"name": "core_memory_append", "args": {"label": "human", "content": "Public."}}}
    out = agent.invoke(Command(resume={"decisions": [edited]}), THREAD, durability="sync")
    assert out["messages"][-1].text == "Done."
    assert AgentMemory(store, "ada").core["human"] == "Public."


def test_retries_of_other_middleware_write_nothing_twice() -> None:
    """ModelRetry asks anew, ToolRetry calls anew: what was said is in recall memory once."""
    times: list[int] = []

    def shaky() -> str:
        """Fail at first."""
        times.append(1)
        if len(times) < 3:
            raise RuntimeError("not yet")
        return "At last."

    others = [ModelRetryMiddleware(max_retries=2, initial_delay=0.0), ToolRetryMiddleware(max_retries=3, initial_delay=0.0)]
    agent, _, store = built([RuntimeError("busy"), calls(("shaky", {})), "Good."], tools=[shaky], others=others)
    told(agent, "Do it")
    assert sorted(recalled(store)) == [("assistant", "Good."), ("tool", "At last."), ("user", "Do it")]


def test_cleared_tool_uses_stay_cleared_in_what_is_sent() -> None:
    """ContextEditingMiddleware edits the request: ours sends what it left."""
    others = [ContextEditingMiddleware(edits=[ClearToolUsesEdit(trigger=10, keep=1)])]
    agent, model, _ = built([calls(("weather", {"city": "Rome"})), calls(("weather", {"city": "Oslo"})), "Done."], others=others)
    told(agent, "Both")
    sent = [m.text for m in model.calls[-1] if m.type == "tool"]
    assert sent[1] == "Sunny in Oslo."
    assert "Rome" not in sent[0]


class Weather(BaseModel):
    """The weather of a place."""

    place: str
    sunny: bool


def test_response_format_state_and_context_schemas_are_the_agents_own() -> None:
    """A structured response comes out beside the messages; whose memory it is follows from the run's context; other keys stay."""

    class Who(TypedDict):
        user: str

    from langchain.agents import AgentState

    class Mine(AgentState[Any]):
        mood: str

    store = InMemoryStore()
    agent, _, _ = built(
        [calls(("Weather", {"place": "Rome", "sunny": True}))], store, response_format=Weather, context_schema=Who, state_schema=Mine,
        agent_id=lambda runtime: f"of-{runtime.context['user']}",
    )  # fmt: skip
    out = agent.invoke({"messages": [HumanMessage("Rome?")], "mood": "good"}, THREAD, context={"user": "eve"}, durability="sync")
    assert out["structured_response"] == Weather(place="Rome", sunny=True)
    assert out["mood"] == "good"
    assert "memgpt" not in out
    assert ("user", "Rome?") in recalled(store, "of-eve")
    assert any("place='Rome'" in text for role, text in recalled(store, "of-eve") if role == "tool")


def test_an_agent_of_ours_is_opened_and_one_made_here_is_ours() -> None:
    """The same id is the same memory and the same choices, in both directions."""
    store, saver = InMemoryStore(), InMemorySaver()
    with MemGPTAgent(agent_id="ada", model=ScriptedModel(["Good morning."]), store=store, checkpointer=saver, human="Likes tea.",
                     context={"time_zone": "Asia/Tokyo"}) as ours:  # fmt: skip
        ours.step("I live in Kyoto.")
    agent, model, _ = built(["Tea?"], store, persona="is not taken", clock=Clock("2026-01-01T12:00:00+00:00"))
    told(agent, "What did I tell you about where I live?")
    assert "Likes tea." in model.calls[0][0].text
    assert "is not taken" not in model.calls[0][0].text
    assert "Kyoto" in model.calls[0][-1].text
    assert "21:00:00" in model.calls[0][-1].text
    other, _, _ = built(["Hm."], store, agent_id="new", human="Plays chess.")
    told(other, "I play every Monday.")
    assert {a["agent_id"] for a in list_agents(store=store)} == {"ada", "new"}
    with MemGPTAgent(agent_id="new", model=ScriptedModel(["Monday."]), store=store, checkpointer=InMemorySaver()) as back:
        assert back.core_memory["human"] == "Plays chess."
        assert next(m.text for m in back.memory.recall.search("Monday", limit=3)) == "I play every Monday."


def test_it_goes_on_from_a_checkpoint_in_a_new_process() -> None:
    """A second agent over the same saver and store, as after a restart, has the summary and the conversation."""
    saver, store = InMemorySaver(), InMemoryStore()
    agent, _, _ = built([answer_or_summary] * 60, store, checkpointer=saver, context_window=8_192)
    for turn in range(25):
        told(agent, f"Statement {turn}. " * 60)
    summary = agent.get_state(THREAD).values["memgpt"]["summary"]
    again, model, _ = built(["Yes."], store, checkpointer=saver, context_window=8_192)
    told(again, "Are you there?")
    assert f'<summary messages="{summary["messages"]}"' in model.calls[0][0].text


def test_new_input_after_an_interrupt_leaves_no_call_without_a_result() -> None:
    """A person walks away from a question and says something else: the model is told that the call was interrupted."""
    others = [HumanInTheLoopMiddleware(interrupt_on={"weather": True})]
    agent, model, _ = built([calls(("weather", {"city": "Rome"})), "Never mind."], others=others)
    told(agent, "Rome?")
    told(agent, "Forget it.")
    kinds = [m.type for m in model.calls[-1]]
    assert kinds == ["system", "human", "ai", "tool", "human"]
    assert "Interrupted" in model.calls[-1][3].text


def test_a_client_that_keeps_the_history_itself_is_not_recalled_twice() -> None:
    """Without a checkpointer the whole conversation is told each time, under new ids: each thing is kept once."""
    store = InMemoryStore()
    model = ScriptedModel(["Hi Ada.", "Tea."])
    agent = create_agent(model, middleware=[MemGPTMiddleware(store=store, agent_id="ada", clock=Clock())])
    agent.invoke({"messages": [{"role": "user", "content": "I am Ada."}]})
    agent.invoke({"messages": [
        {"role": "user", "content": "I am Ada."}, {"role": "assistant", "content": "Hi Ada."}, {"role": "user", "content": "What do I drink?"},
    ]})  # fmt: skip
    assert sorted(recalled(store)) == sorted([
        ("user", "I am Ada."), ("assistant", "Hi Ada."), ("user", "What do I drink?"), ("assistant", "Tea."),
    ])  # fmt: skip


def test_a_history_that_is_sent_again_under_its_ids_stays_what_it_was() -> None:
    """A chat client sends all messages with each turn: they are known, and no turn begins with them."""
    agent, _, store = built(["One.", "Two."])
    first = HumanMessage("First", id="m1")
    agent.invoke({"messages": [first]}, THREAD, durability="sync")
    out = agent.invoke({"messages": [first, HumanMessage("Second", id="m2")]}, THREAD, durability="sync")
    assert [text for role, text in recalled(store) if role == "user"] == ["First", "Second"]
    assert [m.text for m in out["messages"]] == ["First", "One.", "Second", "Two."]


def test_streamed_and_awaited_it_is_the_same_agent() -> None:
    """Tokens stream in mode messages, and only those of the answer; ``astream`` works on a loop."""
    agent, _, store = built(["Streamed words here.", "And awaited."])
    streamed = agent.stream({"messages": [HumanMessage("a")]}, THREAD, stream_mode="messages", durability="sync")
    pieces = [c.text for c, _ in streamed if c.type == "AIMessageChunk"]
    assert "".join(pieces) == "Streamed words here."

    async def awaited() -> list[Any]:
        return [c async for c in agent.astream({"messages": [HumanMessage("b")]}, THREAD, stream_mode="updates", durability="sync")]

    assert asyncio.run(awaited())
    assert [text for role, text in recalled(store) if role == "assistant"] == ["Streamed words here.", "And awaited."]


def test_what_is_not_for_a_middleware_to_choose_is_refused_with_what_to_do() -> None:
    """Each mistake is found when it is made, with a sentence."""
    with pytest.raises(ConfigurationError, match="create_agent"):
        MemGPTMiddleware(context={"model": "openai:gpt-5"})
    with pytest.raises(ConfigurationError, match="no group of tools 'nothing'"):
        MemGPTMiddleware(tools=["nothing"])
    with pytest.raises(ConfigurationError, match="talks"):
        MemGPTMiddleware(profile="sleeptime")
    with pytest.raises(ConfigurationError, match="time_zone"):
        MemGPTMiddleware(context={"time_zone": "Mars"})


def test_groups_of_tools_bring_their_sections() -> None:
    """Tasks stand in view, as in our own graph."""
    model = ScriptedModel([calls(("task_add", {"title": "Buy tea"})), "Added."])
    ours: Any = MemGPTMiddleware(store=InMemoryStore(), agent_id="t", tools=["tasks"])
    told(create_agent(model, middleware=[ours], checkpointer=InMemorySaver()), "Remind me to buy tea.")
    assert '<tasks open="1">\n1. [normal] Buy tea' in model.calls[-1][-1].text


def test_nothing_of_it_blocks_an_event_loop(store: FaissStore) -> None:
    """Files are read and written in threads, in every hook."""
    edits = calls(("core_memory_append", {"label": "human", "content": "x"}), ("conversation_search", {"query": "x"}))
    ours: Any = MemGPTMiddleware(agent_id="ada", store=store)
    agent: Any = create_agent(ScriptedModel([edits, "Done."]), middleware=[ours], checkpointer=InMemorySaver())

    async def talk() -> Any:
        watch = BlockBuster()
        watch.activate()
        try:
            return await agent.ainvoke({"messages": [HumanMessage("Hi")]}, THREAD, durability="sync")
        finally:
            watch.deactivate()

    assert asyncio.run(talk())["messages"][-1].text == "Done."


def test_agents_in_a_row_each_keep_what_was_said_and_by_whom() -> None:
    """Two agents with memories of their own share a parent graph's messages: each has its own notes, and the other's words as such."""
    store = InMemoryStore()

    def agent(name: str) -> Any:
        ours: Any = MemGPTMiddleware(agent_id=name, store=store, clock=Clock())
        return create_agent(ScriptedModel([f"{name} one.", f"{name} two."]), middleware=[ours], name=name)

    graph: Any = StateGraph(MessagesState)
    graph.add_node("A", agent("A"))
    graph.add_node("B", agent("B"))
    graph.add_edge(START, "A")
    graph.add_edge("A", "B")
    app = graph.compile(checkpointer=InMemorySaver())
    told(app, "Hello")
    told(app, "More")
    expected = [
        ("user", "Hello", ""), ("user", "More", ""), ("assistant", "B one.", ""), ("assistant", "B two.", ""), ("user", "A one.", "A"),
        ("user", "A two.", "A"),
    ]  # fmt: skip
    kept = [(m.role, m.text, m.user_id) for m in AgentMemory(store, "B").recall.search("", limit=20)]
    assert sorted(kept) == sorted(expected)


def test_text_that_no_store_takes_is_mended_where_it_enters() -> None:
    """Half a character and a NUL, from the user and from the model."""
    agent, model, store = built(["An answer with half \ud83d."])
    out = told(agent, "Half \ud83d and \x00.")
    assert [m.text for m in out] == ["Half \ufffd and .", "An answer with half \ufffd."]
    assert recalled(store) == [("user", "Half \ufffd and ."), ("assistant", "An answer with half \ufffd.")]
    assert model.calls[0][-1].text.startswith("Half \ufffd and .")


def test_without_a_checkpointer_the_same_words_are_another_conversation() -> None:
    """Nothing is replayed there: a search that looks like one before is made again, and finds what was filed meanwhile."""
    store = InMemoryStore()
    script = [
        calls(("archival_memory_search", {"query": "wolf"})), "Nothing.",
        calls(("archival_memory_insert", {"content": "The wolf is Fenris."})), "Filed.",
        calls(("archival_memory_search", {"query": "wolf"})), "Fenris.",
    ]  # fmt: skip
    model = ScriptedModel(script)
    agent: Any = create_agent(model, middleware=[MemGPTMiddleware(store=store, agent_id="ada", clock=Clock())])  # type: ignore[list-item]
    for text in ("The wolf?", "It is Fenris.", "The wolf?"):
        agent.invoke({"messages": [{"role": "user", "content": text}]})
    assert "Nothing found" in model.calls[1][-1].text
    assert "The wolf is Fenris." in model.calls[-1][-1].text
