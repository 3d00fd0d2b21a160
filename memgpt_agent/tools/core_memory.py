"""The tools with which the agent edits core memory: append and replace as in the MemGPT paper, and the later agent's by lines."""

from memgpt_agent.memory.agent_memory import AgentMemory
from memgpt_agent.memory.core import Block
from memgpt_agent.memory.core.blocks import refuse_numbers
from memgpt_agent.prompts import render_numbered
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


def memory_insert(memory: AgentMemory, label: str, new_string: str, insert_line: int = -1) -> str:
    """Insert lines into a core memory block.

    Args:
        label: The block to edit, such as 'human' or 'persona'.
        new_string: The text to insert, one fact to a line, without line numbers.
        insert_line: The number of the line after which to insert; 0 for the top, -1 for the end.
    """
    refuse_numbers("new_string", new_string)
    return _numbered(memory.core.insert(label, new_string, insert_line, memory.cause))


def memory_replace(memory: AgentMemory, label: str, old_string: str, new_string: str) -> str:
    """Replace text in a core memory block, for instance when a fact has changed.

    Args:
        label: The block to edit, such as 'human' or 'persona'.
        old_string: The text to replace, exactly as it stands in the block and there once, without line numbers.
        new_string: The text to put in its place; empty to delete.
    """
    refuse_numbers("new_string", new_string)
    return _numbered(memory.core.replace(label, old_string, new_string, memory.cause))


def memory_rethink(memory: AgentMemory, label: str, new_memory: str) -> str:
    """Rewrite a whole core memory block, to put it in order; a block that does not exist is made.

    Args:
        label: The block to rewrite or make.
        new_memory: Its whole new text, with all that is still true of the old one.
    """
    refuse_numbers("new_memory", new_memory)
    return _numbered(memory.core.rethink(label, new_memory, memory.cause))


def memory_finish_edits(memory: AgentMemory) -> str:
    """Say that your memory is in order; the turn ends."""
    return "Finished."


def _numbered(block: Block) -> str:
    return f"Block {block.label!r} is now ({len(block.value)}/{block.limit_chars} characters):\n{render_numbered(block.value)}"


EDITING_TOOLS = (
    memory_tool(memory_insert),
    memory_tool(memory_replace),
    memory_tool(memory_rethink),
    memory_tool(memory_finish_edits, ends_turn=True),
)
