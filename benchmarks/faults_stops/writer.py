"""The process that is stopped: it holds a lease and writes to memory and to checkpoints until it is told that it lost it."""

from itertools import count
from multiprocessing.connection import Connection
from pathlib import Path

from langchain_core.runnables import RunnableConfig

from memgpt_agent.checkpoints import FENCE, open_checkpointer
from memgpt_agent.errors import LeaseLost
from memgpt_agent.leases import Leases
from memgpt_agent.store import FaissStore

NOTES = ("notes",)
LEASE_SECONDS = 0.3


def write_until_lost(folder: str, told: Connection) -> None:
    """Write until the lease is lost, and say so."""
    with FaissStore(Path(folder, "memory.db")) as store, open_checkpointer(Path(folder, "checkpoints.db")) as saver:
        try:
            with Leases(store, seconds=LEASE_SECONDS).hold("t", 60) as lease:
                kept = lease.guarding(store)
                config: RunnableConfig = {"configurable": {"thread_id": "t", "checkpoint_ns": "", "checkpoint_id": "1", FENCE: lease}}
                told.send("held")
                for nth in count():
                    kept.put(NOTES, f"{lease.number} {nth}", {"nth": nth}, index=False)
                    saver.put_writes(config, [("x", nth)], f"{lease.number} {nth}")
        except LeaseLost:
            told.send("lost")
