"""The MemGPT paper's nested key-value task: an agent that can only search follows a chain of keys to its last value."""

import argparse
import itertools
import json
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, ToolMessage

from benchmarks.embedding import cached_embedding
from benchmarks.machine import publish, table
from memgpt_agent import MemGPTAgent
from memgpt_agent.config import Settings
from memgpt_agent.testing import ScriptedModel, call, say

MAX_CALLS = 20
_PAIR = re.compile(r"key ([0-9a-f-]{36}) has the value ([0-9a-f-]{36})")
_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def chained(pairs: Sequence[Sequence[str]], order: Sequence[int]) -> tuple[list[tuple[str, str]], str, str]:
    """Return the pairs with the chain laid through them, the key to ask for and the value at the chain's end."""
    made = [(key, value) for key, value in pairs]
    for here, there in itertools.pairwise(order):
        made[here] = (made[here][0], made[there][0])
    return made, made[order[0]][0], made[order[-1]][1]


def decide(messages: list[BaseMessage]) -> AIMessage:
    """The scripted agent: look the key up; look its value up as a key; answer when a value is no key.

    It uses only what it is sent: the question and the results of its searches.
    """
    asked = next(m.text for m in reversed(messages) if "user_message" in m.text and "What is the last value" in m.text)
    wanted = _ID.findall(asked)[-1]
    known: dict[str, str] = {}
    searched: set[str] = set()
    for message in messages[max(i for i, m in enumerate(messages) if m.text == asked) :]:
        if isinstance(message, AIMessage):
            searched |= {c["args"]["query"] for c in message.tool_calls if c["name"] == "archival_memory_search"}
        if isinstance(message, ToolMessage):
            known.update(_PAIR.findall(message.text))
    while wanted in known:
        wanted = known[wanted]
    if wanted in searched:
        return say(f"The last value is {wanted}.")
    return call("archival_memory_search", query=wanted)


def solve(pairs: Sequence[Sequence[str]], order: Sequence[int], embedding: Any) -> tuple[bool, int]:
    """Return whether a fresh agent answered one chain rightly, and how many searches it made."""
    made, key, value = chained(pairs, order)
    with tempfile.TemporaryDirectory(prefix="nested-kv-") as folder:
        model = ScriptedModel([decide] * MAX_CALLS)
        with MemGPTAgent(
            llm_client=model, embedding=embedding, settings=Settings(home=Path(folder)), context_window=8_192,
            context={"page_faults": "off"},
        ) as agent:  # fmt: skip
            for one, other in made:
                agent.memory.archival.insert(f"The key {one} has the value {other}.")
            response = agent.step(
                f"What is the last value of the chain that begins at the key {key}? "
                "Where a value is itself a key, go on to the value of that key."
            )
    searches = sum(c["name"] == "archival_memory_search" for c in response.tool_calls)
    return response.message == f"The last value is {value}.", searches


def main() -> None:
    """Run it from the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.nested_kv", description=__doc__)
    parser.add_argument("pairs", type=Path, help="JSON with ordered_kv_records: pairs of key and value")
    parser.add_argument("orderings", type=Path, help="JSON: for each nesting level, lists of indices into the pairs")
    parser.add_argument("--chains", type=int, default=50, help="chains a level")
    parser.add_argument("--out", type=Path, help="write the Markdown here as well")
    given = parser.parse_args()
    pairs: list[list[str]] = json.loads(given.pairs.read_text())["ordered_kv_records"]
    orderings: dict[str, list[list[int]]] = json.loads(given.orderings.read_text())
    embedding = cached_embedding()
    rows: list[list[Any]] = []
    for level, orders in orderings.items():
        begun = time.perf_counter()
        solved = [solve(pairs, order, embedding) for order in orders[: given.chains]]
        calls = [count for _, count in solved]
        share = sum(right for right, _ in solved) / len(solved)
        rows.append(
            [
                level,
                len(solved),
                f"{share:.0%}",
                f"{statistics.mean(calls):.2f}",
                max(calls),
                f"{time.perf_counter() - begun:.0f}",
            ]
        )
        print("  level", *rows[-1], file=sys.stderr)
    head = ["nesting level", "chains", "solved", "searches a chain (mean)", "most", "seconds in all"]
    how = f"{len(pairs)} pairs in archival memory, five results a search, the package's own embedding, a scripted model that only searches."
    publish("Nested key-value task", how, table(head, rows), out=given.out)


if __name__ == "__main__":
    main()
