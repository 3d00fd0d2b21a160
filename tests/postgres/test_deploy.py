"""The stack of deploy/: its files fit each other and the package, and its processes work together on loopback."""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import yaml

from memgpt_agent.config import Settings
from tests.server.conftest import Running, provider, serve

__all__ = ["provider", "serve"]

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"


def test_the_files_fit_each_other_and_the_package() -> None:
    """Images are pinned, nginx names the replicas, the settings exist, only nginx is reachable, and only from this machine."""
    stack: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    services: dict[str, Any] = stack["services"]
    assert set(services) == {"postgres", "replica1", "replica2", "nginx"}
    for name in ("postgres", "nginx"):
        assert re.search(r":\d+\.\d+\.\d+", services[name]["image"])
    recipe = (DEPLOY / "Dockerfile").read_text()
    assert re.search(r"^FROM python:3\.1\d\.\d+-slim", recipe, re.MULTILINE)
    assert re.findall(r"server (\w+):8283", (DEPLOY / "nginx.conf").read_text()) == ["replica1", "replica2"]
    known = {f"MEMGPT_{field.upper()}" for field in Settings.model_fields}
    for name in ("replica1", "replica2"):
        assert {one for one in services[name]["environment"] if one.startswith("MEMGPT_")} <= known
        assert "ports" not in services[name]
        assert set(services[name]["depends_on"]) <= set(services)
    assert [one.startswith("127.0.0.1:") for one in services["nginx"]["ports"]] == [True]
    assert {volume.split(":")[0] for one in services.values() for volume in one["volumes"] if volume[0] != "."} == set(stack["volumes"])
    copied = {name for line in recipe.splitlines() if line.startswith("COPY") for name in line.split()[1:-1]}
    kept = {line.removeprefix("!") for line in (DEPLOY.parent / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert copied <= kept


def test_two_servers_on_one_postgres_serve_the_same_agents(serve: Callable[..., Running], url: str) -> None:
    """An agent that one made speaks at the other; messages sent to both at once are each answered once and stand in one history."""
    both = [serve(MEMGPT_DATABASE_URL=url) for _ in range(2)]
    made = both[0].post("/v1/agents/", {"name": "ann", "model": "openai/gpt-4o-mini", "embedding": "openai/text-embedding-3-small"})
    assert made.status_code in (200, 201), made.text
    agent = made.json()["id"]
    assert both[1].get(f"/v1/agents/{agent}").json()["name"] == "ann"

    def say(number: int) -> str:
        body = {"messages": [{"role": "user", "content": f"message {number}"}]}
        return both[number % 2].post(f"/v1/agents/{agent}/messages", body).text

    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(say, range(6)))
    assert all(f"Heard: message {number}" in answer for number, answer in enumerate(answers)), answers
    for one in both:
        said = [m["content"] for m in one.get(f"/v1/agents/{agent}/messages?limit=100").json() if m["message_type"] == "user_message"]
        assert sorted(text for text in said if text.startswith("message")) == [f"message {number}" for number in range(6)]
