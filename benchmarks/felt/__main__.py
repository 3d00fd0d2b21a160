"""What a person feels of a turn: time before the model is called, to the first shown word, after the last; and turns a second."""

import argparse
import statistics
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage

from benchmarks.felt.agents import REPLY, Felt, Turn, bare, langchain_agent, ours
from benchmarks.machine import publish, table
from benchmarks.turn.__main__ import text_of
from benchmarks.turn.agents import Forgetful
from memgpt_agent.embeddings import resolve_embedding

WARM = 3


def history(messages: int) -> list[AnyMessage]:
    """Return a conversation of so many messages, as our agent has it in its queue."""
    said: list[AnyMessage] = []
    for turn in range((messages + 1) // 2):
        said += [HumanMessage(text_of(turn), id=f"h{turn}"), AIMessage(REPLY, id=f"a{turn}")]
    return said[:messages]


def alternately(turns: Sequence[Turn], first: int, pairs: int) -> list[Felt]:
    """Return the medians of each way over alternating turns."""
    found: list[list[Felt]] = [[] for _ in turns]
    for number in range(WARM + pairs):
        for way, turn in enumerate(turns):
            felt = turn(text_of(first + number))
            if number >= WARM:
                found[way].append(felt)
    return [
        Felt(*(statistics.median(getattr(felt, part.name) for felt in way) for part in fields(Felt)))
        for way in found
    ]


def felt(windows: Sequence[int], ages: Sequence[int], embedding: Any, profile: str | None, pairs: int) -> list[list[object]]:
    """Return a row for each window and age."""
    rows: list[list[object]] = []
    for window in windows:
        with tempfile.TemporaryDirectory(prefix="felt-") as name:
            folder, told = Path(name), 0
            turn, agent = ours(folder / "ours", window, embedding, **({"profile": profile} if profile else {}))
            with agent:
                for age in sorted(ages):
                    while told < age:
                        turn(text_of(told))
                        told += 1
                    queue = len(agent.graph.get_state({"configurable": {"thread_id": "felt"}}).values["messages"])
                    others = (
                        bare(folder / f"bare-{age}", history(queue)),
                        langchain_agent(folder / f"langchain-{age}", history(queue), window),
                    )
                    mine, least, other = alternately((turn, *others), told, pairs)
                    told += WARM + pairs
                    rows.append(
                        [
                            f"{window:,}", f"{age:,}", queue, *(f"{x.before:.1f}" for x in (mine, least, other)),
                            f"{mine.before / least.before:.2f}", *(f"{x.shown:.1f}" for x in (mine, other)),
                            *(f"{x.whole:.1f}" for x in (mine, other)),
                            *(f"{x.after:.1f}" for x in (mine, least, other)),
                        ]
                    )  # fmt: skip
                    print(*rows[-1], flush=True)
    return rows


def together(counts: Sequence[int], window: int, embedding: Any, seconds: float) -> list[list[object]]:
    """Return turns a second of so many agents in threads of this process, beside so many bare graphs."""
    rows: list[list[object]] = []
    for count in counts:
        with tempfile.TemporaryDirectory(prefix="felt-") as name:
            agents = [ours(Path(name) / "ours", window, embedding, agent_id=f"felt-{n}") for n in range(count)]
            mine = _rate([turn for turn, _ in agents], seconds)
            for _, agent in agents:
                agent.close()
            least = _rate([bare(Path(name) / f"bare-{n}", history(20)) for n in range(count)], seconds)
        rows.append([count, f"{mine:.1f}", f"{least:.1f}", f"{mine / least:.2f}"])
        print(*rows[-1], flush=True)
    return rows


def _rate(turns: Sequence[Turn], seconds: float) -> float:
    for turn in turns:
        turn(text_of(0))
    done, until = [0] * len(turns), time.perf_counter() + seconds

    def work(number: int) -> None:
        while time.perf_counter() < until:
            turns[number](text_of(done[number] + 1))
            done[number] += 1

    threads = [threading.Thread(target=work, args=(n,)) for n in range(len(turns))]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(done) / (time.perf_counter() - start)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--windows", type=int, nargs="*", default=[4_096, 8_192, 32_768, 131_072])
    parser.add_argument("--ages", type=int, nargs="*", default=[10, 200])
    parser.add_argument("--embeddings", nargs="*", default=["multilingual", "hashing"])
    parser.add_argument("--profile", default=None)
    parser.add_argument("--pairs", type=int, default=30)
    parser.add_argument("--agents", type=int, nargs="*", default=[1, 4, 16, 64])
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    head = [
        "window", "turns before", "messages", "before the model, ms: ours", "bare", "LangChain", "ours / bare",
        "first word shown after, ms: ours", "LangChain", "last word shown after, ms: ours", "LangChain",
        "after the last piece, ms: ours", "bare", "LangChain",
    ]  # fmt: skip
    parts: list[str] = []
    for name in given.embeddings:
        embedding = Forgetful() if name == "hashing" else resolve_embedding(name)
        parts += [f"## Embedding {name}", table(head, felt(given.windows, given.ages, embedding, given.profile, given.pairs))]
    if given.agents:
        rows = together(given.agents, 8_192, resolve_embedding("multilingual"), given.seconds)
        parts += ["## Agents in threads of one process", table(["agents", "turns a second: ours", "bare", "ours / bare"], rows)]
    publish("What a person feels of a turn", *parts, out=given.out)


if __name__ == "__main__":
    main()
