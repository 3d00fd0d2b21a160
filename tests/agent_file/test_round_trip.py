"""An agent goes into a file and comes out the same: bytes, search, conversation, under its own id and under another."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.store.memory import InMemoryStore

from memgpt_agent.agent import MemGPTAgent
from memgpt_agent.agent_file import AgentDocument, export_agent, import_agents, schema
from memgpt_agent.config import Settings
from memgpt_agent.errors import AgentExists, AgentNotFound
from memgpt_agent.memory.core import CoreMemory
from memgpt_agent.memory.recall import RecallMemory
from memgpt_agent.store import FaissStore
from memgpt_agent.testing import ScriptedModel, call, say
from memgpt_agent.tools.knowledge import graph_of
from memgpt_agent.tools.summaries import tree_of

TIERS = {
    "archival",
    "core",
    "core_history",
    "entities",
    "facts",
    "recall",
    "summaries",
    "summary_heads",
    "later_tier/part",
}


@pytest.mark.parametrize("vectors", [False, True])
def test_an_export_imported_and_exported_again_is_the_same_file(
    full: Any, home: Callable[[str], Any], vectors: bool
) -> None:
    """Byte for byte, every tier of it, also one that this program does not know, with vectors or without."""
    first, done = full.export("ann", vectors=vectors)
    assert set(done.items) >= TIERS
    assert (done.threads, done.left_out) == (["ann", "work"], [])
    [imported] = home("second").take(first)
    assert (imported.agent_id, imported.items, imported.threads) == ("ann", done.items, ["ann", "work"])
    assert imported.not_carried == []
    second, _ = home("second").export("ann", vectors=vectors)
    assert second.read_bytes() == first.read_bytes()


def test_with_vectors_nothing_is_embedded_anew(full: Any, home: Callable[[str], Any]) -> None:
    """Without them every indexed text is, once, and the progress is told."""
    told: list[tuple[int, int]] = []
    with_vectors, _ = full.export("ann", "with.json", vectors=True)
    home("second").take(with_vectors)
    assert home("second").embedder.texts == []
    without, _ = full.export("ann", "without.json")
    home("third").take(without, progress=lambda done, of: told.append((done, of)))
    embedded = home("third").embedder.texts
    assert len(embedded) == len(set(embedded)) > 10
    assert told == [(len(embedded), len(embedded))]


def test_the_imported_agent_goes_on_where_the_exported_one_stood(full: Any, home: Callable[[str], Any]) -> None:
    """Both models are sent the same next: queue, summary, blocks; memory is found; knowledge and summaries are there."""
    file, _ = full.export("ann")
    home("second").take(file)
    sent: list[Any] = []
    for where in (full, home("second")):
        model = ScriptedModel([say("Yes.")])
        with MemGPTAgent(
            agent_id="ann", model=model, store=where.store, checkpointer=where.checkpointer, settings=where.settings
        ) as agent:
            agent.step("Do you remember?")
            sent.append([m.text for m in model.calls[0][:-1]])
            assert "<summary" in model.calls[0][0].text
            assert agent.memory.archival.search("boiler")[0].tags == ("house", "2026")
            assert any("Story 0" in m.text for m in agent.memory.recall.search("Story 0"))
            assert [f.object for f in graph_of(agent.memory).search("annie")] == ["Lisbon"]
            assert tree_of(agent.memory).newest("year")[0].id == "year-2026"
            assert [v["version"] for v in agent.core_memory.history("human")] == [1, 2]
    assert sent[0] == sent[1]


def test_under_another_id_it_is_another_agent_and_back_again_the_same_file(
    full: Any, home: Callable[[str], Any]
) -> None:
    """Beside the first, in the same store; a conversation whose name is taken gets another, and that is said."""
    first, _ = full.export("ann")
    [imported] = full.take(first, agent_id="eve")
    assert (imported.agent_id, imported.threads) == ("eve", ["eve", "eve/work"])
    assert imported.not_carried == ["conversation 'work': there is one of this name here; it is 'eve/work' now"]
    with full.agent("eve", say("Hello, I am Eve.")) as eve:
        assert "Story 5" in eve.messages()[-2].text
        assert eve.step("Who are you?").message == "Hello, I am Eve."
    again, _ = full.export("ann", "again.json")
    assert again.read_bytes() == first.read_bytes()
    [other] = home("second").take(first, agent_id="eve")
    assert other.threads == ["eve", "work"]
    under_eve, _ = home("second").export("eve")
    home("third").take(under_eve, agent_id="ann")
    back, _ = home("third").export("ann")
    assert back.read_bytes() == first.read_bytes()


def test_a_turn_that_a_crash_cut_off_is_finished_where_it_is_imported(full: Any, home: Callable[[str], Any]) -> None:
    """The decision to call a tool was on disk; the call is carried out in the new place."""

    class Killed(KeyboardInterrupt):
        pass

    def dying(_messages: Any) -> Any:
        raise Killed

    with (
        full.agent(
            "ann", call("core_memory_append", label="human", content="Has a boat.", request_heartbeat=True), dying
        ) as agent,
        pytest.raises(Killed),
    ):
        agent.step("I have a boat.")
    file, _ = full.export("ann")
    assert json.loads(file.read_text())["threads"]["ann"]["next"] == ["call_llm"]
    home("second").take(file)
    second, _ = home("second").export("ann")
    assert second.read_bytes() == file.read_bytes()
    with home("second").agent("ann", say("A boat, fine."), say("Fine."), context_window=6_000) as agent:
        assert agent.step("Well?").message == "Fine."
        assert "Has a boat." in agent.core_memory["human"]
        assert [m.text for m in agent.messages()[-3:]] == ["A boat, fine.", "Well?", "Fine."]


def test_nothing_is_overwritten(full: Any) -> None:
    """An agent of this id, or a conversation, is left as it is."""
    file, _ = full.export("ann")
    with pytest.raises(AgentExists, match="There is an agent 'ann' already. Import it under another id"):
        full.take(file)
    again, _ = full.export("ann", "again.json")
    assert again.read_bytes() == file.read_bytes()
    with pytest.raises(AgentNotFound, match="There is no agent 'bob'. The agents are: ann."):
        full.export("bob")


def test_no_secret_leaves(full: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not the environment's keys, not what a definition names as one, not the password in an address."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    item = full.store.get(("agents",), "ann")
    context = {"api_key": "sk-very-secret", "url": "https://me:sk-very-secret@host/x", "answer_tokens": 500}
    full.store.put(("agents",), "ann", {**item.value, "context": context}, index=False)
    file, done = full.export("ann")
    assert "sk-very-secret" not in file.read_text()
    assert json.loads(file.read_text())["definition"]["context"] == {"answer_tokens": 500, "url": "https://host/x"}
    assert done.left_out == [
        "definition.context.api_key: it looks like a secret",
        "definition.context.url: it looks like a secret",
    ]


def test_vectors_leave_with_the_agent_however_the_store_was_opened(full: Any) -> None:
    """A store that is opened for words only has them all the same, and says by what they were made."""
    file, _ = full.export("ann", vectors=True)
    target = io.StringIO()
    with FaissStore(full.store.path) as words_only:
        done = export_agent("ann", target, vectors=True, store=words_only, checkpointer=full.checkpointer)
    assert done.left_out == []
    assert target.getvalue() == file.read_text()
    assert json.loads(target.getvalue())["embedding"] == {"name": full.embedder.name, "dims": 64}
    assert '"vectors"' in target.getvalue()


def test_a_store_that_does_not_hand_over_its_vectors_says_so(full: Any) -> None:
    """An export from a plain store has no vectors, and the list of what was left out names them."""
    file, _ = full.export("ann", vectors=True)
    plain, saver = InMemoryStore(), InMemorySaver()
    [imported] = import_agents(file, store=plain, checkpointer=saver)
    assert imported.not_carried == [
        f"vectors: made by {full.embedder.name}, and here is no embedding; the texts are embedded again"
    ]
    done = export_agent("ann", io.StringIO(), vectors=True, store=plain, checkpointer=saver)
    assert done.left_out == ["vectors: this store does not give them"]


def test_a_shared_block_is_taken_along_as_the_agents_own(full: Any, home: Callable[[str], Any]) -> None:
    """The text is in the file, the sharing is not, and the export says so."""
    memory = CoreMemory(full.store, "ann")
    text = memory["human"]
    memory.share("human", "team")
    file, done = full.export("ann")
    assert [line.split(":")[0] for line in done.left_out] == ["shared block 'human'"]
    second = home("second")
    assert second.take(file)[0].not_carried == []
    assert CoreMemory(second.store, "ann")["human"] == text


def test_an_export_can_be_streamed_and_is_what_its_schema_says(full: Any) -> None:
    """To any text stream; the schema is pydantic's, and the document is read by it."""
    stream = io.StringIO()
    export_agent("ann", stream, **full.where)
    document = AgentDocument.model_validate_json(stream.getvalue())
    assert (document.format, document.version, document.agent_id) == ("memgpt-agent", 1, "ann")
    assert schema()["properties"]["memory"]["additionalProperties"]["items"] == {"$ref": "#/$defs/StoredItem"}
    assert max(map(len, stream.getvalue().splitlines())) < 40_000  # an item to a line


