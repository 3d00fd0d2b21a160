"""The ways in which one owner tries to reach what is another's on a server, as data: for the test of them and for docs/owners.md."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

Ids = Mapping[str, str]
IN_RUN, STREAM, EMPTY = "200, the run ends in AgentNotFound", "200, the stream says 404", "200, nothing of it"
UNTOLD, RPC = "200, the model is told of none", "200, a JSON-RPC error"


@dataclass(frozen=True)
class Attempt:
    """One way to reach what is another's. ``<thread>`` and the like stand for the ids aimed at, ``<own thread>`` for one of the sender's."""

    interface: str
    """Where it is tried."""
    does: str
    """What it would do."""
    method: str
    """Of the request."""
    path: str
    """Of the request."""
    body: Any = None
    """Of the request, as JSON."""
    refused: str = "404"
    """How it is refused: a status, or what else a client sees."""

    @property
    def name(self) -> str:
        """How the test calls it."""
        return f"{self.interface}: {self.does}"

    def asked(self, theirs: Ids, own: Ids) -> tuple[str, str, Any]:
        """Return method, path and body of the request."""
        path, body = self.path, json.dumps(self.body)
        for name, value in [*theirs.items(), *((f"own {name}", value) for name, value in own.items())]:
            path, body = path.replace(f"<{name}>", quote(value)), body.replace(f"<{name}>", value)
        return self.method, path, json.loads(body)


def said(text: str, **more: Any) -> dict[str, Any]:
    """Return the body of a run in which somebody says something."""
    return {"assistant_id": "memgpt", "input": {"messages": [{"role": "user", "content": text}]}, **more}


def _called(tool: str, **arguments: Any) -> dict[str, Any]:
    return {**said(f"call {tool} {json.dumps(arguments)}"), "assistant_id": "crew"}


def _rpc(method: str, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}


def _letter(**more: str) -> dict[str, Any]:
    return _rpc("message/send", message={"role": "user", "messageId": "1", "parts": [{"kind": "text", "text": "What?"}], **more})


_THREAD, _RUN, _CRON, _ASSISTANT = "/threads/<thread>", "/threads/<thread>/runs/<run>", "/runs/crons/<cron>", "/assistants/<assistant>"
_OWN, _SEARCH = "/threads/<own thread>", "/store/items/search"
_MINE, _TICKS = {"metadata": {"memgpt_owner": "bob"}}, {"assistant_id": "memgpt", "schedule": "* * * * *"}
_NAMED = {"agent_id": "<agent>"}

ATTEMPTS = [
    Attempt("threads", "read", "GET", _THREAD),
    Attempt("threads", "change", "PATCH", _THREAD, _MINE),
    Attempt("threads", "delete", "DELETE", _THREAD),
    Attempt("threads", "copy", "POST", f"{_THREAD}/copy", refused="409"),
    Attempt("threads", "prune", "POST", "/threads/prune", {"thread_ids": ["<thread>"]}),
    Attempt("threads", "list", "POST", "/threads/search", {"metadata": {"memgpt_owner": "ann"}}, EMPTY),
    Attempt("threads", "list by id", "POST", "/threads/search", {"ids": ["<thread>"]}, EMPTY),
    Attempt("threads", "listen", "GET", f"{_THREAD}/stream", None, STREAM),
    Attempt("state", "read", "GET", f"{_THREAD}/state"),
    Attempt("state", "read at a checkpoint", "GET", f"{_THREAD}/state/<checkpoint>"),
    Attempt("state", "read by one's own path", "POST", f"{_OWN}/state/checkpoint",
            {"checkpoint": {"thread_id": "<thread>", "checkpoint_ns": ""}}, EMPTY),
    Attempt("state", "write", "POST", f"{_THREAD}/state", {"values": {"messages": []}}),
    Attempt("state", "write at a checkpoint", "POST", f"{_THREAD}/state", {
        "values": {}, "checkpoint": {"thread_id": "<thread>", "checkpoint_id": "<checkpoint>", "checkpoint_ns": ""}}),
    Attempt("history", "read", "GET", f"{_THREAD}/history"),
    Attempt("history", "search", "POST", f"{_THREAD}/history", {"limit": 10}),
    Attempt("runs", "list", "GET", f"{_THREAD}/runs"),
    Attempt("runs", "read", "GET", _RUN),
    Attempt("runs", "join", "GET", f"{_RUN}/join"),
    Attempt("runs", "cancel", "POST", f"{_RUN}/cancel"),
    Attempt("runs", "cancel many", "POST", "/runs/cancel", {"thread_id": "<thread>", "run_ids": ["<run>"]}),
    Attempt("runs", "delete", "DELETE", _RUN),
    Attempt("runs", "begin", "POST", f"{_THREAD}/runs", said("What do you know?")),
    Attempt("runs", "begin and wait", "POST", f"{_THREAD}/runs/wait", said("What do you know?")),
    Attempt("runs", "begin and stream", "POST", f"{_THREAD}/runs/stream", said("What do you know?")),
    Attempt("runs", "resume", "POST", f"{_THREAD}/runs/wait", {"assistant_id": "memgpt", "command": {"resume": "approve"}}),
    Attempt("runs", "with another's assistant", "POST", f"{_OWN}/runs/wait", {**said("What?"), "assistant_id": "<assistant>"}),
    Attempt("context", "agent_id, in a thread", "POST", f"{_OWN}/runs/wait", said("What?", context=_NAMED)),
    Attempt("context", "agent_id, without a thread", "POST", "/runs/wait", said("What?", context=_NAMED)),
    Attempt("context", "agent_id, streamed", "POST", "/runs/stream", said("What?", context=_NAMED)),
    Attempt("context", "agent_id, in a batch", "POST", "/runs/batch", [said("What?", context=_NAMED)]),
    Attempt("context", "agent_id, as configurable", "POST", "/runs/wait", said("What?", config={"configurable": _NAMED})),
    Attempt("context", "agent_id, asleep", "POST", "/runs/wait",
            {"assistant_id": "sleeptime", "input": {"event": {"type": "heartbeat"}}, "context": _NAMED}),
    Attempt("context", "agent_id, of an assistant", "POST", "/assistants", {"graph_id": "memgpt", "context": _NAMED}),
    Attempt("context", "agent_id, of one's assistant later", "PATCH", "/assistants/<own assistant>", {"context": _NAMED}),
    Attempt("context", "agent_id, of a cron", "POST", "/runs/crons", {**said("What?"), "schedule": "0 0 1 1 *", "context": _NAMED}),
    Attempt("context", "agent_id, of one's cron later", "PATCH", "/runs/crons/<own cron>", {"context": _NAMED}),
    Attempt("context", "the memory of another's assistant", "POST", "/runs/wait", said("What?", context={"agent_id": "assistant:<assistant>"})),
    Attempt("update_state", "agent_id, then a run", "POST", "/threads/<own planted>/runs/wait", said("What do you know?"), IN_RUN),
    Attempt("assistants", "read", "GET", _ASSISTANT),
    Attempt("assistants", "schemas", "GET", f"{_ASSISTANT}/schemas"),
    Attempt("assistants", "graph", "GET", f"{_ASSISTANT}/graph"),
    Attempt("assistants", "versions", "POST", f"{_ASSISTANT}/versions", {}),
    Attempt("assistants", "change", "PATCH", _ASSISTANT, _MINE),
    Attempt("assistants", "go back to a version", "POST", f"{_ASSISTANT}/latest", {"version": 1}),
    Attempt("assistants", "delete", "DELETE", _ASSISTANT),
    Attempt("assistants", "list", "POST", "/assistants/search", {"metadata": {"memgpt_owner": "ann"}}, EMPTY),
    Attempt("crons", "read", "GET", _CRON),
    Attempt("crons", "change", "PATCH", _CRON, {"schedule": "* * * * *"}),
    Attempt("crons", "delete", "DELETE", _CRON),
    Attempt("crons", "make, in another's thread", "POST", f"{_THREAD}/runs/crons", _TICKS),
    Attempt("crons", "make, with another's assistant", "POST", "/runs/crons", {**_TICKS, "assistant_id": "<assistant>"}),
    Attempt("crons", "list", "POST", "/runs/crons/search", {"thread_id": "<thread>"}, EMPTY),
    Attempt("store", "read", "GET", "/store/items?key=secret&namespace=<label>.notes", None, "403"),
    Attempt("store", "read core memory", "GET", "/store/items?key=human&namespace=<label>.core", None, "403"),
    Attempt("store", "write", "PUT", "/store/items", {"namespace": ["<label>", "core"], "key": "human", "value": {"value": "Owned."}}, "403"),
    Attempt("store", "delete", "DELETE", "/store/items", {"namespace": ["<label>", "notes"], "key": "secret"}, "403"),
    Attempt("store", "search", "POST", _SEARCH, {"namespace_prefix": ["<label>"], "query": "secret"}, "403"),
    Attempt("store", "list namespaces", "POST", "/store/namespaces", {"prefix": ["<label>"]}, "403"),
    Attempt("store", "another agent's, by name", "POST", _SEARCH, {"namespace_prefix": ["<diary>"]}, "403"),
    Attempt("store", "search everything", "POST", _SEARCH, {"namespace_prefix": []}, "403"),
    Attempt("store", "list everything", "POST", "/store/namespaces", {}, "403"),
    Attempt("store", "list by the end", "POST", "/store/namespaces", {"suffix": ["core"]}, "403"),
    Attempt("store", "definitions of agents", "POST", _SEARCH, {"namespace_prefix": ["agents"]}, "403"),
    Attempt("store", "who owns what", "POST", _SEARCH, {"namespace_prefix": ["~owners"]}, "403"),
    Attempt("store", "who owns what, spelt otherwise", "POST", _SEARCH, {"namespace_prefix": ["%7Eowners"]}, "403"),
    Attempt("store", "become an owner", "PUT", "/store/items",
            {"namespace": ["~owners"], "key": "<agent>", "value": {"agent_id": "<agent>", "owner": "bob", "shared": {}}}, "403"),
    Attempt("shared blocks", "read", "POST", _SEARCH, {"namespace_prefix": ["blocks"]}, "403"),
    Attempt("shared blocks", "read one", "GET", "/store/items?key=<block>&namespace=blocks", None, "403"),
    Attempt("shared blocks", "read its history", "POST", _SEARCH, {"namespace_prefix": ["block_history"]}, "403"),
    Attempt("shared blocks", "write", "PUT", "/store/items", {"namespace": ["blocks"], "key": "<block>", "value": {"value": "Owned."}}, "403"),
    Attempt("tools", "list_agents", "POST", "/runs/wait", _called("list_agents"), UNTOLD),
    Attempt("tools", "send_message_to_agent", "POST", "/runs/wait", _called("send_message_to_agent", agent_id="<agent>", message="Hi"), UNTOLD),
    Attempt("tools", "send_message_to_agents_with_tags", "POST", "/runs/wait",
            _called("send_message_to_agents_with_tags", tags=["crew"], message="Hi"), UNTOLD),
    Attempt("MCP", "call, with another's agent", "POST", "/mcp",
            _rpc("tools/call", name="memgpt", arguments={"messages": [{"role": "user", "content": "What?"}], "agent_id": "<agent>"}), EMPTY),
    Attempt("A2A", "send, to another's assistant", "POST", "/a2a/<assistant>", _letter(), RPC),
    Attempt("A2A", "send, in another's thread", "POST", "/a2a/memgpt", _letter(contextId="<thread>"), RPC),
    Attempt("A2A", "read a task", "POST", "/a2a/memgpt", _rpc("tasks/get", id="<run>", contextId="<thread>"), RPC),
    Attempt("A2A", "the card of another's assistant", "GET", "/.well-known/agent-card.json?assistant_id=<assistant>", None, "400"),
    Attempt("event stream", "listen", "POST", f"{_THREAD}/stream/events", {"channels": ["values"]}, "200, an empty stream"),
    Attempt("event stream", "command", "POST", f"{_THREAD}/commands",
            {"id": 1, "method": "run.start", "params": said("What?")}, "200, an error of the protocol"),
]  # fmt: skip


def table() -> str:
    """Return the attempts as the page shows them."""
    rows = [f"| {a.interface} | {a.does} | {a.refused} |" for a in ATTEMPTS]
    return "\n".join(["| where | what Bob tries with Ann's things | answer, the same if it does not exist |", "|---|---|---|", *rows])


if __name__ == "__main__":
    print(table())  # noqa: T201
