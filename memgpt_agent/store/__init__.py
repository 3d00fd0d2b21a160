"""The store: one embedded file searched by words and by meaning, and the protocol by which the memory tiers use it."""

from memgpt_agent.store.base import BaseMemoryStore, MemoryStore
from memgpt_agent.store.fields import Fields
from memgpt_agent.store.opening import (
    check_store_backend,
    open_store,
    secure_store,
    store_file,
    store_problems,
    upgrade_due,
)
from memgpt_agent.store.protocol import SearchMode, Tally
from memgpt_agent.store.sqlite.store import FaissStore

__all__ = [
    "BaseMemoryStore",
    "FaissStore",
    "Fields",
    "MemoryStore",
    "SearchMode",
    "Tally",
    "check_store_backend",
    "open_store",
    "secure_store",
    "store_file",
    "store_problems",
    "upgrade_due",
]
