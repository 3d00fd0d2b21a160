"""The graph behind LangGraph's own development server, driven with its SDK."""

from typing import Any

import pytest
from langgraph.pregel.remote import RemoteGraph
from langgraph_sdk import get_sync_client

pytestmark = pytest.mark.server


def said(text: str) -> dict[str, Any]:
    """What a chat client sends."""
    return {"messages": [{"role": "user", "content": text}]}


def test_two_assistants_are_served_with_their_own_persona_and_schema(client: Any) -> None:
    """One agent's reply is streamed piece by piece, its memory is in the server's store; another one knows nothing of it."""
    pirate = client.assistants.create("memgpt", context={"agent_id": "pirate", "persona": "I am a pirate."})
    poet = client.assistants.create("memgpt", context={"agent_id": "poet", "persona": "I am a poet."})
    thread = client.threads.create()
    parts = list(
        client.runs.stream(
            thread["thread_id"], pirate["assistant_id"], input=said("Hi, I'm Alice"), stream_mode=["custom", "values"]
        )
    )
    assert [p for p in parts if p.event == "error"] == []
    assert "".join(p.data.get("delta", "") for p in parts if p.event == "custom") == "Nice to meet you!"
    assert parts[-1].data["messages"][-1]["content"] == "Nice to meet you!"
    other: Any = client.runs.wait(None, poet["assistant_id"], input=said("What do you know?"))
    assert other["messages"][-1]["content"] == "I know: I am a poet."
    item = client.store.get_item(["pirate", "core"], "human")
    assert item["value"]["value"] == "Name: Alice"
    nodes = {node["id"] for node in client.assistants.get_graph(pirate["assistant_id"])["nodes"]}
    assert nodes >= {"compile_context", "call_llm", "execute_tools", "summarize_overflow"}
    schemas: Any = client.assistants.get_schemas(pirate["assistant_id"])
    assert {"agent_id", "persona", "human", "model"} <= set(schemas["context_schema"]["properties"])


def test_memory_outlives_the_server_and_a_turn_that_a_kill_cut_off(start_server: Any, talk_on: Any) -> None:
    """Killed between a tool and the answer; the client sends its message again to the next server, and nothing is doubled."""
    with start_server() as server, get_sync_client(url=server.url) as client:
        talk = talk_on(client, "ann")
        talk.say("Hi, I'm Alice")
        talk.begin("slowly then file bees sleep at night", "enqueue", "m2")
        talk.until(lambda: talk.stored("archival"))
        server.process.kill()
        server.process.wait()
    with start_server() as server, get_sync_client(url=server.url) as client:
        talk = talk_on(client, "ann", thread_id=talk.thread)
        passage = talk.stored("archival")
        assert (
            talk.say("slowly then file bees sleep at night", message_id="m2")["messages"][-1]["content"]
            == "Nice to meet you!"
        )
        assert talk.stored("archival") == passage
        assert [text for text in talk.texts("recall") if not text.startswith(("Stored", "Block"))] == [
            "Hi, I'm Alice", "Nice to meet you!", "slowly then file bees sleep at night", "Nice to meet you!",
        ]  # fmt: skip
        result = RemoteGraph("memgpt", sync_client=client).invoke(
            said("What do you know?"), context={"agent_id": "ann"}
        )
        assert result["messages"][-1]["content"] == "I know: I am a helpful assistant with a long memory. / Name: Alice"
        assert "BlockingError" not in server.log.read_text()


def test_a_choice_out_of_range_is_refused_by_the_server(client: Any) -> None:
    """An impossible value ends the run with an error, not with an answer; unknown fields the server drops itself."""
    parts = list(client.runs.stream(None, "memgpt", input=said("Hi"), context={"max_steps": 0}))
    assert [p.event for p in parts][-1] == "error"
