"""Profiles: an agent's prompt, tools, blocks and further sections of main context."""

from collections.abc import Callable
from dataclasses import dataclass

from memgpt_agent.errors import ConfigurationError
from memgpt_agent.events import EventType
from memgpt_agent.memory.agent_memory import AgentMemory
from memgpt_agent.memory.core import Block
from memgpt_agent.prompts import SYSTEM_PROMPT, SYSTEM_PROMPT_REACT, SYSTEM_PROMPT_SLEEPTIME, SYSTEM_PROMPT_V2
from memgpt_agent.tools import (
    archival_memory,
    core_memory,
    knowledge,
    messages,
    paging,
    recall,
    recall_memory,
    reflection,
    sleep,
    summaries,
    tasks,
)
from memgpt_agent.tools.definition import AgentTool
from memgpt_agent.tools.rules import ToolRule

MEMGPT_TOOLS: tuple[AgentTool, ...] = (
    *messages.TOOLS,
    *core_memory.TOOLS,
    *recall_memory.TOOLS,
    *archival_memory.TOOLS,
    *paging.TOOLS,
)
"""The tools of the MemGPT paper's agent (arXiv 2310.08560, section 2), in the order in which the model sees them."""

V2_TOOLS: tuple[AgentTool, ...] = (
    *messages.TOOLS,
    *core_memory.EDITING_TOOLS,
    *recall.TOOLS,
    *summaries.TOOLS,
    *(tool for tool in archival_memory.TOOLS if not tool.reads_memory),
    *paging.TOOLS,
)
"""The tools of the later agent: core memory edited by lines, one search over everything."""

Reminder = Callable[[AgentMemory, EventType], str]
"""Called once when a turn begins, with the turn in ``memory.cause.turn`` and its event's type; returns what the agent is
told behind the event, or nothing. Called again for the same turn it returns the same."""


@dataclass(frozen=True)
class Section:
    """A part of main context behind core memory, such as the open files."""

    name: str
    """Its name in ``context_usage``."""
    render: Callable[[AgentMemory], str]
    """Returns its text from the agent's memory; empty if there is nothing to show."""
    share: float | None = None
    """The most that it may fill, as a share of ``budget_tokens``; ``None`` if it has no limit."""


@dataclass(frozen=True)
class Profile:
    """The prompt, tools and everything else that defines a kind of agent."""

    name: str
    """Its name, which is also the graph's; an agent's definition stores it."""
    tools: tuple[AgentTool, ...]
    """Its tools, in the order in which the model sees them."""
    system_prompt: str = SYSTEM_PROMPT
    """The template of its system prompt; see :func:`memgpt_agent.prompts.system_prompt`."""
    blocks: tuple[Block, ...] = ()
    """Blocks of a new agent beside ``persona`` and ``human``."""
    sections: tuple[Section, ...] = ()
    """Further sections of main context, in this order."""
    numbers_lines: bool = False
    """Whether blocks are shown with line numbers, for tools that edit by lines."""
    checks_answers: bool = False
    """Whether the model gets the first draft of an answer back before it is sent."""
    reminders: tuple[Reminder, ...] = ()
    """Functions whose texts the agent may see when a turn begins, beside the event itself."""
    closing: tuple[Callable[[AgentMemory], None], ...] = ()
    """Called when a turn has ended, with the turn in ``memory.cause.turn``; called again for the same turn they change nothing."""
    rules: tuple[ToolRule, ...] = ()
    """Rules on its tool calls."""
    in_background: bool = False
    """Whether nobody speaks to it: its words and acts are kept apart from the conversation."""

    @property
    def actor(self) -> str:
        """The actor recorded in history."""
        return "sleeptime" if self.in_background else "agent"


MEMGPT = Profile("memgpt", MEMGPT_TOOLS)
"""The agent of the MemGPT paper."""
MEMGPT_V2 = Profile("memgpt_v2", V2_TOOLS, SYSTEM_PROMPT_V2, numbers_lines=True)
"""The later agent: the same control flow, core memory edited by lines, one ``recall`` over everything."""
MEMGPT_REACT = Profile(
    "memgpt_react",
    (*V2_TOOLS, *tasks.TOOLS, *reflection.TOOLS),
    SYSTEM_PROMPT_REACT,
    blocks=(reflection.OPEN_QUESTIONS,),
    sections=(Section("tasks", tasks.tasks_in_view),),
    numbers_lines=True,
    checks_answers=True,
    reminders=(reflection.remind_to_reflect(10),),
)
"""The later agent with tasks in view, planning, a check of each answer, and reflection every ten turns.

**Limits**: prompt and tools take 3,400 tokens, so that it needs a window of 8,192.
"""

SLEEPTIME = Profile(
    "sleeptime",
    (
        *(tool for tool in core_memory.EDITING_TOOLS if not tool.ends_turn),
        *archival_memory.TOOLS,
        *recall_memory.TOOLS,
        *knowledge.TOOLS,
        *sleep.TOOLS,
    ),
    SYSTEM_PROMPT_SLEEPTIME,
    numbers_lines=True,
    reminders=(sleep.read_while_awake,),
    closing=(sleep.count_as_read,),
    in_background=True,
)
"""The sleep-time agent: it revises the memory that it shares with the main agent, and speaks to nobody."""

PROFILES: dict[str, Profile] = {profile.name: profile for profile in (MEMGPT, MEMGPT_V2, MEMGPT_REACT, SLEEPTIME)}
"""The profiles by name."""


def profile_of(given: str | Profile) -> Profile:
    """Return the profile of a name; a profile object is returned unchanged.

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
