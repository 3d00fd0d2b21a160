"""How a guided model sleeps: what it sees of it, step by step to its end, and through the real graph."""

import json
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage

from memgpt_agent import MemGPTAgent
from memgpt_agent.config import Settings
from memgpt_agent.models.guided.profiles import SleepView, next_calls, read_sleep
from memgpt_agent.prompts import WHILE_AWAKE
from memgpt_agent.testing import HashingEmbedder, ScriptedModel, say
from memgpt_agent.tools.profiles import SLEEPTIME
from tests.models.guided.test_lines import KnowingJudge

SAID = [
    f"I keep {animal} on my farm."
    for animal in ("geese", "goats", "bees", "mules", "hens", "pigs", "cows", "ducks", "carp")
]
FARM = {text: [text.replace("I keep", "The user keeps").replace("my", "their")] for text in SAID}


def event(text: str, kind: str) -> HumanMessage:
    """An event as the agent puts it."""
    return HumanMessage("", additional_kwargs={"memgpt": {"type": kind, "text": text}})


def woken(*lines: str, human: str = "") -> list[BaseMessage]:
    """A sleep that begins: core memory as data, the heartbeat, what was said."""
    blocks = [{"label": "persona", "value": "I help."}, {"label": "human", "value": human, "limit_chars": 900}]
    record = WHILE_AWAKE.format(messages="\n".join(lines), left=0)
    system = SystemMessage("", additional_kwargs={"memgpt": {"blocks": blocks}})
    return [system, event("", "heartbeat"), event(record, "system_alert")]


def line(text: str, who: str = "user") -> str:
    """A line of the record."""
    return f"[2026-11-21 10:00:00 UTC (Saturday)] {who}: {text}"


def test_it_sees_what_the_user_said_without_questions_and_answers() -> None:
    """Whoever speaks to the agent is the user; a message may have several lines."""
    view = read_sleep(
        woken(
            line("Hi.\nI sail."),
            line("I see.", "assistant"),
            line("What time is it?"),
            line("I bake.", "ida"),
            human="x",
        )
    )
    assert [(said.day, said.text) for said in view.said] == [("2026-11-21", "Hi. I sail."), ("2026-11-21", "I bake.")]
    assert (view.label, view.value, view.limit_chars, view.read, view.acted) == ("human", "x", 900, 0, False)


def test_how_far_it_has_read_stands_in_its_own_thoughts() -> None:
    """Of this sleep; what it did in the one before does not count."""
    done = AIMessage("", tool_calls=[{"name": "memory_insert", "args": {"thinking": "Read 8 of 9."}, "id": "1"}])
    result = ToolMessage(json.dumps({"status": "OK", "message": "m"}), tool_call_id="1", name="memory_insert")
    first = woken(*map(line, SAID))
    assert read_sleep([*first, done, result]).read == 8
    again = read_sleep([*first, done, result, *woken(*map(line, SAID))[1:]])
    assert (again.read, again.acted) == (0, False)


def test_it_reads_in_parts_and_ends() -> None:
    """Each step reads on where the last one stopped; after the last part it finishes."""
    view = read_sleep(woken(*map(line, SAID)))
    ((name, edit),) = next_calls(view, KnowingJudge(FARM), in_parts=True)
    assert (name, edit["thinking"]) == ("memory_insert", "Read 8 of 9.")
    assert edit["new_string"].split("\n") == [FARM[text][0] for text in SAID[:8]]
    view = SleepView(view.said, read=8, acted=True, value=edit["new_string"])
    ((name, edit),) = next_calls(view, KnowingJudge(FARM), in_parts=True)
    assert (name, edit["new_string"]) == ("memory_insert", FARM[SAID[8]][0])
    assert next_calls(SleepView(view.said, read=9, acted=True), KnowingJudge(FARM), in_parts=True) == [
        ("memory_finish_edits", {})
    ]


def test_where_it_cannot_note_how_far_it_has_read_it_reads_all_at_once() -> None:
    """Without ``thinking`` in the tools' schemas: one step of edits, then the end."""
    view = read_sleep(woken(*map(line, SAID)))
    ((_, edit),) = next_calls(view, KnowingJudge(FARM), in_parts=False)
    assert len(edit["new_string"].split("\n")) == 9
    assert next_calls(SleepView(view.said, acted=True), KnowingJudge(FARM), in_parts=False) == [
        ("memory_finish_edits", {})
    ]


