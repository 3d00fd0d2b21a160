"""Two owners on a real server with its auth on: every way that is known for the one to reach what is the other's, and none of them does."""

import json
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from memgpt_agent import MemGPTAgent
from memgpt_agent.config import Settings
from memgpt_agent.memory.namespaces import encode_label
from memgpt_agent.memory.opening import open_configured_store
from memgpt_agent.owners.tokens import Tokens
from memgpt_agent.stored_agents import share_agent
from tests.serving.attempts import ATTEMPTS, IN_RUN, STREAM, Attempt, Ids, said, table

pytestmark = pytest.mark.server
ROOT = Path(__file__).resolve().parents[2]

CREW = """
from memgpt_agent import create_graph
from memgpt_agent.tools.groups import with_groups
from memgpt_agent.tools.profiles import MEMGPT

graph = create_graph(name="crew", profile=with_groups(MEMGPT, ["agents"]), memory_scope="server")
"""
"""A graph whose agents write to others."""
RELAY = """
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.pregel.remote import RemoteGraph
from langgraph_sdk import get_client

remote = RemoteGraph("memgpt", client=get_client())

async def ask(state):
    try:
        given = {"messages": [{"role": "user", "content": "What do you know?"}]}
        said = await remote.ainvoke(given, context={"agent_id": state["messages"][-1].content})
        return {"messages": [("ai", said["messages"][-1]["content"])]}
    except Exception as error:
        return {"messages": [("ai", f"{type(error).__name__}: {error}")]}

graph = StateGraph(MessagesState).add_node("ask", ask).add_edge(START, "ask").compile()
"""
"""A graph that asks another on the same server, past its HTTP, for the agent that its own client names."""
EVERYTHING = {"accept": "application/json, text/event-stream"}


@dataclass(frozen=True)
class World:
    """A server with Ann's things on it, and everybody's client."""

    clients: Mapping[str, httpx.Client]
    """By name: ``ann``, ``bob``, ``eve`` (who may only read), ``root`` (an admin)."""
    anns: Mapping[str, str]
    """The ids of Ann's things."""
    bobs: Mapping[str, str]
    """The ids of Bob's own."""
    home: Path
    """The server's data folder."""

    def seen_by_ann(self) -> Any:
        """All of Ann's that a client can see, to tell whether anything of it has changed."""
        ann = self.clients["ann"]
        asked: list[tuple[str, str, Any]] = [
            ("GET", f"/threads/{self.anns['thread']}", None),
            ("GET", f"/threads/{self.anns['thread']}/state", None),
            ("POST", f"/threads/{self.anns['thread']}/history", {"limit": 100}),
            ("GET", f"/threads/{self.anns['thread']}/runs", None),
            ("POST", "/threads/search", {}),
            ("POST", "/assistants/search", {"metadata": {"memgpt_owner": "ann"}}),
            ("GET", f"/assistants/{self.anns['assistant']}", None),
            ("POST", "/runs/crons/search", {}),
            ("POST", "/store/items/search", {"namespace_prefix": [self.anns["label"]], "limit": 1_000}),
        ]
        return [ann.request(method, path, json=body).json() for method, path, body in asked]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, model_url: str, serve: Any) -> Iterator[World]:
    """One server for the module: Ann has talked on it, and has an assistant, a cron, an item of the store, a block and an agent of a name."""
    folder = tmp_path_factory.mktemp("walls")
    tokens = Tokens(folder / "home" / "tokens.jsonl")
    scopes: dict[str, Any] = {"ann": ["chat", "read"], "bob": ["chat", "read"], "eve": ["read"], "root": ["admin"]}
    sent = {name: {"authorization": f"Bearer {tokens.create(name, given)[0]}"} for name, given in scopes.items()}
    _agents_of_before(folder / "home")
    with serve(folder, model_url, config="langgraph.auth.json", graphs={"crew": CREW, "relay": RELAY}) as server:
        clients = {name: httpx.Client(base_url=server.url, headers=headers, timeout=30) for name, headers in sent.items()}
        clients["nobody"] = httpx.Client(base_url=server.url, timeout=30)
        ids = {name: _things_of(clients[name], name) for name in ("ann", "bob")}
        yield World(clients, ids["ann"], ids["bob"], folder / "home")
        for client in clients.values():
            client.close()
        assert "BlockingError" not in server.log.read_text()


