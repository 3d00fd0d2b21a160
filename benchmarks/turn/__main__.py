"""What one turn costs at any age of the agent: time, bytes written, growth of the files, memory; against two others."""

import argparse
import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.machine import about, table
from benchmarks.turn.agents import Say, floor, langchain_agent, ours, wired

WORDS = (
    "river",
    "lamp",
    "Tuesday",
    "garden",
    "invoice",
    "Lisbon",
    "bicycle",
    "answer",
    "window",
    "seventeen",
    "music",
    "harbour",
)
PAIRS = 40
"""So many turns of each are measured alternately at every age; the figures are medians."""
EMBEDDED_WORDS = 24


@dataclass
class Age:
    """What was measured at one age."""

    turns: int
    ours_ms: float
    floor_ms: float
    wired_ms: float
    queue: int
    langchain_ms: float | None
    written_bytes: float
    grown_bytes: float
    text_bytes: float
    checkpoint_bytes: float
    store_bytes: float
    memory_mib: float


@dataclass
class Run:
    """The whole run, for the plot."""

    turns: list[int] = field(default_factory=list[int])
    milliseconds: list[float] = field(default_factory=list[float])
    file_bytes: list[int] = field(default_factory=list[int])
    memory_mib: list[float] = field(default_factory=list[float])


def text_of(turn: int) -> str:
    """Return what the user says in a turn: a sentence of its own."""
    return (
        f"Turn {turn}: "
        + " ".join(WORDS[(turn * 7 + i * (1 + turn % 5)) % len(WORDS)] for i in range(EMBEDDED_WORDS))
        + "."
    )


def timed(say: Say, text: str) -> float:
    """Return the milliseconds of one turn."""
    start = time.perf_counter()
    say(text)
    return (time.perf_counter() - start) * 1000


def measure(ages: Sequence[int], window_tokens: int, compare_until: int) -> tuple[list[Age], Run]:
    """Let one agent grow old and measure it at each age beside the floor and LangChain's agent of the same age."""
    with tempfile.TemporaryDirectory(prefix="turn-") as name:
        folder = Path(name)
        say, agent = ours(folder / "ours", window_tokens)
        bare, other = floor(folder / "floor"), langchain_agent(folder / "langchain")
        found, run, turn, other_turn = [], Run(), 0, 0
        with agent:
            for age in sorted(ages):
                while turn < age:
                    spent = timed(say, text_of(turn))
                    turn += 1
                    if turn % 20 == 0:
                        _note(run, turn, spent, folder / "ours")
                while other_turn < min(age, compare_until):
                    other(text_of(other_turn))
                    other_turn += 1
                compared = other if age <= compare_until else None
                queue = len(agent.graph.get_state({"configurable": {"thread_id": "bench"}}).values["messages"])
                empty = wired(folder / f"wired-{age}", queue)
                found.append(_at(turn, (say, bare, empty), queue, compared, folder / "ours"))
                turn += PAIRS
                other_turn += PAIRS if compared else 0
        return found, run


def _note(run: Run, turn: int, milliseconds: float, folder: Path) -> None:
    run.turns.append(turn)
    run.milliseconds.append(milliseconds)
    run.file_bytes.append(sum(f.stat().st_size for f in folder.rglob("*") if f.is_file()))
    run.memory_mib.append(memory_mib())
    if turn % 500 == 0:
        print(
            f"  {turn:,} turns, {milliseconds:.1f} ms, {run.file_bytes[-1] / 2**20:.1f} MiB, {run.memory_mib[-1]:.0f} MiB memory",
            file=sys.stderr,
        )


def _at(turn: int, ways: tuple[Say, Say, Say], queue: int, other: Say | None, folder: Path) -> Age:
    say, bare, empty = ways
    mine, least, structure, others = [], [], [], []
    written, before, said = 0, _pages(folder), 0
    for i in range(PAIRS):
        text = text_of(turn + i)
        said += 2 * len(text.encode())  # about: the answer is as long
        counted = _written()
        mine.append(timed(say, text))
        written += _written() - counted
        least.append(timed(bare, text))
        structure.append(timed(empty, text))
        if other is not None:
            others.append(timed(other, text))
    after = _pages(folder)
    grown = sum(after.values()) - sum(before.values())
    return Age(
        turn, statistics.median(mine), statistics.median(least), statistics.median(structure), queue,
        statistics.median(others) if others else None, written / PAIRS,
        grown / PAIRS, said / PAIRS, after.get("checkpoints.db", 0), after.get("memory.db", 0), memory_mib(),
    )  # fmt: skip


def _pages(folder: Path) -> dict[str, int]:
    """The bytes of each database without its log, which is folded in when it is full: pages in use by SQLite's count."""
    import sqlite3

    sizes: dict[str, int] = {}
    for path in folder.glob("*.db"):
        connection = sqlite3.connect(path)
        pages, free, size = (
            connection.execute(f"PRAGMA {what}").fetchone()[0] for what in ("page_count", "freelist_count", "page_size")
        )
        connection.close()
        sizes[path.name] = (pages - free) * size
    return sizes


