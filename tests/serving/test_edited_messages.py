"""Messages that a client of LangGraph's server edits, removes, sends again or forks away from, by the Python SDK."""

from typing import Any

import pytest

pytestmark = pytest.mark.server


def test_a_state_that_a_client_updates_is_taken_in_by_the_next_run(talk: Any, client: Any) -> None:
    """An edit in the place of a message, one of a reply, and a removal: recall memory has no old word left."""
    edited = talk("edited-by-its-client")
    edited.say("say zanzibar", message_id="m1")
    edited.say("say cork", message_id="m2")
    reply = next(m for m in edited.values()["messages"] if m["content"] == "re zanzibar")
    question, gone = {"role": "user", "content": "say nothing", "id": "m1"}, {"type": "remove", "id": "m2", "content": ""}
    changes = [question, {**reply, "content": "re nothing"}, gone]
    client.threads.update_state(edited.thread, {"messages": changes})
    edited.say("say more")
    assert edited.spoken() == ["say nothing", "re nothing", "re cork", "say more", "re more"]
    assert edited.texts("recall") == ["say nothing", "re nothing", "re cork", "say more", "re more"]
    assert "zanzibar" not in str(edited.values())
    assert "zanzibar" not in str(edited.stored("recall", "summaries"))
    assert "zanzibar" in str(edited.stored("corrections"))


def test_a_message_that_is_sent_again_with_other_words_is_answered_anew(talk: Any) -> None:
    """Under its id; a further delivery changes nothing."""
    again = talk("again-edited")
    again.say("say one", message_id="m1")
    for _ in range(2):
        again.say("say two", message_id="m1")
        assert again.spoken() == again.texts("recall") == ["say two", "re two"]


def test_a_fork_from_before_a_message_replaces_it(talk: Any, client: Any) -> None:
    """As chat clients edit: by the checkpoint before the message, also before the first one."""
    forked = talk("forked-edit")
    forked.say("say one", message_id="m1")
    forked.say("say two", message_id="m2")
    for old, new in (("m2", "say three"), ("m1", "say four")):
        history = client.threads.get_history(forked.thread, limit=100)
        first_seen = [s for s in history if any(m["id"] == old for m in s["values"].get("messages", []))][-1]
        before = first_seen["parent_checkpoint"]["checkpoint_id"]
        run = client.runs.create(forked.thread, "memgpt", **forked.given(new), checkpoint_id=before)
        forked.join(run["run_id"])
        assert forked.spoken() == forked.texts("recall")
    assert forked.spoken() == ["say four", "re four"]


def test_a_copied_thread_goes_on_by_itself(talk: Any, client: Any) -> None:
    """It has the same words; an edit in it leaves the original as it is."""
    first = talk("copied")
    first.say("say one", message_id="m1")
    copy = talk("copied")
    copy.thread = client.threads.copy(first.thread)["thread_id"]
    client.threads.update_state(copy.thread, {"messages": [{"role": "user", "content": "say uno", "id": "m1"}]})
    copy.say("say two")
    assert copy.spoken() == ["say uno", "re one", "say two", "re two"]
    first.say("say three")
    assert first.spoken() == ["say one", "re one", "say three", "re three"]
    assert first.texts("recall") == ["say one", "re one", "say two", "re two", "say three", "re three"]
