"""One agent among ten thousand in a file, against the same agent alone in a file: searches in turn, in one process."""

import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

from langgraph.store.base import PutOp

from benchmarks.store.data import DIMS, QUERIES, Data, Lookup
from benchmarks.store.measure import milliseconds
from memgpt_agent.store import FaissStore

BATCH = 2000


def fill(store: FaissStore, agents: list[int], items: int, data: Data, say: Any) -> None:
    """Give each agent its items; an agent's are the same in both files."""
    batch: list[PutOp] = []
    began = spoken = time.perf_counter()
    for done, agent in enumerate(agents):
        numbers = [(agent * items + i) % len(data.base) for i in range(items)]
        batch += [PutOp((f"agent{agent}", "recall"), str(number), {"text": data.text(number)}) for number in numbers]
        if len(batch) >= BATCH or done == len(agents) - 1:
            store.batch(batch)
            batch = []
        if time.perf_counter() - spoken > 5:
            spoken = time.perf_counter()
            say(
                progress=f"{done + 1:,} of {len(agents):,} agents, {(done + 1) * items / (spoken - began):,.0f} items a second"
            )


def compare(settings: dict[str, Any], say: Any) -> dict[str, Any]:
    """Return median times of the same searches in both files, and of the first search of each of some agents."""
    data, folder = Data(Path(settings["data"])), Path(settings["folder"])
    index: Any = {"dims": DIMS, "embed": Lookup(data), "fields": ["text"]}
    many, items = settings["agents"], settings["items"]
    one = many // 2
    with (
        FaissStore(folder / "many.sqlite", index=index) as crowd,
        FaissStore(folder / "alone.sqlite", index=index) as alone,
    ):
        fill(alone, [one], items, data, say)
        fill(crowd, list(range(many)), items, data, say)
        namespace = (f"agent{one}", "recall")
        word = data.text(one * items % len(data.base)).split()[1]
        actions: dict[str, Any] = {
            "search by meaning": lambda store, query: store.search(namespace, query=f"q{query}"),
            "find by words": lambda store, _query: store.find(namespace, word, mode="words"),
            "find by both": lambda store, query: store.find(namespace, f"q{query}"),
            "put": lambda store, query: store.put(namespace, f"new{query}", {"text": data.text(query)}),
        }
        result: dict[str, Any] = {"agents": many, "items": items}
        for name, action in actions.items():
            times: dict[str, list[float]] = {"alone": [], "crowd": []}
            for query in range(QUERIES):
                order = [("alone", alone), ("crowd", crowd)]
                for which, store in order if query % 2 else reversed(order):
                    times[which].append(milliseconds(lambda a=action, s=store, q=query: a(s, q))[0])
            result[name] = {which: statistics.median(every[5:]) for which, every in times.items()}
        spread = range(0, many, max(1, many // 100))
        firsts = [
            milliseconds(lambda a=agent: crowd.search((f"agent{a}", "recall"), query="q1"))[0] for agent in spread
        ]
        result["first search of an agent"] = statistics.median(firsts)
        return result


def main(settings: dict[str, Any]) -> None:
    """Do what the parent asks for; each line that is printed is a JSON object."""

    def say(**what: Any) -> None:
        print(json.dumps(what), flush=True)

    say(result=compare(settings, say))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
