"""Whose memory the shipped graphs use on LangGraph's server where nobody names an agent, over several threads."""

from typing import Any

import pytest
from langgraph_sdk import get_sync_client

pytestmark = pytest.mark.server

AUTH = """
from langgraph_sdk import Auth

auth = Auth()

@auth.authenticate
async def whoever_says_so(authorization: str | None) -> str:
    if not authorization:
        raise Auth.exceptions.HTTPException(status_code=401, detail="Who are you?")
    return authorization
"""


def talk(client: Any, text: str, assistant: str = "memgpt", **context: Any) -> tuple[str, str]:
    """Say something in a new thread; return the thread and what was answered."""
    thread = client.threads.create()["thread_id"]
    return thread, said(client, thread, text, assistant, **context)


def said(client: Any, thread: str, text: str, assistant: str = "memgpt", **context: Any) -> str:
    """Say something in a thread; return what was answered."""
    given = {"messages": [{"role": "user", "content": text}]}
    values = client.runs.wait(thread, assistant, input=given, **({"context": context} if context else {}))
    return str(values["messages"][-1]["content"])


def test_a_new_thread_of_the_trial_server_remembers_what_its_assistant_was_told(client: Any) -> None:
    """As Studio and chat clients use it: they name no agent, only the assistant."""
    ann, bob = (
        client.assistants.create("memgpt", context={"persona": f"I am {name}."})["assistant_id"]
        for name in ("Ann", "Bob")
    )
    thread, answer = talk(client, "Hi, I'm Alice", ann)
    assert answer == "Nice to meet you!"
    assert client.threads.get_state(thread)["values"]["agent_id"] == f"assistant:{ann}"
    assert talk(client, "What do you know?", ann)[1] == "I know: I am Ann. / Name: Alice"
    assert "Alice" not in talk(client, "What do you know?", bob)[1]
    asleep = client.runs.wait(
        None, "sleeptime", input={"event": {"type": "heartbeat"}}, context={"agent_id": f"assistant:{ann}"}
    )
    assert asleep["messages"]


def test_an_assistants_new_persona_leaves_an_agent_that_exists_as_it_is(client: Any) -> None:
    """What is stored wins; whoever means to change the agent edits its block."""
    ann = client.assistants.create("memgpt", context={"persona": "I am Ann."})["assistant_id"]
    assert talk(client, "What do you know?", ann)[1] == "I know: I am Ann."
    client.assistants.update(ann, context={"persona": "I am somebody else."})
    assert talk(client, "What do you know?", ann)[1] == "I know: I am Ann."


def test_a_thread_of_the_server_keeps_its_agent_when_the_scope_changes(client: Any) -> None:
    """Begun with a memory of its own, it goes on with that; a new thread goes by the new scope."""
    ann = client.assistants.create("memgpt", context={"persona": "I am Ann.", "memory_scope": "thread"})["assistant_id"]
    thread, _ = talk(client, "Hi, I'm Alice", ann)
    client.assistants.update(ann, context={"persona": "I am Ann.", "memory_scope": "assistant"})
    assert said(client, thread, "What do you know?", ann) == "I know: I am Ann. / Name: Alice"
    assert "Alice" not in talk(client, "What do you know?", ann)[1]


def test_where_a_server_authenticates_its_users_each_has_a_memory(start_server: Any) -> None:
    """The shipped graphs need no setting for it; sleep reads the user's own memory as well."""
    with start_server(auth=AUTH) as server:
        ann, bob = (get_sync_client(url=server.url, headers={"authorization": name}) for name in ("ann", "bob"))
        with ann, bob:
            thread, _ = talk(ann, "Hi, I'm Alice")
            values: Any = ann.threads.get_state(thread)["values"]
            assert values["agent_id"] == "user:ann"
            assert "Name: Alice" in talk(ann, "What do you know?")[1]
            assert "Alice" not in talk(bob, "What do you know?")[1]
            talk(ann, "say likes honey")
            ann.runs.wait(None, "sleeptime", input={"event": {"type": "heartbeat"}})
            assert ann.store.get_item(["user%3Aann", "core"], "human")["value"]["value"] == "Likes honey."
