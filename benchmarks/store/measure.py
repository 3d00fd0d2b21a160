"""One backend at one size, in a process of its own: loading, searching alone and from sixteen threads, single puts, reopening."""

import importlib
import json
import resource
import statistics
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.store.backends import BACKENDS, INDEX_WORTH_ITEMS, Backend, Faiss, RawFaiss, RawFastScan
from benchmarks.store.data import DIMS, QUERIES, TOP, Data

BATCH = 1000
READERS = 16
SEARCH_SECONDS = 15.0
READING_SECONDS = 5.0
SINGLE_PUTS = 100
SINGLE_SECONDS = 10.0
WANTED_RECALL = 0.98
YARDSTICK_ROWS = 10_000
_Say = Callable[..., None]


def milliseconds(action: Callable[[], Any]) -> tuple[float, Any]:
    """Return how long something took, and what it gave."""
    began = time.perf_counter()
    result = action()
    return (time.perf_counter() - began) * 1000, result


def memory_mb() -> float:
    """Return what this process holds of its own, without mapped files; on other systems than Linux the most it ever held."""
    status = Path("/proc/self/status")
    for line in status.read_text().splitlines() if status.exists() else ():
        if line.startswith("RssAnon"):
            return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2


def recall(found: list[list[int]], right: Any) -> float:
    """Return the mean share of the ten that are right."""
    return float(
        np.mean([len(set(one) & set(wanted[:TOP].tolist())) / TOP for one, wanted in zip(found, right, strict=False)])
    )


def load(backend: Backend, size: int, limit_seconds: float, say: _Say) -> dict[str, Any]:
    """Put the items a thousand at a time; stop where it takes longer than the limit."""
    rates: list[float] = []
    began, busy = time.perf_counter(), time.process_time()
    spoken = began
    for start in range(0, size, BATCH):
        numbers = range(start, min(start + BATCH, size))
        took, _ = milliseconds(lambda numbers=numbers: backend.put(numbers))
        rates.append(len(numbers) / took * 1000)
        now = time.perf_counter()
        if now - spoken > 5:
            spoken = now
            say(progress=f"{numbers.stop:,} of {size:,} items, {numbers.stop / (now - began):,.0f} a second")
        if now - began > limit_seconds and numbers.stop < size:
            return {"stopped": f"{numbers.stop:,} of {size:,} items in {now - began:,.0f} s"}
    seconds, busy = time.perf_counter() - began, time.process_time() - busy
    built, _ = milliseconds(backend.finish)
    return {
        "load_seconds": seconds,
        "build_seconds": built / 1000,
        "items_a_second": size / seconds,
        "items_a_cpu_second": size / busy,
        "median_batch_items_a_second": statistics.median(rates),
    }


def tune(backend: Backend, right: Any) -> Any:
    """Set the least effort that finds 98 % of the right ones in 50 queries, and return it."""
    for setting in backend.efforts:
        backend.effort(setting)
        if recall([backend.search(query) for query in range(50)], right) >= WANTED_RECALL:
            return setting
    return backend.efforts[-1] if backend.efforts else None


def floors(backend: Backend, size: int, right: Any) -> dict[str, RawFaiss]:
    """Return raw FAISS beside FaissStore, in the same process: the flat index, and codes where it has codes."""
    kinds: list[type[RawFaiss]] = [RawFaiss] if isinstance(backend, Faiss) else []
    if kinds and size > INDEX_WORTH_ITEMS:
        kinds.append(RawFastScan)
    made = {kind.name: kind(backend.folder, backend.data) for kind in kinds}
    for raw in made.values():
        raw.open()
        for start in range(0, size, 50_000):
            raw.put(range(start, min(start + 50_000, size)))
        tune(raw, right)
    return made


