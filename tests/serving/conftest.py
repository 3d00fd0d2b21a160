"""A real LangGraph development server, and a model server that speaks OpenAI's protocol, both on loopback."""

import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from langgraph_sdk import get_sync_client
from langgraph_sdk.client import SyncLangGraphClient

ROOT = Path(__file__).resolve().parents[2]
SLOW_SECONDS = 2.0
"""The model takes so long to answer a message that says ``slowly``."""


class Held:
    """Lets a test stop the model in the middle of its answer to a message that says ``held``, and let it go on."""

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self.told = False
        """Whether the test let the model go on; else the model waited in vain."""

    def wait(self) -> None:
        """Wait, in the middle of the answer, until the test has seen enough."""
        self.told = self.go_on.wait(30)


HELD: list[Held] = []
"""Of the test that is running, if it holds the model."""


def answer(request: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Decide as a small rule-following model would: note a name, then greet; else say what core memory holds."""
    system, last = request["messages"][0]["content"], request["messages"][-1]
    if "memory_finish_edits" in str(request["tools"]):
        return asleep(last)
    if last["role"] == "tool":
        return "send_message", {"thinking": "noted", "message": "Nice to meet you!", "request_heartbeat": False}
    event = json.loads(last["content"].splitlines()[-1])  # messages in a row reach a compatible server as one, an event a line
    said = event["message"] if event["type"] == "user_message" else ""
    if wanted := re.search(r"call (\w+) (\{.*\})", said):
        return wanted[1], {"thinking": "", **json.loads(wanted[2]), "request_heartbeat": True}
    if name := re.search(r"I'm (\w+)", said):
        goes_on = "quietly" not in said  # quietly: it notes the name and forgets to answer
        line = {"thinking": "a name", "label": "human", "content": f"Name: {name[1]}", "request_heartbeat": goes_on}
        return "core_memory_append", line
    if "say nonsense" in said:  # with an argument that there is not, so that it is rejected
        return "send_message", {"thinking": "", "message": "A draft of nonsense", "tone": "odd", "request_heartbeat": False}
    if word := re.search(r"say (\w+)", said):
        return "send_message", {"thinking": "", "message": f"re {word[1]}", "request_heartbeat": False}
    if note := re.search(r"file (.+)", said):
        return "archival_memory_insert", {"thinking": "", "content": note[1], "request_heartbeat": True}
    known = dict(re.findall(r'<block label="(\w+)".*?<value>\n?(.*?)\n?</value>', system, re.DOTALL))
    for message in request["messages"][1:]:  # what has changed since the system message was sent stands behind it
        known |= dict(re.findall(r"This replaces the block '(\w+)' above \(.*?\):\\n(.*?)\"", str(message["content"])))
    blocks = " / ".join(filter(None, known.values()))
    return "send_message", {"thinking": "", "message": f"I know: {blocks}", "request_heartbeat": False}


def asleep(last: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Decide as the agent asleep: write down what the user likes, then finish."""
    likes = re.search(r"likes (\w+)", last["content"]) if last["role"] != "tool" else None
    if likes is None:
        return "memory_finish_edits", {"thinking": ""}
    note = f"Likes {likes[1]}."
    return "memory_rethink", {"thinking": "", "label": "human", "new_memory": note, "request_heartbeat": True}


def is_slow(messages: list[dict[str, Any]]) -> bool:
    """Whether to think long: of a message that says ``slowly``, or of a tool's result where it said ``slowly then``."""
    if messages[-1]["role"] == "tool":
        return any("slowly then" in str(m["content"]) for m in messages if m["role"] == "user")
    return "slowly" in str(messages[-1]["content"]) and "slowly then" not in str(messages[-1]["content"])


class _Model(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if is_slow(request["messages"]):
            time.sleep(SLOW_SECONDS)
        name, arguments = answer(request)
        text = json.dumps(arguments)
        function = {"name": name, "arguments": ""}
        pieces = [
            {"role": "assistant", "tool_calls": [{"index": 0, "id": "c1", "type": "function", "function": function}]}
        ]
        pieces += [
            {"tool_calls": [{"index": 0, "function": {"arguments": text[i : i + 6]}}]} for i in range(0, len(text), 6)
        ]
        lines: list[bytes] = []
        for piece in [*pieces, {}]:
            choice = {"index": 0, "delta": piece, "finish_reason": None if piece else "tool_calls"}
            chunk = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "rules", "choices": [choice]}
            lines.append(b"data: " + json.dumps(chunk).encode() + b"\n\n")
        lines.append(b"data: [DONE]\n\n")
        half = len(lines) // 2
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Content-Length", str(sum(map(len, lines))))
        self.end_headers()
        with suppress(BrokenPipeError):  # a run that was cancelled has hung up
            self.wfile.write(b"".join(lines[:half]))
            if HELD and "held" in str(request["messages"][-1]["content"]):
                HELD[-1].wait()
            self.wfile.write(b"".join(lines[half:]))


@pytest.fixture(scope="session")
def model_url() -> Iterator[str]:
    """The base URL of a model server that follows the rules above."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Model)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def held() -> Iterator[Held]:
    """Holds the model in the middle of its answer to a message that says ``held``."""
    HELD.append(Held())
    yield HELD[-1]
    HELD.pop().go_on.set()


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


@dataclass(frozen=True)
class Server:
    """A server that runs."""

    url: str
    """Its address."""
    log: Path
    """What it wrote."""
    process: subprocess.Popen[bytes]
    """The process itself, for a test that kills it."""


CAREFUL = """
from memgpt_agent import create_graph
from memgpt_agent.tools.rules import RequiresApprovalRule

graph = create_graph(name="careful", rules=[RequiresApprovalRule("archival_memory_insert")])
"""
"""A graph of a user's own, as docs/serving.md shows it."""


@contextmanager
def running(
    folder: Path, model_url: str, auth: str = "", config: str = "langgraph.json", graphs: Any = (), **environment: str
) -> Generator[Server]:
    """Run ``langgraph dev`` in a folder, with the repository's graphs and a careful one, until the end of the block.

    ``auth`` is the source of a module whose ``auth`` authenticates users, ``config`` the repository's file that is served, ``graphs``
    the sources of modules with more graphs, by their names, and the rest variables of its environment.
    """
    named = json.loads((ROOT / config).read_text())
    named["graphs"]["careful"] = "./careful.py:graph"
    for name, source in dict(graphs).items():
        (folder / f"{name}.py").write_text(source)
        named["graphs"][name] = f"./{name}.py:graph"
    if auth:
        (folder / "auth.py").write_text(auth)
        named["auth"] = {"path": "./auth.py:auth"}
    (folder / "langgraph.json").write_text(json.dumps(named))
    (folder / "careful.py").write_text(CAREFUL)
    own = ("OPENAI_", "MEMGPT_", "LANGSMITH_", "LANGCHAIN_", "LANGGRAPH_")
    env = {k: v for k, v in os.environ.items() if not k.startswith(own)}
    env |= {
        "MEMGPT_HOME": str(folder / "home"), "MEMGPT_MODEL": "openai:rules", "OPENAI_BASE_URL": model_url,
        "LANGGRAPH_CLI_NO_ANALYTICS": "1", "LANGGRAPH_NO_VERSION_CHECK": "1", "LANGSMITH_TRACING": "false",
        "CRON_SCHEDULER_SLEEP_TIME": "1", "MEMGPT_DELETED_THREADS": "forget", **environment,
    }  # fmt: skip
    port, log = free_port(), folder / "server.log"
    program = str(Path(sys.executable).with_name("langgraph"))
    command = [program, "dev", "--no-browser", "--no-reload", "--port", str(port), "--n-jobs-per-worker", "4"]
    with log.open("ab") as out:
        process = subprocess.Popen(command, cwd=folder, env=env, stdout=out, stderr=out)
        try:
            _wait_until_ready(f"http://127.0.0.1:{port}", process, log)
            yield Server(f"http://127.0.0.1:{port}", log, process)
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


StartServer = Callable[..., AbstractContextManager[Server]]


@pytest.fixture
def start_server(tmp_path: Path, model_url: str) -> StartServer:
    """Starts servers of the test's own, all in one folder: what one has stored the next one finds."""
    return lambda **given: running(tmp_path, model_url, **given)


@pytest.fixture(scope="session")
def serve() -> StartServer:
    """Runs a server in a folder, for a module whose tests share one."""
    return running


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, model_url: str) -> Iterator[Server]:
    """The one server of all tests that need none of their own; each test has agents and threads of its own on it."""
    with running(tmp_path_factory.mktemp("server"), model_url) as started:
        yield started
        assert "BlockingError" not in started.log.read_text()


