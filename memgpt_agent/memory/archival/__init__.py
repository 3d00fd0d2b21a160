"""Archival memory: passages that the agent files and finds again, and retired ones."""

from memgpt_agent.memory.archival.passages import MAX_PASSAGE_CHARS, ArchivalMemory, Passage, StoreArchive, passage_id
from memgpt_agent.memory.archival.retired import Retired, RetiredPassages

__all__ = ["MAX_PASSAGE_CHARS", "ArchivalMemory", "Passage", "Retired", "RetiredPassages", "StoreArchive", "passage_id"]
