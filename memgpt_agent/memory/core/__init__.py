"""Core memory: an agent's blocks of text, edited exactly, each version kept, alone or shared with other agents."""

from memgpt_agent.memory.core.block_store import MAX_BLOCKS
from memgpt_agent.memory.core.blocks import (
    DEFAULT_LIMIT_CHARS,
    HUMAN_DESCRIPTION,
    MAX_BLOCK_CHARS,
    MAX_DESCRIPTION_CHARS,
    PERSONA_DESCRIPTION,
    SYSTEM_DESCRIPTION,
    Block,
    Cause,
    default_blocks,
)
from memgpt_agent.memory.core.core_memory import CoreMemory

__all__ = [
    "DEFAULT_LIMIT_CHARS", "HUMAN_DESCRIPTION", "MAX_BLOCKS", "MAX_BLOCK_CHARS", "MAX_DESCRIPTION_CHARS", "PERSONA_DESCRIPTION",
    "SYSTEM_DESCRIPTION", "Block", "Cause", "CoreMemory", "default_blocks",
]  # fmt: skip