def search(backend: Backend, right: Any, beside: dict[str, RawFaiss]) -> dict[str, Any]:
    """Search one query at a time; raw FAISS answers the same ones in between, and a yardstick tells how busy the machine is."""
    yardstick = RawFaiss(backend.folder, backend.data)
    yardstick.open()
    for _ in range(YARDSTICK_ROWS // 1000):
        yardstick.put(range(1000))
    own: list[float] = []
    rod: list[float] = []
    others: dict[str, list[float]] = {name: [] for name in beside}
    found: list[list[int]] = []
    first, _ = milliseconds(lambda: backend.search(0))
    end = time.perf_counter() + SEARCH_SECONDS
    for query in range(QUERIES):
        took, ten = milliseconds(lambda query=query: backend.search(query))
        own.append(took)
        found.append(ten)
        rod.append(milliseconds(lambda query=query: yardstick.search(query))[0])
        for name, raw in beside.items():
            others[name].append(milliseconds(lambda raw=raw, query=query: raw.search(query))[0])
        if time.perf_counter() > end and len(own) >= 3:
            break
    return {
        "first_search_ms": first,
        "search_ms": statistics.median(own),
        "search_p10_ms": float(np.quantile(own, 0.10)),
        "search_p95_ms": float(np.quantile(own, 0.95)),
        "searches": len(own),
        "recall": recall(found, right),
        "yardstick_ms": statistics.median(rod),
        "beside": {name: statistics.median(times) for name, times in others.items()},
        "beside_p10": {name: float(np.quantile(times, 0.10)) for name, times in others.items()},
    }


def readers(backend: Backend) -> dict[str, Any]:
    """Search from sixteen threads for five seconds, or until each has searched once."""
    times: list[list[float]] = [[] for _ in range(READERS)]
    errors: list[BaseException] = []
    end = time.perf_counter() + READING_SECONDS

    def read(number: int) -> None:
        try:
            while not times[number] or time.perf_counter() < end:
                query = (number * 13 + len(times[number])) % QUERIES
                times[number].append(milliseconds(lambda query=query: backend.search(query))[0])
        except BaseException as error:  # noqa: BLE001 - a backend that cannot be read by threads says so in the table
            errors.append(error)

    threads = [threading.Thread(target=read, args=(number,)) for number in range(READERS)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - began
    if errors:
        return {"readers_error": f"{type(errors[0]).__name__}: {str(errors[0])[:80]}"}
    every = [took for one in times for took in one]
    return {"readers_a_second": len(every) / seconds, "readers_ms": statistics.median(every)}


def single_puts(backend: Backend) -> dict[str, Any]:
    """Put items one at a time into the full store."""
    spare = len(backend.data.base) - SINGLE_PUTS
    times: list[float] = []
    end = time.perf_counter() + SINGLE_SECONDS
    for number in range(spare, spare + SINGLE_PUTS):
        times.append(milliseconds(lambda number=number: backend.put(range(number, number + 1)))[0])
        if time.perf_counter() > end:
            break
    return {"put_one_ms": statistics.median(times), "put_one_p95_ms": float(np.quantile(times, 0.95))}


def measure(backend: Backend, size: int, limit_seconds: float, say: _Say) -> dict[str, Any]:
    """Run all of it, as far as the limit allows."""
    right = backend.data.exact(size)
    backend.open()
    result = load(backend, size, limit_seconds, say)
    if "stopped" in result:
        return result
    say(progress=f"loaded in {result['load_seconds']:,.0f} s; searching")
    result["effort"] = tune(backend, right)
    result["memory_mb"] = memory_mb()
    result |= search(backend, right, floors(backend, size, right))
    say(progress=f"search {result['search_ms']:.2f} ms, recall {result['recall']:.3f}; {READERS} readers")
    result |= readers(backend)
    result |= single_puts(backend)
    backend.search(0)  # what was put is in the index, and in a snapshot of it
    backend.close()
    result["disk_mb"] = sum(file.stat().st_size for file in backend.folder.rglob("*") if file.is_file()) / 1e6
    return result


def reopen(backend: Backend) -> dict[str, Any]:
    """From opening to the first answer, everything imported before."""
    if isinstance(backend, Faiss):
        for module in ("faiss", "memgpt_agent.store"):
            importlib.import_module(module)
    opened, _ = milliseconds(backend.open)
    took, _ = milliseconds(lambda: backend.search(0))
    again, _ = milliseconds(lambda: backend.search(1))
    backend.close()
    return {"open_ms": opened, "reopen_ms": opened + took, "second_search_ms": again}


def main(settings: dict[str, Any]) -> None:
    """Do what the parent asks for; each line that is printed is a JSON object."""

    def say(**what: Any) -> None:
        sys.__stdout__.write(json.dumps(what) + "\n")  # type: ignore[union-attr]
        sys.__stdout__.flush()  # type: ignore[union-attr]

    backend = BACKENDS[settings["backend"]](Path(settings["folder"]), Data(Path(settings["data"])))
    assert backend.data.base.shape[1] == DIMS, f"vectors of {backend.data.base.shape[1]} dimensions; {DIMS} are needed"
    try:
        if settings["what"] == "reopen":
            say(result=reopen(backend))
        else:
            say(result=measure(backend, settings["size"], settings["limit"], say))
    finally:
        backend.stop()


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
