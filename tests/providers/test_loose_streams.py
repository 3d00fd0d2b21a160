"""Streams of servers that take OpenAI's protocol loosely: each is read, and a whole answer is taken for one."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from benchmarks.providers.life import agent_at
from benchmarks.providers.strict.server import data

pytestmark = pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")  # the SDK says of what it did not expect
HEAD = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
SPOKEN: dict[str, Any] = {"message": "Hi", "request_heartbeat": False}
ARGUMENTS = json.dumps(SPOKEN)
USAGE = {"prompt_tokens": 5, "completion_tokens": 1, "total_tokens": 6}


def piece(delta: Any, finish: str | None = None) -> bytes:
    """Return a piece of a stream."""
    return data({**HEAD, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})


def call(arguments: Any = ARGUMENTS, **given: Any) -> bytes:
    """Return a piece with a call."""
    return piece({"tool_calls": [{"type": "function", "function": {"name": "send_message", "arguments": arguments}, **given}]})


END = piece({}, "stop")
STREAMS = {
    "arguments as an object": [call(SPOKEN, index=0, id="a"), END],
    "no index": [call(id="a"), END],
    "no id": [call(index=0), END],
    "a call in the older form": [piece({"function_call": {"name": "send_message", "arguments": ARGUMENTS}}), piece({}, "function_call")],
    "a last piece without a delta": [piece({"content": "Hi"}), piece(None, "stop")],
    "figures in the place of a reason": [piece({"content": "Hi"}), data({**HEAD, "choices": [], "usage": USAGE})],
    "comments": [b": OPENROUTER PROCESSING\n\n", piece({"content": "Hi"}), b": keep-alive\n\n", END],
    "parts for a text": [piece({"content": [{"type": "text", "text": "Hi"}]}), END],
    "a piece without choices": [data(HEAD), piece({"content": "Hi"}), END],
    "a reason of its own": [piece({"content": "Hi"}), piece({}, "eos")],
}


class Server:
    """Answers with one stream."""

    def __init__(self) -> None:
        outer = self
        self.stream: list[bytes] = []
        self.asked = 0

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                outer.asked += 1
                self.rfile.read(int(self.headers["content-length"]))
                body = b"".join(outer.stream)
                self.send_response(200)
                self.send_header("content-type", "text/event-stream")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=lambda: self.httpd.serve_forever(poll_interval=0.02), daemon=True).start()

    def model(self) -> Any:
        """Return a client of the server."""
        from langchain_openai import ChatOpenAI

        return ChatOpenAI(model="some-model", api_key="k", base_url=f"http://127.0.0.1:{self.httpd.server_port}/v1")  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """One server for all streams."""
    started = Server()
    yield started
    started.httpd.shutdown()
    started.httpd.server_close()


@pytest.mark.parametrize("form", STREAMS)
def test_a_loose_stream_is_read(form: str, server: Server, tmp_path: Path) -> None:
    """The user gets what was said, after one request."""
    server.stream, server.asked = STREAMS[form], 0
    with agent_at(tmp_path, server.model(), context={"retry_wait_seconds": 0.0}) as agent:
        assert agent.step("Hello").message == "Hi"
    assert server.asked == 1


@pytest.mark.parametrize(("attempts", "requests"), [(4, [2, 1, 1, 2]), (1, [1, 1, 1, 1])])
def test_answers_without_a_reason_are_kept_if_the_server_never_gives_one(
    attempts: int, requests: list[int], server: Server, tmp_path: Path
) -> None:
    """The first is asked for again, since it may have broken off; those that follow are not, until the server does give a reason."""
    silent = [piece({"content": "Hi"}), b"data: [DONE]\n\n"]
    asked: list[int] = []
    with agent_at(tmp_path, server.model(), context={"retry_wait_seconds": 0.0, "model_attempts": attempts}) as agent:
        for stream in (silent, silent, [piece({"content": "Hi"}), END], silent):
            server.stream, server.asked = stream, 0
            assert agent.step("Hello").message == "Hi"
            asked.append(server.asked)
    assert asked == requests


def test_a_call_that_breaks_off_without_a_reason_is_not_made(server: Server, tmp_path: Path) -> None:
    """It goes back to the model, whose next answers break off too: the user gets an apology and no half of a text."""
    server.stream, server.asked = [call(ARGUMENTS[:14], index=0, id="a"), b"data: [DONE]\n\n"], 0
    with agent_at(tmp_path, server.model(), context={"retry_wait_seconds": 0.0, "max_steps": 3}) as agent:
        assert "Hi" not in (agent.step("Hello").message or "")
    assert server.asked == 4
