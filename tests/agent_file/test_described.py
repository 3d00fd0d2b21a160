"""An agent that uses everything: each namespace in its store is a described tier, and deletion does what the descriptions say."""

from typing import Any

from memgpt_agent.memory.tiers import GLOBAL, TIERS, described
from memgpt_agent.stored_agents import delete_agent
from memgpt_agent.testing import ScriptedModel
from tests.agent_file.conftest import Home
from tests.agent_file.test_any_fault import lived


def summarizer() -> ScriptedModel:
    """Return a model that summarizes."""
    return ScriptedModel([lambda _messages: "They spoke." for _ in range(20)])


def test_each_namespace_of_an_agent_that_uses_everything_is_described(full: Home) -> None:
    """Files, tasks, facts, letters, sleep, the clock, a shared block and an import leave no other namespace.

    Deleting the agent then leaves what its descriptions say stays, and nothing of another agent's goes.
    """
    lived(full)
    file, _ = full.export("ann")
    full.take(file, agent_id="twin")
    with full.agent("ann", summarizer=summarizer()) as ann:
        ann.core_memory.share("human", "crew")
    found = full.store.list_namespaces(limit=1_000)
    later = [(agent, "later_tier", "part") for agent in ("ann", "twin")]  # put there by the fixture, as a newer version might
    assert [namespace for namespace in found if described(namespace) is None] == later
    assert {namespace[1] for namespace in found if namespace[0] == "ann"} == {*TIERS, "later_tier"}
    beside = {namespace[0] for namespace in found} - {"ann", "twin"}
    assert beside <= set(GLOBAL)
    assert not beside & {"imports", "~erasures"}, "nothing is unfinished"
    served = {"~owners", "~conversations", "~tools", "~folders", "~folder_files"}
    assert set(GLOBAL) - beside <= {"imports", "~erasures", "~counted", "~used", *served}

    before = _everything(full)
    delete_agent("ann", full.settings)
    gone = {place for place in before if place not in _everything(full)}
    assert {place[0][0] for place in gone} == {"ann", "agents", "leases"}
    assert {key for place, key in gone if place == ("agents",)} == {"ann"}
    assert [place for place in _everything(full) if place[0][0] == "ann"] == []


def _everything(where: Home) -> set[tuple[Any, str]]:
    namespaces = where.store.list_namespaces(limit=1_000)
    return {(n, item.key) for n in namespaces for item in where.store.search(n, limit=10_000) if item.namespace == n}
