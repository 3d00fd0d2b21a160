"""Limits and the audit log on LangGraph's server: what its clients are told, and what was logged of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from memgpt_agent.config import Settings
from memgpt_agent.memory.namespaces import encode_label
from memgpt_agent.memory.opening import open_configured_store
from memgpt_agent.owners.audit import read_audit
from memgpt_agent.owners.tokens import Tokens
from tests.serving.conftest import Held, Server

pytestmark = pytest.mark.server


@dataclass(frozen=True)
class World:
    """A server with limits, and its clients."""

    server: Server
    home: Path
    tokens: dict[str, str]

    def limit(self, text: str) -> None:
        """Write the limits."""
        (self.home / "limits.toml").write_text(text)

    def http(self, who: str) -> httpx.Client:
        """A client that shows statuses and headers."""
        return httpx.Client(base_url=self.server.url, headers={"x-api-key": self.tokens[who]}, timeout=60)

    def logged(self) -> list[tuple[str, ...]]:
        """What the log holds, oldest first."""
        with open_configured_store(Settings(home=self.home), searches=False) as store:
            return [tuple(entry[:4]) for entry in reversed(read_audit(store))]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, model_url: str, serve: Any) -> Iterator[World]:
    """One server for the module."""
    folder = tmp_path_factory.mktemp("limits")
    made = Tokens(folder / "home" / "tokens.jsonl")
    tokens = {name: made.create(name)[0] for name in ("ann", "bob", "cem", "dora", "eva")}
    with serve(folder, model_url, config="langgraph.auth.json", MEMGPT_AUDIT="on") as server:
        yield World(server, folder / "home", tokens)
        assert "BlockingError" not in server.log.read_text()


def test_a_run_too_many_is_refused_before_it_is_queued(world: World) -> None:
    """With 429 and when to try again, whatever way it is begun; the thread is as it was, and another owner's runs go on."""
    world.limit("turns_a_minute = 1")
    given: Any = {"assistant_id": "memgpt", "input": {"messages": [{"role": "user", "content": "say first"}]}}
    with world.http("ann") as ann, world.http("bob") as bob:
        thread = ann.post("/threads", json={}).json()["thread_id"]
        assert ann.post(f"/threads/{thread}/runs/wait", json=given).json()["messages"][-1]["content"] == "re first"
        before = ann.get(f"/threads/{thread}/state").json()["values"]["messages"]
        for path in (f"/threads/{thread}/runs/wait", f"/threads/{thread}/runs/stream", f"/threads/{thread}/runs", "/runs/wait", "/runs/stream"):
            refused = ann.post(path, json=given)
            assert (refused.status_code, "'ann' has begun 1 turn within a minute" in refused.text) == (429, True), (path, refused.text)
            assert 1 <= int(refused.headers["retry-after"]) <= 60
        assert ann.get(f"/threads/{thread}/state").json()["values"]["messages"] == before
        assert bob.post("/runs/wait", json=given).json()["messages"][-1]["content"] == "re first"
        world.limit("turns_a_minute = 2")
        assert ann.post(f"/threads/{thread}/runs/wait", json=given).status_code == 200


def test_runs_that_come_at_once_do_not_slip_through(world: World) -> None:
    """Those that were queued before the first was counted end in the same words."""
    world.limit("turns_a_minute = 2")
    given: Any = {"assistant_id": "memgpt", "input": {"messages": [{"role": "user", "content": "say word"}]}}
    with world.http("cem") as cem:
        threads = [cem.post("/threads", json={}).json()["thread_id"] for _ in range(5)]
        asked = [(thread, cem.post(f"/threads/{thread}/runs", json=given)) for thread in threads]
        assert {one.status_code for _, one in asked} <= {200, 429}
        queued = [(thread, one.json()["run_id"]) for thread, one in asked if one.status_code == 200]
        said = [cem.get(f"/threads/{thread}/runs/{run}/join").json() for thread, run in queued]
    answered = [one for one in said if "messages" in one and one["messages"][-1]["content"] == "re word"]
    assert len(answered) == 2
    assert all("within a minute; 2 are allowed" in str(one) for one in said if one not in answered)


def test_a_run_that_waited_while_the_last_turn_was_begun_is_refused_when_its_own_begins(world: World, held: Held) -> None:
    """There was room for each when it was queued; the answers before it stand, and the log has the refusal."""
    world.limit("turns_a_minute = 2")
    given: Any = {"assistant_id": "memgpt", "multitask_strategy": "enqueue"}
    with world.http("eva") as eva:
        thread = eva.post("/threads", json={}).json()["thread_id"]
        asked = [
            eva.post(f"/threads/{thread}/runs", json={**given, "input": {"messages": [{"role": "user", "content": f"say {word}"}]}})
            for word in ("held", "second", "third")
        ]
        assert [one.status_code for one in asked] == [200, 200, 200]
        held.go_on.set()
        last = eva.get(f"/threads/{thread}/runs/{asked[-1].json()['run_id']}/join").json()
        assert "within a minute; 2 are allowed" in str(last)
        said = [one["content"] for one in eva.get(f"/threads/{thread}/state").json()["values"]["messages"]]
    assert [word for word in ("re held", "re second", "re third") if word in said] == ["re held", "re second"]
    assert ("eva", "turn (user_message)", "user:eva", "refused: a limit") in world.logged()


def test_memory_over_http_is_bounded_as_well(world: World) -> None:
    """A passage too many, and an agent too many, by writing into its namespace."""
    world.limit("passages = 1\nagents = 1")
    with world.http("dora") as dora:
        def put(agent: str, key: str) -> httpx.Response:
            item = {"namespace": [encode_label(agent), "archival"], "key": key, "value": {"text": "x"}}
            return dora.put("/store/items", json=item)

        assert put("user:dora", "one").status_code == 204
        assert put("user:dora", "one").status_code == 204
        refused = put("user:dora", "two")
        assert (refused.status_code, "1 passage, and 1 are allowed" in refused.text) == (403, True), refused.text
        refused = put("owner:dora/other", "one")
        assert (refused.status_code, "may have 1 agent and has no room" in refused.text) == (403, True), refused.text


def test_what_was_asked_is_logged(world: World) -> None:
    """By whom, with which agent, and what was refused; never what was said."""
    logged = world.logged()
    assert ("ann", "threads:create", "", "") in logged
    assert ("ann", "threads:create_run", "", "") in logged
    assert ("ann", "threads:create_run", "", "429") in logged
    assert ("ann", "turn (user_message)", "user:ann", "") in logged
    assert ("dora", "store:put", "user:dora", "403") in logged
    assert "say first" not in str(logged)
