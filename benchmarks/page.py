"""How long the page takes: the 95th percentile of each of its pages, with many agents and one of many messages.

    python -m benchmarks.page [--agents 1000] [--messages 100000] [--rounds 20] [--home FOLDER]

The data is synthetic and written through the store, with random vectors of the default embedding's length, so that it is there in a minute; the
searches embed their query as usual. One client, one request after the other, from the first byte sent to the last byte received.
"""

import argparse
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from pathlib import Path

import httpx
import numpy as np

from memgpt_agent import MemGPTAgent
from memgpt_agent.config import Settings
from memgpt_agent.memory import definitions, namespaces
from memgpt_agent.memory.core import Block, CoreMemory
from memgpt_agent.memory.dates import stamp
from memgpt_agent.memory.definitions import AgentDefinition
from memgpt_agent.memory.knowledge import KnowledgeGraph
from memgpt_agent.memory.opening import open_configured_store
from memgpt_agent.memory.recall import Message, RecallMemory
from memgpt_agent.memory.stored import RunItem
from memgpt_agent.store.base import BaseMemoryStore
from memgpt_agent.store.protocol import EmbeddingIdentity, IndexedItem
from memgpt_agent.testing import ScriptedModel, say

_SYLLABLES = [a + b for a in "bdfgklmnprstvz" for b in "aeiou"]
WORDS = ["".join(random.Random(number).choices(_SYLLABLES, k=2 + number % 3)) for number in range(20_000)]
"""Words that mean nothing, used as words are: the first often, the last hardly ever (Zipf)."""
_OFTEN = list(accumulate(1 / (rank + 2.7) for rank in range(len(WORDS))))
LARGE = "large"
QUERIES = tuple(
    " ".join(WORDS[rank] for rank in ranks)
    for ranks in ((3, 40, 700), (90, 12_000), (1, 2, 5, 300, 4_000), (15_000,), (20, 21))
)


def text(dice: random.Random, number: int) -> str:
    """Return what somebody says."""
    return f"message {number}: " + " ".join(dice.choices(WORDS, cum_weights=_OFTEN, k=dice.randint(5, 60)))


def fill(settings: Settings, agents: int, messages: int) -> None:
    """Write the agents and their memories."""
    dice = random.Random(7)
    start = datetime.now(UTC) - timedelta(days=400)
    with open_configured_store(settings) as store:
        made = store.embedding() or EmbeddingIdentity("none", 256)
        for number in range(agents):
            one = f"agent-{number:04}"
            definitions.save(
                store,
                AgentDefinition(
                    one, stamp(start + timedelta(minutes=number)), model="openai:gpt-4.1", name=f"Number {number}"
                ),
            )
            CoreMemory(store, one).create(
                [Block("persona", "I am one of many."), Block("human", text(dice, number)[:1_500])]
            )
            said(store, made, one, dice, 20, start)
        definitions.save(
            store, AgentDefinition(LARGE, stamp(datetime.now(UTC)), model="openai:gpt-4.1", threads=(LARGE,))
        )
        said(store, made, LARGE, dice, messages, start)
        runs(store, dice, 3_000)
        graph = KnowledgeGraph(store, LARGE)
        for number in range(300):
            graph.insert(f"Person {number % 60}", dice.choice(("knows", "works at", "lives in")), f"Thing {number}")
    model = ScriptedModel([say("As you wish.")] * 10)
    with MemGPTAgent(agent_id=LARGE, settings=settings, model=model) as agent:
        for number in range(10):
            agent.step(f"one more, number {number}")


def said(
    store: BaseMemoryStore, made: EmbeddingIdentity, agent_id: str, dice: random.Random, count: int, start: datetime
) -> None:
    """Write messages with random vectors."""
    recall, random_vectors = RecallMemory(store, agent_id), np.random.default_rng(count)
    batch: list[IndexedItem] = []
    for number in range(count):
        moment = start + timedelta(seconds=number * 340)
        turn = f"{agent_id}-m{number - number % 2}"
        message = Message(
            f"{agent_id}-m{number}",
            "assistant" if number % 2 else "user",
            text(dice, number),
            stamp(moment),
            agent_id,
            turn,
        )
        put = recall.put_operation(message, [f"user: {text(dice, number - 1)[:200]}"])
        vector = random_vectors.normal(size=made.dims).astype("<f4")
        vector /= np.linalg.norm(vector)
        index = tuple(put.index) if isinstance(put.index, list) else None
        batch.append(IndexedItem(put.namespace, put.key, dict(put.value or {}), index, {"indexed": vector.tobytes()}))
        if len(batch) == 2_000 or number == count - 1:
            store.put_items(batch, vectors_by=made)
            batch = []


