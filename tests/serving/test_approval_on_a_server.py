"""A call that waits for a person on a server, decided on by the SDK as Studio and agent inboxes do, and through RemoteGraph."""

from typing import Any

import pytest
from langgraph.pregel.remote import RemoteGraph
from langgraph.types import Command

pytestmark = pytest.mark.server


def waiting(values: Any) -> dict[str, Any]:
    """Return what the person is asked."""
    (interrupt,) = values["__interrupt__"]
    return interrupt["value"]["action_requests"][0]


def test_a_call_waits_on_the_server_until_somebody_approves(talk: Any, client: Any) -> None:
    """The request names the call. An answer that is no decision is asked again, with what was wrong; then the decision counts."""
    ann = talk("careful", "careful")
    values = ann.say("file bees sleep at night")
    assert waiting(values) == {
        "name": "archival_memory_insert", "args": {"content": "bees sleep at night"}, "description": "",
    }  # fmt: skip
    assert (client.threads.get(ann.thread)["status"], ann.state()["next"]) == ("interrupted", ["execute_tools"])
    assert waiting(ann.decide("yes, please"))["description"].startswith("'yes, please' is no decision. Resume with")
    assert ann.stored("archival") == []
    assert ann.decide("approve")["messages"][-1]["content"] == "Nice to meet you!"
    assert ann.texts("archival") == ["bees sleep at night"]
    assert client.threads.get(ann.thread)["status"] == "idle"


def test_a_call_is_edited_or_rejected_and_the_agent_is_told(talk: Any) -> None:
    """An edit changes what is stored; a rejection carries its reason; saying something else gives the call up."""
    ann = talk("edited", "careful")
    ann.say("file bees sleep")
    change = {"type": "edit", "edited_action": {"name": "archival_memory_insert", "args": {"content": "bees doze"}}}
    results = [m["content"] for m in ann.decide({"decisions": [change]})["messages"] if m["type"] == "tool"]
    assert "bees doze" in results[0]
    ann.say("file wasps sleep")
    refused = ann.decide({"decisions": [{"type": "reject", "message": "not wasps"}]})["messages"]
    assert "not wasps" in [m["content"] for m in refused if m["type"] == "tool"][-2]
    ann.say("file hornets sleep")
    assert ann.say("say never mind")["messages"][-1]["content"] == "re never"
    assert (ann.texts("archival"), ann.open_calls()) == (["bees doze"], [])


def test_another_program_decides_through_a_remote_graph(client: Any) -> None:
    """The graph on the server is one to invoke and to resume as if it were here."""
    remote = RemoteGraph("careful", sync_client=client)
    thread: Any = {"configurable": {"thread_id": client.threads.create()["thread_id"]}}
    context = {"agent_id": "remote"}
    values: Any = remote.invoke({"messages": [{"role": "user", "content": "file bees sleep"}]}, thread, context=context)
    assert waiting(values)["args"] == {"content": "bees sleep"}
    assert remote.get_state(thread).next == ("execute_tools",)
    values = remote.invoke(Command(resume={"decisions": [{"type": "approve"}]}), thread, context=context)
    assert values["messages"][-1]["content"] == "Nice to meet you!"
    assert [i["value"]["text"] for i in client.store.search_items(["remote", "archival"])["items"]] == ["bees sleep"]
