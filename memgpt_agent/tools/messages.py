"""The tool with which the agent speaks."""

from memgpt_agent.errors import InvalidArguments
from memgpt_agent.memory.agent_memory import AgentMemory
from memgpt_agent.tools.definition import memory_tool

SEND_MESSAGE = "send_message"
SENT = "Sent."
"""The result of a message that the user got."""


def send_message(memory: AgentMemory, message: str) -> str:
    """Say something to the user. This is the only way to speak.

    Args:
        message: What the user is to read.
    """
    if not message.strip():
        raise InvalidArguments("The message is empty; give the text that the user is to read.")
    return SENT


TOOLS = (memory_tool(send_message),)
