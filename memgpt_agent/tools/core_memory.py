"""The tools with which the agent edits core memory: append and replace, as in the MemGPT paper."""

from memgpt_agent.memory.agent_memory import AgentMemory
from memgpt_agent.memory.core import Block
from memgpt_agent.tools.definition import memory_tool


def core_memory_append(memory: AgentMemory, label: str, content: str) -> str:
    """Add a line to a core memory block.

    Args:
        label: The block to edit, such as 'human' or 'persona'.
        content: The line to add, one fact to a line.
    """
    return _now(memory.core.append(label, content, memory.cause))


def core_memory_replace(memory: AgentMemory, label: str, old_content: str, new_content: str) -> str:
    """Replace text in a core memory block, for instance when a fact has changed.

    Args:
        label: The block to edit, such as 'human' or 'persona'.
        old_content: The text to replace, exactly as it stands in the block; it must stand there once.
        new_content: The text to put in its place; empty to delete.
    """
    return _now(memory.core.replace(label, old_content, new_content, memory.cause))


def _now(block: Block) -> str:
    return f"Block {block.label!r} is now ({len(block.value)}/{block.limit_chars} characters):\n{block.value}"


TOOLS = (memory_tool(core_memory_append), memory_tool(core_memory_replace))
