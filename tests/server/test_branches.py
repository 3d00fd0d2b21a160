"""Conversations that branch and shrink, prompts of one request, several answers in one: Letta's client against a real server."""

import ast
from collections.abc import Iterator
from typing import Any

import letta_client
import pytest
from letta_client import Letta

from tests.server.conftest import StrictServer

TOOL = 'def {name}(text: str) -> str:\n    """Seal a text.\n\n    Args:\n        text: the text.\n    """\n    return "sealed " + text\n'


@pytest.fixture(scope="module")
def client(serve: Any) -> Iterator[Letta]:
    """A client of a server that runs uploaded tools in the sandbox."""
    with Letta(base_url=serve("--sandbox").url, api_key="any", _strict_response_validation=True) as opened:
        yield opened


def made(client: Letta, **given: Any) -> Any:
    """Make an agent."""
    blocks = [{"label": "human", "value": "Her name is Ada."}]
    wanted: dict[str, Any] = {"agent_type": "memgpt_v2_agent", "model": "openai/gpt-4.1", "memory_blocks": blocks, **given}
    return client.agents.create(**wanted)


def said(client: Letta, conversation_id: str, text: str, **given: Any) -> Any:
    """Say something in a conversation, and return what the client got."""
    return list(client.conversations.messages.create(conversation_id, messages=[{"role": "user", "content": text}], **given))


def texts(client: Letta, conversation_id: str) -> list[tuple[str, str]]:
    """Return the ids and texts of a conversation's messages, oldest first, without the system message and thoughts."""
    found: Any = client.conversations.messages.list(conversation_id, order="asc")
    return [(one.id, one.content) for one in found if one.message_type in ("user_message", "assistant_message")]


def test_a_fork_has_what_was_said_before_and_goes_on_by_itself(client: Letta) -> None:
    """The messages keep their ids; a fork of a fork has both; what is said later is in one of them; a fork may end at a message."""
    agent = made(client)
    first = client.conversations.create(agent_id=agent.id)
    said(client, first.id, "one")
    said(client, first.id, "two")
    before = texts(client, first.id)
    second = client.conversations.fork(first.id)
    said(client, second.id, "three")
    third = client.conversations.fork(second.id)
    assert texts(client, third.id) == texts(client, second.id)
    assert (texts(client, first.id), texts(client, second.id)[:4]) == (before, before)
    assert [text for _, text in texts(client, second.id)] == ["one", "Heard: one", "two", "Heard: two", "three", "Heard: three"]
    pages: Any = client.conversations.messages.list(third.id, order="asc", limit=3)
    assert [one.id for one in pages] == [one.id for one in client.conversations.messages.list(third.id, order="asc")]
    short = client.conversations.fork(first.id, message_id=before[1][0])
    assert texts(client, short.id) == before[:2]
    assert len(client.conversations.retrieve(short.id).in_context_message_ids or ()) < len(
        client.conversations.retrieve(first.id).in_context_message_ids or ()
    )
    with pytest.raises(letta_client.NotFoundError):
        client.conversations.fork(first.id, message_id="message-none")
    forked = [texts(client, one.id) for one in (second, third, short)]
    said(client, first.id, "later")
    assert [texts(client, one.id) for one in (second, third, short)] == forked


def test_a_fork_at_the_system_message_has_nothing_that_was_said(client: Letta, provider: StrictServer) -> None:
    """Neither listed nor sent to the model, also where the conversation is a fork itself; it goes on as a new conversation does."""
    agent = made(client)
    first = client.conversations.create(agent_id=agent.id)
    said(client, first.id, "a walrus")
    for known in (first, client.conversations.fork(first.id)):
        system = (client.conversations.retrieve(known.id).in_context_message_ids or [""])[0]
        fork = client.conversations.fork(known.id, message_id=system)
        assert (texts(client, fork.id), len(fork.in_context_message_ids or ())) == ([], 1)
        said(client, fork.id, "hello")
        assert "walrus" not in str(provider.requests[-1]["messages"])
        assert [text for _, text in texts(client, fork.id)] == ["hello", "Heard: hello"]
        assert [text for _, text in texts(client, known.id)] == ["a walrus", "Heard: a walrus"]


def test_compacting_leaves_the_newest_exchange_and_a_summary(client: Letta, provider: StrictServer) -> None:
    """What left the queue stays listed; another conversation of the agent is not touched; nothing to compact is 400."""
    agent = made(client)
    one, other = client.conversations.create(agent_id=agent.id), client.conversations.create(agent_id=agent.id)
    with pytest.raises(letta_client.BadRequestError, match="nothing to compact"):
        client.conversations.messages.compact(one.id)
    for n in range(4):
        said(client, one.id, f"number {n}")
        said(client, other.id, f"letter {n}")
    kept = client.conversations.retrieve(other.id).in_context_message_ids
    done: Any = client.conversations.messages.compact(one.id)
    assert done.num_messages_before > done.num_messages_after > 1
    assert done.summary
    assert client.conversations.retrieve(other.id).in_context_message_ids == kept
    assert len(texts(client, one.id)) == 8
    said(client, one.id, "and then")
    sent = str(provider.requests[-1]["messages"])
    assert ("number 0" in sent.split("and then", maxsplit=1)[0].split("number 3")[1], "number 3" in sent) == (False, True)
    client.agents.messages.create(agent.id, input="first")
    client.agents.messages.create(agent.id, input="second")
    whole: Any = client.agents.messages.compact(agent.id)
    assert whole.num_messages_before > whole.num_messages_after