def test_a_file_that_cannot_be_finished_is_not_there(full: Any, tmp_path: Path) -> None:
    """Nor is what stood there before touched."""
    target = tmp_path / "agent.json"
    target.write_text("before")
    full.store.put(("ann", "core"), "human", {"not": "a block"}, index=False)
    full.checkpointer.close()
    with pytest.raises(Exception, match="checkpoints"):
        export_agent("ann", target, **full.where)
    assert target.read_text() == "before"
    assert [p.name for p in tmp_path.iterdir() if p.is_file()] == ["agent.json"]


def test_plain_langgraph_stores_work_as_well(full: Any, tmp_path: Path) -> None:
    """From and to LangGraph's own stores in memory; what is indexed is inferred there."""
    file, done = full.export("ann")
    store, saver = InMemoryStore(), InMemorySaver()
    where: dict[str, Any] = {"store": store, "checkpointer": saver, "settings": Settings(home=tmp_path)}
    [imported] = import_agents(file, **where)
    assert imported.items == done.items
    assert any("Story 0" in m.text for m in RecallMemory(store, "ann").search("Story 0"))
    out = io.StringIO()
    export_agent("ann", out, **where)
    again, before = json.loads(out.getvalue()), json.loads(file.read_text())
    for part in ("definition", "threads"):
        assert again[part] == before[part]
    assert {t: [i["value"] for i in items] for t, items in again["memory"].items()} == {
        t: [i["value"] for i in items] for t, items in before["memory"].items()
    }
