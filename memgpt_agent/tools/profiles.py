"""What an agent is made of: a profile chooses its prompt, its tools, its blocks and what else stands in main context."""

from collections.abc import Callable
from dataclasses import dataclass

from memgpt_agent.errors import ConfigurationError
from memgpt_agent.memory.agent_memory import AgentMemory
from memgpt_agent.memory.core import Block
from memgpt_agent.prompts import SYSTEM_PROMPT
from memgpt_agent.tools import archival_memory, core_memory, messages, recall_memory
from memgpt_agent.tools.definition import AgentTool

MEMGPT_TOOLS: tuple[AgentTool, ...] = (
    *messages.TOOLS,
    *core_memory.TOOLS,
    *recall_memory.TOOLS,
    *archival_memory.TOOLS,
)
"""The tools of the MemGPT paper's agent (arXiv 2310.08560, section 2), in the order in which the model sees them."""


@dataclass(frozen=True)
class Section:
    """A part of main context that stands behind core memory, such as the files that are open."""

    name: str
    """Under which its tokens are counted in ``context_usage``."""
    render: Callable[[AgentMemory], str]
    """Returns its text from the agent's memory; empty where there is nothing to show."""


@dataclass(frozen=True)
class Profile:
    """Prompt, tools and all else by which one kind of agent differs from another."""

    name: str
    """Its name: the graph's, and the one that an agent's definition keeps."""
    tools: tuple[AgentTool, ...]
    """Its tools, in the order in which the model sees them."""
    system_prompt: str = SYSTEM_PROMPT
    """The template of its system prompt; see :func:`memgpt_agent.prompts.system_prompt`."""
    blocks: tuple[Block, ...] = ()
    """Blocks of a new agent beside ``persona`` and ``human``."""
    sections: tuple[Section, ...] = ()
    """What else stands in main context, in this order."""


MEMGPT = Profile("memgpt", MEMGPT_TOOLS)
"""The agent of the MemGPT paper."""

PROFILES: dict[str, Profile] = {profile.name: profile for profile in (MEMGPT,)}
"""The profiles there are, by name."""


def profile_of(given: str | Profile) -> Profile:
    """Return the profile of a name; one of the user's own stands for itself.

    Raises:
        ConfigurationError: there is no profile of this name.
    """
    if isinstance(given, Profile):
        return given
    if given not in PROFILES:
        raise ConfigurationError(
            f"There is no profile {given!r}. The profiles are: {', '.join(PROFILES)}; give one of your own as an object."
        )
    return PROFILES[given]
