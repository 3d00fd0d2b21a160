"""Messages that arrive at the server while the agent works, sent twice, or run again: with LangGraph's own strategies."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from langgraph_sdk.errors import ConflictError, NotFoundError

pytestmark = pytest.mark.server


def test_enqueued_messages_are_each_answered_in_order(talk: Any) -> None:
    """However fast they come."""
    queued = talk("queued")
    runs = [queued.begin(f"say w{n}{' slowly' if n < 1 else ''}", "enqueue") for n in range(4)]
    for run in runs:
        queued.join(run)
    told = ["say w0 slowly", "re w0", "say w1", "re w1", "say w2", "re w2", "say w3", "re w3"]
    assert (queued.spoken(), queued.open_calls()) == (told, [])


def test_an_interrupting_message_takes_its_place_and_the_model_sees_both(talk: Any, client: Any) -> None:
    """The first run stops; what comes after is answered as ever."""
    stopped = talk("stopped")
    first = stopped.begin_slowly("say one")
    stopped.join(stopped.begin("say two", "interrupt"))
    assert stopped.spoken() == ["say one slowly", "say two", "re two"]
    assert client.runs.get(stopped.thread, first)["status"] == "interrupted"
    stopped.join(stopped.begin("say three", "enqueue"))
    assert (stopped.spoken()[-2:], stopped.open_calls()) == (["say three", "re three"], [])


def test_what_was_rolled_back_was_never_said(talk: Any, client: Any) -> None:
    """In the conversation; and the same message, sent again under its id, is new there and answered."""
    undone = talk("undone")
    first = undone.begin_slowly("say one", "m1")
    undone.join(undone.begin("say two", "rollback"))
    assert undone.spoken() == ["say two", "re two"]
    with pytest.raises(NotFoundError):
        client.runs.get(undone.thread, first)
    again = talk("again")
    again.begin_slowly("say one", "m1")
    again.join(again.begin("say one slowly", "rollback", "m1"))
    assert again.spoken() == ["say one slowly", "re one"]


def test_a_rejected_message_is_told_to_the_client_and_leaves_no_trace(talk: Any) -> None:
    """The turn that runs is not disturbed, and the agent has never heard of it."""
    busy = talk("busy")
    first = busy.begin_slowly("say one")
    with pytest.raises(ConflictError):
        busy.begin("say two", "reject")
    busy.join(first)
    assert busy.spoken() == ["say one slowly", "re one"]
    assert busy.texts("recall") == ["say one slowly", "re one"]
    busy.join(busy.begin("say three", "reject"))
    assert busy.spoken()[-2:] == ["say three", "re three"]


def test_what_is_sent_twice_is_done_once(talk: Any) -> None:
    """A message and a heartbeat under the same id change nothing the second time."""
    once = talk("once")
    once.say("file bees sleep at night", message_id="m1")
    held, spoken = once.stored(), once.spoken()
    assert spoken == ["file bees sleep at night", "Nice to meet you!"]
    once.say("file bees sleep at night", message_id="m1")
    assert (once.stored(), once.spoken()) == (held, spoken)
    for _ in range(2):
        once.event(type="heartbeat", id="h1")
    assert len([m for m in once.values()["messages"] if m["type"] == "system"]) == 1


def test_tools_that_are_run_again_write_nothing_new(talk: Any, client: Any) -> None:
    """From the checkpoints before them, whatever the durability; what the calls return is what they returned."""

    def run_again(durability: str) -> None:
        told = talk(f"replayed-{durability}")
        told.say("file bees sleep at night")
        held = told.stored()
        replays = [
            state for state in client.threads.get_history(told.thread, limit=100) if state["next"] == ["execute_tools"]
        ]
        calls = [state["values"]["messages"][-1]["tool_calls"][0] for state in replays]
        assert [call["name"] for call in calls] == ["send_message", "archival_memory_insert"]
        results = {m["tool_call_id"]: m["content"] for m in told.values()["messages"] if m["type"] == "tool"}
        for call, state in zip(calls, replays, strict=True):
            given = told.given() | {"checkpoint": state["checkpoint"], "durability": durability}
            after = client.runs.wait(told.thread, "memgpt", **given, interrupt_after=["execute_tools"])
            again = [m for m in after["messages"] if m["type"] == "tool"][-1]
            assert (again["tool_call_id"], again["content"]) == (call["id"], results[call["id"]])
        assert told.stored() == held

    with ThreadPoolExecutor() as pool:
        list(pool.map(run_again, ("async", "sync", "exit")))