def _agents_of_before(home: Path) -> None:
    """Agents that a program has made: Ann's and Bob's with a tag, one of Ann's with a shared block, and one that is nobody's."""
    settings = Settings(home=home)
    with open_configured_store(settings, searches=False) as store:
        for agent_id, owner in (("user:ann", "ann"), ("user:bob", "bob"), ("owner:ann/diary", "ann"), ("old", None)):
            plan = {"plan": "Sail at dawn." if "ann" in agent_id else "Bake bread."}
            with MemGPTAgent(agent_id=agent_id, owner=owner, settings=settings, store=store, tags=["crew"], core_memory=plan) as agent:
                if agent_id == "owner:ann/diary":
                    agent.core_memory.share("plan", "plan")


def _things_of(client: httpx.Client, name: str) -> dict[str, str]:
    """Make one of each thing; return the ids."""

    def made(method: str, path: str, body: Any = None) -> Any:
        response = client.request(method, path, json=body)
        assert response.status_code < 300, response.text
        return response.json() if response.content else {}

    thread = made("POST", "/threads", {})["thread_id"]
    made("POST", f"/threads/{thread}/runs/wait", said(f"Hi, I'm {name.title()}"))
    run = made("GET", f"/threads/{thread}/runs")[0]["run_id"]
    assistant = made("POST", "/assistants", {"graph_id": "memgpt", "context": {"persona": "I am a pirate."}})["assistant_id"]
    cron = made("POST", f"/threads/{thread}/runs/crons", {"assistant_id": "memgpt", "schedule": "0 0 1 1 *", "input": {}})["cron_id"]
    label = encode_label(f"user:{name}")
    made("PUT", "/store/items", {"namespace": [label, "notes"], "key": "secret", "value": {"text": f"the secret of {name}"}})
    checkpoint = made("GET", f"/threads/{thread}/state")["checkpoint"]["checkpoint_id"]
    return {
        "thread": thread, "run": run, "assistant": assistant, "cron": cron, "label": label, "agent": f"user:{name}", "checkpoint": checkpoint,
        "block": f"owner:{name}/plan", "diary": encode_label(f"owner:{name}/diary"),
    }  # fmt: skip


def absent() -> dict[str, str]:
    """Ids of things of which there are none."""
    made = {name: str(uuid.uuid4()) for name in ("thread", "run", "assistant", "cron", "checkpoint")}
    return made | {"agent": "user:zoe", "label": encode_label("user:zoe"), "block": "owner:zoe/plan", "diary": encode_label("owner:zoe/diary")}


def planted(bob: httpx.Client, agent_id: str) -> str:
    """Make a thread of Bob's whose state says that its agent is another's; a client may write what it wants into its own thread."""
    thread = bob.post("/threads", json={}).json()["thread_id"]
    assert bob.post(f"/threads/{thread}/runs/wait", json=said("say hello")).json()["messages"]
    assert bob.post(f"/threads/{thread}/state", json={"values": {"agent_id": agent_id}}).status_code == 200
    return str(thread)


def _asked(world: World, attempt: Attempt, theirs: Ids) -> tuple[int, str]:
    """Make an attempt as Bob; return the answer with the ids that it aimed at, and times, taken out."""
    own = dict(world.bobs)
    if "<own planted>" in attempt.path:
        own["planted"] = planted(world.clients["bob"], theirs["agent"])
    method, path, body = attempt.asked(theirs, own)
    response = world.clients["bob"].request(method, path, json=body, headers=EVERYTHING)
    text = response.text
    for name, value in sorted(theirs.items(), key=lambda item: -len(item[1])):
        text = text.replace(value, f"<{name}>")
    return response.status_code, text


def _said_by_tools(text: str) -> list[str]:
    return [m["content"] for m in json.loads(text)["messages"] if m["type"] == "tool" and m["name"] != "send_message"]


@pytest.mark.parametrize("attempt", ATTEMPTS, ids=lambda attempt: attempt.name)
def test_what_is_anothers_is_answered_as_what_is_not_there(world: World, attempt: Attempt) -> None:
    """The same status and the same words for Ann's thing and for one that there never was; nothing of Ann's is in the answer."""
    status, text = _asked(world, attempt, world.anns)
    none_status, none_text = _asked(world, attempt, absent())
    assert status == none_status, (text, none_text)
    assert attempt.refused.startswith(str(status)), text
    assert "Ann" not in text
    assert "pirate" not in text
    assert "Sail" not in text
    assert "the secret" not in text
    if attempt.interface == "tools":
        assert _said_by_tools(text) == _said_by_tools(none_text)
        assert "There " in _said_by_tools(text)[0] or "No other agent" in _said_by_tools(text)[0]
    elif status != 200:
        assert text == none_text
    if attempt.refused == IN_RUN:
        assert text == none_text
        assert json.loads(text)["__error__"]["message"] == "There is no agent '<agent>' that you may use."
    if attempt.refused == STREAM:
        assert "404" in text


