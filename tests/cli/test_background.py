"""Sleep and heartbeats from the command line."""

import json

from memgpt_agent.testing import call, say


def test_an_agent_sleeps_and_says_what_it_did(memgpt) -> None:
    """What was read and what was changed; an agent that does not exist is not made."""
    memgpt.script(
        say("Noted."),
        call("memory_rethink", label="human", new_memory="Keeps bees.", request_heartbeat=True),
        call("memory_finish_edits"),
    )
    memgpt.ok("run", "I keep bees.")
    told = memgpt.ok("sleep")
    assert "memory_rethink" in told
    assert told.endswith("2 messages read; 2 calls.\n")
    assert "Keeps bees." in memgpt.ok("memory", "show")
    assert memgpt("sleep", "--agent", "nobody").exit_code == 1


def test_one_heartbeat_and_some_by_the_clock(memgpt) -> None:
    """Without an interval once and at once; with one, until so many have come. It speaks on the output, the rest is an aside."""
    memgpt.script(say("Hello."), say("The kettle is on."), say("First."), say("Second."))
    memgpt.ok("run", "Hi.")
    assert memgpt.ok("heartbeat") == "The kettle is on.\n"
    result = memgpt("heartbeat", "--every", "1s", "--beats", "2")
    assert result.stdout == "First.\nSecond.\n"
    assert "beats; the next beat is at" in result.stderr


def test_hours_that_cannot_be_are_refused(memgpt) -> None:
    """With what can be written."""
    memgpt.script(say("Hello."))
    memgpt.ok("run", "Hi.")
    result = memgpt("heartbeat", "--every", "10m", "--quiet", "late")
    assert result.exit_code == 1
    assert "22:00-07:00" in result.stderr
    assert json.loads(memgpt.ok("agents", "list", "--json"))
