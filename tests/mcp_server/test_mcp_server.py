"""`memgpt mcp` with the official client: over stdio and HTTP, shared and one agent each, read-only, with tokens."""

import json
import os
import re
import subprocess
import sys
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from mcp import ClientSession, McpError, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.types import Implementation

from memgpt_agent.config import Settings
from memgpt_agent.owners import Scope
from memgpt_agent.owners.tokens import Tokens

MEMGPT = (sys.executable, "-c", "from memgpt_agent.cli import main; main()")
READING = ["search_memory", "list_blocks", "read_block"]
WRITING = ["remember", "add_to_block", "edit_block", "forget"]


@asynccontextmanager
async def by_stdio(home: Path, *options: str) -> AsyncGenerator[ClientSession]:
    """A session with a server that the client starts."""
    command, *arguments = MEMGPT
    server = StdioServerParameters(command=command, args=[*arguments, "--home", str(home), "mcp", *options], env=dict(os.environ))
    async with stdio_client(server) as (read, write), ClientSession(read, write) as session:
        await session.initialize()
        yield session


@contextmanager
def served(home: Path, *options: str) -> Generator[str]:
    """The address of a server over HTTP."""
    command = [*MEMGPT, "--home", str(home), "mcp", "--http", "--port", "0", *options]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ, "COLUMNS": "200"})
    try:
        assert process.stderr is not None
        line = process.stderr.readline()
        found = re.search(r"http://\S+/mcp", line)
        assert found, line + process.stderr.read()
        yield found[0]
    finally:
        process.terminate()
        ended = process.wait(60)
        said = process.stderr.read() if process.stderr is not None else ""
        if process.stderr is not None:
            process.stderr.close()
    assert ended in {0, -15}
    assert "Traceback" not in said


