"""Summaries of what leaves main context: bounded input, retries, a plain digest, and nothing that is not found again."""

from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.store.memory import InMemoryStore

from memgpt_agent.graph.builder import create_graph
from memgpt_agent.memory.recall import RecallMemory
from memgpt_agent.store import FaissStore
from memgpt_agent.testing import Clock, HashingEmbedder, ScriptedModel, calls, say
from memgpt_agent.tokens import resolve_token_counter

THREAD: Any = {"configurable": {"thread_id": "ann"}}
COUNTER = resolve_token_counter()


class Writer(ScriptedModel):
    """A summarizer that writes what a function of its prompt says, without an end."""

    write: Any = None

    def _next(self, messages: list[BaseMessage], **kwargs: Any) -> AIMessage:
        self.calls.append(list(messages))
        written = self.write(len(self.calls), messages[0].text)
        if isinstance(written, Exception):
            raise written
        return written if isinstance(written, AIMessage) else AIMessage(written)


def live(write: Any, said: list[str], window: int = 4_096, store: Any = None) -> tuple[dict[str, Any], Writer]:
    """Say something turn by turn; return the state in the end and the summarizer."""
    writer = Writer(write=write)
    graph: Any = create_graph(
        model=ScriptedModel([say("ok")] * len(said)),
        summarizer=writer,
        store=store or InMemoryStore(),
        checkpointer=InMemorySaver(),
    )
    for text in said:
        graph.invoke(
            {"messages": [("user", text)]}, THREAD, context={"context_window_tokens": window, "retry_wait_seconds": 0}
        )
    return graph.get_state(THREAD).values, writer


def asked(writer: Writer) -> list[str]:
    """Return the summarizer's prompts about the running summary."""
    return [sent[0].text for sent in writer.calls if "running summary" in sent[0].text or "too long" in sent[0].text]


FILLER = [f"Message {n}: " + "bla " * 450 for n in range(5)]


@pytest.mark.parametrize(
    "first",
    [
        ConnectionError("down"), TimeoutError("slow"), "", "I'm sorry, I can't help with that.", "Sorry, I am unable to summarize this.",
        AIMessage("No.", additional_kwargs={"refusal": "No."}), AIMessage("Part", response_metadata={"finish_reason": "content_filter"}),
        "word " * 2_000,
    ],
)  # fmt: skip
def test_a_summary_that_cannot_be_used_is_asked_for_again(first: Any) -> None:
    """Rate limits, refusals, nothing, too much: the second answer counts."""
    state, _ = live(lambda n, _: first if n % 2 else "They spoke of bla.", FILLER)
    assert state["summary"]["text"] == "They spoke of bla."


@pytest.mark.parametrize("written", [ValueError("bad request"), "word " * 2_000, "I'm sorry, but I cannot do that."])
def test_one_that_never_can_be_used_gives_way_to_a_plain_digest(written: Any) -> None:
    """Within the summary's limit; what was known before stays in it."""
    state, _ = live(
        lambda n, _: "The anchor is in room 7." if n == 1 else written, ["The anchor is in room 7.", *FILLER, *FILLER]
    )
    text = state["summary"]["text"]
    assert text.startswith("The anchor is in room 7.")
    assert "user: Message" in text
    assert COUNTER.count_text(text) <= int(3_072 * 0.1)


def test_much_at_once_is_summarised_in_pieces_and_then_the_summaries_are() -> None:
    """As when the window becomes smaller: no line is dropped, and no prompt is longer than the summarizer can take."""
    said = [f"Fact {n} about the thing. " + "bla " * 180 for n in range(60)]
    writer = Writer(write=lambda _, told: "Facts: " + ", ".join(w for w in told.split() if w.isdigit())[:300])
    graph: Any = create_graph(
        model=ScriptedModel([say("ok")] * 61), summarizer=writer, store=InMemoryStore(), checkpointer=InMemorySaver()
    )
    for text in said:
        graph.invoke({"messages": [("user", text)]}, THREAD, context={"context_window_tokens": 128_000})
    assert writer.calls == []
    graph.invoke({"messages": [("user", "And now?")]}, THREAD, context={"context_window_tokens": 4_096})
    prompts = asked(writer)
    assert len(prompts) > 5
    assert max(map(COUNTER.count_text, prompts)) <= 3_072 // 2 + 200
    assert all(any(f"Fact {n} about" in prompt for prompt in prompts) for n in range(55))
    assert "Facts: " in prompts[-1]
    summary = graph.get_state(THREAD).values["summary"]
    assert summary["messages"] >= 55 * 4


