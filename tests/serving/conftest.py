"""A real LangGraph development server, and a model server that speaks OpenAI's protocol, both on loopback."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
SLOW_SECONDS = 2.0
"""The model takes so long to answer a message that says ``slowly``."""


def answer(request: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Decide as a small rule-following model would: note a name, then greet; else say what core memory holds."""
    system, last = request["messages"][0]["content"], request["messages"][-1]
    if last["role"] == "tool":
        return "send_message", {"thinking": "noted", "message": "Nice to meet you!", "request_heartbeat": False}
    said = json.loads(last["content"])["message"]
    if name := re.search(r"I'm (\w+)", said):
        line = f"Name: {name[1]}"
        return "core_memory_append", {"thinking": "", "label": "human", "content": line, "request_heartbeat": True}
    if word := re.search(r"say (\w+)", said):
        return "send_message", {"thinking": "", "message": f"re {word[1]}", "request_heartbeat": False}
    if note := re.search(r"file (.+)", said):
        return "archival_memory_insert", {"thinking": "", "content": note[1], "request_heartbeat": True}
    blocks = " / ".join(re.findall(r"<value>\n(.*?)\n</value>", system, re.DOTALL))
    return "send_message", {"thinking": "", "message": f"I know: {blocks}", "request_heartbeat": False}


class _Model(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if "slowly" in str(request["messages"][-1]["content"]):
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
        body = b""
        for piece in [*pieces, {}]:
            choice = {"index": 0, "delta": piece, "finish_reason": None if piece else "tool_calls"}
            chunk = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "rules", "choices": [choice]}
            body += b"data: " + json.dumps(chunk).encode() + b"\n\n"
        body += b"data: [DONE]\n\n"
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with suppress(BrokenPipeError):  # a run that was cancelled has hung up
            self.wfile.write(body)


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


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


StartServer = Callable[[], Any]


@pytest.fixture
def start_server(tmp_path: Path, model_url: str) -> StartServer:
    """A context manager that runs ``langgraph dev`` in a folder of its own and gives its URL and log."""
    shutil.copy(ROOT / "langgraph.json", tmp_path)
    env = {k: v for k, v in os.environ.items() if not k.startswith(("OPENAI_", "MEMGPT_", "LANGSMITH_", "LANGCHAIN_"))}
    env |= {
        "MEMGPT_HOME": str(tmp_path / "home"), "MEMGPT_MODEL": "openai:rules", "OPENAI_BASE_URL": model_url,
        "LANGGRAPH_CLI_NO_ANALYTICS": "1", "LANGGRAPH_NO_VERSION_CHECK": "1", "LANGSMITH_TRACING": "false",
    }  # fmt: skip

    @contextmanager
    def start() -> Generator[tuple[str, Path]]:
        port, log = free_port(), tmp_path / "server.log"
        command = [
            str(Path(sys.executable).with_name("langgraph")),
            "dev",
            "--no-browser",
            "--no-reload",
            "--port",
            str(port),
        ]
        with log.open("ab") as out:
            process = subprocess.Popen(command, cwd=tmp_path, env=env, stdout=out, stderr=out)
            try:
                _wait_until_ready(f"http://127.0.0.1:{port}", process, log)
                yield f"http://127.0.0.1:{port}", log
            finally:
                process.terminate()
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()

    return start


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
