"""A thread that is deleted on the server takes what was said and written in it along, where the settings say so."""

from typing import Any

import pytest

pytestmark = pytest.mark.server


def held(client: Any, agent_id: str) -> list[Any]:
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
    assert "Ashgrove" in str(held(client, "desk"))
    client.threads.delete(first)
    assert "Ashgrove" not in str(held(client, "desk"))
    assert "Millbrook" in str(held(client, "desk"))
    client.threads.delete(second)
    assert "Millbrook" not in str(held(client, "desk"))


def test_a_threads_own_agent_goes_as_a_whole(client: Any) -> None:
    """Nobody would know its id any more."""
    thread = talk(client, "Hi, I'm Wilhelmina", None)
    assert "Wilhelmina" in str(held(client, thread))
    client.threads.delete(thread)
    assert held(client, thread) == []