def test_the_summary_says_how_many_messages_it_stands_for_with_those_of_pages_that_were_out() -> None:
    """A marker stands for a page's messages."""
    script = [
        *[say("ok")] * 3,
        calls(("page_out", {"content": "Bla.", "page_number": 1}), ("send_message", {"message": "Done"})),
        *[say("ok")] * 6,
    ]
    model, store = ScriptedModel(script), InMemoryStore()
    graph: Any = create_graph(
        model=model, summarizer=Writer(write=lambda *_: "S."), store=store, checkpointer=InMemorySaver()
    )
    context = {"context_window_tokens": 8_192}
    final: dict[str, Any] = {"messages": []}
    for text in ["a " * 600, "b " * 600, "c " * 600, "Page out", *["d " * 900] * 6]:
        final = graph.invoke({"messages": [("user", text)]}, THREAD, context=context)
    state = graph.get_state(THREAD).values
    in_view = [m for m in final["messages"] if "Context is" not in m.text]
    assert (
        state["summary"]["messages"] + len(in_view) >= 10 * 4 + 1
    )  # each turn's event, call, result, reply; the note's result
    assert state["summary"]["pages"] >= 2


def test_a_summarizer_with_a_smaller_window_is_asked_for_less() -> None:
    """By what its profile says."""
    graph: Any = create_graph(
        model=ScriptedModel([say("ok")] * 40), checkpointer=InMemorySaver(), store=InMemoryStore(),
        summarizer=(writer := Writer(write=lambda *_: "S.", profile={"max_input_tokens": 2_048})),
    )  # fmt: skip
    for n in range(16):
        graph.invoke(
            {"messages": [("user", f"{n} " + "bla " * 900)]}, THREAD, context={"context_window_tokens": 16_000}
        )
    assert max(map(COUNTER.count_text, asked(writer))) <= 768 + 200


@pytest.mark.parametrize("plain", [True, False])
def test_nothing_that_was_evicted_becomes_unfindable(plain: bool) -> None:
    """Over hundreds of turns: both sides' messages, tool results and system events."""

    def measure(thing: str) -> str:
        """Measure a thing."""
        return f"The {thing} is {len(thing) * 7} inches long."

    words = [
        a + b
        for a in ("amber", "birch", "cobalt", "denim", "ebony", "flint", "garnet", "hazel")
        for b in ("lamp", "desk", "vase", "kite", "drum", "oar")
    ]
    script: list[Any] = []
    for word in words:
        script += [
            calls(("measure", {"thing": word, "request_heartbeat": True})),
            say(f"I measured your {word} for you."),
        ]
        script += ["hm"]
    with FaissStore(":memory:", index={"embed": HashingEmbedder(), "dims": 64}) as faiss:
        store = InMemoryStore() if plain else faiss
        graph: Any = create_graph(
            model=ScriptedModel(script), summarizer=Writer(write=lambda *_: "S."), store=store, checkpointer=InMemorySaver(),
            tools=[measure], clock=Clock(),
        )  # fmt: skip
        context = {"context_window_tokens": 4_096, "page_faults": "off"}
        for word in words:
            graph.invoke({"messages": [("user", f"Measure my {word}. " + "bla " * 60)]}, THREAD, context=context)
            graph.invoke(
                {"event": {"type": "system_alert", "text": f"The {word} sensor fired."}}, THREAD, context=context
            )
        state = graph.get_state(THREAD).values
        assert state["summary"]["messages"] > 300
        recall = RecallMemory(store, "ann")
        for word in words:
            said_by = {"user": f"Measure my {word}.", "assistant": f"I measured your {word}"}
            for role, said in {**said_by, "tool": f"The {word} is", "system": f"The {word} sensor"}.items():
                assert any(m.text.startswith(said) for m in recall.search(word, roles=[role], limit=3)), (word, role)  # pyright: ignore[reportArgumentType]
