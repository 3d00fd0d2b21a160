"""What the pages answer to forms, without a browser: failed turns, names of models, files, versions, tokens."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from memgpt_agent.config import Settings
from memgpt_agent.memory.knowledge import KnowledgeGraph
from memgpt_agent.memory.opening import open_configured_store
from memgpt_agent.owners.identity import Scope
from memgpt_agent.owners.tokens import Tokens
from tests.server.page.agents import make

SCOPES_ALONE: list[list[Scope]] = [["chat"], ["read"], ["admin"]]
DEEP = b"[" * 100_000


def send(server: Any, path: str, data: Any = None, **options: Any) -> httpx.Response:
    """Send a form as the page itself does."""
    return httpx.post(f"{server.url}/page/{path}", data=data, headers={"origin": server.url}, timeout=60, **options)


def test_a_failed_turn_says_why_in_the_chat_also_later(server: Any) -> None:
    """Without a script the reason stands under what was said, and still after the next turn; nothing is said twice."""
    agent_id = make(server, name="refused")
    assert send(server, f"a/{agent_id}/say", {"text": "please refuse this"}).status_code == 303
    page = server.get(f"/page/a/{agent_id}/chat").text
    assert page.count("The turn failed: ") == 1
    assert page.index("please refuse this") < page.index("The turn failed: ")
    assert "Nothing was said yet" not in page
    assert send(server, f"a/{agent_id}/say", {"text": "plain"}).status_code == 303
    page = server.get(f"/page/a/{agent_id}/chat").text
    assert page.index("please refuse this") < page.index("The turn failed: ") < page.index("In plain words.")
    assert page.count("The turn failed: ") == 1


def test_a_model_that_does_not_answer_is_not_taken(server: Any) -> None:
    """A name that leads nowhere leaves an agent as it was, its name too, and makes none; one that answers is taken."""
    agent_id = make(server, name="steady")
    for model in ("bad model name", "nonsense", "no such:thing"):
        answer = send(server, f"a/{agent_id}/settings", {"name": "changed", "model": model})
        assert answer.status_code == 400, model
        assert "memgpt models" in answer.text
        assert send(server, "agents", {"name": f"on {model}", "model": model}).status_code == 400
    known = server.get(f"/v1/agents/{agent_id}").json()
    assert (known["name"], known["model"]) == ("steady", "openai/gpt-4.1")
    assert "on nonsense" not in server.get("/page/agents").text
    assert send(server, f"a/{agent_id}/settings", {"name": "steady", "model": "openai:gpt-4.1-mini"}).status_code == 303
    assert "gpt-4.1-mini" in server.get(f"/v1/agents/{agent_id}").json()["model"]


@pytest.mark.parametrize("content", [DEEP, b'{"a":' * 100_000, b"none", b'{"agents": 5}', b'{"agents": [1]}'])
def test_a_file_that_is_no_agent_is_refused_by_its_name(server: Any, content: bytes) -> None:
    """The page and the interface answer 422 and name the file as it was called."""
    for path in ("/page/import", "/v1/agents/import"):
        files = {"file": ("my \u00fcber file+1.json", content)}
        answer = httpx.post(f"{server.url}{path}", files=files, headers={"origin": server.url}, timeout=60)
        assert answer.status_code == 422, answer.text
        assert "my \u00fcber file+1.json" in answer.text or "file&#43;1.json" in answer.text


def test_json_that_is_nested_too_deeply_is_a_clients_error(server: Any) -> None:
    """A request's body, and arguments that are typed to edit a call."""
    agent_id = make(server)
    headers = {"content-type": "application/json"}
    answer = httpx.post(f"{server.url}/v1/agents/{agent_id}/messages", content=DEEP, headers=headers, timeout=60)
    assert answer.status_code in (400, 422), answer.text
    form = {"decision": "edit", "call_id": "c", "arguments": DEEP.decode()}
    assert send(server, f"a/{agent_id}/decide", form).status_code == 422


def test_a_version_that_is_not_there_is_not_found(server: Any) -> None:
    """Neither compared nor restored."""
    agent_id = make(server, memory_blocks=[{"label": "human", "value": "Name: Ada"}])
    assert server.get(f"/page/a/{agent_id}/diff?label=human&a=0&b=1").status_code == 200
    assert server.get(f"/page/a/{agent_id}/diff?label=human&a=1&b=99").status_code == 404
    assert send(server, f"a/{agent_id}/restore", {"label": "human", "version": "99"}).status_code == 404


def test_what_nobody_can_look_for_is_said(server: Any) -> None:
    """A kind of things or a role that there is not."""
    agent_id = make(server)
    for query, status in (("kind=nosuch", 422), ("role=xyz", 422), ("kind=&role=", 200), ("kind=facts&role=user", 200)):
        assert server.get(f"/page/a/{agent_id}/search?q=tea&{query}").status_code == status, query


def test_all_facts_are_reached_page_by_page(server: Any) -> None:
    """Also where two facts of a page are shown as one; no page leads to an empty one."""
    agent_id = make(server)
    with open_configured_store(Settings(home=server.home), searches=False) as store:
        graph = KnowledgeGraph(store, agent_id)
        for number in range(50):
            graph.insert(f"Person {number}", "knows", "Ulm", valid_from=f"2020-01-01T00:00:{number:02}+00:00")
        assert "More facts" not in server.get(f"/page/a/{agent_id}/facts").text
        graph.insert("Ulma", "knows", "Ulm", valid_from="2020-01-01T00:00:49+00:00")
        graph.merge("Person 49", "Ulma")
    first = server.get(f"/page/a/{agent_id}/facts").text
    assert "More facts" in first
    assert "Person 0<" not in first
    assert "Person 0<" in server.get(f"/page/a/{agent_id}/facts?after=50").text


def test_quiet_hours_need_a_beating_heart(server: Any) -> None:
    """Without an interval they would be lost: the form says so."""
    agent_id = make(server)
    assert send(server, f"a/{agent_id}/rhythm", {"quiet": "22:00-07:00"}).status_code == 422
    assert send(server, f"a/{agent_id}/rhythm", {"quiet": "22:00-07:00", "every": "6h"}).status_code == 303


def test_a_token_to_read_shows_pages_without_forms(serve: Any, tmp_path: Path) -> None:
    """Whoever has it logs in and looks; what would change something is refused, and so is a token of no scope or of an endless name."""
    home = tmp_path / "home"
    home.mkdir()
    tokens = Tokens(home / "tokens.jsonl")
    (writes, _), (reads, _), (admin, _) = (tokens.create("ann", scope) for scope in SCOPES_ALONE)
    server = serve(home=home)
    headers = {"authorization": f"Bearer {writes}"}
    agent_id = server.post("/v1/agents", {"name": "hers", "agent_type": "memgpt_v2_agent"}, headers=headers).json()["id"]
    with httpx.Client(base_url=f"{server.url}/page", headers={"origin": server.url}, timeout=60) as client:
        assert client.post("/login", data={"token": reads}).status_code == 303
        page = client.get(f"/a/{agent_id}/blocks")
        assert page.status_code == 200
        assert "Edit" not in page.text.partition("<main")[2]
        assert client.post(f"/a/{agent_id}/blocks", data={"label": "x"}).status_code == 403
        client.post("/login", data={"token": admin})
        assert client.post("/tokens/revoke", data={"token": "nosuch"}).status_code == 404
        assert client.post("/tokens", data={"owner": "eve"}).status_code == 400
        assert client.post("/tokens", data={"owner": "e" * 3_000, "scope": "read"}).status_code == 400
