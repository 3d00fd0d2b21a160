"""Two LangGraph servers on one PostgreSQL, as replicas are: one memory, one count of what owners use, one log."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from memgpt_agent.owners.audit import read_audit
from memgpt_agent.owners.tokens import Tokens
from memgpt_agent.store import open_store
from tests.serving.conftest import Server
from tests.store.servers import fresh_url

pytestmark = pytest.mark.server
LIMITS = "[owners.ann]\nturns_a_minute = 2\n"


@pytest.fixture(scope="module")
def replicas(tmp_path_factory: pytest.TempPathFactory, model_url: str, serve: Any) -> Iterator[tuple[list[Server], dict[str, str], str]]:
    """Two servers with folders of their own, everybody's token, and the database's URL."""
    url = fresh_url()
    folders = [tmp_path_factory.mktemp(name) for name in ("one", "two")]
    made = Tokens(folders[0] / "home" / "tokens.jsonl")
    tokens = {name: made.create(name)[0] for name in ("ann", "bob")}
    (folders[1] / "home").mkdir()
    for folder in folders:
        (folder / "home" / "limits.toml").write_text(LIMITS)
        (folder / "home" / "tokens.jsonl").write_bytes((folders[0] / "home" / "tokens.jsonl").read_bytes())
    given = {"config": "langgraph.auth.json", "MEMGPT_DATABASE_URL": url, "MEMGPT_AUDIT": "on"}
    with ExitStack() as running:
        servers = [running.enter_context(serve(folder, model_url, **given)) for folder in folders]
        yield servers, tokens, url
        assert not any("BlockingError" in server.log.read_text() for server in servers)


def test_what_one_was_told_the_other_knows_and_what_one_counts_the_other_counts(
    replicas: tuple[list[Server], dict[str, str], str], tmp_path: Path
) -> None:
    """An owner's agent is the same at both; a turn too many is refused by either; another owner's agent is at neither."""
    servers, tokens, url = replicas

    def say(server: Server, who: str, text: str, **more: Any) -> httpx.Response:
        given: Any = {"assistant_id": "memgpt", "input": {"messages": [{"role": "user", "content": text}]}, **more}
        return httpx.post(f"{server.url}/runs/wait", json=given, headers={"x-api-key": tokens[who]}, timeout=60)

    assert say(servers[0], "ann", "I'm Ann").json()["messages"][-1]["content"] == "Nice to meet you!"
    assert "Name: Ann" in say(servers[1], "ann", "Who am I?").json()["messages"][-1]["content"]
    for server in servers:
        refused = say(server, "ann", "Hello")
        assert (refused.status_code, "has begun 2 turns" in refused.text) == (429, True), refused.text
        assert "Ann" not in say(server, "bob", "Who am I?").json()["messages"][-1]["content"]
        assert say(server, "bob", "Who am I?", context={"agent_id": "user:ann"}).status_code == 404
    with open_store(url) as store:
        logged = [entry[:4] for entry in read_audit(store)]
        assert logged.count(("ann", "turn (user_message)", "user:ann", "")) == 2
        assert logged.count(("ann", "threads:create_run", "", "429")) == 2
        assert logged.count(("bob", "threads:create_run", "user:ann", "404")) == 2
