"""The middleware's part of the agent's state: one private key, checkpointed with the messages."""

from typing import Annotated, NotRequired

from langchain.agents.middleware.types import AgentState as LangChainState
from langchain.agents.middleware.types import PrivateStateAttr
from typing_extensions import TypedDict

from memgpt_agent.state import ModelFacts, SentMemory, Summary, Turn

KEY = "memgpt"
"""The key of the agent's state."""


class MiddlewareRegisters(TypedDict, total=False):
    """The registers of one conversation; those of our own graph's state have the same names and meaning."""

    agent_id: str
    """Whose memory this conversation uses, where it was chosen for it."""
    prompt_tokens: int
    """The most tokens of a prompt."""
    turn: Turn
    """The running turn; of it the middleware uses the id, the step and the agent."""
    summary: Summary | None
    """The recursive summary of what was evicted."""
    memory_pressure_warned: bool
    """Whether the agent was warned since the last eviction."""
    alerts: dict[str, str]
    """What the system told the agent, by the id of the message, or of the tool call, behind which it stands."""
    context_usage: dict[str, int]
    """Tokens of the last prompt by section, with ``total`` and ``budget``."""
    model_facts: dict[str, ModelFacts]
    """What was learned of each model."""
    sent_memory: dict[str, SentMemory]
    """What of memory the system message shows."""
    core_memory: dict[str, str]
    """The blocks as last compiled, for whoever looks."""
    unkept: list[str]
    """The ids of answers that are not in recall memory yet: they go there once they are checkpointed."""


class MemGPTState(LangChainState):
    """The state of an agent with the middleware."""

    memgpt: NotRequired[Annotated[MiddlewareRegisters, PrivateStateAttr]]
    """The middleware's registers."""
