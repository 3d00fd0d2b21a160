"""The memory tools of a profile that work outside our own loop."""

from collections.abc import Sequence
from dataclasses import replace

from memgpt_agent.errors import ConfigurationError
from memgpt_agent.tools.groups import with_groups
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
