"""What a server tells other programs of its graphs: schemas, MCP tools and agent cards, read from the real server."""

import json
import urllib.request
from typing import Any

import pytest

pytestmark = pytest.mark.server


def fetched(url: str, body: Any = None) -> Any:
    """Return what the server answers: to a GET, or to a JSON-RPC request where there is a body."""
    headers = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
    request = urllib.request.Request(url, data=json.dumps(body).encode() if body else None, headers=headers)
    with urllib.request.urlopen(request, timeout=20) as response:
        return json.loads(response.read())


@pytest.mark.parametrize("graph", ["memgpt", "sleeptime"])
def test_a_served_graph_has_all_its_schemas(client: Any, graph: str) -> None:
    """Input, output, state and context, on every Python: a client can make a form of each."""
    (assistant,) = client.assistants.search(graph_id=graph, metadata={"created_by": "system"})
    schemas = client.assistants.get_schemas(assistant["assistant_id"])
    assert set(schemas["input_schema"]["properties"]) == {"messages", "event"}
    assert {"messages", "context_usage"} <= set(schemas["output_schema"]["properties"])
    assert {"messages", "summary", "turn"} <= set(schemas["state_schema"]["properties"])
    assert "agent_id" in schemas["context_schema"]["properties"]


def test_each_field_has_a_title_a_description_and_one_editor(client: Any) -> None:
    """What Studio makes its forms of; what a form sends for fields that were left empty is no mistake."""
    (assistant,) = client.assistants.search(graph_id="memgpt", metadata={"created_by": "system"})
    schemas = client.assistants.get_schemas(assistant["assistant_id"])
    fields = schemas["context_schema"]["properties"]
    assert all(field["title"] and field["description"] for field in fields.values())
    assert {name for name, field in fields.items() if "type" not in field} == {"context_window_tokens"}  # a number or "max"
    assert fields["memory_scope"]["enum"] == ["user", "assistant", "thread", "server"]
    assert (fields["persona"]["langgraph_type"], fields["model"]["langgraph_nodes"]) == ("prompt", ["call_llm"])
    given = schemas["input_schema"]
    told = [*given["properties"].values(), *given["$defs"]["Event"]["properties"].values()]
    assert all(field["description"] for field in told)
    empty = {name: "" if field.get("type") == "string" else None for name, field in fields.items()}
    thread = client.threads.create()["thread_id"]
    said = {"messages": [{"role": "user", "content": "say hello"}], "event": None}
    assert client.runs.wait(thread, "memgpt", input=said, context=empty)["messages"][-1]["content"] == "re hello"


def test_each_graph_is_a_tool_over_mcp(server: Any) -> None:
    """The tool takes the graph's input; called, it answers with the reply in its text."""
    listed = fetched(f"{server.url}/mcp", {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}})
    tools = {tool["name"]: tool for tool in listed["result"]["tools"]}
    assert {"memgpt", "sleeptime", "careful"} <= tools.keys()
    assert "messages" in tools["memgpt"]["inputSchema"]["properties"]
    arguments = {"messages": [{"role": "user", "content": "say hello"}]}
    call = {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "memgpt", "arguments": arguments}}
    called = fetched(f"{server.url}/mcp", call)["result"]
    assert not called.get("isError")
    assert "re hello" in called["content"][0]["text"]


def test_each_graph_has_an_agent_card(server: Any, client: Any) -> None:
    """A2A: the card names the assistant, and a message that is sent to it gets the reply as an artifact."""
    (assistant,) = client.assistants.search(graph_id="memgpt", metadata={"created_by": "system"})
    card = fetched(f"{server.url}/.well-known/agent-card.json?assistant_id={assistant['assistant_id']}")
    assert card["name"] == "memgpt"
    part = {"role": "user", "parts": [{"kind": "text", "text": "say ahoy"}], "messageId": "m1"}
    body = {"jsonrpc": "2.0", "id": "1", "method": "message/send", "params": {"message": part}}
    answered = fetched(f"{server.url}/a2a/{assistant['assistant_id']}", body)
    assert "re ahoy" in json.dumps(answered["result"]["artifacts"])