@asynccontextmanager
async def by_http(url: str, name: str = "tester", token: str = "") -> AsyncGenerator[ClientSession]:
    """A session over HTTP, of a client of this name."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with (
        httpx.AsyncClient(headers=headers, timeout=httpx.Timeout(30, read=300)) as client,
        streamable_http_client(url, http_client=client) as (read, write, _),
        ClientSession(read, write, client_info=Implementation(name=name, version="1")) as session,
    ):
        await session.initialize()
        yield session


async def call(session: ClientSession, tool: str, **arguments: Any) -> str:
    """The text of a tool's result; an error's begins with a mark."""
    result = await session.call_tool(tool, arguments)
    text = "".join(getattr(part, "text", "") for part in result.content)
    return f"ERROR {text}" if result.isError else text


async def test_a_client_keeps_and_finds_things_over_stdio_and_the_next_one_knows_them(tmp_path: Path) -> None:
    """Remember, search, edit core memory exactly; resources and the prompt show it; another process finds it all."""
    async with by_stdio(tmp_path, "--agent", "ann") as session:
        assert [tool.name for tool in (await session.list_tools()).tools] == [*READING, *WRITING]
        assert "Stored as" in await call(session, "remember", text="The harbour opens at six.", tags=["harbour"])
        assert "now" in await call(session, "add_to_block", label="human", text="Name: Maria.")
        assert "Mariana" in await call(session, "edit_block", label="human", old_text="Maria", new_text="Mariana")
        assert (await call(session, "edit_block", label="human", old_text="nowhere", new_text="x")).startswith("ERROR")
        assert "persona" in await call(session, "read_block", label="no such block")
    async with by_stdio(tmp_path, "--agent", "ann") as session:
        assert "The harbour opens at six." in await call(session, "search_memory", query="when does the port open?")
        labels = [block["label"] for block in json.loads(await call(session, "list_blocks"))]
        assert labels == ["persona", "human"]
        listed = (await session.list_resources()).resources
        assert [str(one.uri) for one in listed] == ["memgpt://blocks/persona", "memgpt://blocks/human"]
        shown: Any = (await session.read_resource(listed[1].uri)).contents[0]
        assert "Mariana" in shown.text
        assert [one.name for one in (await session.list_prompts()).prompts] == ["use_memory"]
        prompt: Any = (await session.get_prompt("use_memory")).messages[0].content
        assert "Mariana" in prompt.text


async def test_a_read_only_server_offers_no_tool_that_writes(tmp_path: Path) -> None:
    """Neither listed nor carried out; an unknown resource is refused by name."""
    async with by_stdio(tmp_path, "--read-only") as session:
        assert [tool.name for tool in (await session.list_tools()).tools] == READING
        prompt: Any = (await session.get_prompt("use_memory")).messages[0].content
        assert "search_memory" in prompt.text
        assert not any(name in prompt.text for name in ("remember,", "with remember", "add_to_block", "edit_block", "forget"))
        assert (await call(session, "remember", text="x")).startswith("ERROR")
        assert "Nothing found" in await call(session, "search_memory", query="x")
        other: Any = "memgpt://other/x"
        with pytest.raises(McpError, match=r"memgpt://other/x"):
            await session.read_resource(other)


async def test_what_is_forgotten_is_shown_first_and_erased_when_confirmed(tmp_path: Path) -> None:
    """Unconfirmed nothing changes; confirmed no search finds it."""
    async with by_stdio(tmp_path, "--agent", "ann") as session:
        await call(session, "remember", text="The code of the safe is 4711.")
        await call(session, "remember", text="The harbour opens at six.")
        assert "would be erased" in await call(session, "forget", what=["code of the safe"])
        assert "4711" in await call(session, "search_memory", query="code of the safe")
        assert not (await call(session, "forget", what=["code of the safe"], confirmed=True)).startswith("ERROR")
        assert "4711" not in await call(session, "search_memory", query="code of the safe")
        assert "harbour" in await call(session, "search_memory", query="harbour")


async def test_clients_over_http_share_an_agent_or_have_one_each(tmp_path: Path) -> None:
    """By their names, where there are no tokens."""
    with served(tmp_path / "shared", "--agent", "team") as url:
        async with by_http(url, "first") as session:
            await call(session, "remember", text="The harbour opens at six.")
        async with by_http(url, "second") as session:
            assert "six" in await call(session, "search_memory", query="harbour")
    with served(tmp_path / "each", "--each-client") as url:
        async with by_http(url, "first app") as session:
            await call(session, "remember", text="The harbour opens at six.")
        async with by_http(url, "second app") as session:
            assert "six" not in await call(session, "search_memory", query="harbour")
        async with by_http(url, "first app") as session:
            assert "six" in await call(session, "search_memory", query="harbour")


async def test_tokens_part_owners_and_bound_what_they_may_do(tmp_path: Path) -> None:
    """Without one: 401. Each owner has an agent of their own; a token to read changes nothing."""
    tokens = Tokens(Settings(home=tmp_path).tokens_path)
    both: tuple[Scope, ...] = ("chat", "read")
    ann, ben, looker = tokens.create("ann", both)[0], tokens.create("ben", both)[0], tokens.create("ann", ("read",))[0]
    with served(tmp_path, "--each-client", "--tokens") as url:
        async with by_http(url, token=ann) as session:
            await call(session, "remember", text="The harbour opens at six.")
        async with by_http(url, token=ben) as session:
            assert "six" not in await call(session, "search_memory", query="harbour")
        async with by_http(url, token=looker) as session:
            assert "six" in await call(session, "search_memory", query="harbour")
            assert "read only" in await call(session, "remember", text="x")
        async with httpx.AsyncClient(timeout=60) as anybody:
            assert (await anybody.post(url, json={})).status_code == 401
            assert (await anybody.post(url, json={}, headers={"Authorization": "Bearer memgpt_wrong"})).status_code == 401


def test_a_web_page_cannot_reach_a_server_on_loopback(tmp_path: Path) -> None:
    """By another host's name (DNS rebinding) or from another origin."""
    begin = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    accept = {"Accept": "application/json, text/event-stream"}
    with served(tmp_path) as url:
        assert httpx.post(url, json=begin, timeout=60, headers={**accept, "Host": "evil.example"}).status_code in {403, 421}
        assert httpx.post(url, json=begin, timeout=60, headers={**accept, "Origin": "http://evil.example"}).status_code == 403


def test_beyond_this_machine_it_asks_for_tokens(tmp_path: Path) -> None:
    """And says how to make one."""
    command = [*MEMGPT, "--home", str(tmp_path), "mcp", "--http", "--host", "0.0.0.0", "--port", "0"]  # noqa: S104  it must not listen there
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "memgpt tokens create" in " ".join(done.stderr.split())
