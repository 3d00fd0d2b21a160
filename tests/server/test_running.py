"""The process: restart, several clients, stopping, keys, tokens and owners, who may reach it."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import letta_client
import pytest
from letta_client import Letta
from openai import OpenAI
from starlette.testclient import TestClient

from memgpt_agent.checkpoints import open_configured_checkpointer
from memgpt_agent.config import Settings
from memgpt_agent.owners.tokens import Tokens
from memgpt_agent.server.app import create_app
from memgpt_agent.server.open_agents import OpenAgents
from memgpt_agent.store import FaissStore
from memgpt_agent.testing import ScriptedModel
from tests.server.conftest import AT_THE_GATE, GATE, Running, StrictServer

WAIT_SECONDS = 60


def client_of(running: Running, key: str = "any") -> Letta:
    """Return a client that refuses answers of another shape."""
    return Letta(base_url=running.url, api_key=key, max_retries=0, _strict_response_validation=True)


def until(is_so: Callable[[], Any]) -> Any:
    """Wait until something is so, and return it."""
    end = time.monotonic() + WAIT_SECONDS
    while not (found := is_so()):
        assert time.monotonic() < end
        time.sleep(0.05)
    return found


def test_everything_is_there_after_a_restart_and_a_cut_off_run_is_taken_up(serve: Callable[..., Running], tmp_path: Path) -> None:
    """Agents, blocks, tools, folders, conversations and messages; what ran in the background when the process died is answered."""
    first = serve(home=tmp_path)
    with client_of(first) as client:
        agent: Any = client.agents.create(name="lasting", model="openai/gpt-4.1", memory_blocks=[{"label": "human", "value": "Ada"}])
        block = client.blocks.create(label="team", value="we")
        tool = client.tools.create(source_code="def one() -> int:\n    '''One.'''\n    return 1\n")
        folder = client.folders.create(name="papers")
        talk = client.conversations.create(agent_id=agent.id)
        client.agents.messages.create(agent.id, input="remember me")
        before = [one.id for one in client.agents.messages.list(agent.id)]
        GATE.clear()
        run: Any = client.agents.messages.create_async(agent.id, messages=[{"role": "user", "content": "wait for the gate"}])
        until(lambda: client.runs.retrieve(run.id).status == "running")
        assert first.process
        first.process.kill()
        first.process.wait()
        GATE.set()
    with client_of(serve(home=tmp_path)) as client:
        again: Any = client.agents.retrieve(agent.id)
        assert (again.name, again.blocks[0].value) == ("lasting", "Ada")
        assert (client.blocks.retrieve(block.id).value, client.tools.retrieve(tool.id).name) == ("we", "one")
        assert (client.folders.retrieve(folder.id).name, client.conversations.retrieve(talk.id).agent_id) == ("papers", agent.id)
        until(lambda: client.runs.retrieve(run.id).status == "completed")
        after = list(client.agents.messages.list(agent.id))
        assert [one.id for one in after][: len(before)] == before
        assert [one.message_type for one in after[len(before) :]] == ["user_message", "reasoning_message", "assistant_message"]


def test_two_clients_at_once_get_their_own_answers(server: Running) -> None:
    """Different agents are talked to side by side; one agent's turns wait for one another, and each is answered."""
    with client_of(server) as client:
        ids = [client.agents.create(name=f"side {n}", model="openai/gpt-4.1").id for n in range(2)]
        words = [(ids[n % 2], f"word{n}") for n in range(6)]

        def said(pair: tuple[str, str]) -> str:
            reply: Any = client.agents.messages.create(pair[0], input=pair[1]).messages[-1]
            return reply.content

        with ThreadPoolExecutor(6) as pool:
            assert list(pool.map(said, words)) == [f"Heard: {word}" for _, word in words]


