"""Page faults: memories of what an event refers to are offered with it, within a share of the budget."""

import json
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack
from typing import Any

import pytest
from langchain_core.messages import HumanMessage
from langgraph.checkpoint.memory import InMemorySaver

from memgpt_agent.graph.builder import create_graph
from memgpt_agent.memory.archival import StoreArchive
from memgpt_agent.memory.recall import Message, RecallMemory
from memgpt_agent.store import FaissStore
from memgpt_agent.testing import Clock, HashingEmbedder, ScriptedModel, call, say

THREAD: Any = {"configurable": {"thread_id": "ann"}}


class Watched(HashingEmbedder):
    """An embedder that keeps the queries that it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.queries: list[str] = []

    def embed_query(self, text: str) -> list[float]:
        self.queries.append(text)
        return super().embed_query(text)

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [HashingEmbedder.embed_query(self, text) for text in texts]


Made = Callable[..., tuple[Any, ScriptedModel, Watched]]


@pytest.fixture
def agent() -> Generator[Made]:
    """Return what makes a graph over a memory of another conversation, its model and its embedder."""
    with ExitStack() as opened:
        yield lambda *given: made(opened, *given)


def made(
    opened: ExitStack, script: Any, remembered: Sequence[str] = (), passages: Sequence[str] = ()
) -> tuple[Any, ScriptedModel, Watched]:
    """Return a graph, its model and its embedder."""
    model, embedder = ScriptedModel(script), Watched()
    store = opened.enter_context(FaissStore(":memory:", index={"embed": embedder, "dims": 64}))
    RecallMemory(store, "ann").add(
        [
            Message(f"old-{n}", "user", text, f"2025-05-{n + 1:02}T10:00:00+00:00", "earlier")
            for n, text in enumerate(remembered)
        ]
    )
    for text in passages:
        StoreArchive(store, "ann", Clock("2025-04-01T10:00:00+00:00")).insert(text)
    graph = create_graph(model=model, store=store, checkpointer=InMemorySaver(), clock=Clock())
    embedder.queries.clear()
    return graph, model, embedder


def ask(graph: Any, text: str, **context: Any) -> Any:
    """Say something as the user; return the state's values."""
    graph.invoke({"messages": [HumanMessage(text)]}, THREAD, context={"context_window_tokens": 8_192, **context})
    return graph.get_state(THREAD).values


def told(sent: list[Any], place: int = -1) -> dict[str, Any]:
    """Return one of the events that the model was sent."""
    return json.loads(str([m for m in sent if m.type == "human"][place].content))


def test_what_an_event_refers_to_comes_with_it_from_both_tiers_with_its_date(agent: Made) -> None:
    """As memories, behind the event."""
    graph, model, _ = agent([say("Rex")], ["My dog is called Rex.", "I like tea."], ["The dog food is in the cellar."])
    ask(graph, "What is my dog called?")
    event = told(model.calls[0])
    assert event["message"] == "What is my dog called?"
    assert event["memories"] == [
        "[2025-05-01] user: My dog is called Rex.",
        "[2025-04-01] archival: The dog food is in the cellar.",
    ]
    assert event["in_memory"] == "3 messages in recall, 1 in archival"


def test_the_counts_come_again_once_recall_has_grown_by_a_quarter(agent: Made) -> None:
    """Until then the model knows them well enough."""
    graph, model, _ = agent([say("Yes.")] * 8, [], ["The dog food is in the cellar."])
    for _ in range(8):
        ask(graph, "Good.")
    counted = [told(sent).get("in_memory") for sent in model.calls]
    assert counted == [f"{n} messages in recall, 1 in archival" if n else None for n in (1, 3, 5, 7, 9, 0, 13, 0)]


def test_they_are_found_once_in_a_turn_and_stay_where_they_were_sent(agent: Made) -> None:
    """The later steps of the turn begin as the first did, and so does the next turn; its event brings none of them again."""
    script = [
        call("core_memory_append", label="human", content="Dog: Rex", request_heartbeat=True),
        say("Rex"),
        say("Yes"),
    ]
    graph, model, embedder = agent(script, ["My dog is called Rex."])
    ask(graph, "What is my dog called?")
    assert embedder.queries == ["What is my dog called?"]
    assert model.calls[1][1].content == model.calls[0][1].content
    ask(graph, "Good, thank you.")
    assert model.calls[2][1].content == model.calls[0][1].content
    assert "memories" not in told(model.calls[2], 1)


def test_what_is_in_view_is_not_offered(agent: Made) -> None:
    """Nothing lies outside: nothing is searched, nothing is told."""
    graph, model, embedder = agent([say("Nice")] * 2)
    ask(graph, "My dog is called Rex.")
    ask(graph, "What is my dog called?")
    assert set(told(model.calls[1])) == {"type", "message", "time", "page"}
    assert embedder.queries == []


@pytest.mark.parametrize(
    ("mode", "text", "offered"),
    [
        ("auto", "What is my dog called?", True), ("auto", "I walked the dog.", False), ("auto", "Which planet is largest?", False),
        ("auto", "Remember my dog", True), ("on", "I walked the dog.", True), ("off", "What is my dog called?", False),
    ],
)  # fmt: skip
def test_it_can_be_on_off_or_up_to_the_event(agent: Made, mode: str, text: str, offered: bool) -> None:
    """By itself it looks where something is asked, and offers what shares a word of meaning with it."""
    graph, model, _ = agent([say("ok")], ["My dog is called Rex."])
    ask(graph, text, page_faults=mode)
    assert ("memories" in told(model.calls[0])) == offered


@pytest.mark.parametrize("share", [0.02, 0.05, 0.2])
def test_memories_fill_their_share_of_the_budget_and_no_more(agent: Made, share: float) -> None:
    """Long ones are cut, and as many come as fit."""
    from memgpt_agent.tokens import resolve_token_counter

    graph, model, _ = agent([say("ok")], [f"The dog did trick {n}: {'very ' * 40 * n}well." for n in range(20)])
    state = ask(graph, "Which trick did the dog do?", page_fault_share=share)
    memories = told(model.calls[0])["memories"]
    room = min(1_000, state["context_usage"]["budget"] * share)
    used = sum(map(resolve_token_counter().count_text, memories))
    assert room * 0.3 < used <= room


def test_a_heartbeat_brings_no_memories(agent: Made) -> None:
    """It refers to nothing."""
    graph, model, embedder = agent(["ok"], ["My dog is called Rex."])
    graph.invoke({"event": {"type": "heartbeat", "text": "What about the dog?"}}, THREAD, context={"page_faults": "on"})
    assert "memories" not in told(model.calls[0])
    assert embedder.queries == []


def test_what_is_searched_for_is_what_was_said_also_on_a_store_without_more() -> None:
    """A plain store does what it can."""
    from langgraph.store.memory import InMemoryStore

    store, model = InMemoryStore(), ScriptedModel([say("Rex")])
    RecallMemory(store, "ann").add(
        [Message("old", "user", "My dog is called Rex.", "2025-05-01T10:00:00+00:00", "earlier")]
    )
    graph: Any = create_graph(model=model, store=store, checkpointer=InMemorySaver(), clock=Clock())
    ask(graph, "What is my dog called?")
    assert told(model.calls[0])["memories"] == ["[2025-05-01] user: My dog is called Rex."]
