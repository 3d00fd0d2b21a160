"""Groups of tools that an agent can get by name, beside those of its profile; and every tool by name."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

from memgpt_agent.errors import ConfigurationError, MissingDependency
from memgpt_agent.tools import agents, files, forgetting, knowledge, summaries, tasks
from memgpt_agent.tools.definition import AgentTool, foreign_tool
from memgpt_agent.tools.profiles import MEMGPT, MEMGPT_REACT, MEMGPT_V2, Profile, Reminder, Section
from memgpt_agent.tools.rules import ToolRule
from memgpt_agent.tools.run_code import run_code
from memgpt_agent.tools.web_search import web_search


class Group(NamedTuple):
    """What a name stands for."""

    tools: Sequence[AgentTool]
    """The tools."""
    sections: Sequence[Section] = ()
    """What stands in main context with them."""
    reminders: Sequence[Reminder] = ()
    """What the agent sees when a turn begins."""
    rules: Sequence[ToolRule] = ()
    """Rules that come with the tools."""


GROUPS: Mapping[str, Callable[[], Group]] = {
    "files": lambda: Group(files.TOOLS, (files.OPEN_FILES,)),
    "knowledge": lambda: Group(knowledge.TOOLS),
    "tasks": lambda: Group(tasks.TOOLS, (Section("tasks", tasks.tasks_in_view),)),
    "summaries": lambda: Group(summaries.TOOLS),
    "forget": lambda: Group(forgetting.TOOLS, rules=forgetting.RULES),
    "agents": lambda: Group(agents.TOOLS, reminders=(agents.read_letters,)),
    "letta_agents": lambda: Group(agents.LETTA_TOOLS, reminders=(agents.read_letters,)),
    "web_search": lambda: Group((foreign_tool(web_search()),)),
    "run_code": lambda: Group((foreign_tool(run_code()),)),
}
"""What each name stands for; made when it is asked for, as some need packages that may be missing."""


def with_groups(profile: Profile, names: Iterable[str]) -> Profile:
    """Return the profile with the tools and sections of these groups; what it has already is not added twice.

    Raises:
        ConfigurationError: there is no such group.
        MissingDependency: a group needs a package that is not installed.
    """
    for name in names:
        if name not in GROUPS:
            raise ConfigurationError(f"There is no group of tools {name!r}. The groups are: {', '.join(GROUPS)}.")
        tools, sections, reminders, rules = GROUPS[name]()
        have = {tool.name for tool in profile.tools} | {section.name for section in profile.sections}
        profile = replace(
            profile,
            tools=(*profile.tools, *(tool for tool in tools if tool.name not in have)),
            sections=(*profile.sections, *(section for section in sections if section.name not in have)),
            reminders=(*profile.reminders, *(reminder for reminder in reminders if reminder not in profile.reminders)),
            rules=(*profile.rules, *(rule for rule in rules if rule not in profile.rules)),
        )
    return profile


GROUP_OF: dict[str, str] = {}
"""The group of each tool that a group has; filled by :func:`catalogue`."""


@lru_cache
def catalogue() -> dict[str, AgentTool]:
    """Return every tool that an agent awake can have, those of the profiles first; one whose package is missing is left out."""
    found = {tool.name: tool for profile in (MEMGPT, MEMGPT_V2, MEMGPT_REACT) for tool in profile.tools}
    for name, make in GROUPS.items():
        try:
            group = make()
        except MissingDependency:
            continue
        for tool in group.tools:
            found.setdefault(tool.name, tool)
            GROUP_OF.setdefault(tool.name, name)
    return found
