"""Finding the agent whose memory is used, or creating it so that every interface knows it."""

from collections.abc import Mapping, Sequence
from typing import Any

from langgraph.store.base import BaseStore

from memgpt_agent.config import DEFAULT_PROMPT_TOKENS
from memgpt_agent.events import Clock
from memgpt_agent.memory import definitions
from memgpt_agent.memory.agent_memory import AgentMemory
from memgpt_agent.memory.core import Block, Cause
from memgpt_agent.memory.dates import stamp
from memgpt_agent.memory.definitions import AgentDefinition
from memgpt_agent.tools.profiles import Profile


def found_or_made(
    store: BaseStore, agent_id: str, kept: Profile, seeds: Sequence[Block], choices: Mapping[str, Any], clock: Clock
) -> AgentDefinition:
    """Return the definition of an agent; a new one is made of what is given here, with its blocks."""
    known = definitions.load(store, agent_id)
    if known is not None:
        return known
    AgentMemory(store, agent_id, clock).core.create(seeds, Cause(tool="create"), keep_existing=True)
    context = {"prompt_tokens": DEFAULT_PROMPT_TOKENS, **{k: v for k, v in choices.items() if k != "agent_id"}}
    names = tuple(tool.name for tool in kept.tools)
    return definitions.save(store, AgentDefinition(agent_id, stamp(clock()), profile=kept.name, tools=names, context=context))
