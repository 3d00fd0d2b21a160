"""What the middleware gives an agent of ``create_agent``: core memory, tools, recall, page faults, pressure, eviction, the budget."""

import asyncio
import warnings
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.messages.ai import UsageMetadata
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.store.memory import InMemoryStore

from memgpt_agent import MemGPTMiddleware
from memgpt_agent.errors import NotDurable
from memgpt_agent.memory.agent_memory import AgentMemory
from memgpt_agent.testing import ScriptedModel, calls
from tests.middleware.agents import THREAD, answer_or_summary, built, prompt_tokens, recalled, told


def test_core_memory_stands_in_the_system_prompt_behind_the_agents_own() -> None:
    """The agent's own words come first; an edit of one step is visible in the next, and in the next conversation."""
    agent, model, _ = built(
        [calls(("core_memory_append", {"label": "human", "content": "Name: Ada"})), "Hello Ada.", "Still here."],
        system_prompt="Be brief.", persona="I am Bo.",
    )  # fmt: skip
    told(agent, "I am Ada.")
    first, second = (call[0].text for call in model.calls)
    changed = model.calls[1][-1].text
    assert first.startswith("Be brief.\n\n")
    assert "I am Bo." in first
    assert "Name: Ada" not in first
    assert second == first
    assert "This replaces the block 'human' above (9/2000 characters):\nName: Ada" in changed
    told(agent, "Hi", {"configurable": {"thread_id": "another"}})
    assert "Name: Ada" in model.calls[-1][0].text


def test_all_that_is_said_is_kept_once_in_its_order() -> None:
    """What the user says, answers, and the results of tools, also of the agent's own, are in recall memory."""
    agent, _, store = built([calls(("weather", {"city": "Rome"})), "It is sunny.", "You are welcome."])
    told(agent, "How is Rome?")
    told(agent, "Thanks")
    assert sorted(recalled(store)) == sorted([
        ("user", "How is Rome?"), ("tool", "Sunny in Rome."), ("assistant", "It is sunny."), ("user", "Thanks"),
        ("assistant", "You are welcome."),
    ])  # fmt: skip


def test_a_message_that_refers_to_what_is_out_of_view_brings_it_along() -> None:
    """A page fault: another conversation's words ride with the message, though no tool was called."""
    agent, model, _ = built(["Noted.", "The wolf's name is Fenris."])
    told(agent, "My wolf plushie is called Fenris.")
    told(agent, "What did I say my wolf plushie is called?", {"configurable": {"thread_id": "later"}})
    assert "Fenris" in model.calls[-1][-1].text
    assert model.calls[-1][-1].text.startswith("What did I say")


def test_the_state_keeps_messages_as_they_were_said() -> None:
    """What rides with a message is in the prompt only: chat clients show what was said."""
    agent, _, _ = built(["Noted.", "Fenris."])
    told(agent, "My wolf plushie is called Fenris.")
    messages = told(agent, "What did I say my wolf plushie is called?", {"configurable": {"thread_id": "later"}})
    assert [m.text for m in messages] == ["What did I say my wolf plushie is called?", "Fenris."]


def test_hundreds_of_turns_in_a_small_window_stay_within_the_budget() -> None:
    """In a window of 8,192 the queue is evicted into a summary; no prompt exceeds the budget, and nothing is lost from recall."""
    agent, model, store = built([answer_or_summary] * 400, context_window=8_192)
    messages: list[Any] = []
    for turn in range(70):
        messages = told(agent, f"Statement number {turn}: " + f"the box {turn} holds {turn * 7} marbles. " * 14)
    prompts = prompt_tokens(model)
    assert max(prompts) <= 8_192 - 2_048
    registers = agent.get_state(THREAD).values["memgpt"]
    assert registers["summary"]["messages"] > 60
    assert "<summary" in next(m for m in reversed(model.calls) if isinstance(m[0], SystemMessage))[0].text
    assert len(messages) < 60
    assert sum(role == "user" for role, _ in recalled(store)) == 70
    found = AgentMemory(store, "ada").recall.search("box 3 marbles", limit=10)
    assert any("Statement number 3:" in m.text for m in found)


def test_memory_pressure_is_told_once_until_room_was_made() -> None:
    """The warning stands behind the message with which the context grew full; it is sent again in the same place, not anew."""
    agent, model, _ = built([answer_or_summary] * 60, context_window=8_192)
    for turn in range(30):
        told(agent, f"Statement {turn}. " * 60)
    warned = [sum("full. The oldest messages" in m.text for m in call) for call in model.calls]
    assert max(warned) == 1
    assert 1 in warned


def test_one_enormous_message_is_cut_and_can_be_read_on() -> None:
    """A message longer than the window is kept whole, shown cut, and the note says how to read the rest."""
    agent, model, store = built(["Long.", "Ok."], context_window=8_192)
    told(agent, "word " * 30_000)
    assert prompt_tokens(model)[0] <= 8_192 - 2_048
    assert "read_message(message_id=" in model.calls[0][-1].text
    assert recalled(store)[0] == ("user", "word " * 30_000)