def test_the_system_message_is_what_was_sent_until_it_is_compiled_again(client: Letta, provider: StrictServer) -> None:
    """A block's edit is not in it before, but is afterwards, also for the model; a dry run changes nothing. Any message has an address."""
    agent = made(client)
    talk = client.conversations.create(agent_id=agent.id)

    def system() -> str:
        found: Any = client.messages.retrieve(client.conversations.retrieve(talk.id).in_context_message_ids[0])  # type: ignore[index]
        return found[0].content

    assert "Her name is Ada." in system()
    said(client, talk.id, "hello")
    client.agents.blocks.update("human", agent_id=agent.id, value="Her name is Bea.")
    assert "Bea" in client.conversations.recompile(talk.id, dry_run=True)
    assert "Bea" not in system()
    assert "Bea" in client.conversations.recompile(talk.id)
    assert f"- CONVERSATION_ID: {talk.id}" in system()
    assert "Bea" in system()
    said(client, talk.id, "again")
    assert "Bea" in str(provider.requests[-1]["messages"][0])
    for message_id, text in texts(client, talk.id):
        found: Any = client.messages.retrieve(message_id)
        assert text in [getattr(one, "content", "") for one in found]
    with pytest.raises(letta_client.NotFoundError):
        client.messages.retrieve("message-none")


def test_skills_and_another_prompt_hold_for_one_request(client: Letta, provider: StrictServer) -> None:
    """The model gets them with this message and not with the next."""
    agent = made(client)
    talk = client.conversations.create(agent_id=agent.id)
    skill: Any = {"name": "knots", "description": "Ties {knots} & <bows>.", "location": "/skills/knots.md"}
    said(client, talk.id, "hello", client_skills=[skill])
    assert "<name>knots</name><description>Ties {knots} &amp; &lt;bows&gt;.</description>" in str(provider.requests[-1]["messages"][0])
    said(client, talk.id, "hello", override_system="Speak {Latin}.")
    assert provider.requests[-1]["messages"][0]["content"].startswith("Speak {Latin}.")
    said(client, talk.id, "hello")
    assert not any(words in str(provider.requests[-1]["messages"][0]) for words in ("knots", "Latin"))


def test_a_message_that_is_sent_twice_under_one_id_is_one_run(client: Letta) -> None:
    """In the background: streamed again, asked for by the id, and as a run; without the id it would be said twice."""
    agent = made(client)
    talk = client.conversations.create(agent_id=agent.id)
    once: Any = [{"role": "user", "content": "just once", "otid": "mine-1"}]
    streams = [list(client.conversations.messages.create(talk.id, messages=once, background=True)) for _ in range(2)]
    runs = [{getattr(one, "run_id", None) for one in stream} - {None} for stream in streams]
    assert runs[0] == runs[1]
    assert [text for _, text in texts(client, talk.id)] == ["just once", "Heard: just once"]
    followed: Any = list(client.conversations.messages.stream(talk.id, otid="mine-1"))
    assert "Heard: just once" in [getattr(one, "content", "") for one in followed]
    again = [client.agents.messages.create_async(agent.id, messages=once).id for _ in range(2)]
    assert again[0] == again[1]
    quiet = client.conversations.create(agent_id=agent.id)
    with pytest.raises(letta_client.BadRequestError, match="No active runs found"):
        list(client.conversations.messages.stream(quiet.id))


