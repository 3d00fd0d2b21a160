"""The budget: what is sent fits, what leaves is summarised, and nothing is lost."""

import json
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.store.memory import InMemoryStore

from memgpt_agent.errors import ContextTooSmall
from memgpt_agent.graph.builder import create_graph
from memgpt_agent.memory.core import Block
from memgpt_agent.memory.recall import RecallMemory
from memgpt_agent.testing import Clock, ScriptedModel, call, say
from memgpt_agent.tokens import resolve_token_counter

THREAD: Any = {"configurable": {"thread_id": "ann"}}


def agent(script: Any, summarizer: Any = (), **options: Any) -> tuple[Any, ScriptedModel, ScriptedModel, InMemoryStore]:
    """Return a graph, its model, its summarizer and its store; the clock moves on with every look."""
    model, writer, store, clock = ScriptedModel(script), ScriptedModel(summarizer), InMemoryStore(), Clock()

    def ticking() -> Any:
        clock.advance(seconds=1)
        return clock()

    graph = create_graph(model=model, summarizer=writer, store=store, checkpointer=InMemorySaver(), clock=ticking, **options)
    return graph, model, writer, store


def ask(graph: Any, text: str, window: int = 4_096, **context: Any) -> Any:
    """Say something as the user; return the state."""
    return graph.invoke({"messages": [("user", text)]}, THREAD, context={"context_window_tokens": window, **context})


def tokens_sent(model: ScriptedModel) -> list[int]:
    """Return the tokens of each call, messages and tools."""
    counter = resolve_token_counter(None, model=model)
    return [
        counter.count_messages(sent) + counter.count_tools(tools)
        for sent, tools in zip(model.calls, model.tools_offered, strict=True)
    ]  # fmt: skip


def paired(sent: list[Any]) -> bool:
    """Whether each call has its results right behind it."""
    calls = [c["id"] for m in sent if m.type == "ai" for c in m.tool_calls]
    return calls == [m.tool_call_id for m in sent if m.type == "tool"]


def test_what_overflows_is_summarised_and_still_found() -> None:
    """Whole exchanges leave; the newest stays; recall memory finds every one of those that left."""
    words = ["anchor", "bell", "candle", "drum", "easel"]
    facts = [f"Fact {n}: the {word} is kept in room {n}. " + "bla " * 150 for n, word in enumerate(words)]
    graph, model, writer, store = agent([say(f"Noted {n}") for n in range(5)], ["They spoke of things."] * 9)
    final = [ask(graph, fact) for fact in facts][-1]
    state = graph.get_state(THREAD).values
    assert writer.calls
    assert "anchor" in writer.calls[0][0].text
    assert state["summary"]["text"] == "They spoke of things."
    assert "They spoke of things." in model.calls[-1][0].text
    seen = {m.id for past in graph.get_state_history(THREAD) for m in past.values.get("messages", [])}
    assert state["summary"]["messages"] == len(seen - {m.id for m in final["messages"]}) > 0
    assert [m.text for m in final["messages"] if m.type != "system"][-4:] == [facts[4], "", "Sent.", "Noted 4"]
    assert all(map(paired, model.calls))
    assert max(tokens_sent(model)) <= 3_072
    for word, fact in zip(words, facts, strict=True):
        assert fact in [m.text for m in RecallMemory(store, "ann").search(word, roles=["user"])]


def test_the_agent_finds_what_was_evicted() -> None:
    """By its own tool."""
    graph, model, _, _ = agent([*[say("ok")] * 4, call("conversation_search", query="anchor"), say("Room 7")], ["Summary."] * 9)
    ask(graph, "The anchor is kept in room 7.")
    for _ in range(3):
        ask(graph, "bla " * 700)
    assert not any("anchor" in str(m.content) for m in model.calls[-1])
    ask(graph, "Where is it?")
    assert "room 7" in str(model.calls[-1][-1].content)


def test_old_results_of_tools_are_cleared_before_anything_is_summarised() -> None:
    """Where that makes room enough nothing leaves; the newest results stay, recall memory has all, and the note says how to read it again."""

    def report(number: int) -> str:
        """Return a long report.

        Args:
            number: which one.
        """
        return f"Report {number}: " + "figures and more figures " * 400

    steps = [one for n in range(15) for one in (call("report", number=n), say(f"Read {n}"))]
    graph, model, writer, store = agent(steps, ["Summary."] * 9, tools=[report])
    turns = 0
    while not any("cleared because" in str(m.content) for call in model.calls for m in call):
        ask(graph, f"Read report {turns}.", window=24_000)
        turns += 1
    sent = [str(m.content) for m in model.calls[-1] if m.type == "tool" and "Sent." not in str(m.content)]
    assert not writer.calls
    cleared = ["cleared because it is old" in text for text in sent]
    assert cleared == sorted(cleared, reverse=True)
    assert cleared[-2:] == [False, False]
    assert len(cleared) >= 5
    assert all("read_message" in text for text, old in zip(sent, cleared, strict=True) if old)
    assert max(tokens_sent(model)) <= 24_000
    kept = RecallMemory(store, "ann").search("Report 0", roles=["tool"], limit=50)
    assert any(m.text.startswith("Report 0: figures") and len(m.text) > 9_000 for m in kept)
    assert ask(graph, "One more.", window=24_000)["messages"][-1].text == f"Read {turns}"


