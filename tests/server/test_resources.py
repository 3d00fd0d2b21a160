"""Tools, approvals, conversations, passages, folders and models, through Letta's own client in strict mode."""

import io
import json
from collections.abc import Callable, Iterator
from typing import Any

import letta_client
import pytest
from letta_client import Letta

from tests.server.conftest import Running

ADD = '''
from typing import Optional

def add_up(a: int, b: Optional[int] = 1) -> int:
    """Add two numbers.

    Args:
        a (int): The one.
        b: The other.
    """
    print("adding")
    return int(a) + int(b)
'''
ZONE = {"type": "object", "properties": {"zone": {"type": "string"}}}
CLOCK: Any = [{"name": "local_time", "description": "The time here.", "parameters": ZONE}]


@pytest.fixture(scope="module")
def sandboxed(serve: Callable[..., Running]) -> Running:
    """A server that runs uploaded tools in the sandbox."""
    return serve("--sandbox")


@pytest.fixture
def client(sandboxed: Running) -> Iterator[Letta]:
    """A client that refuses answers of another shape."""
    with Letta(base_url=sandboxed.url, api_key="any", _strict_response_validation=True) as opened:
        yield opened


@pytest.fixture
def agent(client: Letta) -> Any:
    """An agent without a tool but to speak, of the newest type."""
    return client.agents.create(name="bare", model="openai/gpt-4.1", agent_type="letta_v1_agent", include_base_tools=False)


def kinds(messages: Any) -> list[str]:
    """Return what the messages are."""
    return [message.message_type for message in messages]


def approve(call_id: str, *, yes: bool = True, **more: Any) -> Any:
    """Return the message by which a client decides."""
    return [{"type": "approval", "approvals": [{"type": "approval", "approve": yes, "tool_call_id": call_id, **more}]}]


def test_a_tool_is_read_off_its_source_and_runs_in_the_sandbox(client: Letta, agent: Any) -> None:
    """Its schema comes from type hints and docstring; a newer version keeps the id; the agent and its user can call it."""
    made: Any = client.tools.upsert(source_code=ADD)
    parameters = made.json_schema["parameters"]
    assert (made.name, made.description, parameters["required"]) == ("add_up", "Add two numbers.", ["a"])
    assert parameters["properties"]["a"] == {"type": "integer", "description": "The one."}
    assert client.tools.upsert(source_code=ADD, tags=["sums"]).id == made.id
    client.agents.tools.attach(made.id, agent_id=agent.id)
    reply: Any = client.agents.messages.create(agent.id, input="call add_up(a=2,b=3)").messages
    assert kinds(reply)[:3] == ["reasoning_message", "tool_call_message", "tool_return_message"]
    assert (reply[2].status, reply[2].tool_return) == ("success", "adding\n5")
    assert client.agents.tools.run("add_up", agent_id=agent.id, args={"a": 5}).func_return == "adding\n6"
    client.agents.tools.detach(made.id, agent_id=agent.id)
    assert [tool.name for tool in client.agents.tools.list(agent.id)] == ["send_message"]
    client.tools.delete(made.id)
    with pytest.raises(letta_client.NotFoundError):
        client.tools.retrieve(made.id)


def test_source_code_is_not_run_where_there_is_no_sandbox(server: Running) -> None:
    """The tool is kept and listed; the model gets an error for its call, and answers."""
    with Letta(base_url=server.url, api_key="any") as client:
        tool: Any = client.tools.upsert(source_code="def harm():\n    '''Harm.'''\n    open('/tmp/harmed', 'w')\n")
        agent: Any = client.agents.create(model="openai/gpt-4.1", tool_ids=[tool.id])
        reply: Any = client.agents.messages.create(agent.id, input="call harm()").messages
        returned = next(one for one in reply if one.message_type == "tool_return_message")
        assert (returned.status, "--sandbox" in returned.tool_return) == ("error", True)
        assert reply[-1].message_type == "assistant_message"
        with pytest.raises(letta_client.UnprocessableEntityError):
            client.tools.create(source_code="this is no python")


