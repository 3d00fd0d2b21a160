"""An agent's specification: the profile, tools, rules and settings given now, or else those stored with it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from langchain_core.tools import BaseTool

from memgpt_agent.config import Context
from memgpt_agent.memory.definitions import AgentDefinition
from memgpt_agent.tools.groups import with_groups
from memgpt_agent.tools.profiles import Profile, profile_of
from memgpt_agent.tools.registry import ToolRegistry
from memgpt_agent.tools.rules import ToolRule, rules_in_force, rules_to_data

Tool = BaseTool | Callable[..., Any]


@dataclass(frozen=True)
class AgentSpecification:
    """One agent's profile, tools, rules and choices; its model and its memory are not part of it."""

    profile: Profile
    """Its profile, with the tools of its groups."""
    groups: tuple[str, ...]
    """The groups of tools that it has by name; what was stored stays."""
    added: tuple[Tool, ...]
    """The tools that are given as objects, which cannot be stored."""
    registry: ToolRegistry
    """All its tools by name."""
    rules: tuple[ToolRule, ...]
    """The rules on its tool calls that are in force."""
    kept_rules: tuple[dict[str, Any], ...]
    """All its rules, as data: also those that rest because their tools are not there now."""
    tags: tuple[str, ...]
    """By which other agents find it."""
    choices: Mapping[str, Any]
    """The fields of ``context`` that were chosen for it."""
    context: Context
    """What its runs are given."""

    @classmethod
    def of(
        cls,
        stored: AgentDefinition,
        *,
        profile: Profile | str | None = None,
        tools: Sequence[Tool | str] = (),
        rules: Sequence[ToolRule] = (),
        tags: Sequence[str] = (),
        choices: Mapping[str, Any],
    ) -> "AgentSpecification":
        """Return what an agent is made of by what is given now, else by what is stored of it; a choice of ``None`` is none.

        Raises:
            ConfigurationError: there is no such profile, group, choice or tool of a rule.
        """
        groups = tuple(dict.fromkeys([*stored.groups, *(tool for tool in tools if isinstance(tool, str))]))
        added = tuple(tool for tool in tools if not isinstance(tool, str))
        whole = _as_given(with_groups(profile_of(profile or stored.profile), groups), stored)
        registry = ToolRegistry(whole.tools, added)
        chosen = _chosen(stored.context or {}, {name: value for name, value in choices.items() if value is not None})
        return cls(
            profile=whole,
            groups=groups,
            added=added,
            registry=registry,
            rules=tuple(rules_in_force(rules, stored.rules, registry.names)),
            kept_rules=tuple(rules_to_data(rules)) or stored.rules,
            tags=tuple(tags) or stored.tags,
            choices=chosen,
            context=Context.from_values({**_window(chosen), **chosen, "agent_id": stored.agent_id}),
        )

    def define(self, stored: AgentDefinition, *, model: Any, embedding: Any, thread_id: str) -> AgentDefinition:
        """Return the definition with all this in it; a model or an embedding that is given as an object has no name."""
        return replace(
            stored,
            profile=self.profile.name,
            model=model if isinstance(model, str) else None,
            embedding=embedding if isinstance(embedding, str) else None,
            tools=self.registry.names,
            context=dict(self.choices),
            threads=(thread_id,),
            groups=self.groups,
            rules=self.kept_rules,
            tags=self.tags,
        )


def _as_given(profile: Profile, stored: AgentDefinition) -> Profile:
    """Return an agent's profile without the tools that were taken from it, and with the system prompt that it was given."""
    kept = tuple(tool for tool in profile.tools if tool.name not in stored.without)
    prompt = verbatim(stored.system) if stored.system else profile.system_prompt
    return replace(profile, tools=kept, system_prompt=prompt) if stored.without or stored.system else profile


def verbatim(text: str) -> str:
    """Return the template of a system prompt that reads just so: braces name no tools in it."""
    return text.replace("{", "{{").replace("}", "}}")


def _chosen(stored: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return an agent's choices; a window that is given now ends what was stored of its prompts' size."""
    chosen = {**stored, **given}
    if "context_window_tokens" in given and "prompt_tokens" not in given:
        chosen.pop("prompt_tokens", None)
    return chosen


def _window(chosen: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the choice that is made for an agent of an earlier version, which has neither a window nor a size of prompts: the whole window."""
    return {} if {"context_window_tokens", "prompt_tokens"} & set(chosen) else {"context_window_tokens": "max"}
