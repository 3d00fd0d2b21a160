"""The store: one embedded file searched by words and by meaning, and the protocol by which the memory tiers use it."""

from memgpt_agent.memory.store.faiss import FaissStore
from memgpt_agent.memory.store.protocol import MemoryStore, SearchMode, Tally, TallyStore
from memgpt_agent.memory.store.url import open_store

__all__ = ["FaissStore", "MemoryStore", "SearchMode", "Tally", "TallyStore", "open_store"]