def test_a_call_that_needs_approval_waits_for_it(client: Letta, agent: Any) -> None:
    """The request ends the answer; meanwhile nothing else can be said; approved, the call is carried out under the same id."""
    tool = client.tools.upsert(source_code=ADD.replace("add_up", "guarded"), default_requires_approval=True)
    client.agents.tools.attach(tool.id, agent_id=agent.id)
    asked = client.agents.messages.create(agent.id, input="call guarded(a=1)")
    request: Any = asked.messages[-1]
    assert (request.message_type, request.tool_call.name, asked.stop_reason.stop_reason) == (
        "approval_request_message", "guarded", "requires_approval",
    )  # fmt: skip
    call_id = request.tool_call.tool_call_id
    waiting: Any = client.agents.retrieve(agent.id, include=["agent.pending_approval"])
    assert waiting.pending_approval.tool_call.tool_call_id == call_id
    with pytest.raises(letta_client.ConflictError, match="Please approve or deny the pending request before continuing"):
        client.agents.messages.create(agent.id, input="hello?")
    with pytest.raises(letta_client.BadRequestError, match="Invalid tool call IDs"):
        client.agents.messages.create(agent.id, messages=approve("call_other"))
    done: Any = client.agents.messages.create(agent.id, messages=approve(call_id)).messages
    assert (done[0].message_type, done[0].tool_call_id) == ("tool_return_message", call_id)
    assert (done[0].status, done[0].tool_return) == ("success", "adding\n2")
    read: Any = client.agents.messages.list(agent.id, after=asked.messages[0].id).items
    assert kinds(read)[:2] == ["approval_response_message", "tool_return_message"]
    assert (read[0].approval_request_id, read[0].approve, read[0].approvals[0].tool_call_id) == (call_id, True, call_id)
    with pytest.raises(letta_client.BadRequestError, match="No tool call is currently awaiting approval"):
        client.agents.messages.create(agent.id, messages=approve(call_id))


def test_a_call_can_be_denied_and_the_approval_switched_off(client: Letta, agent: Any) -> None:
    """A denial reaches the model with its reason, also streamed; without the rule the call just runs."""
    tool = client.tools.upsert(source_code=ADD.replace("add_up", "denied"))
    client.agents.tools.attach(tool.id, agent_id=agent.id)
    client.agents.tools.update_approval("denied", agent_id=agent.id, body_requires_approval=True)
    asked: Any = list(client.agents.messages.create(agent.id, input="call denied(a=1)", streaming=True))
    assert kinds(asked) == ["reasoning_message", "approval_request_message", "stop_reason", "usage_statistics"]
    answer = approve(asked[1].tool_call.tool_call_id, yes=False, reason="not today")
    told: Any = list(client.agents.messages.create(agent.id, messages=answer, streaming=True, stream_tokens=True))
    assert (told[0].message_type, told[0].status, "not today" in told[0].tool_return) == ("tool_return_message", "error", True)
    client.agents.tools.update_approval("denied", agent_id=agent.id, body_requires_approval=False)
    assert "tool_return_message" in kinds(client.agents.messages.create(agent.id, input="call denied(a=1)").messages)


@pytest.mark.parametrize("named_again", [True, False])
def test_a_tool_of_the_client_is_carried_out_by_the_client(client: Letta, agent: Any, named_again: bool) -> None:
    """Its call ends the answer; the result that the client brings goes to the model, whether or not it names the tool again."""
    request: Any = client.agents.messages.create(agent.id, input="call local_time(zone=UTC)", client_tools=CLOCK).messages[-1]
    assert (request.message_type, json.loads(request.tool_call.arguments)) == ("approval_request_message", {"zone": "UTC"})
    returned: Any = {"type": "tool", "tool_call_id": request.tool_call.tool_call_id, "tool_return": "12:00", "status": "success"}
    if named_again:
        reply = client.agents.messages.create(agent.id, messages=[{"type": "approval", "approvals": [returned]}], client_tools=CLOCK)
    else:
        reply = client.agents.messages.create(agent.id, messages=[{"type": "tool_return", "tool_returns": [returned]}])
    result: Any = reply.messages[0]
    assert (result.message_type, result.tool_return, kinds(reply.messages)[-1]) == ("tool_return_message", "12:00", "assistant_message")
    assert [tool.name for tool in client.agents.tools.list(agent.id)] == ["send_message"]


def test_conversations_have_queues_of_their_own_over_one_memory(client: Letta, agent: Any) -> None:
    """What is said in one is not listed in another; the agent's first one is `default`."""
    one, two = (client.conversations.create(agent_id=agent.id, summary=name) for name in ("apples", "pears"))
    assert one.id.startswith("conv-")
    assert "assistant_message" in kinds(client.conversations.messages.create(one.id, messages=[{"role": "user", "content": "APPLE"}]))
    assert kinds(client.conversations.messages.list(one.id, order="asc"))[:2] == ["system_message", "user_message"]
    assert kinds(client.conversations.messages.list(two.id)) == ["system_message"]
    assert [found.id for found in client.conversations.list(agent_id=agent.id, order_by="last_message_at", order="desc")] == [one.id, two.id]
    assert len(client.conversations.retrieve(one.id).in_context_message_ids or []) >= 3
    client.agents.messages.create(agent.id, input="in the first one")
    assert "user_message" in kinds(client.conversations.messages.list("default", agent_id=agent.id))
    client.conversations.delete(one.id)
    with pytest.raises(letta_client.NotFoundError):
        client.conversations.retrieve(one.id)


