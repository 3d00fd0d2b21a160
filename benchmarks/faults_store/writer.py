"""The process that is killed: random batches, each named in a journal before it is written and after."""

import json
import os
import random
from pathlib import Path
from typing import Any

import faiss
from langgraph.store.base import PutOp

from memgpt_agent.store import FaissStore
from memgpt_agent.store.index.index_cache import Sizes
from memgpt_agent.testing import HashingEmbedder

NAMESPACES = [("one", "recall"), ("two", "recall"), ("two", "archival")]
KEYS = 100
LARGEST_BATCH = 20
SEGMENT_ROWS = 64
SNAPSHOT_DOCS = 20
"""Indexes are taken apart, approximated, compacted and snapshotted at these sizes instead of at tens of thousands."""
LOADED = faiss.__version__
"""FAISS is loaded with this module, before the fork, so that a life is spent on writing."""


def open_file(folder: Path) -> FaissStore:
    """Open the store that the writer and the check share, with a large store's upkeep of indexes on a small one."""
    index: dict[str, Any] = {"embed": HashingEmbedder(64), "fields": ["text"]}
    return FaissStore(
        folder / "store.sqlite", index=index, sizes=Sizes(segment_rows=SEGMENT_ROWS, snapshot_docs=SNAPSHOT_DOCS)
    )


def operation(namespace: int, key: str, text: str | None) -> PutOp:
    """Return a put, or a delete where there is no text."""
    return PutOp(NAMESPACES[namespace], key, None if text is None else {"text": text})


def write_for_ever(folder: str, seed: int) -> None:
    """Write batches until killed. A search now and then makes the index catch up, and its snapshot be written, in between."""
    dice = random.Random(seed)
    journal = os.open(Path(folder) / "journal", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def say(what: str, **more: Any) -> None:
        # A kill does not take what was handed to the kernel, so no fsync is needed here.
        os.write(journal, (json.dumps({"what": what, **more}) + "\n").encode())

    say("open")
    store = open_file(Path(folder))
    number = 0
    while True:
        number += 1
        batch = []
        for place in range(dice.randint(1, LARGEST_BATCH)):
            text = None if dice.random() < 0.3 else f"life{seed} batch{seed}n{number}n{place} {dice.choice('abc')}"
            batch.append((dice.randrange(len(NAMESPACES)), f"k{dice.randrange(KEYS)}", text))
        say("begin", batch=batch)
        store.batch([operation(*one) for one in batch])
        say("done")
        if dice.random() < 0.4:
            store.find(dice.choice(NAMESPACES), f"life{seed}", limit=5)
