"""`memgpt serve` with limits and the audit log: every way to begin a turn, make an agent or store something, and what was logged of it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from starlette.testclient import TestClient

from memgpt_agent.checkpoints import open_configured_checkpointer
from memgpt_agent.config import Settings
from memgpt_agent.memory.opening import open_configured_store
from memgpt_agent.owners import share
from memgpt_agent.owners.audit import read_audit
from memgpt_agent.owners.tokens import Tokens
from memgpt_agent.server.app import create_app
from memgpt_agent.server.open_agents import OpenAgents
from memgpt_agent.server.page.view import PREFIX
from memgpt_agent.testing import ScriptedModel, say

SECRET = "the key is under the stone"


class World:
    """A server in this process that limits and logs."""

    def __init__(self, client: TestClient, settings: Settings, store: Any) -> None:
        self.client, self.settings, self.store = client, settings, store
        made = Tokens(settings.tokens_path)
        self.tokens = {name: made.create(name)[0] for name in ("ann", "bob")}
        self.tokens["root"] = made.create("root", ["admin"])[0]

    def limit(self, text: str) -> None:
        """Write the limits."""
        (self.settings.home / "limits.toml").write_text(text)

    def ask(self, who: str, method: str, path: str, **given: Any) -> Any:
        """Send a request as somebody."""
        return self.client.request(method, path, headers={"authorization": f"Bearer {self.tokens[who]}"}, **given)

    def agent(self, who: str = "ann") -> str:
        """Make an agent."""
        return str(self.ask(who, "POST", "/v1/agents", json={"name": SECRET, "memory_blocks": [{"label": "human", "value": ""}]}).json()["id"])

    def logged(self, **asked: Any) -> list[tuple[str, ...]]:
        """What the log holds, oldest first."""
        return [tuple(entry[:4]) for entry in reversed(read_audit(self.store, **asked))]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A server of the test's own."""
    settings = Settings(home=tmp_path, audit="on")
    model = ScriptedModel([lambda _messages: say("Yes.")] * 50)
    with open_configured_store(settings, searches=False) as store, open_configured_checkpointer(settings) as checkpointer:
        agents = OpenAgents(settings, store=store, checkpointer=checkpointer, model=model)
        with TestClient(create_app(settings, agents=agents)) as client:
            yield World(client, settings, store)


def test_a_turn_too_many_is_refused_alike_by_every_interface(world: World) -> None:
    """With 429 and when to try again, also where a stream was asked for; nothing of it is stored, and Bob's turns are taken."""
    ann, bob = world.agent(), world.agent("bob")
    said = {"input": SECRET}
    world.limit("turns_a_minute = 1")
    assert world.ask("ann", "POST", f"/v1/agents/{ann}/messages", json=said).status_code == 200
    before = world.store.search((), filter=None, limit=1_000)
    completion = {"model": ann, "messages": [{"role": "user", "content": "Hi"}]}
    for path, body in [
        (f"/v1/agents/{ann}/messages", said), (f"/v1/agents/{ann}/messages", {**said, "streaming": True}),
        (f"/v1/agents/{ann}/messages/stream", said), (f"/v1/agents/{ann}/messages/async", said),
        ("/v1/chat/completions", completion), ("/v1/chat/completions", {**completion, "stream": True}),
    ]:  # fmt: skip
        refused = world.ask("ann", "POST", path, json=body)
        assert refused.status_code == 429, (path, refused.text)
        assert 1 <= int(refused.headers["retry-after"]) <= 60
        assert "'ann' has begun 1 turn within a minute; 1 are allowed. Try again in" in refused.json()["detail"]
    assert len(world.store.search((), limit=1_000)) == len(before)
    assert world.ask("bob", "POST", f"/v1/agents/{bob}/messages", json=said).status_code == 200
    with openai.OpenAI(api_key=world.tokens["ann"], base_url="http://testserver/v1", http_client=world.client, max_retries=0) as client:
        with pytest.raises(openai.RateLimitError, match="Try again in"):
            client.chat.completions.create(model=ann, messages=[{"role": "user", "content": "Hi"}])
        world.limit("turns_a_minute = 2")
        answer = client.chat.completions.create(model=ann, messages=[{"role": "user", "content": "Hi"}])
    assert answer.choices[0].message.content == "Yes."


def test_the_page_says_so_too(world: World) -> None:
    """In words, with the same status."""
    agent = world.agent()
    world.limit("turns_a_minute = 0")
    own = {"origin": "http://testserver", "sec-fetch-site": "same-origin"}
    assert world.client.post(f"{PREFIX}/login", data={"token": world.tokens["ann"]}, headers=own).status_code == 200
    for status, limit in ((403, "turns_a_minute = 0"), (429, "turns_a_minute = 1")):
        world.limit(limit)
        if status == 429:
            world.ask("ann", "POST", f"/v1/agents/{agent}/messages", json={"input": "Hi"})
        refused = world.client.post(f"{PREFIX}/a/{agent}/say", data={"text": "Hi"}, headers=own)
        assert (refused.status_code, "allowed" in refused.text) == (status, True), refused.text


