"""Stop `memgpt run` past its lease in the middle of a turn, let a second one take over, let the first go on: it must write nothing more."""

import hashlib
import os
import re
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.providers.strict.openai_chat import OpenAIChat
from benchmarks.providers.strict.server import Heard, Reply, StrictServer

_WAIT_SECONDS = 240.0
_HOME = re.compile(r"home-(\d+)")


@dataclass
class _Turn:
    """The turn that is stopped, in one data folder."""

    at: int
    """At which of its model calls it is stopped."""
    heard: int = 0
    """How many calls there were so far."""
    reached: threading.Event = field(default_factory=threading.Event)
    """Set when it waits for the model."""
    goes_on: threading.Event = field(default_factory=threading.Event)
    """Set when the model may answer."""


def run(stops: int) -> list[str]:
    """Stop so many commands, each in a data folder of its own, all at once; return how each of them ended.

    Raises:
        AssertionError: something was written by a command that had lost its lease.
    """
    turns = {number: _Turn(1 + number % 2) for number in range(stops)}

    def brain(heard: list[Heard]) -> Reply:
        said = " ".join(one.text for one in heard if one.role == "user")
        turn = turns[int(next(iter(_HOME.findall(said)))) % stops]
        turn.heard += 1
        if turn.heard == turn.at:
            turn.reached.set()
            turn.goes_on.wait(_WAIT_SECONDS)
        results = [one for one in heard if one.role == "tool"]
        if len(results) % 2 == 0:
            note = {"thinking": "A note.", "label": "human", "content": f"Note {turn.heard}.", "request_heartbeat": True}
            return Reply(calls=(("core_memory_append", note),))
        return Reply(calls=(("send_message", {"thinking": "I answer.", "message": f"Answer {turn.heard}."}),))

    with StrictServer(OpenAIChat(), brain) as server, tempfile.TemporaryDirectory(prefix="faults-commands-") as name:
        environment = {**os.environ, "OPENAI_BASE_URL": f"{server.url}/v1", "OPENAI_API_KEY": "k", "MEMGPT_MODEL": "openai:gpt-4o"}
        with ThreadPoolExecutor(stops) as pool:
            jobs = [pool.submit(_stop_once, Path(name, f"home-{number}"), number, turn, environment) for number, turn in turns.items()]
            return [job.result() for job in jobs]


def _stop_once(home: Path, number: int, turn: _Turn, environment: dict[str, str]) -> str:
    command = [sys.executable, "-c", "from memgpt_agent.cli import main; main()", "--home", str(home), "run"]
    first = subprocess.Popen([*command, f"First, in home-{number}."], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert turn.reached.wait(_WAIT_SECONDS), "it never asked the model"
        os.kill(first.pid, signal.SIGSTOP)
        second = subprocess.run(
            [*command, f"Second, in home-{number}."], env=environment, capture_output=True, text=True, timeout=_WAIT_SECONDS, check=False
        )
        assert second.returncode == 0, second.stderr
        before = _contents(home)
        os.kill(first.pid, signal.SIGCONT)
        turn.goes_on.set()
        told, failed = first.communicate(timeout=_WAIT_SECONDS)
        assert _contents(home) == before, "it wrote after its lease was lost"
        assert first.returncode != 0, told
        return failed.strip().splitlines()[-1][:100]
    finally:
        turn.goes_on.set()
        if first.poll() is None:
            first.kill()


def _contents(home: Path) -> dict[str, str]:
    """Return a digest of every table of both databases."""
    found: dict[str, str] = {}
    for name in ("memory.db", "checkpoints.db"):
        with closing(sqlite3.connect(f"file:{home / name}?mode=ro", uri=True)) as seen:
            tables = [table for table, sql in seen.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table'") if "VIRTUAL" not in sql]
            for table in tables:
                rows = sorted(map(repr, seen.execute(f'SELECT * FROM "{table}"')))  # noqa: S608 - a name cannot be bound
                found[f"{name}: {table}"] = hashlib.sha256("\n".join(rows).encode()).hexdigest()
    return found
