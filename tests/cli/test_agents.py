"""Listing and deleting agents."""

import json

from memgpt_agent.testing import say


def test_agents_are_listed_oldest_first(memgpt) -> None:
    """With id, time, model and number of conversations; as JSON with all that they are made of."""
    memgpt.script(say("One."), say("Two."))
    memgpt.ok("run", "Hi", "--agent", "zoe")
    memgpt.ok("run", "Hi", "--agent", "adam")
    assert [agent["agent_id"] for agent in json.loads(memgpt.ok("agents", "list", "--json"))] == ["zoe", "adam"]
    lines = memgpt.ok("agents", "list").splitlines()
    assert [line.split()[0] for line in lines] == ["agent", "zoe", "adam"]


def test_deleting_asks_first(memgpt) -> None:
    """A no leaves everything; a yes forgets the agent and only it."""
    memgpt.script(say("One."), say("Two."), say("New."))
    memgpt.ok("run", "I'm Alice", "--agent", "a")
    memgpt.ok("run", "I'm Bob", "--agent", "b")
    assert memgpt("agents", "delete", "a", stdin="n\n").exit_code == 1
    assert len(json.loads(memgpt.ok("agents", "list", "--json"))) == 2
    assert "Deleted a." in memgpt.ok("agents", "delete", "a", stdin="y\n")
    assert [agent["agent_id"] for agent in json.loads(memgpt.ok("agents", "list", "--json"))] == ["b"]
    memgpt.ok("run", "Hi", "--agent", "a")
    assert "Alice" not in str(memgpt.model.calls[2])


def test_yes_does_not_ask(memgpt) -> None:
    """For scripts."""
    memgpt.script(say("One."))
    memgpt.ok("run", "Hi")
    assert memgpt.ok("agents", "delete", "default", "--yes") == "Deleted default.\n"


def test_an_unknown_agent_cannot_be_deleted(memgpt) -> None:
    """It is told before anything is asked."""
    result = memgpt("agents", "delete", "nobody")
    assert result.exit_code == 1
    assert "There is no agent 'nobody'; nothing was deleted." in result.stderr