@pytest.fixture
def client(server: Server) -> Iterator[SyncLangGraphClient]:
    """A client of the server."""
    with get_sync_client(url=server.url) as opened:
        yield opened


def _wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(300):
        if process.poll() is not None:
            break
        try:
            with urllib.request.urlopen(f"{url}/ok", timeout=2) as response:
                if response.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise AssertionError(f"The server did not start:\n{log.read_text()[-3000:]}")


class Talk:
    """One thread of one agent on a server, as a chat client has it."""

    def __init__(self, client: Any, agent_id: str, graph: str = "memgpt", thread_id: str | None = None) -> None:
        self.client, self.agent_id, self.graph = client, agent_id, graph
        self.thread = client.threads.create(thread_id=thread_id, if_exists="do_nothing")["thread_id"]

    def given(self, text: str = "", message_id: str | None = None, **more: Any) -> dict[str, Any]:
        """What a run is given."""
        message = {"role": "user", "content": text, **({"id": message_id} if message_id else {})}
        return {"input": {"messages": [message]} if text else None, "context": {"agent_id": self.agent_id}, **more}

    def say(self, text: str, **more: Any) -> Any:
        """Say something and wait for the turn's end; return the values."""
        return self.client.runs.wait(self.thread, self.graph, **self.given(text, **more))

    def event(self, **event: Any) -> Any:
        """Send an event and wait for the turn's end; return the values."""
        return self.client.runs.wait(self.thread, self.graph, **self.given() | {"input": {"event": event}})

    def decide(self, decision: Any) -> Any:
        """Resume a turn that waits for a person; return the values."""
        return self.client.runs.wait(self.thread, self.graph, **self.given() | {"command": {"resume": decision}})

    def stream(self, text: str, *modes: str) -> list[Any]:
        """Say something and return all that is streamed."""
        given = self.given(text, stream_mode=list(modes))
        return list(self.client.runs.stream(self.thread, self.graph, **given))

    def begin(self, text: str, strategy: str, message_id: str | None = None) -> str:
        """Start a run; return its id."""
        given = self.given(text, message_id, multitask_strategy=strategy)
        return self.client.runs.create(self.thread, self.graph, **given)["run_id"]

    def begin_slowly(self, text: str, message_id: str | None = None) -> str:
        """Start a run and wait until the agent has its message and the model is thinking."""
        run = self.begin(f"{text} slowly", "enqueue", message_id)
        self.until(lambda: self.values().get("turn", {}).get("id") and self.state()["next"] == ["call_llm"])
        return run

    def until(self, so: Callable[[], Any]) -> None:
        """Wait until something is so; ten seconds at most."""
        for _ in range(200):
            if so():
                return
            time.sleep(0.05)
        raise AssertionError(f"it did not come about: {self.state()}")

    def join(self, run: str) -> None:
        """Wait for a run's end."""
        self.client.runs.join(self.thread, run)

    def state(self) -> Any:
        return self.client.threads.get_state(self.thread)

    def values(self) -> Any:
        return self.state()["values"] or {}

    def spoken(self) -> list[str]:
        """What both sides said, in order."""
        return [m["content"] for m in self.values()["messages"] if m["type"] in {"human", "ai"} and m["content"]]

    def open_calls(self) -> list[str]:
        """The ids of calls that have no result."""
        messages = self.values()["messages"]
        results = {m["tool_call_id"] for m in messages if m["type"] == "tool"}
        return [c["id"] for m in messages for c in m.get("tool_calls") or [] if c["id"] not in results]

    def stored(self, *tiers: str) -> list[Any]:
        """All that the store holds of the agent, or of some tiers."""
        found = self.client.store.search_items([self.agent_id], limit=1_000)["items"]
        kept = [i for i in found if not tiers or i["namespace"][1] in tiers]
        return sorted((tuple(i["namespace"]), i["key"], str(i["value"]), i["updated_at"]) for i in kept)

    def texts(self, tier: str) -> list[str]:
        """The texts of a tier, in their order of time."""
        found = self.client.store.search_items([self.agent_id, tier], limit=1_000)["items"]
        return [
            i["value"]["text"] for i in sorted(found, key=lambda i: (i["value"]["time"], i["value"].get("ordinal", 0)))
        ]


@pytest.fixture
def talk(client: SyncLangGraphClient) -> Callable[..., Talk]:
    """Begins a conversation on the server."""
    return lambda agent_id, graph="memgpt": Talk(client, agent_id, graph)


@pytest.fixture
def talk_on() -> type[Talk]:
    """Begins a conversation on a server of the test's own."""
    return Talk