def test_an_enormous_result_of_the_agents_own_tool_is_cut_too() -> None:
    """The budget holds for what tools return that know nothing of it."""

    def read_log() -> str:
        """Read the log."""
        return "line of a log\n" * 40_000

    agent, model, _ = built([calls(("read_log", {})), "Done."], tools=[read_log], context_window=8_192)
    told(agent, "Read it")
    assert max(prompt_tokens(model)) <= 8_192 - 2_048


def test_edits_of_one_answer_are_made_in_its_order() -> None:
    """Tools run in parallel; the block's lines stand as the model gave them, and so again when it is awaited."""
    lines = [("core_memory_append", {"label": "human", "content": f"line {n}"}) for n in range(12)]
    agent, _, store = built([calls(*lines), "Done.", calls(*lines), "Done."])
    told(agent, "Write.")
    expected = "\n".join(f"line {n}" for n in range(12))
    assert AgentMemory(store, "ada").core["human"] == expected

    async def again() -> None:
        await agent.ainvoke({"messages": [HumanMessage("And again.")]}, THREAD, durability="sync")

    asyncio.run(again())
    assert AgentMemory(store, "ada").core["human"] == f"{expected}\n{expected}"


def test_a_tool_that_cannot_do_it_tells_the_model_how_to_go_on() -> None:
    """An unknown block and wrong arguments come back as results with the status error; the agent goes on."""
    agent, model, _ = built([
        calls(("core_memory_append", {"label": "nobody", "content": "x"}), ("conversation_search", {"query": "x", "limit": "many"})), "I see.",
    ])  # fmt: skip
    told(agent, "Try")
    first, second = model.calls[-1][-2:]
    assert "nobody" in first.text
    assert "human" in first.text
    assert "limit" in second.text
    assert [getattr(m, "status", "") for m in (first, second)] == ["error", "error"]


def test_a_call_whose_process_died_before_its_result_was_stored_is_not_made_again() -> None:
    """The step is replayed from the checkpoint before it: the edit stands once, the model gets the first result."""
    saver = InMemorySaver()
    script = [calls(("core_memory_append", {"label": "human", "content": "Once."}), ("archival_memory_insert", {"content": "A note."})), "Done."]
    agent, _, store = built([*script, "Done again."], checkpointer=saver)
    told(agent, "Write")
    before = next(s for s in agent.get_state_history(THREAD) if "tools" in s.next)
    agent.invoke(None, before.config, durability="sync")
    assert AgentMemory(store, "ada").core["human"] == "Once."
    assert [p.text for p in AgentMemory(store, "ada").archival.search("", limit=9)] == ["A note."]
    assert sum(text.startswith("Block 'human'") for _, text in recalled(store)) == 1


def test_another_durability_than_sync_is_warned_of_once() -> None:
    """With a checkpointer and without ``sync`` a crash may make the model answer anew: said once, in words; never without a checkpointer."""
    agent, _, _ = built(["One.", "Two."])
    with pytest.warns(NotDurable, match='durability="sync"'):
        agent.invoke({"messages": [HumanMessage("a")]}, THREAD)
    agent.invoke({"messages": [HumanMessage("b")]}, THREAD)  # a second warning would be an error
    bare = create_agent(ScriptedModel(["Three."]), middleware=[MemGPTMiddleware(store=InMemoryStore(), agent_id="x")])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        bare.invoke({"messages": [HumanMessage("c")]})


def test_a_prompt_that_the_provider_refuses_as_too_long_is_sent_smaller() -> None:
    """The true window is learned from the refusal; the turn goes on."""

    class TooLong(Exception):
        status_code = 400

    refusal = TooLong("This model's maximum context length is 4096 tokens. However, your messages resulted in 9000 tokens.")
    agent, model, _ = built([*(["A long answer. " * 60] * 12), refusal, *([answer_or_summary] * 6)], context_window=16_384)
    for turn in range(13):
        told(agent, f"Statement {turn}. " * 60)
    assert prompt_tokens(model)[-1] <= 4_096
    assert agent.get_state(THREAD).values["memgpt"]["model_facts"]["ScriptedModel"]["window"] == 4_096


def test_the_providers_figures_correct_the_count() -> None:
    """A provider that counts more tokens than we do is believed: less is sent."""
    usage = UsageMetadata(input_tokens=4_000, output_tokens=5, total_tokens=4_005)
    agent, _, _ = built([AIMessage("Hm.", usage_metadata=usage)])
    told(agent, "Hello. " * 50)
    assert agent.get_state(THREAD).values["memgpt"]["model_facts"]["ScriptedModel"]["factor"] > 1.5