def test_several_calls_are_decided_in_one_answer(client: Letta) -> None:
    """One request names all calls that wait; one approved, one refused, one carried out by the client: three results, one continuation."""
    tool = client.tools.create(source_code=TOOL.format(name="seal"), default_requires_approval=True)
    agent = made(client, tools=["seal"])
    asked: Any = client.agents.messages.create(agent.id, input="call seal(text=a) call seal(text=b) call seal(text=c)")
    assert asked.stop_reason.stop_reason == "requires_approval"
    request = asked.messages[-1]
    assert (request.message_type, [call.name for call in request.tool_calls]) == ("approval_request_message", ["seal"] * 3)
    found: Any = client.agents.retrieve(agent.id)
    assert (found.last_stop_reason, len(found.pending_approval.tool_calls)) == ("requires_approval", 3)
    first, second, third = (call.tool_call_id for call in request.tool_calls)
    with pytest.raises(letta_client.BadRequestError, match="comes first"):
        client.agents.messages.create(agent.id, messages=[{"type": "approval", "approvals": [approval(second, approve=True)]}])
    answers: Any = [
        approval(first, approve=True), approval(second, approve=False, reason="not b"),
        {"type": "tool", "tool_call_id": third, "tool_return": "done by hand", "status": "success"},
    ]  # fmt: skip
    reply: Any = client.agents.messages.create(agent.id, messages=[{"type": "approval", "approvals": answers}])
    results = {one.tool_call_id: (one.status, one.tool_return) for one in reply.messages if one.message_type == "tool_return_message"}
    assert results[first] == ("success", "sealed a")
    assert results[second][0] == "error"
    assert "not b" in results[second][1]
    assert results[third] == ("success", "done by hand")
    assert (reply.messages[-1].message_type, reply.stop_reason.stop_reason) == ("assistant_message", "end_turn")
    listed: Any = list(client.agents.messages.list(agent.id, order="asc"))
    kinds = [one.message_type for one in listed if one.message_type.startswith("approval")]
    assert kinds == ["approval_request_message", "approval_response_message"]
    assert (client.agents.retrieve(agent.id).last_stop_reason, client.agents.retrieve(agent.id).pending_approval) == ("end_turn", None)
    client.tools.delete(tool.id)


def test_an_approval_is_not_taken_for_the_result_of_the_same_call(client: Letta) -> None:
    """A call that a person approves and the client then carries out waits twice, each time for an answer of its own."""
    tool = client.tools.create(source_code=TOOL.format(name="stamp_it"), default_requires_approval=True)
    agent = made(client, tools=["stamp_it"])
    parameters = {"type": "object", "properties": {"text": {"type": "string"}}}
    theirs: Any = [{"name": "stamp_it", "description": "Stamps.", "parameters": parameters}]
    asked: Any = client.agents.messages.create(agent.id, input="call stamp_it(text=a)", client_tools=theirs)
    call_id = asked.messages[-1].tool_calls[0].tool_call_id
    answers: Any = [approval(call_id, approve=True)]
    approved: Any = client.agents.messages.create(agent.id, messages=[{"type": "approval", "approvals": answers}], client_tools=theirs)
    assert approved.stop_reason.stop_reason == "requires_approval"
    result: Any = {"type": "tool", "tool_call_id": call_id, "tool_return": "stamped by hand", "status": "success"}
    done: Any = client.agents.messages.create(agent.id, messages=[{"type": "approval", "approvals": [result]}], client_tools=theirs)
    assert done.stop_reason.stop_reason == "end_turn"
    assert "stamped by hand" in [one.tool_return for one in done.messages if one.message_type == "tool_return_message"]
    client.tools.delete(tool.id)


def approval(call_id: str, **given: Any) -> Any:
    """Return a decision on a call."""
    return {"type": "approval", "tool_call_id": call_id, **given}


def test_thoughts_come_before_the_words_they_led_to(client: Letta) -> None:
    """Streamed by token: first the thoughts, then the pieces of the reply under the same id."""
    agent = made(client)
    stream: Any = client.agents.messages.create(agent.id, input="a long enough sentence to be cut", streaming=True, stream_tokens=True)
    found = [one for one in stream if one.message_type in ("reasoning_message", "assistant_message")]
    assert [one.message_type for one in found][:2] == ["reasoning_message", "assistant_message"]
    assert len(found) > 2
    assert {one.message_type for one in found[1:]} == {"assistant_message"}
    assert len({one.id for one in found}) == 1


def test_agents_write_to_each_other_by_the_names_that_clients_know(client: Letta) -> None:
    """One by its id, with its answer as the result; all with a tag; the letter stands in the other's conversation. Each tool is listed."""
    names = ("send_message_to_agent_and_wait_for_reply", "send_message_to_agent_async", "send_message_to_agents_matching_tags")
    assert [[tool.tool_type for tool in client.tools.list(name=name)] for name in names] == [["letta_multi_agent_core"]] * 3
    writer = made(client, extra_body={"include_multi_agent_tools": True})
    crew = [made(client, tags=["crew", f"number-{n}"]) for n in range(2)]
    one: Any = client.agents.messages.create(writer.id, input=f"call {names[0]}(message=cast off,other_agent_id={crew[0].id})")
    returned = next(message.tool_return for message in one.messages if message.message_type == "tool_return_message")
    assert ast.literal_eval(returned)["agent_id"] == crew[0].id
    assert "Heard" in str(ast.literal_eval(returned)["response"])
    read: Any = list(client.agents.messages.list(crew[0].id))
    assert any("cast off" in message.content for message in read if message.message_type == "system_message")
    tags = {"match_all": ["crew"], "match_some": []}
    answers: Any = client.agents.tools.run(names[2], agent_id=writer.id, args={"message": "all aboard", **tags})
    assert {answer["agent_id"] for answer in ast.literal_eval(answers.func_return)} == {agent.id for agent in crew}
