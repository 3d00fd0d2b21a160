"""A whole source tree loaded in one go: files and passages a second, memory, an interrupt and its resumption, the first search."""

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.machine import publish, table
from benchmarks.turn.__main__ import memory_mib
from memgpt_agent.documents import find_files
from memgpt_agent.embeddings import resolve_embedding
from memgpt_agent.memory.files import AttachedFiles
from memgpt_agent.store import FaissStore
from memgpt_agent.testing import HashingEmbedder


class _Stopped(Exception):
    """The load was interrupted."""


def load(files: AttachedFiles, found: Any, stop_after: int | None) -> tuple[dict[str, int], float, float]:
    """Load until the end, or until so many passages are stored; return the files by state, the seconds and the peak memory."""
    states: dict[str, int] = {}
    begun, stored, peak = time.perf_counter(), 0, 0.0

    def told(passages: int) -> None:
        nonlocal stored, peak
        stored += passages
        peak = max(peak, memory_mib())
        if stored % 2_560 < passages:
            print(f"  {stored:,} passages, {stored / (time.perf_counter() - begun):,.0f} a second", file=sys.stderr)
        if stop_after is not None and stored >= stop_after:
            raise _Stopped

    try:
        for done in files.load(found, on_passages=told):
            states[done.state] = states.get(done.state, 0) + 1
    except _Stopped:
        states["interrupted"] = 1
    states["passages"] = stored
    return states, time.perf_counter() - begun, peak


def loaded(folder: Path, embedding: Any, found: Any, stop_after: int) -> list[list[object]]:
    """Load, interrupt, go on, load again; return a row for each."""
    rows: list[list[object]] = []
    with FaissStore(folder / "memory.db", index={"embed": embedding, "dims": 384, "fields": ["text"]}) as store:
        files = AttachedFiles(store, "bench")
        for what, stop in (("until the interrupt", stop_after), ("the rest", None), ("again, unchanged", None)):
            states, seconds, peak = load(files, found, stop)
            passages = states.pop("passages")
            done = ", ".join(f"{count:,} {state}" for state, count in states.items())
            rows.append([what, done, f"{passages:,}", f"{seconds:.1f}", f"{passages / seconds:,.0f}", f"{peak:.0f}"])
    return rows


def searched(folder: Path, embedding: Any, query: str) -> tuple[float, str]:
    """Open the store anew and search it; return the seconds and where the hits stand."""
    with FaissStore(folder / "memory.db", index={"embed": embedding, "dims": 384, "fields": ["text"]}) as store:
        begun = time.perf_counter()
        hits = AttachedFiles(store, "bench").search(query, limit=3)
        return time.perf_counter() - begun, ", ".join(str(hit.value["source"]) for hit in hits)


def main() -> None:
    """Run it from the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load", description=__doc__)
    parser.add_argument("folder", type=Path, help="a source tree, such as CPython's Lib")
    parser.add_argument("--embedding", default="minilm", help="minilm, or hashing for the time of everything else")
    parser.add_argument("--stop-after", type=int, default=2_000, help="interrupt when so many passages are stored")
    parser.add_argument("--query", default="parse a date in ISO 8601 format")
    parser.add_argument("--out", type=Path, help="write the Markdown here as well")
    given = parser.parse_args()
    embedding: Any = HashingEmbedder(384) if given.embedding == "hashing" else resolve_embedding(given.embedding)
    found = find_files(given.folder)
    with tempfile.TemporaryDirectory(prefix="load-") as name:
        rows = loaded(Path(name), embedding, found, given.stop_after)
        first, sources = searched(Path(name), embedding, given.query)
        size = sum(f.stat().st_size for f in Path(name).rglob("*") if f.is_file())
    head = ["", "files", "passages stored", "seconds", "passages a second", "peak memory MiB"]
    how = f"{len(found):,} files of {given.folder.name}, embedding {given.embedding}. The store takes {size / 2**20:,.0f} MiB."
    search = f"The first search after reopening took {first:.2f} s: {sources}."
    publish("Loading a source tree", how, table(head, rows), search, out=given.out)


if __name__ == "__main__":
    main()
