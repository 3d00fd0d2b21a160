"""Measure FaissStore beside the stores that a LangGraph user could pick instead, and write the results as Markdown."""

import argparse
import json
import os
import queue
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from benchmarks.store.backends import BACKENDS, INDEX_WORTH_ITEMS, INDEXES, clean
from benchmarks.store.data import prepare
from benchmarks.store.report import plot, write

REOPENED = 3
GRACE_SECONDS = 180.0
"""So much longer than the limit for loading a process may take for everything else."""


def child(module: str, settings: dict[str, Any], title: str, limit_seconds: float) -> dict[str, Any]:
    """Run one measurement in a process of its own, show its progress, and return its result or why there is none."""
    environment = os.environ | {
        "OMP_NUM_THREADS": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "ANONYMIZED_TELEMETRY": "False",
    }
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", module, json.dumps(settings)],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env=environment,
        )
        lines: queue.Queue[str | None] = queue.Queue()
        assert process.stdout is not None
        threading.Thread(target=_pass_on, args=(process.stdout, lines), daemon=True).start()
        deadline = time.monotonic() + limit_seconds
        result: dict[str, Any] = {"stopped": f"no answer after {limit_seconds:,.0f} s"}
        try:
            while (line := lines.get(timeout=max(0.1, deadline - time.monotonic()))) is not None:
                said = json.loads(line) if line.startswith("{") else {}
                if "progress" in said:
                    print(f"\r\033[K{title}: {said['progress']}", end="", flush=True)
                result = said.get("result", result)
            if process.wait(30):
                errors.seek(0)
                result = {"stopped": f"failed: {errors.read().strip().splitlines()[-1][:160]}"}
        except queue.Empty:
            pass
        finally:
            process.kill()
            process.wait()
    print(f"\r\033[K{title}: {result.get('stopped', 'done')}", flush=True)
    return result


def _pass_on(stream: Any, lines: "queue.Queue[str | None]") -> None:
    for line in stream:
        lines.put(line)
    lines.put(None)


def too_slow(size: int, before: dict[int, dict[str, Any]], limit_seconds: float) -> str | None:
    """Why a backend need not be tried at this size, from what it took at the size before."""
    smaller = [known for known in before if known < size]
    if not smaller:
        return None
    last = before[max(smaller)]
    if "stopped" in last:
        why = str(last["stopped"])
        return why if why.startswith("not tried") else f"not tried: at {max(smaller):,} {why}"
    growth = size / max(smaller)
    seconds = (last["load_seconds"] + last["build_seconds"]) * growth
    if seconds > limit_seconds:
        return f"not tried: loading would take {seconds:,.0f} s at the pace it had at {max(smaller):,} (limit {limit_seconds:,.0f} s)"
    if (search := last["search_ms"] * growth / 1000) > limit_seconds / 60:
        return f"not tried: a search would take {search:,.0f} s at the pace it had at {max(smaller):,}"
    return None


def one(name: str, size: int, folder: Path, limit_seconds: float) -> dict[str, Any]:
    """Measure one backend at one size."""
    clean(folder / "work")
    settings = {
        "backend": name,
        "size": size,
        "folder": str(folder / "work"),
        "data": str(folder),
        "limit": limit_seconds,
    }
    title = f"{size:>9,} {name:<16}"
    result = child("benchmarks.store.measure", settings | {"what": "all"}, title, limit_seconds + GRACE_SECONDS)
    if BACKENDS[name].kept != "in memory" and "stopped" not in result:
        again = [
            child("benchmarks.store.measure", settings | {"what": "reopen"}, f"{title} reopened", GRACE_SECONDS)
            for _ in range(REOPENED)
        ]
        for key in ("open_ms", "reopen_ms", "second_search_ms"):
            if all(key in run for run in again):
                result[key] = statistics.median(run[key] for run in again)
    clean(folder / "work")
    return result


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.store", description=__doc__)
    numbers = lambda text: [int(part.replace("_", "")) for part in text.split(",")]  # noqa: E731
    parser.add_argument(
        "--sizes", type=numbers, default=[1_000, 10_000, 100_000, 1_000_000], help="how many items, by comma"
    )
    parser.add_argument(
        "--backends", type=lambda text: text.split(","), default=list(BACKENDS), help=f"of {', '.join(BACKENDS)}"
    )
    parser.add_argument(
        "--vectors", type=Path, help="a .npy file of (n, 384) vectors; mixed with one another where too few"
    )
    parser.add_argument("--texts", type=Path, nargs="+", help="files whose texts are embedded with MiniLM, instead")
    parser.add_argument("--limit-seconds", type=float, default=600.0, help="a backend that loads longer is left out")
    parser.add_argument(
        "--agents", type=int, default=10_000, help="how many share a file in the last part; 0 leaves it out"
    )
    parser.add_argument("--items-per-agent", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--folder", type=Path, help="where the stores are written (default: the system's temporary folder)"
    )
    parser.add_argument("--json", type=Path, help="keep the figures here, and add to those that are there already")
    parser.add_argument("--out", type=Path, help="write the Markdown here (default: print it)")
    parser.add_argument("--plot", type=Path, help="draw search time over size into this file")
    given = parser.parse_args()
    if unknown := set(given.backends) - set(BACKENDS):
        parser.error(f"no backend {', '.join(sorted(unknown))}; there are {', '.join(BACKENDS)}")
    return given


def main() -> None:
    """Measure; when interrupted, write what there is."""
    given = arguments()
    figures: dict[str, Any] = (
        json.loads(given.json.read_text()) if given.json and given.json.exists() else {"stores": {}}
    )
    with tempfile.TemporaryDirectory(prefix="benchmark-store-", dir=given.folder) as name:
        folder = Path(name)
        try:
            figures["vectors"] = prepare(folder, given)
            for size in sorted(given.sizes):
                for backend in given.backends:
                    if backend in INDEXES and size < INDEX_WORTH_ITEMS:
                        continue
                    before: dict[int, Any] = {
                        int(key): value for key, value in figures["stores"].setdefault(backend, {}).items()
                    }
                    why = too_slow(size, before, given.limit_seconds)
                    found = {"stopped": why} if why else one(backend, size, folder, given.limit_seconds)
                    figures["stores"][backend][str(size)] = found
                    _keep(given.json, figures)
            if given.agents:
                clean(folder / "work")
                settings = {
                    "agents": given.agents,
                    "items": given.items_per_agent,
                    "folder": str(folder / "work"),
                    "data": str(folder),
                }
                figures["agents"] = child(
                    "benchmarks.store.agents", settings, "agents in one file", 3 * given.limit_seconds
                )
                _keep(given.json, figures)
        except KeyboardInterrupt:
            print("\ninterrupted; this is what was measured:", flush=True)
    report = write(figures, given.limit_seconds)
    if given.out:
        given.out.write_text(report)
    else:
        print(report)
    if given.plot:
        plot(figures, given.plot)


def _keep(path: Path | None, figures: dict[str, Any]) -> None:
    if path:
        path.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
