"""Agents of a running Letta server brought over by its own interface: from a stand-in of that server, and from a server of ours."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from letta_client import Letta
from typer.testing import CliRunner

from memgpt_agent.cli.app import app
from memgpt_agent.cli.terminal import Terminal
from memgpt_agent.config import Settings
from memgpt_agent.memory.opening import open_configured_store
from memgpt_agent.memory.recall import RecallMemory
from tests.server.conftest import Running

FIRST, SECOND = "agent-11111111-aaaa", "agent-22222222-bbbb"
SHARED = {"id": "block-shared", "label": "team", "value": "We build boats.", "limit": 5000, "description": "The team.", "read_only": False}
HUMAN = {"id": "block-own", "label": "human", "value": "Her name is Ida.", "limit": 2000}
SEAL = 'def seal(text: str) -> str:\n    """Seal."""\n    return "sealed " + text\n'
TOOLS = [
    {"id": "tool-a", "name": "archival_memory_search", "tool_type": "letta_core"},
    {"id": "tool-b", "name": "seal", "tool_type": "custom", "source_code": SEAL, "source_type": "python", "json_schema": {"name": "seal"}},
]
RETURN = {"message_type": "tool_return_message", "tool_return": "None", "status": "success"}
FOLDER = {"id": "source-1", "name": "papers", "description": "What she read.", "embedding_config": {}}


def stamp(minute: int) -> str:
    """Return a time of the conversation."""
    return f"2025-03-04T10:{minute:02}:00+00:00"


def messages() -> list[dict[str, Any]]:
    """Return a conversation of 150 exchanges as the interface lists it: more than a page, with thoughts, calls and a reply by a tool."""
    found: list[dict[str, Any]] = [{"id": "message-sys", "message_type": "system_message", "content": "You are.", "date": stamp(0)}]
    for n in range(150):
        step, call = f"message-{n}-a", {"name": "send_message", "arguments": json.dumps({"message": f"reply {n}"}), "tool_call_id": f"c{n}"}
        date = f"2025-03-04T{10 + n // 60}:{n % 60:02}:30+00:00"
        found += [
            {"id": f"message-{n}-u", "message_type": "user_message", "content": f"question {n}", "date": date},
            {"id": step, "message_type": "reasoning_message", "reasoning": f"thought {n}", "date": date},
            {"id": step, "message_type": "tool_call_message", "tool_call": call, "date": date},
            {**RETURN, "id": f"message-{n}-r", "tool_call_id": f"c{n}", "date": date},
        ]  # fmt: skip
    return found


def agents() -> list[dict[str, Any]]:
    """Return two agents that share a block."""
    usual = {"agent_type": "memgpt_agent", "llm_config": {"model": "gpt-4.1", "context_window": 32000}, "system": "You are.", "sources": []}
    first = {
        **usual, "id": FIRST, "name": "Ida's agent", "tags": ["boats"], "model": "openai/gpt-4.1", "embedding": "openai/small",
        "memory": {"blocks": [HUMAN, SHARED]}, "blocks": [HUMAN, SHARED], "tools": TOOLS, "sources": [FOLDER], "metadata": {"n": 1},
        "message_ids": ["message-sys", "message-149-u", "message-149-a", "message-149-r"], "timezone": "Europe/Oslo",
    }  # fmt: skip
    second = {**usual, "id": SECOND, "name": "Other", "tags": [], "memory": {"blocks": [SHARED]}, "tools": [], "agent_type": "voice_convo_agent"}
    return [first, second]


class StandIn:
    """A server that lists what Letta's lists, a page at a time; it counts what is asked for and may fail."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.broken: str | None = None
        passages = [{"id": f"passage-{n}", "text": f"boat number {n}", "tags": ["boat"], "created_at": stamp(n)} for n in range(12)]
        file = {"id": "file-1", "file_name": "keel.txt", "file_type": "text/plain", "content": "A keel is the spine of a boat."}
        self.lists: dict[str, list[dict[str, Any]]] = {
            "/v1/agents": agents(), f"/v1/agents/{FIRST}/messages": messages(), f"/v1/agents/{SECOND}/messages": [],
            f"/v1/agents/{FIRST}/archival-memory": passages, f"/v1/agents/{SECOND}/archival-memory": [], "/v1/folders": [FOLDER],
            "/v1/folders/source-1/files": [file, {"id": "file-2", "file_name": "lost.pdf", "content": None}],
        }  # fmt: skip

    def answer(self, path: str, query: dict[str, list[str]]) -> tuple[int, Any]:
        """Return the status and the body of an answer."""
        self.asked.append(path)
        items = self.lists.get(path.rstrip("/"))
        if items is None or (self.broken and self.broken in path):
            return (404 if items is None else 500), {"detail": "no"}
        after = query.get("after", [None])[0]
        places = [n for n, one in enumerate(items) if one["id"] == after]
        begin = places[-1] + 1 if places else 0
        return 200, items[begin : begin + int(query.get("limit", ["50"])[0])]


@pytest.fixture
def stand_in() -> Iterator[tuple[StandIn, str]]:
    """The stand-in, and its address."""
    made = StandIn()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            status, body = made.answer(parts.path, parse_qs(parts.query))
            raw = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=lambda: server.serve_forever(poll_interval=0.02), daemon=True).start()
        yield made, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def run(home: Any, *words: str) -> Any:
    """Run the command on a data folder."""
    return CliRunner().invoke(app, ["--home", str(home), "import-letta", *words], obj=Terminal())


