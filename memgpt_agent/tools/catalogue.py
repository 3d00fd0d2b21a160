"""Every tool of this package by name, whatever profile or group has it."""

from functools import lru_cache

from memgpt_agent.errors import MissingDependency
from memgpt_agent.tools.definition import AgentTool
from memgpt_agent.tools.groups import GROUPS
from memgpt_agent.tools.profiles import MEMGPT, MEMGPT_REACT, MEMGPT_V2

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
