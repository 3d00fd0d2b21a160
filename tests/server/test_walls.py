"""Two owners on `memgpt serve`: every path that names a thing, at one of Ann's and at one that there never was, asked by Bob."""

import json
import re
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from memgpt_agent.checkpoints import open_configured_checkpointer
from memgpt_agent.config import Settings
from memgpt_agent.memory.opening import open_configured_store
from memgpt_agent.owners import share
from memgpt_agent.owners.tokens import Tokens
from memgpt_agent.server.app import create_app
from memgpt_agent.server.open_agents import OpenAgents
from memgpt_agent.testing import ScriptedModel, say

Ids = Mapping[str, str]
BODY = {
    "messages": [{"role": "user", "content": "Hi"}], "text": "x", "value": "x", "name": "z", "arguments": {}, "args": {}, "query": "secret",
    "requires_approval": True,
}  # fmt: skip
"""Fits what most paths take; those that it does not fit refuse it before they look for the thing, alike for both."""


class World:
    """A server in this process, with Ann's and Bob's things on it."""

    def __init__(self, client: TestClient, store: Any, tokens: Mapping[str, str]) -> None:
        self.client, self.store, self.tokens = client, store, tokens
        self.anns, self.bobs = self._things("ann"), self._things("bob")

    def ask(self, who: str, method: str, path: str, **given: Any) -> Any:
        """Send a request as somebody."""
        return self.client.request(method, path, headers={"authorization": f"Bearer {self.tokens[who]}"}, **given)

    def _things(self, who: str) -> dict[str, str]:
        def made(method: str, path: str, **given: Any) -> Any:
            response = self.ask(who, method, path, **given)
            assert response.status_code == 200, (path, response.text)
            return response.json()

        agent = made("POST", "/v1/agents", json={"name": f"{who}s", "memory_blocks": [{"label": "human", "value": f"secret of {who}"}]})["id"]
        block = made("POST", "/v1/blocks", json={"label": "plan", "value": f"secret of {who}"})["id"]
        folder = made("POST", "/v1/folders", json={"name": f"{who}s"})["id"]
        file = made("POST", f"/v1/folders/{folder}/upload", files={"file": ("a.txt", f"secret of {who}".encode(), "text/plain")})["id"]
        source = f"def {who}s_tool() -> str:\n    '''A secret of {who}.'''\n    return ''\n"
        tool = made("POST", "/v1/tools", json={"source_code": source})["id"]
        conversation = made("POST", f"/v1/conversations/?agent_id={agent}", json={})["id"]
        made("POST", f"/v1/agents/{agent}/messages", json={"messages": [{"role": "user", "content": f"secret of {who}"}]})
        run = made("GET", f"/v1/runs?agent_id={agent}")[0]["id"]
        passage = made("POST", f"/v1/agents/{agent}/archival-memory", json={"text": f"secret of {who}"})[0]["id"]
        return {
            "agent_id": agent, "block_id": block, "folder_id": folder, "file_id": file, "tool_id": tool, "run_id": run, "passage_id": passage,
            "conversation_id": conversation, "name": f"{who}s", "label": "human", "tool_name": "send_message",
        }  # fmt: skip

    def of_ann(self) -> str:
        """All that is stored of Ann's things."""
        found = self.store.search((), limit=10_000)
        mine = [i for i in found if any(len(x) > 9 and x in f"{i.namespace}{i.key}" for x in self.anns.values())]
        return json.dumps([(i.namespace, i.key, i.value, str(i.updated_at)) for i in mine], sort_keys=True)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One server for the module."""
    settings = Settings(home=tmp_path_factory.mktemp("served"))
    tokens = {name: Tokens(settings.tokens_path).create(name)[0] for name in ("ann", "bob")}
    model = ScriptedModel([lambda _messages: say("Yes.")] * 500)
    with open_configured_store(settings, searches=False) as store, open_configured_checkpointer(settings) as checkpointer:
        agents = OpenAgents(settings, store=store, checkpointer=checkpointer, model=model)
        with TestClient(create_app(settings, agents=agents)) as client:
            yield World(client, store, tokens)


def absent(like: Ids) -> dict[str, str]:
    """Ids of the same form, of nothing."""
    fresh = {name: re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", str(uuid.uuid4()), value) for name, value in like.items()}
    return fresh | {"run_id": like["run_id"][:-6] + "AAAAAA", "passage_id": f"passage-{uuid.uuid4().hex[:16]}", "name": "zoes"}


def _told(world: World, method: str, path: str, ids: Ids) -> tuple[int, str]:
    filled = re.sub(r"{(\w+)(?::\w+)?}", lambda found: ids.get(found[1], "x"), path)
    given: Any = {"json": {**BODY, "agent_id": ids["agent_id"]}} if method in {"POST", "PUT", "PATCH"} else {}
    response = world.ask("bob", method, filled, **given)
    text = str(response.text)
    for name, value in sorted(ids.items(), key=lambda item: -len(item[1])):
        text = text.replace(value, f"<{name}>") if len(value) > 3 else text
    return response.status_code, text


def test_what_is_anothers_is_answered_as_what_is_not_there(world: World) -> None:
    """The same status and words at every path of the interface; nothing of Ann's is in an answer, and nothing of it changes."""
    spec, before, none = world.client.app.openapi(), world.of_ann(), absent(world.anns)  # type: ignore[attr-defined]
    paths = [(method.upper(), path) for path, methods in spec["paths"].items() for method in methods if "{" in path]
    assert len(paths) > 50
    for method, path in paths:
        status, text = _told(world, method, path, world.anns)
        assert status in {403, 404, 422}, (method, path, text)
        assert "secret of ann" not in text
        assert (status, text) == _told(world, method, path, none), (method, path)
    assert world.of_ann() == before


