"""The budget as a property: whatever comes in, what is sent fits, begins validly and answers every tool call."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.store.memory import InMemoryStore

from memgpt_agent.graph.builder import create_graph
from memgpt_agent.memory.core import DEFAULT_LIMIT_CHARS, CoreMemory
from memgpt_agent.memory.recall import RecallMemory
from memgpt_agent.testing import Clock, ScriptedModel, call, calls, say
from memgpt_agent.tokens import resolve_token_counter

THREAD: Any = {"configurable": {"thread_id": "ann"}}
COUNTER = resolve_token_counter()
WINDOWS = [4_096, 5_000, 8_192, 32_768]

_PIECES = [
    "word ",
    "x",
    "Zażółć ",
    "😀",
    "👩‍👩‍👧",
    "\n",
    '"\\',
    "中文",
    "नमस्ते ",
    "𒀀",
    "\u0000",
    "<|im_end|>",
    '{"a": 1}',
]
_TEXTS = st.builds(lambda piece, count: piece * count, st.sampled_from(_PIECES), st.integers(1, 6_000))
_IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
_FILE = {"type": "file", "mime_type": "text/plain", "base64": "aGVsbG8g" * 4_000}
_ARCHIVE = {"type": "file", "mime_type": "application/zip", "base64": "aGVsbG8g" * 4_000}
_CONTENTS = st.one_of(
    _TEXTS,
    st.lists(
        st.one_of(_TEXTS.map(lambda text: {"type": "text", "text": text}), st.sampled_from([_IMAGE, _FILE, _ARCHIVE])),
        min_size=1,
        max_size=5,
    ),
)
_ACTS = st.one_of(
    _TEXTS.map(lambda text: [("send_message", {"message": text})]),
    _TEXTS.map(lambda text: [("core_memory_append", {"label": "human", "content": text[:DEFAULT_LIMIT_CHARS]})]),
    _TEXTS.map(lambda text: [("lookup", {"reply": text})]),
    _TEXTS.map(lambda text: [("no_such_tool", {"deep": {"list": [text, text]}})]),
    st.lists(_TEXTS, min_size=2, max_size=4).map(lambda texts: [("lookup", {"reply": text}) for text in texts]),
    st.integers(0, 4).map(lambda page: [("page_out", {"content": "done with it", "page_number": page})]),
    st.integers(0, 4).map(lambda page: [("page_in", {"page_number": page})]),
)


def lookup(reply: str) -> str:
    """Look something up."""
    return reply


def begins_and_pairs(sent: list[Any]) -> bool:
    """Whether a prompt is a system message, then an event, and each call's results stand right behind it."""
    if [m.type for m in sent[:2]] != ["system", "human"]:
        return False
    place = 1
    while place < len(sent):
        if isinstance(sent[place], ToolMessage):
            return False
        wanted = [c["id"] for c in sent[place].tool_calls] if isinstance(sent[place], AIMessage) else []
        found = [m.tool_call_id for m in sent[place + 1 : place + 1 + len(wanted)] if isinstance(m, ToolMessage)]
        if found != wanted:
            return False
        place += 1 + len(wanted)
    return True


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.tuples(_CONTENTS, st.lists(_ACTS, max_size=3)), min_size=1, max_size=5),
    st.lists(st.sampled_from(WINDOWS), min_size=5, max_size=5),
)
def test_whatever_is_said_and_done_what_is_sent_fits_the_budget_and_is_valid(
    turns: list[tuple[Any, list[Any]]], windows: list[int]
) -> None:
    """Any texts and attachments, results, edits, pages taken out, and a window that changes from turn to turn."""
    script = [
        calls(*[(n, {**a, "request_heartbeat": True}) for n, a in act])
        for _, acts in turns
        for act in [*acts, [("send_message", {"message": "ok"})]]
    ]
    script = list(script)
    model = ScriptedModel([*script, *["ok"] * 200])
    writer = ScriptedModel(["Summary."] * 400)
    graph: Any = create_graph(
        model=model,
        summarizer=writer,
        store=InMemoryStore(),
        checkpointer=InMemorySaver(),
        clock=Clock(),
        tools=[lookup],
    )
    for (content, acts), window in zip(turns, windows, strict=False):
        before = len(model.calls)
        graph.invoke(
            {"messages": [HumanMessage(content)]},
            THREAD,
            context={"context_window_tokens": window, "max_steps": len(acts) + 4},
        )
        budget = window - min(4_096, window // 4)
        for sent, tools in zip(model.calls[before:], model.tools_offered[before:], strict=True):
            assert COUNTER.count_messages(sent) + COUNTER.count_tools(tools) <= budget
            assert begins_and_pairs(sent)
        usage = graph.get_state(THREAD).values["context_usage"]
        sent, tools = model.calls[-1], model.tools_offered[-1]
        assert usage["total"] == COUNTER.count_messages(sent) + COUNTER.count_tools(tools)
        assert usage["total"] == sum(n for name, n in usage.items() if name not in {"total", "budget"})


def test_a_queue_that_begins_with_somebody_elses_answer_is_sent_from_its_first_event_on() -> None:
    """A history that a client brings along may begin with anything."""
    model = ScriptedModel([say("ok")])
    graph: Any = create_graph(model=model, store=InMemoryStore(), checkpointer=InMemorySaver())
    graph.invoke(
        {"messages": [AIMessage("Welcome!"), ToolMessage("x", tool_call_id="lost"), HumanMessage("Hi")]}, THREAD
    )
    assert begins_and_pairs(model.calls[0])
    assert [m.type for m in model.calls[0]] == ["system", "human"]


def test_attachments_that_do_not_fit_are_left_out_and_said_so() -> None:
    """What fits stays; the text stays; the state keeps all."""
    model = ScriptedModel([say("ok")])
    graph: Any = create_graph(model=model, store=InMemoryStore(), checkpointer=InMemorySaver())
    content: Any = [{"type": "text", "text": "Look"}, _ARCHIVE, _ARCHIVE]
    graph.invoke({"messages": [HumanMessage(content)]}, THREAD, context={"context_window_tokens": 4_096})
    told = str(model.calls[0][1].content)
    assert "Look" in told
    assert "2 attachments are left out" in told


def test_a_long_text_is_read_to_its_end_piece_by_piece_by_the_id_that_the_cut_names() -> None:
    """The pieces join to the whole without a gap; each piece is shown uncut."""
    text = " ".join(f"{n}:{n * n}" for n in range(2_500))
    reads: list[str] = []

    def read_on(sent: list[Any]) -> AIMessage:
        last = next(m for m in reversed(sent) if m.type == "tool" or "0:0 1:1" in str(m.content))
        told = json.loads(str(last.content))["message"]
        body, cut, where = told.rpartition("\n[... cut at character ")
        reads.append(body if cut else told)
        if not cut:
            return say("Read it all")
        name, _, arguments = where.partition("read on: ")[2].rstrip(")]").partition("(")
        given = dict(part.split("=") for part in arguments.split(", "))
        return call(name, message_id=given["message_id"].strip("'"), start=int(given["start"]))

    model = ScriptedModel([read_on] * 30)
    store = InMemoryStore()
    graph: Any = create_graph(
        model=model, summarizer=ScriptedModel(["Reading."] * 30), store=store, checkpointer=InMemorySaver()
    )
    final = graph.invoke(
        {"messages": [("user", text)]}, THREAD, context={"context_window_tokens": 8_192, "max_steps": 40}
    )
    assert final["messages"][-1].text == "Read it all"
    assert "".join(reads) == text
    assert len(reads) > 3
    assert RecallMemory(store, "ann").search("", roles=["user"])[0].text == text


def used(tokens: int, message: AIMessage) -> AIMessage:
    """Return the answer with a provider's figure of what it was sent."""
    return message.model_copy(
        update={"usage_metadata": {"input_tokens": tokens, "output_tokens": 5, "total_tokens": tokens + 5}}
    )


@pytest.mark.parametrize(("reported", "factor"), [(1.5, 1.5), (0.6, 1.0), (40.0, 1.0), (0.0, 1.0)])
def test_the_count_is_corrected_by_the_providers_own_figures(reported: float, factor: float) -> None:
    """More than we counted: less is sent from then on. Less, or a figure that cannot be: nothing changes."""
    counted: list[int] = []

    def answer(sent: list[Any]) -> AIMessage:
        tokens = COUNTER.count_messages(sent) + COUNTER.count_tools(model.tools_offered[-1])
        counted.append(tokens)
        return used(int(tokens * reported), say("ok"))

    model = ScriptedModel([answer] * 2)
    graph: Any = create_graph(
        model=model, store=InMemoryStore(), checkpointer=InMemorySaver(), summarizer=ScriptedModel(["s"] * 9)
    )
    usage: dict[str, int] = {}
    for _ in range(2):
        usage = graph.invoke(
            {"messages": [("user", "word " * 1_500)]}, THREAD, context={"context_window_tokens": 8_192}
        )["context_usage"]
    learned = graph.get_state(THREAD).values.get("model_facts", {}).get("ScriptedModel", {"factor": 1.0})
    assert learned["factor"] == pytest.approx(factor, rel=0.01)
    assert usage["total"] == pytest.approx(counted[-1] * factor, rel=0.01)
    assert usage["budget"] == 6_144
    assert usage["total"] <= 6_144


def test_a_block_edit_that_fills_core_memory_leaves_room_for_the_conversation() -> None:
    """The edit is kept; what gives way is the queue."""
    edits = [call("core_memory_append", label="human", content="x y " * 480, request_heartbeat=True), say("Noted")]
    model, store = ScriptedModel(edits), InMemoryStore()
    graph: Any = create_graph(
        model=model, store=store, checkpointer=InMemorySaver(), summarizer=ScriptedModel(["s"] * 9)
    )
    graph.invoke(
        {"messages": [("user", "Note this: " + "word " * 300)]}, THREAD, context={"context_window_tokens": 4_096}
    )
    assert len(CoreMemory(store, "ann")["human"]) == 1_920
    assert COUNTER.count_messages(model.calls[1]) + COUNTER.count_tools(model.tools_offered[1]) <= 3_072