@pytest.mark.parametrize("written", [ConnectionError("down"), "", " \n"])
def test_where_the_summarizer_fails_a_plain_digest_stands_in(written: Any) -> None:
    """The conversation does not stop for it."""
    graph, model, _, _ = agent([say("ok")] * 4, [written] * 40)
    for n in range(4):
        ask(graph, f"Message {n}: " + "bla " * 700)
    summary = graph.get_state(THREAD).values["summary"]["text"]
    assert "user: Message 0: bla" in summary
    assert "…" in summary
    assert len(model.calls) == 4


def test_the_summary_is_recursive() -> None:
    """The old one goes into the new one."""
    graph, _, writer, _ = agent([say("ok")] * 8, [f"Summary {n}" for n in range(30)])
    for n in range(8):
        ask(graph, f"Message {n}: " + "bla " * 700)
    assert len(writer.calls) > 1
    assert "(none yet)" in writer.calls[0][0].text
    assert "Summary 0" in writer.calls[1][0].text


def test_a_message_longer_than_the_window_is_cut_for_the_model_and_kept_whole() -> None:
    """It says how to read the rest."""
    text = "word " * 9_000 + "needle"
    graph, model, _, store = agent([say("Long!")])
    assert ask(graph, text)["messages"][-1].text == "Long!"
    shown = json.loads(str(model.calls[0][1].content))["message"]
    kept = RecallMemory(store, "ann").search("", roles=["user"])[0]
    assert kept.text == text
    assert f"read on: read_message(message_id='{kept.id}', start=" in shown
    assert tokens_sent(model)[0] <= 3_072


@pytest.mark.parametrize(("times", "whole"), [(500, True), (2_000, False)])
def test_signed_thoughts_are_sent_whole_or_not_at_all(times: int, whole: bool) -> None:
    """Up to twice the length at which other messages are cut; beyond that only the text of the answer is left."""
    thought = {"type": "thinking", "thinking": "I think of the river. " * times, "signature": "s"}
    content: list[Any] = [thought, {"type": "text", "text": "Noting."}]
    edit = call("core_memory_append", label="human", content="Dog: Rex", request_heartbeat=True)
    graph, model, _, _ = agent([edit.model_copy(update={"content": content}), say("Done")])
    ask(graph, "hi", window=8_192)
    (sent,) = (m for m in model.calls[1] if m.type == "ai")
    assert sent.content == (content if whole else "Noting.")


def test_a_long_turn_loses_its_oldest_steps_not_its_event() -> None:
    """Each search result is long; the question stays in view to the end."""

    def read(page: int) -> str:
        """Read a page."""
        return f"page {page}: " + "text " * 900

    graph, model, _, _ = agent([call("read", page=n, request_heartbeat=True) for n in range(8)] + [say("Read")], ["Pages."] * 60, tools=[read])
    assert ask(graph, "Read it all")["messages"][-1].text == "Read"
    assert all(any("Read it all" in str(m.content) for m in sent) for sent in model.calls)
    assert all(map(paired, model.calls))
    assert max(tokens_sent(model)) <= 3_072


def test_memory_pressure_is_told_once_until_room_was_made() -> None:
    """Before anything leaves."""
    graph, model, _, _ = agent([say("ok")] * 12, ["Summary."] * 30)
    warned: list[int] = []
    for n in range(12):
        ask(graph, f"Message {n} " + "bla " * 120, window=4_096, memory_pressure_share=0.8)
        warned.append(sum("The oldest messages will leave your view" in str(m.content) for m in model.calls[-1][1:]))
    assert max(warned) == 1
    assert warned[0] == 0


def test_a_window_that_holds_nothing_beside_the_blocks_is_an_error_that_says_so() -> None:
    """It names the parts and what to do."""
    blocks = [Block(f"b{n}", "word " * 380, limit_chars=2_000) for n in range(4)]
    graph, _, _, _ = agent([], blocks=blocks)
    with pytest.raises(ContextTooSmall, match="Shorten the blocks, take tools away, or choose a larger context_window_tokens"):
        ask(graph, "hi")


def test_room_for_an_answer_that_fills_the_window_is_an_error() -> None:
    """Before the model is called."""
    graph, _, _, _ = agent([])
    with pytest.raises(ContextTooSmall, match="answer_tokens = 5,000"):
        ask(graph, "hi", answer_tokens=5_000)


def test_usage_is_counted_by_section() -> None:
    """The sections make the total; the total is what is sent."""
    graph, model, _, _ = agent([say("ok")])
    usage = ask(graph, "hi", window=8_195)["context_usage"]
    assert sum(n for name, n in usage.items() if name not in {"total", "budget"}) == usage["total"]
    assert (usage["budget"], usage.get("summary", 0)) == (8_195 - 2_048, 0)
    assert abs(usage["total"] - tokens_sent(model)[0]) <= 16