@pytest.mark.parametrize(
    "path", ["agents", "blocks", "folders", "tools", "runs", "runs/active", "steps", "conversations", "tags", "agents/count"]
)
def test_lists_hold_ones_own(world: World, path: str) -> None:
    """Whatever is asked for beside."""
    for query in ("", f"?agent_id={world.anns['agent_id']}", "?name=anns", f"?ids={world.anns['agent_id']}"):
        text = world.ask("bob", "GET", f"/v1/{path}{query}").text
        assert "secret of ann" not in text
        named = {world.anns["agent_id"]} if "agent_id" in query else set[str]()  # the refusal says which was asked for
        assert not any(value in text for value in set(world.anns.values()) - named if len(value) > 20)


def test_searches_find_ones_own(world: World) -> None:
    """Passages, messages and tools."""
    for path in ("passages/search", "messages/search", "tools/search"):
        response = world.ask("bob", "POST", f"/v1/{path}", json={"query": "secret"})
        assert response.status_code == 200
        assert "of ann" not in response.text


def test_what_is_anothers_is_not_shown_beside_ones_own(world: World) -> None:
    """Ann's ids in the queries of Bob's own paths get the status that ids of nothing get, and nothing of hers."""
    spec, none, asked = world.client.app.openapi(), absent(world.anns), 0  # type: ignore[attr-defined]
    threads = [{**ids, "conversation_id": ids["agent_id"] + end} for ids in (world.anns, none) for end in ("", "~sleep")]
    for path, methods in spec["paths"].items():
        own = re.sub(r"{(\w+)(?::\w+)?}", lambda found: world.bobs.get(found[1], "x"), path)
        for name in {one["name"] for one in methods.get("get", {}).get("parameters", ()) if one["in"] == "query"} & set(none):
            given = [world.ask("bob", "GET", own, params={name: ids[name]}) for ids in (world.anns, none, *threads)]
            assert not [one.url for one in given if "secret of ann" in one.text]
            assert len({one.status_code for one in given}) == 1, (path, name)
            asked += 1
    assert asked > 10


def test_the_window_of_ones_own_conversation_is_shown(world: World) -> None:
    """The agent's first, by its id or as the default, and one that was begun."""
    own = world.bobs["agent_id"]
    for thread in (own, "default", world.bobs["conversation_id"]):
        assert world.ask("bob", "GET", f"/v1/agents/{own}/context", params={"conversation_id": thread}).status_code == 200, thread


