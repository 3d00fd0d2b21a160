"""Letta's own client, with its strict validation of answers, against a real server."""

from collections.abc import Iterator
from typing import Any

import letta_client
import pytest
from letta_client import Letta

from tests.server.conftest import Running, StrictServer

BLOCKS: Any = [{"label": "human", "value": "Her name is Ada."}, {"label": "persona", "value": "I am Sam."}]


@pytest.fixture
def client(server: Running) -> Iterator[Letta]:
    """A client that refuses answers of another shape."""
    with Letta(base_url=server.url, api_key="any", _strict_response_validation=True) as opened:
        yield opened


@pytest.fixture
def agent(client: Letta) -> Any:
    """An agent with two blocks."""
    return client.agents.create(agent_type="memgpt_v2_agent", name="ada", model="openai/gpt-4.1", memory_blocks=BLOCKS)


def kinds(messages: Any) -> list[str]:
    """Return what the messages are."""
    return [message.message_type for message in messages]


def test_an_agent_comes_back_as_it_was_made(client: Letta) -> None:
    """What a client sends, it gets, also what changes nothing here; and the defaults that it expects."""
    made: Any = client.agents.create(
        agent_type="memgpt_v2_agent", name="chad", model="openai/gpt-4o-mini", embedding="openai/text-embedding-3-small",
        memory_blocks=BLOCKS, tags=["a", "b"], metadata={"n": 1}, description="told", tools=["web_search", "run_code"],
    )  # fmt: skip
    found: Any = client.agents.retrieve(made.id)
    assert (found.name, found.model, found.embedding, found.tags) == ("chad", "openai/gpt-4o-mini", "openai/text-embedding-3-small", ["a", "b"])
    assert (found.metadata, found.description, [block.label for block in found.blocks]) == ({"n": 1}, "told", ["human", "persona"])
    assert {"web_search", "run_code", "send_message"} <= {tool.name for tool in found.tools}
    settings = found.api_model_settings.model_dump()
    assert (settings["max_output_tokens"], settings["strict"], settings["reasoning"]) == (16384, False, {"reasoning_effort": "minimal"})
    assert client.agents.update(made.id, name="other").name == "other"
    assert [one.id for one in client.agents.list(name="other")] == [made.id]
    assert made.id in {one.id for one in client.agents.list(tags=["b"])}
    client.agents.delete(made.id)
    with pytest.raises(letta_client.NotFoundError):
        client.agents.retrieve(made.id)


def test_a_message_is_answered_by_thoughts_and_a_reply(client: Letta, agent: Any) -> None:
    """The answer, the same read again, and the same as a stream of whole messages or of pieces under one id."""
    reply: Any = client.agents.messages.create(agent.id, messages=[{"role": "user", "content": "Hello there"}])
    assert kinds(reply.messages) == ["reasoning_message", "assistant_message"]
    said: Any = reply.messages[1]
    assert (said.content, reply.stop_reason.stop_reason) == ("Heard: Hello there", "end_turn")
    assert reply.usage.step_count == 1
    assert [message.otid[-1] for message in reply.messages] == ["0", "1"]
    read = list(client.agents.messages.list(agent.id))
    assert kinds(read) == ["system_message", "user_message", "reasoning_message", "assistant_message"]
    assert read[3].id == said.id
    for tokens in (False, True):
        body: Any = {"input": "once more", "streaming": True, "stream_tokens": tokens}
        pieces: list[Any] = list(client.agents.messages.create(agent.id, **body))
        assert kinds(pieces)[-2:] == ["stop_reason", "usage_statistics"]
        assert tokens or [piece.otid[-1] for piece in pieces[:2]] == ["0", "1"]
        replies = [one for one in pieces if one.message_type == "assistant_message"]
        assert "".join(one.content for one in replies) == "Heard: once more"
        assert (len(replies) > 1, len({one.id for one in replies})) == (tokens, 1)
    assert replies[0].id in {one.id for one in client.agents.messages.list(agent.id)}


def test_tools_are_called_and_their_results_told(client: Letta, agent: Any) -> None:
    """A call and its result bear one call id; the block is changed."""
    reply = client.agents.messages.create(agent.id, input="call memory_insert(label=human,new_string=She likes tea.)")
    assert kinds(reply.messages)[:3] == ["reasoning_message", "tool_call_message", "tool_return_message"]
    call, result = (reply.messages[n] for n in (1, 2))
    assert (call.tool_call.name, result.status) == ("memory_insert", "success")  # type: ignore[union-attr]
    assert call.tool_call.tool_call_id == result.tool_call_id  # type: ignore[union-attr]
    assert "She likes tea." in client.agents.blocks.retrieve("human", agent_id=agent.id).value


def test_lists_come_in_pages_both_ways(client: Letta, agent: Any) -> None:
    """Read a page at a time, forwards or backwards, each message comes once; without an order the newest come, oldest first."""
    for word in ("one", "two", "three"):
        client.agents.messages.create(agent.id, input=word)
    whole = [(one.id, one.message_type) for one in client.agents.messages.list(agent.id, limit=500)]
    for order in ("asc", "desc"):
        found = [(one.id, one.message_type) for one in client.agents.messages.list(agent.id, order=order, limit=2)]
        assert sorted(found) == sorted(whole)
    assert [(one.id, one.message_type) for one in client.agents.messages.list(agent.id, order="asc", limit=3)] == whole
    last = client.agents.messages.list(agent.id, limit=1).items
    assert [one.id for one in last] == [whole[-1][0]] * len(last)
    assert kinds(client.agents.messages.list(agent.id, after=whole[6][0]).items)[0] == "user_message"


