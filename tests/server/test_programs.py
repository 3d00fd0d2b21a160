"""The programs that users of Letta's clients have: the old Python client and both TypeScript ones, where they are there; and plain HTTP."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from scripts import routes
from tests.server.conftest import Running

HERE = Path(__file__).parent
FIELDS = {
    "agent_type": "memgpt_v2_agent", "model": "openai/gpt-4.1", "embedding": "openai/text-embedding-3-small",
    "tools": ["web_search", "run_code"],
    "memory_blocks": [{"label": "human", "value": "The human's name is Chad. They like vibe coding."},
                      {"label": "persona", "value": "My name is Sam, the all-knowing sentient AI."}],
}  # fmt: skip
OLD_PYTHON = """
import json, sys
from letta_client import Letta
client = Letta(base_url=sys.argv[1], token="any")
agent = client.agents.create(**json.loads(sys.argv[2]))
said = client.agents.messages.create(agent_id=agent.id, messages=[{"role": "user", "content": "hello"}]).messages[-1].content
kinds = [m.message_type for m in client.agents.messages.create_stream(agent_id=agent.id, messages=[{"role": "user", "content": "again"}])]
listed = len(client.agents.messages.list(agent_id=agent.id))
print(json.dumps({"said": said, "last": kinds[-1], "listed": listed, "tools": [tool.name for tool in agent.tools]}))
"""


def check(out: str) -> None:
    """Check what a program prints at its end."""
    told = json.loads(out.strip().splitlines()[-1])
    assert (told["said"], told["last"], told["listed"]) == ("Heard: hello", "usage_statistics", 7)
    assert {"web_search", "run_code"} <= set(told["tools"])


def test_the_old_python_client_works_as_it_stands(server: Running) -> None:
    """Version 0.1.324, in an environment of its own."""
    python = os.environ.get("MEMGPT_TEST_OLD_LETTA_PYTHON")
    if not python:
        pytest.skip("set MEMGPT_TEST_OLD_LETTA_PYTHON to a Python with letta-client 0.1.324")
    command = [python, "-c", OLD_PYTHON, server.url, json.dumps(FIELDS)]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    check(subprocess.run(command, check=True, capture_output=True, text=True, timeout=120, env=environment).stdout)


@pytest.mark.parametrize("version", ["new", "old"])
def test_the_typescript_clients_work_as_they_stand(server: Running, version: str) -> None:
    """Versions 1.12.1 and 0.1.211, each in a folder of modules of its own."""
    folder, node = os.environ.get(f"MEMGPT_TEST_{version.upper()}_LETTA_MODULES"), shutil.which("node")
    if not folder or not node:
        pytest.skip(f"set MEMGPT_TEST_{version.upper()}_LETTA_MODULES to a folder with @letta-ai/letta-client in node_modules; Node is needed")
    program = Path(folder) / f"memgpt_{version}.mjs"
    program.write_text((HERE / f"letta_{version}.mjs").read_text("utf-8"), "utf-8")
    check(subprocess.run([node, program, server.url, json.dumps(FIELDS)], check=True, capture_output=True, text=True, timeout=120).stdout)


def test_plain_http_works_with_and_without_a_slash(server: Running) -> None:
    """As with curl, which follows no redirect."""
    for path in ("/v1/agents", "/v1/agents/"):
        made = server.post(path, FIELDS, headers={"authorization": "Bearer any"})
        assert (made.status_code, made.json()["agent_type"]) == (200, "memgpt_v2_agent")


def test_the_page_lists_the_routes_that_there_are() -> None:
    """docs/serve.md is written by scripts/routes.py."""
    text = routes.PAGE.read_text("utf-8")
    assert routes.page(text) == text