def test_nothing_of_anothers_is_put_into_a_new_agent(world: World) -> None:
    """Blocks, tools and folders by their ids and names, and its model for a chat client, are not there."""
    none = absent(world.anns)
    for ids in (world.anns, none):
        tool = f"{ids['name']}_tool"
        for given in (
            {"block_ids": [ids["block_id"]]}, {"tool_ids": [ids["tool_id"]]}, {"tools": [tool]}, {"folder_ids": [ids["folder_id"]]},
        ):  # fmt: skip
            assert world.ask("bob", "POST", "/v1/agents", json={"name": "x", **given}).status_code == 404, given
        chat = {"model": ids["agent_id"], "messages": [{"role": "user", "content": "Hi"}]}
        assert world.ask("bob", "POST", "/v1/chat/completions", json=chat).status_code == 404


def test_who_may_only_read_an_agent_looks_and_does_not_touch(world: World) -> None:
    """Its blocks, messages and runs are seen; each change, a message and cancelling are refused."""
    agent, run = world.anns["agent_id"], world.anns["run_id"]
    share(world.store, agent, "bob", "read")
    for path in (f"agents/{agent}", f"agents/{agent}/messages", f"agents/{agent}/core-memory/blocks", f"runs/{run}/messages"):
        assert world.ask("bob", "GET", f"/v1/{path}").status_code == 200, path
    said = {"messages": [{"role": "user", "content": "Hi"}]}
    for method, path, body in [
        ("POST", f"agents/{agent}/messages", said), ("PATCH", f"agents/{agent}/core-memory/blocks/human", {"value": "Owned."}),
        ("DELETE", f"agents/{agent}", None), ("PATCH", f"agents/{agent}", {"name": "mine"}), ("POST", f"agents/{agent}/messages/cancel", {}),
        ("POST", f"agents/{agent}/archival-memory", {"text": "Owned."}), ("PATCH", f"agents/{agent}/reset-messages", {}),
    ]:  # fmt: skip
        assert world.ask("bob", method, f"/v1/{path}", json=body).status_code == 403, path
    share(world.store, agent, "bob", None)


def test_no_file_of_the_machine_is_chosen_as_a_model(world: World) -> None:
    """When an agent is made, changed, or asked once by another model."""
    agent = world.bobs["agent_id"]
    for name in ("local:/etc/passwd", "local//etc/passwd", "LOCAL/etc/passwd", "llamacpp/../../secret"):
        for method, path, body in [
            ("POST", "agents", {"name": "x", "model": name}), ("PATCH", f"agents/{agent}", {"model": name}),
            ("POST", f"agents/{agent}/messages", {"input": "Hi", "override_model": name}),
        ]:  # fmt: skip
            response = world.ask("bob", method, f"/v1/{path}", json=body)
            assert (response.status_code, "may not choose" in response.text) == (403, True), (path, name, response.text)


def test_without_a_token_nothing_is_answered(world: World) -> None:
    """But for the pages that tell nothing of any agent."""
    spec: Any = world.client.app.openapi()  # type: ignore[attr-defined]
    open_to_all = {"/health", "/v1/health", "/v1/health/", "/ready", "/metrics", "/docs"}
    for path, methods in spec["paths"].items():
        for method in methods:
            filled = re.sub(r"{(\w+)(?::\w+)?}", lambda found: world.anns.get(found[1], "x"), path)
            body: Any = {"json": BODY} if method in {"post", "put", "patch"} else {}
            status = world.client.request(method.upper(), filled, **body).status_code
            assert status == 401 or path in open_to_all, (method, path, status)


def test_without_tokens_there_is_one_person(tmp_path: Path) -> None:
    """Who sees everything: nothing of owners is felt."""
    settings = Settings(home=tmp_path)
    with open_configured_store(settings, searches=False) as store, open_configured_checkpointer(settings) as checkpointer:
        agents = OpenAgents(settings, store=store, checkpointer=checkpointer, model=ScriptedModel([say("Yes.")]))
        with TestClient(create_app(settings, agents=agents)) as client:
            made = client.post("/v1/agents", json={"name": "mine"}).json()["id"]
            assert [one["id"] for one in client.get("/v1/agents").json()] == [made]
