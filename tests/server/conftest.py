"""A real `memgpt serve` in a process of its own, on an empty data folder, with a model of ours behind OpenAI's protocol."""

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from benchmarks.providers.strict.openai_chat import OpenAIChat
from benchmarks.providers.strict.server import Heard, Refused, Reply, StrictServer

ADDRESS = re.compile(r"http://[\w.\[\]:]+:\d+")
WAIT_SECONDS = 120
GATE = threading.Event()
"""What the model waits for where a message asks it to; open unless a test closes it."""
GATE.set()
AT_THE_GATE = threading.Event()
"""Set when the model has come to it; a test clears it."""


def brain(heard: list[Heard]) -> Reply | Refused:
    """Answer by what was said last: each `call TOOL(argument=value)` calls a tool, `plain` speaks without a call, else a greeting."""
    said = heard[-1]
    if said.role == "user":
        if asked := re.findall(r"call (\w+)\((.*?)\)", said.text):
            given = [(tool, dict(part.split("=", 1) for part in inner.split(",") if "=" in part)) for tool, inner in asked]
            return Reply(calls=tuple((tool, {"thinking": f"I call {tool}.", **arguments}) for tool, arguments in given))
        if "<chat_history>" in said.text:
            return Reply(text="A title.")
        if "plain" in said.text:
            return Reply(text="In plain words.")
        if "wait for the gate" in said.text:
            AT_THE_GATE.set()
            GATE.wait(WAIT_SECONDS)
        if "refuse" in said.text:
            return Refused(400, {"error": {"message": "no", "type": "invalid_request_error", "param": None, "code": None}})
    return Reply(calls=(("send_message", {"thinking": "I answer.", "message": f"Heard: {_words(said.text)}"}),))


def _words(text: str) -> str:
    found = re.findall(r'"message": "(.*?)"', text)  # two users' messages in a row may come as one
    return (found[-1] if found else text)[:80]


@dataclass
class Running:
    """A server that is running."""

    home: Path
    """Its data folder."""
    options: tuple[str, ...] = ()
    """Options of the command."""
    environment: dict[str, str] = field(default_factory=dict)
    """Variables beside those of the tests."""
    process: subprocess.Popen[bytes] | None = None
    url: str = ""

    def start(self) -> "Running":
        """Start it and wait until it says where it listens."""
        command = [sys.executable, "-c", "from memgpt_agent.cli import main; main()", "--home", str(self.home)]
        command += ["serve", "--port", "0", *self.options]
        log = self.home.parent / f"{self.home.name}.log"
        with log.open("w", encoding="utf-8") as said:
            self.process = subprocess.Popen(command, stderr=said, env={**os.environ, **self.environment})
        end = time.monotonic() + WAIT_SECONDS
        while not (found := ADDRESS.search(log.read_text("utf-8"))):
            assert self.process.poll() is None, log.read_text("utf-8")
            assert time.monotonic() < end
            time.sleep(0.05)
        self.url = found.group()
        return self

    def stop(self) -> int:
        """Tell it to stop and return its exit code."""
        assert self.process
        self.process.terminate()
        return self.process.wait(WAIT_SECONDS)

    def get(self, path: str, **options: Any) -> httpx.Response:
        """Ask for a path."""
        return httpx.get(self.url + path, timeout=WAIT_SECONDS, **options)

    def request(self, method: str, path: str, body: Any = None, **options: Any) -> httpx.Response:
        """Send a JSON body to a path by some method."""
        return httpx.request(method, self.url + path, json=body, timeout=WAIT_SECONDS, **options)

    def post(self, path: str, body: Any = None, **options: Any) -> httpx.Response:
        """Post a JSON body to a path."""
        return httpx.post(self.url + path, json=body, timeout=WAIT_SECONDS, **options)


@pytest.fixture(scope="session")
def provider() -> Iterator[StrictServer]:
    """The model, behind OpenAI's protocol."""
    with StrictServer(OpenAIChat(), brain) as opened:
        yield opened


@pytest.fixture(scope="session")
def serve(provider: StrictServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Running]]:
    """Start a server on a data folder, a new one if none is given."""
    started: list[Running] = []

    def start(*options: str, home: Path | None = None, key: bool = True, **environment: str) -> Running:
        model = {"OPENAI_BASE_URL": f"{provider.url}/v1", "OPENAI_API_KEY": "k"} if key else {}
        running = Running(home or tmp_path_factory.mktemp("served"), options, {**model, "LANGSMITH_TRACING": "false", **environment})
        started.append(running.start())
        return running

    yield start
    for running in started:
        if running.process and running.process.poll() is None:
            running.stop()


@pytest.fixture(scope="session")
def server(serve: Callable[..., Running]) -> Running:
    """The server that most tests share."""
    return serve()