def test_a_run_can_be_cancelled(server: Running) -> None:
    """It ends as cancelled, and the agent answers the next message."""
    with client_of(server) as client:
        agent = client.agents.create(model="openai/gpt-4.1")
        GATE.clear()
        AT_THE_GATE.clear()
        run: Any = client.agents.messages.create_async(agent.id, messages=[{"role": "user", "content": "wait for the gate"}])
        until(AT_THE_GATE.is_set)
        assert client.runs.retrieve(run.id).status == "running"
        assert client.agents.messages.cancel(agent.id) == {run.id: "cancelled"}
        GATE.set()
        assert client.runs.retrieve(run.id).status == "cancelled"
        reply: Any = client.agents.messages.create(agent.id, input="and now?").messages[-1]
        assert reply.content == "Heard: and now?"


def test_a_run_is_cancelled_at_once_also_while_another_waits_behind_it(server: Running) -> None:
    """Neither the first nor the one that waits is held up by the other; what comes next is answered."""
    with client_of(server) as client:
        for first in (True, False):
            agent = client.agents.create(model="openai/gpt-4.1")
            GATE.clear()
            AT_THE_GATE.clear()
            said: Any = [{"role": "user", "content": "wait for the gate"}]
            runs: list[Any] = [client.agents.messages.create_async(agent.id, messages=said)]
            until(AT_THE_GATE.is_set)
            runs.append(client.agents.messages.create_async(agent.id, messages=said))
            stopped, other = runs if first else reversed(runs)
            try:
                answer = server.post(f"/v1/agents/{agent.id}/messages/cancel", {"run_ids": [stopped.id]})
                assert answer.json() == {stopped.id: "cancelled"}
                assert client.runs.retrieve(other.id).status == "running"
            finally:
                GATE.set()
            until(lambda run=other: client.runs.retrieve(run.id).status == "completed")
            reply: Any = client.agents.messages.create(agent.id, input="and now?").messages[-1]
            assert reply.content == "Heard: and now?"


def test_being_told_to_stop_it_finishes_the_turn_that_it_is_taking(serve: Callable[..., Running]) -> None:
    """The client gets its answer, and the process ends by itself."""
    running = serve()
    with client_of(running) as client:
        agent = client.agents.create(model="openai/gpt-4.1")
        GATE.clear()
        got: list[Any] = []
        asking = threading.Thread(target=lambda: got.append(client.agents.messages.create(agent.id, input="wait for the gate")))
        asking.start()
        until(lambda: "memgpt_runs_live 1" in running.get("/metrics").text)
        assert running.process
        running.process.terminate()
        until(lambda: _refuses(running))
        GATE.set()
        asking.join(WAIT_SECONDS)
        assert got[0].messages[-1].content.startswith("Heard:")
        assert running.process.wait(WAIT_SECONDS) in (0, -15)


def _refuses(running: Running) -> bool:
    try:
        running.get("/ready")
    except httpx.HTTPError:
        return True
    return False


def test_a_missing_key_is_an_error_at_the_first_message(serve: Callable[..., Running]) -> None:
    """An agent can be made and looked at; the message names the variable that is not set."""
    running = serve(key=False)
    with client_of(running) as client:
        agent: Any = client.agents.create(model="openai/gpt-4.1", embedding="openai/text-embedding-3-small")
        assert client.agents.retrieve(agent.id).embedding == "openai/text-embedding-3-small"
        with pytest.raises(letta_client.BadRequestError, match="OPENAI_API_KEY"):
            client.agents.messages.create(agent.id, input="hi")
        assert client.agents.passages.create(agent.id, text="kept without a key")[0].text == "kept without a key"