def test_passages_are_kept_found_and_deleted(client: Letta, agent: Any) -> None:
    """Archival memory by meaning and words, with tags, in pages."""
    cat = client.agents.passages.create(agent.id, text="The cat is called Miez.", tags=["pets"])[0]
    client.agents.passages.create(agent.id, text="The train leaves at nine.")
    listed = client.agents.passages.list(agent.id, limit=1)
    assert (listed[0].text, client.agents.passages.list(agent.id, after=listed[0].id)[0].text) == (cat.text, "The train leaves at nine.")
    found = client.agents.passages.search(agent.id, query="name of the cat")
    assert (found.results[0].content, found.results[0].tags) == ("The cat is called Miez.", ["pets"])
    client.agents.passages.delete(str(cat.id), agent_id=agent.id)
    assert [one.text for one in client.agents.passages.list(agent.id)] == ["The train leaves at nine."]


def test_folders_give_their_files_to_agents(client: Letta, agent: Any) -> None:
    """A file that is there before the folder is attached, and one that comes later; open, closed, deleted."""
    folder = client.folders.create(name="papers")
    walnuts = client.folders.files.upload(folder.id, file=("walnuts.txt", io.BytesIO(b"Walnuts grow on trees.\n" * 30), "text/plain"))
    client.agents.folders.attach(folder.id, agent_id=agent.id)
    client.folders.files.upload(folder.id, file=("rivers.md", io.BytesIO(b"# Rivers\nThe Danube is long.\n"), "text/markdown"))
    assert {one.file_name for one in client.agents.files.list(agent.id)} == {"walnuts.txt", "rivers.md"}
    assert {"open_file", "search_files"} <= {tool.name for tool in client.agents.tools.list(agent.id)}
    client.agents.files.open(walnuts.id, agent_id=agent.id)
    assert [one.file_name for one in client.agents.files.list(agent.id) if one.is_open] == ["walnuts.txt"]
    assert client.agents.files.close_all(agent.id) == ["walnuts.txt"]
    assert client.agents.passages.search(agent.id, query="Danube").results[0].content.endswith("The Danube is long.")
    client.folders.files.delete(walnuts.id, folder_id=folder.id)
    assert [one.file_name for one in client.folders.files.list(folder.id)] == ["rivers.md"]
    client.folders.delete(folder.id)
    assert list(client.agents.files.list(agent.id)) == []


def test_an_agent_goes_out_as_a_file_and_comes_in_again(client: Letta) -> None:
    """Blocks and name are carried; the new agent has an id of its own."""
    made: Any = client.agents.create(name="traveller", model="openai/gpt-4.1", memory_blocks=[{"label": "human", "value": "Bo"}])
    file = client.agents.export_file(made.id)
    there: Any = client.agents.import_file(file=("a.af", file.encode(), "text/plain"))
    copy: Any = client.agents.retrieve(there.agent_ids[0])
    assert (copy.name, copy.id != made.id) == ("traveller", True)
    assert next(one.value for one in client.agents.blocks.list(copy.id) if one.label == "human") == "Bo"


def test_models_embeddings_and_tags_are_listed(client: Letta, agent: Any) -> None:
    """Models by provider/name; the embedding is the data folder's; tags are those of all agents."""
    client.agents.update(agent.id, tags=["zebra"])
    assert "openai/gpt-4.1" in {model.handle for model in client.models.list()}
    assert client.models.embeddings.list()[0].embedding_dim > 0
    assert "zebra" in client.tags.list()


def test_what_is_left_out_says_so(client: Letta) -> None:
    """501 with a sentence for what Letta's server had, 404 for what nobody has."""
    for path, status in (("/v1/templates", 501), ("/v1/voice-beta/x", 501), ("/v1/nothing-such", 404)):
        with pytest.raises(letta_client.APIStatusError) as told:
            client.get(path, cast_to=object)
        assert told.value.status_code == status


def test_a_conversation_begun_anew_lists_nothing_of_before(client: Letta, agent: Any) -> None:
    """The queue is empty, the list as well; recall memory still holds what was said."""
    client.agents.messages.create(agent.id, input="before")
    client.agents.messages.reset(agent.id)
    assert kinds(client.agents.messages.list(agent.id)) == ["system_message"]
    client.agents.messages.create(agent.id, input="after")
    assert kinds(client.agents.messages.list(agent.id))[:2] == ["system_message", "user_message"]
    found: Any = client.post("/v1/messages/search", body={"query": "before", "agent_id": agent.id}, cast_to=list[Any])
    assert any(one["message_type"] == "user_message" and one["content"] == "before" for one in found)