def runs(store: BaseMemoryStore, dice: random.Random, count: int) -> None:
    """Write runs of the last ninety days."""
    now = datetime.now(UTC)
    items = [
        RunItem(
            f"run-{number}",
            LARGE,
            stamp(now - timedelta(minutes=43 * number)),
            dice.choice(("completed", "completed", "failed")),
            usage={"prompt_tokens": 4_000, "completion_tokens": 90, "duration_ms": dice.randint(400, 9_000)},
        )
        for number in range(count)
    ]
    place = namespaces.of(LARGE, "runs")
    store.put_items([IndexedItem(place, item.id, asdict(item), None) for item in items])


def paths(agents: int) -> dict[str, list[str]]:
    """Return the pages with the addresses at which each is asked for."""
    large = f"/page/a/{LARGE}"
    searches = [f"{large}/search?q={query.replace(' ', '+')}" for query in QUERIES]
    return {
        "agents": ["/page/agents", f"/page/agents?after={agents // 2}"],
        "agents, searched": ["/page/agents?q=number+7", "/page/agents?q=nobody"],
        "chat, newest": [f"{large}/chat"],
        "chat, at a message": [f"{large}/chat?at={LARGE}-m{n}" for n in (10, 500, 90_000)],
        "core memory": [f"{large}/blocks"],
        "history": [f"{large}/history"],
        "search": searches,
        "search, messages of a day": [f"{large}/search?q={WORDS[30]}&kind=messages&since=2026-06-01&until=2026-06-02"],
        "search, newest": [f"{large}/search?q=&role=user"],
        "turns": [f"{large}/turns"],
        "turn": [f"{large}/turn?id={LARGE}-m{n}" for n in (6, 800, 90_000)],
        "window": [f"{large}/window"],
        "facts": [f"{large}/facts", f"{large}/facts?past=yes"],
        "facts drawn": [f"{large}/facts.svg?past=yes"],
        "documents": [f"{large}/documents"],
        "figures": [f"{large}/figures"],
        "figures, 90 days of 3,000 turns": [f"{large}/figures?days=90"],
        "waking": [f"{large}/waking"],
        "manage": [f"{large}/manage"],
        "item": [f"{large}/item?kind=message&id={LARGE}-m77"],
    }


def measure(url: str, process_id: int, rounds: int, agents: int) -> None:
    """Ask for every page and print its times in milliseconds, with the server's processor time, which other work does not change."""
    print(f"{'page':32} {'median':>8} {'p95':>8} {'most':>8} {'cpu':>8}   load {os.getloadavg()[0]:.1f}")
    with httpx.Client(base_url=url, timeout=120) as client:
        for name, group in paths(agents).items():
            for warm in group:
                client.get(warm)
            before, times = processor_seconds(process_id), list[float]()
            for number in range(rounds):
                began = time.perf_counter()
                answer = client.get(group[number % len(group)])
                times.append(1_000 * (time.perf_counter() - began))
                assert answer.status_code == 200, (answer.status_code, group, answer.text[-600:])
            show(name, times, processor_seconds(process_id) - before)
        older = client.get(f"/page/a/{LARGE}/chat")
        before, times = processor_seconds(process_id), list[float]()
        while len(times) < rounds and (found := re.search(r'href="([^"]+before=[^"]+)"', older.text)):
            began = time.perf_counter()
            older = client.get(found[1].replace("&amp;", "&"), headers={"hx-request": "true"})
            times.append(1_000 * (time.perf_counter() - began))
        show("chat, older and older", times, processor_seconds(process_id) - before)


def show(name: str, times: list[float], used_seconds: float) -> None:
    """Print one line."""
    late = sorted(times)[max(0, int(len(times) * 0.95) - 1)]
    print(f"{name:32} {statistics.median(times):8.1f} {late:8.1f} {max(times):8.1f} {1_000 * used_seconds / len(times):8.1f}")


def processor_seconds(process_id: int) -> float:
    """Return how much processor time a process has used; 0 where the system does not tell."""
    try:
        fields = Path(f"/proc/{process_id}/stat").read_text("utf-8").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Fill a data folder, serve it, and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--agents", type=int, default=1_000)
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--home", type=Path, help="a folder that is filled once and used again")
    given = parser.parse_args()
    home = given.home or Path(tempfile.mkdtemp(prefix="memgpt-page-"))
    settings = Settings.load(home=home)
    if not settings.checkpoints_path.exists():
        began = time.monotonic()
        fill(settings, given.agents, given.messages)
        print(f"filled {home} in {time.monotonic() - began:.0f} s")
    command = [
        sys.executable,
        "-c",
        "from memgpt_agent.cli import main; main()",
        "--home",
        str(home),
        "serve",
        "--port",
        "0",
    ]
    server = subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, env={**os.environ, "LANGSMITH_TRACING": "false"}
    )
    try:
        line = server.stderr.readline() if server.stderr else ""
        while not (found := re.search(r"http://[\w.:]+", line)):
            line = server.stderr.readline() if server.stderr else ""
        measure(found.group().removesuffix("/docs"), server.pid, given.rounds, given.agents)
    finally:
        server.terminate()
        server.wait(60)


if __name__ == "__main__":
    main()