def test_nothing_of_anns_was_changed_by_any_of_it(world: World) -> None:
    """All attempts, one after the other, once more: what Ann sees before and after them is the same to the letter."""
    before = world.seen_by_ann()
    for attempt in ATTEMPTS:
        _asked(world, attempt, world.anns)
    assert world.seen_by_ann() == before


def test_what_is_refused_to_bob_is_done_for_ann(world: World) -> None:
    """The ways themselves work: for her own things each reads or changes what it says."""
    for attempt in ATTEMPTS:
        method, path, body = attempt.asked(world.anns, {**world.anns, "planted": world.anns["thread"]})
        if method == "GET" and "stream" not in path and attempt.interface not in {"A2A", "shared blocks"}:
            assert world.clients["ann"].request(method, path, json=body).status_code == 200, attempt.name
    found = world.clients["ann"].post("/store/items/search", json={"namespace_prefix": [world.anns["label"], "notes"]}).json()["items"]
    assert [item["value"]["text"] for item in found] == ["the secret of ann"]
    assert _relayed(world, "ann").startswith("I know: ")


def _relayed(world: World, name: str) -> str:
    values = world.clients[name].post("/runs/wait", json={**said("user:ann"), "assistant_id": "relay"}).json()
    return str(values["messages"][-1]["content"])


def test_a_graph_that_asks_another_past_the_servers_http_asks_as_its_own_user(world: World) -> None:
    """``RemoteGraph`` within the server skips the check of tokens; who acts goes with it all the same."""
    assert "There is no agent 'user:ann' that you may use." in _relayed(world, "bob")


@pytest.mark.parametrize("headers", [
    {}, {"authorization": "Bearer memgpt_00000000_x"}, {"authorization": "Basic YW5uOg=="}, {"x-auth-scheme": "langsmith"}, {"x-api-key": "x"},
])  # fmt: skip
def test_nobody_gets_in_without_a_token(world: World, headers: dict[str, str]) -> None:
    """At no interface, and not as Studio, which a server that is developed on lets in unless told otherwise."""
    for attempt in ATTEMPTS:
        method, path, body = attempt.asked(world.anns, {**world.bobs, "planted": world.bobs["thread"]})
        assert world.clients["nobody"].request(method, path, json=body, headers=headers).status_code == 401, attempt.name


def test_who_may_only_read_begins_nothing(world: World) -> None:
    """Neither a run nor a thread nor anything else; reading what is their own goes."""
    eve = world.clients["eve"]
    for method, path, body in [
        ("POST", "/threads", {}), ("POST", "/runs/wait", said("Hello")), ("POST", "/assistants", {"graph_id": "memgpt"}),
        ("POST", "/runs/crons", {**said("Hello"), "schedule": "* * * * *"}),
        ("PUT", "/store/items", {"namespace": [encode_label("user:eve")], "key": "x", "value": {}}),
    ]:  # fmt: skip
        assert eve.request(method, path, json=body).status_code == 403, path
    assert eve.post("/threads/search", json={}).json() == []
    assert eve.post("/store/items/search", json={"namespace_prefix": [encode_label("user:eve")]}).json() == {"items": []}


def test_the_admin_sees_everything(world: World) -> None:
    """Also what belongs to nobody."""
    root = world.clients["root"]
    assert root.get(f"/threads/{world.anns['thread']}").status_code == 200
    assert {"old"} <= {item["key"] for item in root.post("/store/items/search", json={"namespace_prefix": ["agents"]}).json()["items"]}
    assert root.post("/runs/wait", json=said("say hello", context={"agent_id": "old"})).json()["messages"][-1]["content"] == "re hello"


def test_a_client_makes_itself_nobody_else_by_metadata(world: World) -> None:
    """Whose a thing is, and whether it is the server's own, a client cannot say."""
    bob, forged = world.clients["bob"], {"memgpt_owner": "ann", "created_by": "system"}
    thread = bob.post("/threads", json={"metadata": forged}).json()
    assistant = bob.post("/assistants", json={"graph_id": "memgpt", "metadata": forged}).json()
    bob.patch(f"/threads/{thread['thread_id']}", json={"metadata": forged})
    bob.patch(f"/assistants/{assistant['assistant_id']}", json={"metadata": forged})
    bob.post(f"/threads/{thread['thread_id']}/runs/wait", json=said("say hello", metadata=forged))
    for found in (bob.get(f"/threads/{thread['thread_id']}").json(), bob.get(f"/assistants/{assistant['assistant_id']}").json()):
        assert found["metadata"]["memgpt_owner"] == "bob"
    assert world.clients["ann"].get(f"/assistants/{assistant['assistant_id']}").status_code == 404