def test_with_tokens_each_owner_has_agents_of_their_own(serve: Callable[..., Running], tmp_path: Path) -> None:
    """Without a token there is nothing; another owner's agents, blocks, tools and folders do not exist."""
    tokens = Tokens(Settings(home=tmp_path).tokens_path)
    ann, bob, reader = tokens.create("ann")[0], tokens.create("bob")[0], tokens.create("ann", ("read",))[0]
    running = serve(home=tmp_path)
    assert (running.get("/v1/agents/").status_code, running.get("/health").status_code) == (401, 200)
    with client_of(running, ann) as one, client_of(running, bob) as other, client_of(running, reader) as looking:
        agent: Any = one.agents.create(model="openai/gpt-4.1", memory_blocks=[{"label": "human", "value": "Ann"}])
        block = one.blocks.create(label="notes", value="hers")
        tool = one.tools.create(source_code="def hers() -> int:\n    '''Hers.'''\n    return 1\n")
        folder = one.folders.create(name="hers")
        one.agents.blocks.attach(block.id, agent_id=agent.id)
        said: Any = one.agents.messages.create(agent.id, input="hello").messages[-1]
        assert (said.content, {b.label for b in one.agents.blocks.list(agent.id)}) == ("Heard: hello", {"human", "notes"})
        assert one.blocks.update(block.id, value="changed").value == "changed"
        for ask in (
            lambda: other.agents.retrieve(agent.id), lambda: other.blocks.retrieve(block.id), lambda: other.tools.retrieve(tool.id),
            lambda: other.folders.retrieve(folder.id), lambda: other.blocks.retrieve(agent.blocks[0].id),
            lambda: other.agents.messages.create(agent.id, input="let me in"), lambda: other.agents.delete(agent.id),
        ):  # fmt: skip
            with pytest.raises(letta_client.NotFoundError):
                ask()
        assert (list(other.agents.list()), [b.id for b in other.blocks.list()], other.tags.list()) == ([], [], [])
        assert looking.agents.retrieve(agent.id).id == agent.id
        with pytest.raises(letta_client.PermissionDeniedError):
            looking.agents.messages.create(agent.id, input="I only read")


def test_a_web_page_does_not_reach_a_server_on_loopback(server: Running) -> None:
    """A foreign Host or Origin is refused; this machine's own names are not."""
    for headers, status in (
        ({"host": "evil.example"}, 403), ({"origin": "https://evil.example"}, 403), ({"host": "evil.example:8283"}, 403),
        ({"origin": "null"}, 403), ({"host": "localhost:1"}, 200), ({"origin": "http://localhost:3000"}, 200), ({}, 200),
    ):  # fmt: skip
        assert server.get("/v1/health", headers=headers).status_code == status


def test_openai_clients_talk_to_an_agent_as_a_model(server: Running, provider: StrictServer) -> None:
    """Whole and streamed, by name; of a history that is sent again only the last message reaches the agent."""
    with client_of(server) as client:
        client.agents.create(name="chatty", model="openai/gpt-4.1")
    with OpenAI(base_url=f"{server.url}/v1", api_key="any") as chat:
        assert "chatty" in {model.id for model in chat.models.list()}
        history: Any = [
            {"role": "system", "content": "be nice"}, {"role": "user", "content": "old"}, {"role": "assistant", "content": "older"},
            {"role": "user", "content": [{"type": "text", "text": "news"}]},
        ]  # fmt: skip
        assert chat.chat.completions.create(model="chatty", messages=history).choices[0].message.content == "Heard: news"
        assert not any("older" in str(request["messages"]) for request in provider.requests)
        pieces = list(chat.chat.completions.create(model="chatty", messages=history, stream=True))
        assert "".join(piece.choices[0].delta.content or "" for piece in pieces) == "Heard: news"
        assert pieces[-1].choices[0].finish_reason == "stop"


def test_chores_of_a_chat_client_are_not_remembered(server: Running, provider: StrictServer) -> None:
    """A title is asked of the model alone, whole or streamed; each chat of such a client is a conversation of its own."""
    chore = "### Task:\nGenerate a title with an {emoji}.\n### Chat History:\n<chat_history>\nUSER: hello\n</chat_history>"
    with client_of(server) as client, OpenAI(base_url=f"{server.url}/v1", api_key="any") as chat:
        agent: Any = client.agents.create(name="webui", model="openai/gpt-4.1")
        for stream in (False, True):
            answer: Any = chat.chat.completions.create(model="webui", messages=[{"role": "user", "content": chore}], stream=stream)
            said = "".join(piece.choices[0].delta.content or "" for piece in answer) if stream else answer.choices[0].message.content
            assert said == "A title."
            assert [one["role"] for one in provider.requests[-1]["messages"]] == ["user"]
        assert [one.message_type for one in client.agents.messages.list(agent.id)] == ["system_message"]
        for name in ("chat-1", "chat-2", "chat-1"):
            headers = {"X-OpenWebUI-Chat-Id": name}
            chat.chat.completions.create(model="webui", messages=[{"role": "user", "content": f"in {name}"}], extra_headers=headers)
        talks = [one.id for one in client.conversations.list(agent_id=agent.id, order="asc")]
        spoken: Any = [[one.content for one in client.conversations.messages.list(talk) if one.message_type == "user_message"] for talk in talks]
        assert spoken == [["in chat-1", "in chat-1"], ["in chat-2"]]


