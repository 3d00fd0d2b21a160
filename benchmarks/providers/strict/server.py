"""A loopback server that refuses what a provider refuses, and answers as it answers, whole or streamed."""

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol, Self


class Refused(Exception):
    """A request that the provider refuses, with its status and its body."""

    def __init__(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        super().__init__(f"{status}: {json.dumps(body)[:400]}")
        self.status, self.body, self.headers = status, body, headers or {}


@dataclass(frozen=True)
class Reply:
    """What the model answers, before a protocol puts it into its form."""

    text: str = ""
    """Plain text."""
    calls: tuple[tuple[str, dict[str, Any]], ...] = ()
    """Tool calls as (name, arguments)."""
    thinking: str = ""
    """Native reasoning."""
    refusal: str = ""
    """The words of a refusal, where the protocol has a place of its own for them."""
    finish: str = ""
    """Why it ended, in the protocol's own word; its usual one if empty."""
    input_tokens: int = 100
    """What the usage says."""
    fault: str = ""
    """``drop``: the connection breaks in mid-stream; ``error``: an error event comes in mid-stream; ``ends``: the stream ends early, whole as
    HTTP goes; ``garbage``: a piece is no JSON; ``object``: an error event of vLLM's older form."""


@dataclass(frozen=True)
class Heard:
    """One message of a request, whatever the protocol."""

    role: str
    """``system``, ``user``, ``assistant`` or ``tool``."""
    text: str = ""
    """What it says."""
    calls: tuple[tuple[str, dict[str, Any]], ...] = ()
    """The calls in it."""
    images: int = 0
    """How many attachments it carries."""


class Wire(Protocol):
    """A provider's protocol."""

    def check(self, path: str, body: dict[str, Any], headers: dict[str, str]) -> None:
        """Raise :class:`Refused` where the provider would refuse the request."""
        ...

    def heard(self, body: dict[str, Any]) -> list[Heard]:
        """Return what was said."""
        ...

    def whole(self, body: dict[str, Any], reply: Reply, number: int) -> Any:
        """Return the JSON body of an answer."""
        ...

    def stream(self, body: dict[str, Any], reply: Reply, number: int) -> Iterator[bytes]:
        """Yield the pieces of a streamed answer."""
        ...

    def streams(self, path: str, body: dict[str, Any]) -> bool:
        """Whether the request asks for a stream."""
        ...

    content_type: str


Brain = Callable[[list[Heard]], "Reply | Refused"]
"""Decides what is answered to what was said."""


@dataclass
class StrictServer:
    """One provider on this machine; use it as a context manager."""

    wire: Wire
    """Its protocol and rules."""
    brain: Brain
    """What its model says."""
    requests: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    """The bodies of all requests, oldest first."""
    paths: list[str] = field(default_factory=list[str])
    """Their paths."""
    refusals: list[Refused] = field(default_factory=list[Refused])
    """What the rules refused; a failure that the brain asked for is not among them."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __enter__(self) -> Self:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                outer._post(self)

            def do_GET(self) -> None:
                _send(self, 200, {"object": "list", "data": [], "models": []}, {})

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._httpd.daemon_threads = True
        threading.Thread(target=lambda: self._httpd.serve_forever(poll_interval=0.02), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._httpd.shutdown()
        self._httpd.server_close()

    @property
    def url(self) -> str:
        """Its address, without a path."""
        return f"http://127.0.0.1:{self._httpd.server_port}"

    def _post(self, handler: BaseHTTPRequestHandler) -> None:
        sent = handler.rfile.read(int(handler.headers.get("content-length") or 0))
        body: dict[str, Any] = json.loads(sent or b"{}")
        with self._lock:
            self.requests.append(body)
            self.paths.append(handler.path)
            number = len(self.requests)
        headers = {k.lower(): v for k, v in handler.headers.items()}
        try:
            sent.decode("utf-8")
            self.wire.check(handler.path, body, headers)
        except Refused as refused:
            self.refusals.append(refused)
            _send(handler, refused.status, refused.body, refused.headers)
            return
        reply = self.brain(self.wire.heard(body))
        if isinstance(reply, Refused):
            _send(handler, reply.status, reply.body, reply.headers)
        elif self.wire.streams(handler.path, body):
            self._stream(handler, self.wire.stream(body, reply, number), reply)
        else:
            _send(handler, 200, self.wire.whole(body, reply, number), {})

    def _stream(self, handler: BaseHTTPRequestHandler, pieces: Iterator[bytes], reply: Reply) -> None:
        handler.send_response(200)
        handler.send_header("content-type", self.wire.content_type)
        handler.send_header("transfer-encoding", "chunked")
        handler.send_header("connection", "close")
        handler.end_headers()
        every = list(pieces)
        if reply.fault in {"drop", "ends", "garbage", "object"}:
            every = every[: max(1, len(every) // 2)]
        if reply.fault == "garbage":
            every.append(b'data: {"id": "x", "choi\n\n' if "event-stream" in self.wire.content_type else b'{"model": "x", "mess\n')
        if reply.fault == "object":
            died = {"object": "error", "message": "EngineCore died.", "type": "InternalServerError", "param": None, "code": 500}
            every += [data(died), data("[DONE]")]
        for piece in every:
            handler.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
        if reply.fault == "drop":
            handler.close_connection = True
            return
        handler.wfile.write(b"0\r\n\r\n")


def _send(handler: BaseHTTPRequestHandler, status: int, body: Any, headers: dict[str, str]) -> None:
    raw = json.dumps(body).encode()
    handler.send_response(status)
    handler.send_header("content-type", "application/json")
    handler.send_header("content-length", str(len(raw)))
    handler.send_header("connection", "close")  # or clients would leave sockets open at the tests' end
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(raw)


def pieces(text: str, size: int = 7) -> Iterator[str]:
    """Cut a text as providers do: anywhere, also inside an escape of JSON."""
    for start in range(0, len(text), size):
        yield text[start : start + size]


def data(event: Any, name: str = "") -> bytes:
    """Return one server-sent event; half characters stand as escapes, as providers send them."""
    told = event if isinstance(event, str) else json.dumps(event)
    return (f"event: {name}\n" if name else "").encode() + f"data: {told}\n\n".encode()