def test_everything_comes_over_once_and_can_be_talked_to(stand_in: tuple[StandIn, str], serve: Callable[..., Running], tmp_path: Any) -> None:
    """A dry run writes nothing; what failed comes with the next try; a third changes nothing; Letta's client finds all of it here."""
    server, url = stand_in
    looked = run(tmp_path, url, "--dry-run")
    assert (looked.exit_code, "2 agents, 0 of them here already; 1 folders." in looked.output) == (0, True)
    with open_configured_store(Settings(home=tmp_path)) as store:
        assert store.list_namespaces(prefix=("agents",)) == []
    server.broken = f"{FIRST}/archival"
    broken = run(tmp_path, url, "--yes")
    assert (broken.exit_code, f"{FIRST} was not brought over" in broken.output) == (1, True)
    server.broken = None
    again = run(tmp_path, url, "--yes")
    assert (again.exit_code, "Brought over 1 agents and 0 folders; 1 agents were here already." in again.output) == (0, True)
    assert "does not give the text of 'lost.pdf'" in again.output
    with open_configured_store(Settings(home=tmp_path)) as store:
        records = RecallMemory(store, FIRST).of_thread(FIRST, limit=1_000)
    assert [(one.role, one.text) for one in records[:2]] == [("user", "question 0"), ("assistant", "reply 0")]
    assert (len(records), records[1].thinking, records[0].time[:16]) == (300, "thought 0", "2025-03-04T10:00")
    third = run(tmp_path, url, "--yes")
    assert (third.exit_code, "Brought over 0 agents and 0 folders; 2 agents were here already." in third.output) == (0, True)
    with Letta(base_url=serve(home=tmp_path).url, api_key="any", _strict_response_validation=True) as client:
        first: Any = client.agents.retrieve(FIRST)
        assert (first.name, first.tags, first.model, first.metadata) == ("Ida's agent", ["boats"], "openai/gpt-4.1", {"n": 1})
        assert {"archival_memory_search", "seal"} <= {tool.name for tool in first.tools}
        assert [one.text for one in client.agents.passages.list(FIRST, ascending=True, limit=2)] == ["boat number 0", "boat number 1"]
        client.blocks.update("block-shared", value="We sell boats.")
        assert {client.agents.blocks.retrieve("team", agent_id=one).value for one in (FIRST, SECOND)} == {"We sell boats."}
        assert [one.name for one in client.agents.folders.list(FIRST)] == ["papers"]
        said: Any = client.agents.messages.create(FIRST, input="hello again").messages[-1]
        assert said.content == "Heard: hello again"


def test_what_is_odd_in_one_agent_does_not_hold_up_the_others(stand_in: tuple[StandIn, str], tmp_path: Any) -> None:
    """A call without an id fails its agent only; a tool that is no Python is named; half a character comes over as a mark, a PDF as its text."""
    server, url = stand_in
    server.lists["/v1/agents"][0]["tools"] = [{"id": "tool-c", "name": "bent", "source_code": "def bent(:", "tool_type": "custom"}]
    server.lists[f"/v1/agents/{FIRST}/messages"] = [{"id": "m1", "message_type": "user_message", "content": "half \ud83d", "date": stamp(1)}]
    server.lists[f"/v1/agents/{SECOND}/messages"] = [{"id": "m2", "message_type": "tool_call_message", "tool_call": {"name": "q"}, "date": None}]
    server.lists["/v1/agents"].append({**agents()[1], "id": "agent-33333333-cccc", "blocks": [], "memory": None})
    server.lists["/v1/agents/agent-33333333-cccc/messages"] = server.lists["/v1/agents/agent-33333333-cccc/archival-memory"] = []
    server.lists["/v1/folders/source-1/files"] = [{"id": "file-9", "file_name": "Log.PDF", "content": "The text of a log."}]
    done = run(tmp_path, url, "--yes")
    assert (done.exit_code, "Brought over 2 agents and 1 folders" in done.output) == (1, True), done.output
    assert f"{SECOND} was not brought over: the server shows it in another form" in done.output
    assert "tool 'bent' is not carried over: The tool's source code is no Python" in done.output
    assert "Log.PDF" not in done.output
    with open_configured_store(Settings(home=tmp_path)) as store:
        assert [one.text for one in RecallMemory(store, FIRST).of_thread(FIRST)] == ["half \ufffd"]


def test_a_server_of_ours_is_read_like_theirs(server: Running, tmp_path: Any) -> None:
    """An agent made and talked to by Letta's client comes to another data folder with what was said."""
    with Letta(base_url=server.url, api_key="any") as client:
        made = client.agents.create(name="mover", model="openai/gpt-4.1", memory_blocks=[{"label": "human", "value": "Her name is Una."}])
        client.agents.messages.create(made.id, input="I sail on Sundays")
        client.agents.passages.create(made.id, text="Una's boat is called Tern.", tags=["boat"])
    done = run(tmp_path, server.url, "--yes")
    assert done.exit_code == 0, done.output
    with open_configured_store(Settings(home=tmp_path)) as store:
        records = RecallMemory(store, made.id).of_thread(made.id)
    assert [(one.role, one.text) for one in records] == [("user", "I sail on Sundays"), ("assistant", "Heard: I sail on Sundays")]
    missing = run(tmp_path, "http://127.0.0.1:9")
    assert (missing.exit_code, "cannot be read" in missing.output) == (1, True)


def test_an_owner_cannot_bring_agents_here(stand_in: tuple[StandIn, str], tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that gives another owner's agent's id would otherwise change that agent; nothing is asked of it."""
    server, url = stand_in
    monkeypatch.setenv("MEMGPT_OWNER", "ann")
    refused = run(tmp_path, url, "--yes")
    assert (refused.exit_code, "only the admin brings a server's agents here" in refused.output) == (1, True), refused.output
    assert server.asked == []