def test_openai_clients_carry_out_their_own_tools(server: Running) -> None:
    """A call comes as `tool_calls`, its result goes back as a `tool` message; another question instead gives the call up."""
    parameters = {"type": "object", "properties": {"q": {"type": "string"}}}
    tools: Any = [{"type": "function", "function": {"name": "look_up", "parameters": parameters}}]
    asked: Any = {"role": "user", "content": "call look_up(q=tides) call look_up(q=moon)"}
    with client_of(server) as client, OpenAI(base_url=f"{server.url}/v1", api_key="any") as chat:
        client.agents.create(name="toolful", model="openai/gpt-4.1", agent_type="letta_v1_agent")
        choice: Any = chat.chat.completions.create(model="toolful", messages=[asked], tools=tools).choices[0]
        calls = choice.message.tool_calls
        assert (choice.finish_reason, [call.function.arguments for call in calls]) == ("tool_calls", ['{"q": "tides"}', '{"q": "moon"}'])
        results: Any = [{"role": "tool", "tool_call_id": call.id, "content": f"result {n}"} for n, call in enumerate(calls)]
        history: Any = [asked, choice.message.model_dump(exclude_none=True), *results]
        assert "result 1" in str(chat.chat.completions.create(model="toolful", messages=history, tools=tools).choices[0].message.content)
        pieces: Any = list(chat.chat.completions.create(model="toolful", messages=[asked], tools=tools, stream=True))
        streamed = [call.function.name for piece in pieces for call in piece.choices[0].delta.tool_calls or ()]
        assert (streamed, pieces[-1].choices[0].finish_reason) == (["look_up", "look_up"], "tool_calls")
        given_up: Any = chat.chat.completions.create(model="toolful", messages=[{"role": "user", "content": "never mind"}])
        assert given_up.choices[0].message.content == "Heard: never mind"


def test_the_documentation_names_every_route_and_fetches_nothing(server: Running) -> None:
    """Each operation has a summary, each request a title; the page is whole in itself."""
    document = server.get("/openapi.json").json()
    operations = [operation for methods in document["paths"].values() for operation in methods.values()]
    assert len(operations) > 80
    assert [one for one in operations if not one.get("summary") or not one.get("description")] == []
    page = server.get("/docs")
    assert all(path in page.text for path in document["paths"])
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "src=" not in page.text
    assert "example" in document["components"]["schemas"]["NewAgent"]


def test_being_up_and_being_ready_are_two_things(tmp_path: Path) -> None:
    """While the store hangs, the server lives and is not ready: it says so in time, however often it is asked, and is ready again afterwards."""
    settings = Settings(home=tmp_path)
    hangs, goes_on = threading.Event(), threading.Event()

    class Hanging(FaissStore):
        """A store whose database is away for a while."""

        asked = 0

        def search(self, *given: Any, **more: Any) -> Any:
            if hangs.is_set():
                self.asked += 1
                goes_on.wait(WAIT_SECONDS)
            return super().search(*given, **more)

    with Hanging(tmp_path / "memory.db") as store, open_configured_checkpointer(settings) as checkpointer:
        agents = OpenAgents(settings, store=store, checkpointer=checkpointer, model=ScriptedModel())
        with TestClient(create_app(settings, agents=agents)) as client:
            assert client.get("/ready").status_code == 200
            hangs.set()
            for _ in range(3):
                refused = client.get("/ready")
                assert (refused.status_code, refused.json()["detail"]) == (503, "The store cannot be read.")
                assert client.get("/v1/health").json()["status"] == client.get("/health").json()["status"] == "ok"
            assert store.asked == 1
            hangs.clear()
            goes_on.set()
            until(lambda: client.get("/ready").status_code == 200)
