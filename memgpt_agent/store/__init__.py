"""The store: one embedded file searched by words and by meaning, and the protocol by which the memory tiers use it."""

from memgpt_agent.store.opening import open_store
from memgpt_agent.store.protocol import MemoryStore, SearchMode, Tally, TallyStore
from memgpt_agent.store.sqlite.store import FaissStore

__all__ = ["FaissStore", "MemoryStore", "SearchMode", "Tally", "TallyStore", "open_store"]
