"""An agent on a server while nobody speaks: heartbeats by the server's crons, and sleep as a second graph."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from langgraph_sdk.errors import UnprocessableEntityError

from memgpt_agent.turns.heartbeats import every_to_cron

pytestmark = pytest.mark.server

EVERY_SECOND = "* * * * * *"
"""The development server reads a sixth field, seconds; what `every_to_cron` gives would take a minute to come."""
BEAT = {"event": {"type": "heartbeat"}}


def test_a_cron_on_a_thread_is_a_heartbeat_in_that_conversation(talk: Any, client: Any) -> None:
    """Planned by `every_to_cron`, it knows what was said there, and what it says stands there; deleted, it stops."""
    ann = talk("clock")
    ann.say("Hi, I'm Alice")
    given = {"input": BEAT, "context": {"agent_id": "clock"}}
    cron = client.crons.create_for_thread(ann.thread, "memgpt", schedule=every_to_cron(600), **given)
    due = datetime.fromisoformat(cron["next_run_date"])
    assert due.minute % 10 == 0
    assert timedelta(0) < due - datetime.now(UTC) <= timedelta(minutes=10)
    assert cron["payload"]["input"] == BEAT
    client.crons.update(cron["cron_id"], schedule=EVERY_SECOND)
    ann.until(lambda: len(ann.spoken()) >= 4)
    client.crons.delete(cron["cron_id"])
    ann.until(lambda: client.threads.get(ann.thread)["status"] == "idle")
    assert ann.spoken()[:2] == ["Hi, I'm Alice", "Nice to meet you!"]
    assert set(ann.spoken()[2:]) == {"I know: I am a helpful assistant with a long memory. / Name: Alice"}
    beats = [m["additional_kwargs"]["memgpt"]["type"] for m in ann.values()["messages"] if m["type"] == "system"]
    assert beats == ["heartbeat"] * (len(ann.spoken()) - 2)


def test_a_cron_without_a_thread_puts_memory_in_order(talk: Any, client: Any) -> None:
    """Asleep the agent needs no conversation: it reads what was said in whichever thread, and its own thread is gone afterwards."""
    ann = talk("sleeper")
    ann.say("Ida likes tea")
    cron = client.crons.create("sleeptime", schedule=EVERY_SECOND, input=BEAT, context={"agent_id": "sleeper"})
    assert (cron["thread_id"], cron["on_run_completed"]) == (None, "delete")
    ann.until(lambda: client.store.get_item(["sleeper", "core"], "human")["value"]["value"])
    client.crons.delete(cron["cron_id"])
    assert ann.say("What do you know?")["messages"][-1]["content"].endswith("Likes tea.")


def test_a_schedule_that_is_none_is_refused(client: Any) -> None:
    """The server says so at once, not when the time would have come."""
    with pytest.raises(UnprocessableEntityError, match="Invalid cron schedule"):
        client.crons.create("memgpt", schedule="every now and then", input=BEAT)


def test_asleep_it_rewrites_what_the_agent_awake_sees_next(talk: Any, client: Any) -> None:
    """By hand, in a thread of its own; what was read is not read again, and none of it stands in the conversation."""
    ann = talk("dreamer")
    ann.say("Ida likes honey")
    before = ann.values()["messages"]
    asleep = talk("dreamer", "sleeptime")
    asleep.event(type="heartbeat")
    calls = [c["name"] for m in asleep.values()["messages"] for c in m.get("tool_calls") or []]
    assert calls == ["memory_rethink", "memory_finish_edits"]
    versions = [i["value"] for i in client.store.search_items(["dreamer", "core_history"], limit=100)["items"]]
    assert [(v["actor"], v["tool"], v["value"]) for v in versions if v["label"] == "human" and v["version"] > 1] == [
        ("sleeptime", "memory_rethink", "Likes honey.")
    ]
    assert ann.values()["messages"] == before
    assert ann.texts("recall") == ["Ida likes honey", ann.spoken()[-1]]
    assert ann.say("What do you know?")["messages"][-1]["content"].endswith("/ Likes honey.")
    asleep.event(type="heartbeat")
    again = [c["name"] for m in asleep.values()["messages"] for c in m.get("tool_calls") or []]
    assert again == [*calls, "memory_finish_edits"]