@pytest.mark.parametrize("count", [0, 1, 9, 500])
def test_a_sleep_is_over_within_a_turns_steps(count: int) -> None:
    """However much was said: at most twelve parts and the end. With nothing to change it ends at once."""
    told = {f"I keep goat {n}.": [f"The user keeps goat {n}."] for n in range(count)}
    view = read_sleep(woken(*map(line, told)))
    steps = 0
    while (calls := next_calls(view, KnowingJudge(told), in_parts=True)) != [("memory_finish_edits", {})]:
        steps += 1
        view = SleepView(view.said, read=int(calls[0][1]["thinking"].split()[1]), acted=True)
        assert steps <= 12
    assert next_calls(SleepView(view.said), KnowingJudge(), in_parts=True) == [("memory_finish_edits", {})]


def test_through_the_real_graph_the_block_holds_what_is_true(tmp_path: Path) -> None:
    """Facts are added once, the changed one is replaced and filed, the sleep ends and counts all as read."""
    told = {
        "I live in Porto.": ["The user lives in Porto."],
        "I bake bread.": ["The user bakes bread."],
        "As I said, I bake bread.": ["The user bakes bread."],
        "I moved to Faro.": ["The user moved to Faro."],
    }
    judge = KnowingJudge(
        told, {("The user lives in Porto.", text) for text in ("I moved to Faro.", "The user moved to Faro.")}
    )

    def step(messages: list[BaseMessage]) -> AIMessage:
        calls = next_calls(read_sleep(messages), judge, in_parts=True)
        made: list[Any] = [
            {"name": name, "args": {**arguments, "request_heartbeat": True}, "id": f"call-{len(messages)}-{n}"}
            for n, (name, arguments) in enumerate(calls)
        ]
        return AIMessage("", tool_calls=made)

    awake, asleep = ScriptedModel([say("I see.")] * 5), ScriptedModel([step] * 5)
    with MemGPTAgent(
        llm_client=awake,
        sleep_model=asleep,
        agent_id="ann",
        embedding=HashingEmbedder(),
        settings=Settings(home=tmp_path),
    ) as ann:
        ann.step("I live in Porto.")
        report = ann.sleep()
        assert ann.core_memory["human"] == "The user lives in Porto."
        for text in list(told)[1:]:
            ann.step(text)
        report = ann.sleep()
        lines = ann.core_memory["human"].split("\n")
        assert lines[0].startswith("The user moved to Faro. (as of ")
        assert lines[1:] == ["The user bakes bread."]
        assert [c["name"] for c in report.tool_calls] == [
            "memory_replace",
            "memory_insert",
            "archival_memory_insert",
            "memory_finish_edits",
        ]
        assert all(c["status"] == "OK" for c in report.tool_calls if "status" in c)
        assert (report.messages_read, report.messages_left) == (6, 0)
        assert "The user lives in Porto." in ann.memory.archival.search("Porto")[0].text


@pytest.mark.local
def test_a_real_model_sleeps_in_calls_that_can_be_carried_out_and_ends(smollm2: Path) -> None:
    """One small enough for a test: its form, not its judgement."""
    from memgpt_agent.models.guided.model import GuidedLlama

    model = GuidedLlama(path=smollm2, n_ctx=2_048, max_tokens=60)
    bound = model.bind_tools([tool.schema(thinking=True) for tool in SLEEPTIME.tools])
    messages = woken(line("I keep geese."), line("I moved to Faro."), human="The user lives in Porto.")
    names = {tool.name for tool in SLEEPTIME.tools}
    for _ in range(3):
        answer = bound.invoke(messages)
        assert answer.invalid_tool_calls == []
        assert {call["name"] for call in answer.tool_calls} <= names
        messages.append(answer)
        if [call["name"] for call in answer.tool_calls] == ["memory_finish_edits"]:
            return
    pytest.fail(f"It did not end its sleep: {messages[3:]}")