def test_an_agent_that_is_shared_is_used_as_far_as_it_is_shared(world: World) -> None:
    """First not at all, then read, then talked to; by a client that names it, and through the store."""
    bob, said_to_it = world.clients["bob"], said("say hello", context={"agent_id": "owner:ann/diary"})
    read, write = ("/store/items/search", {"namespace_prefix": [world.anns["diary"]]}), ("/runs/wait", said_to_it)

    def tried() -> list[int]:
        return [bob.post(path, json=body).status_code for path, body in (read, write)]

    settings = Settings(home=world.home)
    assert tried() == [403, 404]
    share_agent("owner:ann/diary", "bob", "read", settings)
    assert tried() == [200, 403]
    share_agent("owner:ann/diary", "bob", "write", settings)
    assert tried() == [200, 200]
    share_agent("owner:ann/diary", "bob", None, settings)
    assert tried() == [403, 404]


def test_who_deletes_a_thread_lets_only_their_own_agents_forget_it(world: World) -> None:
    """Where deleting a thread erases its memory: Bob makes one under the id of one that the server has lost, and deletes it."""
    ann, bob, lost = world.clients["ann"], world.clients["bob"], str(uuid.uuid4())
    thread = ann.post("/threads", json={}).json()["thread_id"]
    ann.post(f"/threads/{thread}/runs/wait", json=said("say plum"))
    with open_configured_store(Settings(home=world.home), searches=False) as store:

        def known(of: str) -> Any:
            return store.search((world.anns["label"], "recall"), filter={"thread_id": of}, limit=100)

        for item in known(thread):  # Ann's agent remembers a thread that is there no more
            store.put(item.namespace, item.key, {**item.value, "thread_id": lost}, index=False)
        for client, left in ((bob, True), (ann, False)):
            assert client.post("/threads", json={"thread_id": lost}).status_code == 200
            assert client.delete(f"/threads/{lost}").status_code == 204
            assert bool(known(lost)) == left


def test_a_model_that_is_not_on_the_servers_list_is_not_chosen(world: World) -> None:
    """By a run, an assistant or a cron; nor is a file of the server's read as one."""
    bob, cron = world.clients["bob"], {**said("Hi"), "schedule": "0 0 1 1 *"}
    for field, name in (("model", "openai:gpt-x"), ("summarizer_model", "local:/etc/passwd"), ("fallback_model", "anthropic:x")):
        for path, body in (("/runs/wait", said("Hi")), ("/assistants", {"graph_id": "memgpt"}), ("/runs/crons", cron)):
            response = bob.post(path, json={**body, "context": {field: name}})
            assert (response.status_code, name in response.text) == (403, True)


def test_a_cron_runs_as_who_made_it(world: World) -> None:
    """It opens its owner's agent, and the thread shows it to nobody else."""
    ann = world.clients["ann"]
    thread = ann.post("/threads", json={}).json()["thread_id"]
    body = {**said("say tick"), "schedule": "* * * * * *"}
    cron = ann.post(f"/threads/{thread}/runs/crons", json=body).json()["cron_id"]
    deadline = time.monotonic() + 30
    while not (values := ann.get(f"/threads/{thread}/state").json().get("values") or {}).get("agent_id"):
        assert time.monotonic() < deadline, "the cron did not fire"
        time.sleep(0.2)
    ann.delete(f"/runs/crons/{cron}")
    assert values["agent_id"] == "user:ann"


def test_a_revoked_token_is_refused_at_once(world: World) -> None:
    """While the server runs."""
    tokens = Tokens(world.home / "tokens.jsonl")
    token, kept = tokens.create("ann")
    headers = {"authorization": f"Bearer {token}"}
    assert world.clients["nobody"].get(f"/threads/{world.anns['thread']}", headers=headers).status_code == 200
    assert world.clients["nobody"].get(f"/threads/{world.anns['thread']}", headers={"x-api-key": token}).status_code == 200
    tokens.revoke(kept.id)
    assert world.clients["nobody"].get(f"/threads/{world.anns['thread']}", headers=headers).status_code == 401


def test_the_one_thing_that_is_told_is_that_an_id_is_taken(world: World) -> None:
    """Whoever makes a thread or an assistant under an id of their own choosing learns so: 122 random bits that they must know before."""
    bob = world.clients["bob"]
    assert bob.post("/threads", json={"thread_id": world.anns["thread"], "if_exists": "do_nothing"}).status_code == 409
    taken = {"assistant_id": world.anns["assistant"], "graph_id": "memgpt", "if_exists": "do_nothing"}
    assert bob.post("/assistants", json=taken).status_code == 409


def test_the_page_of_owners_shows_what_is_tried_here() -> None:
    """docs/owners.md has this table; to write it anew: ``python tests/serving/attempts.py``."""
    assert table() in (ROOT / "docs" / "owners.md").read_text()
