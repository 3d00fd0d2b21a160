"""A thread that is deleted on the server takes what was said and written in it along, where the settings say so."""

import time
from typing import Any

import pytest

pytestmark = pytest.mark.server


def everything_of(client: Any, agent_id: str) -> list[Any]:
    """Return all that the store holds of an agent."""
    places = client.store.list_namespaces(prefix=[agent_id], limit=100)["namespaces"]
    return [item["value"] for place in places for item in client.store.search_items(place, limit=100)["items"]]


def talk(client: Any, text: str, agent_id: str | None) -> str:
    """Say something in a new thread of an agent, or of an agent of its own; return the thread."""
    thread = client.threads.create()["thread_id"]
    context = {"agent_id": agent_id} if agent_id else {"memory_scope": "thread"}
    client.runs.wait(thread, "memgpt", input={"messages": [{"role": "user", "content": text}]}, context=context)
    return str(thread)


def test_a_deleted_threads_words_are_gone_from_memory(client: Any) -> None:
    """What another thread of the same agent brought stays."""
    first = talk(client, "file the Ashgrove papers", "desk")
    second = talk(client, "file the Millbrook papers", "desk")
    assert "Ashgrove" in str(everything_of(client, "desk"))
    client.threads.delete(first)
    assert "Ashgrove" not in str(everything_of(client, "desk"))
    assert "Millbrook" in str(everything_of(client, "desk"))
    client.threads.delete(second)
    assert "Millbrook" not in str(everything_of(client, "desk"))


def test_a_turn_that_runs_when_its_thread_is_deleted_stores_nothing_afterwards(client: Any, held: Any) -> None:
    """It is cancelled before the thread goes, and so is one that waits behind it."""
    thread = talk(client, "say hello", "desk")
    for text in ("file the Larkhill papers held", "file the Larkhill plans"):
        message = {"messages": [{"role": "user", "content": text}]}
        client.runs.create(thread, "memgpt", input=message, context={"agent_id": "desk"}, multitask_strategy="enqueue")
    while "Larkhill" not in str(everything_of(client, "desk")):
        time.sleep(0.05)
    client.threads.delete(thread)
    held.go_on.set()
    talk(client, "say goodbye", "desk")
    assert "Larkhill" not in str(everything_of(client, "desk"))


def test_a_threads_own_agent_goes_as_a_whole(client: Any) -> None:
    """Nobody would know its id any more."""
    thread = talk(client, "Hi, I'm Wilhelmina", None)
    assert "Wilhelmina" in str(everything_of(client, thread))
    client.threads.delete(thread)
    assert everything_of(client, thread) == []
