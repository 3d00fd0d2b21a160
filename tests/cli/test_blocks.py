"""Shared blocks from the command line."""

import json

from memgpt_agent.testing import say


def agents(memgpt, *names: str) -> None:
    """Make agents that were told hello."""
    memgpt.script(*(say("Hello.") for _ in names))
    for name in names:
        memgpt.ok("run", "Hi", "--agent", name, "--human", f"Friend of {name}")


def test_a_block_is_shared_attached_listed_and_detached(memgpt) -> None:
    """Each command says what it did and how it goes on; the list names who has the block."""
    agents(memgpt, "ann", "ben")
    assert "memgpt blocks share LABEL" in memgpt.ok("blocks", "list")
    said = memgpt.ok("blocks", "share", "human", "--agent", "ann", "--as", "crew")
    assert "shared as crew" in said
    said = memgpt.ok("blocks", "attach", "crew", "--agent", "ben", "--label", "friends", "--read-only")
    assert said == "Attached crew to ben (as friends, read-only).\n"
    assert "Friend of ann" in memgpt.ok("memory", "show", "friends", "--agent", "ben")
    assert "user (ann)" in memgpt.ok("memory", "log", "friends", "--agent", "ben")
    row = " ".join(memgpt.ok("blocks", "list").split("\n", 1)[1].split())
    assert row.startswith("crew 13 of 2,000 2")
    assert row.endswith("ann (as human), ben (as friends, read-only)")
    assert memgpt.ok("blocks", "detach", "friends", "--agent", "ben", "--keep-copy").endswith(
        "keeps a copy of its own.\n"
    )
    assert "Friend of ann" in memgpt.ok("memory", "show", "friends", "--agent", "ben")
    assert memgpt.ok("blocks", "detach", "human", "--agent", "ann") == "Detached human from ann.\n"
    assert "nobody" in memgpt.ok("blocks", "list")


def test_the_list_as_json(memgpt) -> None:
    """With text and holders; empty where there is no store yet, and none is made."""
    assert json.loads(memgpt.ok("blocks", "list", "--json")) == []
    assert not (memgpt.home / "memory.db").exists()
    agents(memgpt, "ann")
    memgpt.ok("blocks", "share", "human", "--agent", "ann", "--as", "crew")
    [block] = json.loads(memgpt.ok("blocks", "list", "--json"))
    assert (block["id"], block["value"]) == ("crew", "Friend of ann")
    assert block["attached"] == [{"agent_id": "ann", "label": "human", "read_only": False}]
    assert "causes" not in block


def test_a_block_in_use_is_not_deleted(memgpt) -> None:
    """The error names the agents; one that was deleted has it no longer."""
    agents(memgpt, "ann")
    memgpt.ok("blocks", "share", "human", "--agent", "ann", "--as", "crew")
    refused = memgpt("blocks", "delete", "crew", "--yes")
    assert refused.exit_code == 1
    assert "BlockInUse: The shared block 'crew' is attached to 'ann' (as 'human')." in refused.stderr
    memgpt.ok("agents", "delete", "ann", "--yes")
    assert memgpt("blocks", "delete", "crew", stdin="n\n").exit_code == 1
    assert memgpt.ok("blocks", "delete", "crew", "--yes") == "Deleted crew.\n"
    assert json.loads(memgpt.ok("blocks", "list", "--json")) == []


def test_mistakes_are_told_with_what_there_is(memgpt) -> None:
    """An unknown agent, an unknown block, a label that is taken."""
    agents(memgpt, "ann", "ben")
    memgpt.ok("blocks", "share", "human", "--agent", "ann", "--as", "crew")
    assert "There is no agent 'cat'" in memgpt("blocks", "attach", "crew", "--agent", "cat").stderr
    assert "The shared blocks are: 'crew'" in memgpt("blocks", "attach", "crow", "--agent", "ben").stderr
    assert "under another label" in memgpt("blocks", "attach", "crew", "--agent", "ben").stderr
    assert "not shared" in memgpt("blocks", "detach", "persona", "--agent", "ben").stderr