def test_agents_and_texts_beyond_the_limit_are_refused(world: World) -> None:
    """With 403, since waiting does not help; an admin may go on."""
    agent = world.agent()
    world.limit("agents = 2\npassages = 1\nbytes = 20_000")
    assert world.agent()
    for body in ({"name": "third"}, {"name": "third", "agent_type": "memgpt_agent"}):
        refused = world.ask("ann", "POST", "/v1/agents", json=body)
        assert (refused.status_code, "may have 2 agents" in refused.text) == (403, True)
    assert len(world.ask("ann", "GET", "/v1/agents").json()) == 2
    texts = f"/v1/agents/{agent}/archival-memory"
    assert world.ask("ann", "POST", texts, json={"text": "one"}).status_code == 200
    assert world.ask("ann", "POST", texts, json={"text": "two"}).status_code == 403
    assert world.ask("root", "POST", texts, json={"text": "three"}).status_code == 200
    large = {"value": "x" * 50_000, "limit": 60_000}
    block = f"/v1/agents/{agent}/core-memory/blocks/human"
    refused = world.ask("ann", "PATCH", block, json=large)
    assert (refused.status_code, "20,000 are allowed" in refused.text) == (403, True), refused.text


def test_chores_of_a_chat_client_are_no_turns_but_use_tokens(world: World) -> None:
    """Its request for a title is refused where the day's tokens are used up, and to somebody who may only read the agent."""
    agent = world.agent()
    chore = {"model": agent, "messages": [{"role": "user", "content": "Find a title.\n<chat_history>\nUSER: hello\n</chat_history>"}]}
    world.limit("turns_a_minute = 0\ntokens_a_day = 1")
    assert world.ask("ann", "POST", "/v1/chat/completions", json=chore).status_code == 200
    refused = world.ask("ann", "POST", "/v1/chat/completions", json=chore)
    assert (refused.status_code, "tokens today; 1 a day are allowed" in refused.text) == (429, True), refused.text
    world.limit("")
    share(world.store, agent, "bob", "read")
    assert world.ask("bob", "GET", f"/v1/agents/{agent}").status_code == 200
    assert world.ask("bob", "POST", "/v1/chat/completions", json=chore).status_code == 403


def test_everything_that_is_asked_is_logged_and_nothing_of_what_was_said(world: World) -> None:
    """Who, what, with which agent and with what status; also what is refused, and the turn itself."""
    agent = world.agent()
    world.ask("ann", "POST", f"/v1/agents/{agent}/messages", json={"input": SECRET})
    world.ask("ann", "GET", f"/v1/agents/{agent}")
    world.ask("ann", "GET", f"/v1/agents/{agent}")
    world.ask("bob", "GET", f"/v1/agents/{agent}")
    world.ask("bob", "DELETE", f"/v1/agents/{agent}")
    world.ask("ann", "POST", "/v1/chat/completions", json={"model": agent, "messages": [{"role": "user", "content": SECRET}]})
    world.client.get(f"/v1/agents/{agent}")
    world.client.get("/ready")
    assert world.logged() == [
        ("ann", "POST /v1/agents", agent, "200"),
        ("ann", "turn (user_message)", agent, ""),
        ("ann", "POST /v1/agents/{agent_id}/messages", agent, "200"),
        ("ann", "GET /v1/agents/{agent_id}", agent, "200"),
        ("bob", "GET /v1/agents/{agent_id}", agent, "404"),
        ("bob", "DELETE /v1/agents/{agent_id}", agent, "404"),
        ("ann", "turn (user_message)", agent, ""),
        ("ann", "POST /v1/chat/completions", agent, "200"),
        ("", "GET /v1/agents/{agent_id}", agent, "401"),
    ]
    assert SECRET not in str(read_audit(world.store))
    assert [entry[1] for entry in world.logged(who="bob")] == ["GET /v1/agents/{agent_id}", "DELETE /v1/agents/{agent_id}"]


def test_a_refused_turn_is_logged_as_refused(world: World) -> None:
    """By its status."""
    agent = world.agent()
    world.limit("turns_a_minute = 0")
    world.ask("ann", "POST", f"/v1/agents/{agent}/messages", json={"input": "Hi"})
    assert world.logged(agent_id=agent)[-1] == ("ann", "POST /v1/agents/{agent_id}/messages", agent, "403")
