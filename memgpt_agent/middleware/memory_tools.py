"""The memory tools of an agent as plain LangChain tools, for any graph or loop; the agent is made where there is none."""

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool
from langgraph.store.base import BaseStore

from memgpt_agent.config import DEFAULT_PROMPT_TOKENS
from memgpt_agent.errors import ConfigurationError
from memgpt_agent.events import Clock, utc_now
from memgpt_agent.memory import definitions
from memgpt_agent.memory.agent_memory import AgentMemory
from memgpt_agent.memory.core import Block, Cause
from memgpt_agent.memory.dates import stamp
from memgpt_agent.memory.definitions import AgentDefinition
from memgpt_agent.nodes.session import key_of
from memgpt_agent.store.plain import checked_store
from memgpt_agent.tools.groups import with_groups
from memgpt_agent.tools.plain_tool import PlainMemoryTool
from memgpt_agent.tools.profiles import Profile, profile_of


def kept_tools(profile: Profile | str, groups: Sequence[str] = ()) -> Profile:
    """Return the profile with the memory tools that work in any agent, and those of the groups.

    Left out are ``send_message`` and what else speaks or ends a turn, what changes the queue, and tools from elsewhere, which the
    agent has itself.

    Raises:
        ConfigurationError: there is no such profile or group, or a group needs our own loop.
    """
    if isinstance(groups, str) or "agents" in groups:
        raise ConfigurationError(f"tools={groups!r}: give a list of groups of memory tools; letters between agents ('agents') need MemGPTAgent.")
    whole = with_groups(profile_of(profile), groups)
    if whole.in_background:
        raise ConfigurationError(f"The profile {whole.name!r} speaks to nobody; choose one that talks, such as 'memgpt'.")
    kept = tuple(t for t in whole.tools if t.act is not None and not (t.ends_turn or t.edits_queue or t.name in _OF_THE_LOOP))
    return replace(whole, tools=kept, rules=(), reminders=(), closing=(), checks_answers=False)


_OF_THE_LOOP = {"send_message", "page_in", "reflect"}
"""Tools of our own loop: speaking, pages of the queue, and the reminders to reflect."""


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


def memory_tools(
    store: BaseStore,
    agent_id: str,
    *,
    profile: Profile | str = "memgpt",
    tools: Sequence[str] = (),
    time_zone: str | None = None,
    clock: Clock = utc_now,
) -> list[BaseTool]:
    """Return an agent's memory tools, for a ``ToolNode``, for ``create_agent`` or for a loop of your own.

    They act on the same memory as the agent's own face and :class:`MemGPTMiddleware` do. A call is carried out once: the same tool
    call (by its id, thread, name and arguments) changes nothing when it is made again.

    Args:
        store: where memory lives.
        agent_id: whose memory it is. A new agent gets the blocks ``persona`` and ``human``, empty.
        profile: which tools: ``memgpt``, ``memgpt_v2`` or one of your own.
        tools: groups of further tools by name, such as ``knowledge`` or ``tasks``.
        time_zone: the zone in which days are meant; the agent's own if omitted, else UTC.
        clock: gives the time.

    Raises:
        ConfigurationError: there is no such store, profile or group.

    **Limits**: they keep nothing of what is said. ``conversation_search`` finds what other faces of the agent have kept.
    """
    kept = kept_tools(profile, tools)
    known = found_or_made(checked_store(store), agent_id, kept, definitions.seeds(None, None, None, kept.blocks), {}, clock)
    zone = time_zone or (known.context or {}).get("time_zone") or "UTC"

    def opened(config: RunnableConfig, name: str, arguments: dict[str, Any], call_id: str) -> AgentMemory:
        thread = config.get("configurable", {}).get("thread_id", "")
        arguments_json = json.dumps(arguments, sort_keys=True, default=str)
        key = key_of("tool", thread, call_id, name, arguments_json) if call_id else uuid.uuid4().hex
        return AgentMemory(store, agent_id, clock, zone, Cause(key, "agent", name))

    return [PlainMemoryTool.of(tool, opened) for tool in kept.tools]
