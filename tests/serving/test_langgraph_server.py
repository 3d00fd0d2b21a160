"""The graph behind LangGraph's own development server, driven with its SDK."""

from typing import Any

import pytest
from langgraph.pregel.remote import RemoteGraph
from langgraph_sdk import get_sync_client

pytestmark = pytest.mark.server


def said(text: str) -> dict[str, Any]:
    """What a chat client sends."""
    return {"messages": [{"role": "user", "content": text}]}


def test_the_server_streams_keeps_memory_over_a_restart_and_blocks_nowhere(start_server: Any) -> None:
    """Two assistants with their own persona; one agent's reply is streamed piece by piece; memory outlives the server."""
    with start_server() as (url, _), get_sync_client(url=url) as client:
        pirate = client.assistants.create("memgpt", context={"agent_id": "pirate", "persona": "I am a pirate."})
        poet = client.assistants.create("memgpt", context={"agent_id": "poet", "persona": "I am a poet."})
        thread = client.threads.create()
        parts = list(
            client.runs.stream(
                thread["thread_id"],
                pirate["assistant_id"],
                input=said("Hi, I'm Alice"),
                stream_mode=["custom", "values"],
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
    with start_server() as (url, log), get_sync_client(url=url) as client:
        remote = RemoteGraph("memgpt", sync_client=client)
        result = remote.invoke(said("What do you know?"), context={"agent_id": "pirate"})
        assert result["messages"][-1]["content"] == "I know: I am a pirate. / Name: Alice"
        assert "BlockingError" not in log.read_text()


def test_a_choice_out_of_range_is_refused_by_the_server(start_server: Any) -> None:
    """An impossible value ends the run with an error, not with an answer; unknown fields the server drops itself."""
    with start_server() as (url, _), get_sync_client(url=url) as client:
        assistant = client.assistants.search(graph_id="memgpt")[0]
        parts = list(client.runs.stream(None, assistant["assistant_id"], input=said("Hi"), context={"max_steps": 0}))
        assert [p.event for p in parts][-1] == "error"
