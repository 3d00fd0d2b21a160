"""What an agent is made of: what is given now, else what is stored of it."""

import pytest

from memgpt_agent.errors import ConfigurationError
from memgpt_agent.memory.definitions import AgentDefinition
from memgpt_agent.tools.rules import MaxCountRule
from memgpt_agent.tools.specification import AgentSpecification

STORED = AgentDefinition(
    "ann", "2026-01-01", profile="memgpt_v2", context={"user_id": "ida"}, groups=("tasks",), tags=("quick",),
    rules=({"kind": "max_count", "tool": "buy", "limit": 1},), threads=("ann", "other"),
)  # fmt: skip


def buy(what: str) -> str:
    """Buy something.

    Args:
        what: What to buy.
    """
    return what


def test_what_is_not_given_is_what_is_stored() -> None:
    """Profile, groups, choices and tags; a rule is in force only where its tool is there, but kept all the same."""
    made = AgentSpecification.of(STORED, choices={"user_id": None, "time_zone": "Europe/Lisbon"})
    assert (made.profile.name, made.groups, made.tags, made.added) == ("memgpt_v2", ("tasks",), ("quick",), ())
    assert (made.context.user_id, made.context.time_zone, made.context.agent_id) == ("ida", "Europe/Lisbon", "ann")
    assert "task_add" in made.registry.names
    assert (made.rules, made.kept_rules) == ((), STORED.rules)


def test_what_is_given_takes_its_place_and_groups_are_added() -> None:
    """Another profile, a tool of one's own and rules on it."""
    made = AgentSpecification.of(
        STORED, profile="memgpt", tools=["knowledge", buy], rules=[MaxCountRule("buy", 3)], tags=["slow"], choices={"user_id": "joe"}
    )  # fmt: skip
    assert (made.profile.name, made.groups, made.tags, made.added) == (
        "memgpt",
        ("tasks", "knowledge"),
        ("slow",),
        (buy,),
    )
    assert made.registry.names[-1] == "buy"
    assert made.rules == (MaxCountRule("buy", 3),)
    definition = made.define(STORED, model="openai:one", embedding=object(), thread_id="third")
    assert (definition.created, definition.model, definition.embedding) == ("2026-01-01", "openai:one", None)
    assert (definition.threads, definition.context) == (("third",), {"user_id": "joe"})
    assert definition.rules == ({"kind": "max_count", "tool": "buy", "limit": 3},)


def test_what_there_is_not_is_refused() -> None:
    """A profile, a group, a choice, a rule's tool: each by its name."""
    with pytest.raises(ConfigurationError, match="profile 'sleepy'"):
        AgentSpecification.of(STORED, profile="sleepy", choices={})
    with pytest.raises(ConfigurationError, match="group of tools 'magic'"):
        AgentSpecification.of(STORED, tools=["magic"], choices={})
    with pytest.raises(ConfigurationError, match="mood"):
        AgentSpecification.of(STORED, choices={"mood": "good"})
    with pytest.raises(ConfigurationError, match="'sell'"):
        AgentSpecification.of(STORED, rules=[MaxCountRule("sell", 1)], choices={})