def _written() -> int:
    """Bytes this process has handed to the system to write (``wchar``)."""
    try:
        lines = Path("/proc/self/io").read_text().splitlines()
    except OSError:
        return 0
    return int(next(line.split()[1] for line in lines if line.startswith("wchar")))


def memory_mib() -> float:
    """Return what this process holds in memory now."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def embedding_share(turns: int) -> str:
    """Return what the package's own embedding adds to a turn, measured apart: the same turns with it and without."""
    from memgpt_agent.embeddings import resolve_embedding

    with tempfile.TemporaryDirectory(prefix="turn-") as name:
        plain, first = ours(Path(name) / "hashing", 8_192)
        real, second = ours(Path(name) / "real", 8_192, resolve_embedding(None))
        with first, second:
            for i in range(5):
                plain(text_of(i))
                real(text_of(i))
            pairs = [(timed(plain, text_of(i)), timed(real, text_of(i))) for i in range(5, 5 + turns)]
    without, with_it = (statistics.median(column) for column in zip(*pairs, strict=True))
    return f"With the package's own embedding a turn takes {with_it:.1f} ms where the hashing embedder's takes {without:.1f} ms."


def report(found: Sequence[Age], run: Run, window_tokens: int, embedding: str) -> str:
    """Return the results as Markdown."""
    first = found[0].ours_ms
    rows: list[list[Any]] = [
        [
            f"{a.turns:,}", f"{a.ours_ms:.1f}", f"{a.floor_ms:.1f}", f"{a.ours_ms / a.floor_ms:.2f}", f"{a.ours_ms / first:.2f}",
            f"{a.wired_ms:.1f}", a.queue,
            f"{a.langchain_ms:.1f}" if a.langchain_ms else "–", f"{a.written_bytes / 1000:.0f}", f"{a.grown_bytes / 1000:.1f}",
            f"{a.text_bytes / 1000:.1f}", f"{a.checkpoint_bytes / 1e6:.2f}", f"{a.store_bytes / 1e6:.1f}", f"{a.memory_mib:.0f}",
        ]
        for a in found
    ]  # fmt: skip
    head = [
        "age (turns)", "ours ms", "floor ms", "ours / floor", "ours / youngest", "our wiring, nothing done ms",
        "messages in the queue", "create_agent ms", "written kB a turn", "files grow kB a turn",
        "of it text kB", "checkpoints MB", "store MB", "memory MiB",
    ]  # fmt: skip
    peak = max(run.memory_mib, default=0.0)
    how = (
        f"One-step turns with a model that answers at once, a window of {window_tokens:,} tokens, the hashing embedder, "
        f"synchronous durability; medians of {PAIRS} turns, all taken alternately."
    )
    memory = f"Peak memory of the process over the run: {peak:.0f} MiB."
    return "\n\n".join(["# One turn at any age", about(), how, table(head, rows), embedding, memory]) + "\n"


def plot(run: Run, path: Path) -> None:
    """Draw time, files and memory over the agent's age."""
    mpl: Any = import_module("matplotlib")  # by name: it is no dependency, and the type checker need not find it
    mpl.use("Agg")
    plt: Any = import_module("matplotlib.pyplot")

    figure, axes = plt.subplots(3, 1, figsize=(8, 8), sharex=True)
    smooth = [statistics.median(run.milliseconds[max(0, i - 4) : i + 5]) for i in range(len(run.milliseconds))]
    axes[0].plot(run.turns, smooth)
    axes[0].set_ylabel("ms a turn")
    axes[0].set_ylim(bottom=0)
    axes[1].plot(run.turns, [size / 2**20 for size in run.file_bytes])
    axes[1].set_ylabel("files, MiB")
    axes[2].plot(run.turns, run.memory_mib)
    axes[2].set_ylabel("memory, MiB")
    axes[2].set_ylim(bottom=0)
    axes[2].set_xlabel("age of the agent, turns")
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)


def main() -> None:
    """Run it from the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.turn", description=__doc__)
    parser.add_argument("--ages", default="10,100,1000,10000", help="ages in turns, with commas")
    parser.add_argument("--window", type=int, default=8_192, help="context window in tokens")
    parser.add_argument(
        "--compare-until", type=int, default=1_000, help="the greatest age to which create_agent is grown"
    )
    parser.add_argument("--out", type=Path, help="write the Markdown here as well")
    parser.add_argument("--plot", type=Path, help="draw the run here (needs matplotlib)")
    given = parser.parse_args()
    found, run = measure([int(age) for age in given.ages.split(",")], given.window, given.compare_until)
    text = report(found, run, given.window, embedding_share(20))
    print(text)
    if given.out:
        given.out.write_text(text, encoding="utf-8")
    if given.plot:
        plot(run, given.plot)


if __name__ == "__main__":
    main()