def test_blocks_are_shared_by_attaching(client: Letta, agent: Any) -> None:
    """A block that stands by itself, and one that began as an agent's own, are the same for each agent that has it."""
    team: Any = client.blocks.create(label="team", value="we", metadata={"k": "v"}, tags=["t"])
    assert (team.metadata, team.tags, team.limit) == ({"k": "v"}, ["t"], 100_000)
    human = next(block for block in agent.blocks if block.label == "human")
    other: Any = client.agents.create(name="other", model="openai/gpt-4.1", block_ids=[human.id])
    client.agents.blocks.attach(team.id, agent_id=agent.id)
    client.agents.blocks.update("human", agent_id=other.id, value="Both see this.")
    assert client.agents.blocks.retrieve("human", agent_id=agent.id).value == "Both see this."
    assert {one.id for one in client.blocks.agents.list(human.id)} == {agent.id, other.id}
    assert client.blocks.update(team.id, label="crew", value="us").label == "crew"
    assert client.agents.blocks.retrieve("crew", agent_id=agent.id).value == "us"
    with pytest.raises(letta_client.UnprocessableEntityError):
        client.blocks.update(team.id, value="too long", limit=3)
    client.agents.blocks.detach(team.id, agent_id=agent.id)
    assert "crew" not in {one.label for one in client.agents.blocks.list(agent.id)}
    assert client.blocks.retrieve(team.id).value == "us"
    client.blocks.delete(team.id)
    assert [one.id for one in client.blocks.list(label="crew") if one.id == team.id] == []


def test_a_run_in_the_background_can_be_asked_about(client: Letta, agent: Any) -> None:
    """It has an id at once, and its messages, steps and tokens when it is over."""
    run: Any = client.agents.messages.create_async(agent.id, messages=[{"role": "user", "content": "later"}])
    pieces: list[Any] = list(client.runs.messages.stream(run.id))
    assert kinds(pieces)[-2:] == ["stop_reason", "usage_statistics"]
    found = client.runs.retrieve(run.id)
    assert (found.status, found.stop_reason, found.agent_id) == ("completed", "end_turn", agent.id)
    assert kinds(client.runs.messages.list(run.id)) == ["user_message", "reasoning_message", "assistant_message"]
    assert len(list(client.runs.steps.list(run.id))) == 1
    assert (client.runs.usage.retrieve(run.id).total_tokens or 0) > 0
    assert [one.id for one in client.runs.list(agent_id=agent.id)] == [run.id]


def test_what_is_not_there_is_told_in_the_status(client: Letta, agent: Any) -> None:
    """404 for what is not there, 400 for a type of agent that is not here, 422 for a text over its limit."""
    with pytest.raises(letta_client.NotFoundError, match="There is no agent"):
        client.agents.messages.create("agent-none", input="hi")
    with pytest.raises(letta_client.BadRequestError, match="voice_convo_agent"):
        client.agents.create(agent_type="voice_convo_agent")
    with pytest.raises(letta_client.UnprocessableEntityError):
        client.agents.messages.create(agent.id, messages=[])
    with pytest.raises(letta_client.UnprocessableEntityError):
        client.agents.create(memory_blocks=[{"label": "human", "value": "x" * 11, "limit": 10}])
    with pytest.raises(letta_client.UnprocessableEntityError):
        client.agents.create(memory_blocks=[{"label": "human", "value": "one"}, {"label": "human", "value": "two"}])


def test_a_label_may_be_any_text(client: Letta) -> None:
    """Also one with a slash in it."""
    made: Any = client.agents.create(memory_blocks=[{"label": "über/das ✓", "value": "x"}])
    assert client.agents.blocks.update("über/das ✓", agent_id=made.id, value="y").value == "y"
    assert client.agents.blocks.retrieve("über/das ✓", agent_id=made.id).value == "y"


def test_the_context_window_is_shown_by_section(client: Letta, agent: Any) -> None:
    """Its tokens, the prompt, the blocks and how much is stored."""
    client.agents.messages.create(agent.id, input="hi")
    shown: Any = client.get(f"/v1/agents/{agent.id}/context", cast_to=dict[str, Any])
    assert shown["context_window_size_current"] > shown["num_tokens_core_memory"] > 0
    assert (shown["num_recall_memory"], "Her name is Ada." in shown["core_memory"]) == (2, True)


PICTURE = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)  # one pixel, a PNG


def test_a_picture_reaches_the_model_and_is_told_again(client: Letta, agent: Any, provider: StrictServer) -> None:
    """Sent as a part of a message, it is in the request to the model, and in the list as it was sent."""
    picture: Any = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PICTURE}}
    content: Any = [picture, {"type": "text", "text": "What is this?"}]
    reply = client.agents.messages.create(agent.id, messages=[{"role": "user", "content": content}])
    assert kinds(reply.messages)[-1] == "assistant_message"
    assert PICTURE in str(provider.requests[-1]["messages"])
    told: Any = next(one for one in client.agents.messages.list(agent.id) if one.message_type == "user_message")
    assert [part.type for part in told.content] == ["image", "text"]


def test_choices_for_one_request_are_not_kept(client: Letta, agent: Any, provider: StrictServer) -> None:
    """Another model and fewer steps hold for the request that names them."""
    client.agents.messages.create(agent.id, input="now", override_model="openai/gpt-4o", max_steps=3)
    assert provider.requests[-1]["model"] == "gpt-4o"
    client.agents.messages.create(agent.id, input="then")
    assert provider.requests[-1]["model"] == "gpt-4.1"
    assert client.agents.retrieve(agent.id).model == "openai/gpt-4.1"
