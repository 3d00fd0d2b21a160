"""The MCP server: its tools, resources and prompt, and running it over stdio or HTTP."""

import asyncio
import json
import logging
from collections.abc import Callable, Iterable
from importlib.metadata import version
from typing import Annotated, Any, cast
from urllib.parse import quote, unquote

from anyio import ClosedResourceError
from mcp.server.fastmcp import FastMCP
from mcp.server.fastmcp.exceptions import ToolError
from mcp.server.lowlevel.helper_types import ReadResourceContents
from mcp.server.transport_security import TransportSecuritySettings
from mcp.types import Resource, ResourceTemplate, ToolAnnotations
from pydantic import AnyUrl, Field
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from typing_extensions import override

from memgpt_agent.errors import MemGPTError
from memgpt_agent.mcp_server import memory
from memgpt_agent.mcp_server.agents import Client, ServedAgents
from memgpt_agent.owners import Identity
from memgpt_agent.server.listening import serve_app

BLOCKS = "memgpt://blocks/"
"""A block's resource is this and its label."""
LOOPBACK = ("127.0.0.1", "localhost", "::1")
_IDENTITY = "memgpt_identity"

Label = Annotated[str, Field(description="The block's label, such as 'human' or 'persona'.")]
Identify = Callable[[dict[str, str]], Identity | None]
"""Returns for whom a request's headers speak; None: for nobody."""


class MemoryServer(FastMCP):
    """An agent's memory for MCP clients.

    Args:
        agents: whose memory each client uses.
        host: where it will listen; on loopback, requests under other hosts or origins are refused.
    """

    def __init__(self, agents: ServedAgents, host: str = "127.0.0.1") -> None:
        security = TransportSecuritySettings(enable_dns_rebinding_protection=False)
        if host in LOOPBACK:
            names = ["127.0.0.1", "localhost", "[::1]"]
            security = TransportSecuritySettings(
                allowed_hosts=[form for name in names for form in (name, f"{name}:*")],
                allowed_origins=[f"http://{name}{port}" for name in names for port in ("", ":*")],
            )
        instructions = memory.instructions(read_only=agents.read_only)
        super().__init__("memgpt", instructions=instructions, host=host, transport_security=security, log_level="WARNING")
        self._mcp_server.version = version("memgpt-agent")  # FastMCP would give its own
        self._agents = agents
        self._offer()

    def _offer(self) -> None:
        reads, writes = ToolAnnotations(readOnlyHint=True), ToolAnnotations(readOnlyHint=False, destructiveHint=False)
        self.add_tool(self.search_memory, annotations=reads)
        self.add_tool(self.list_blocks, annotations=reads)
        self.add_tool(self.read_block, annotations=reads)
        if not self._agents.read_only:
            self.add_tool(self.remember, annotations=writes)
            self.add_tool(self.add_to_block, annotations=writes)
            self.add_tool(self.edit_block, annotations=writes)
            self.add_tool(self.forget, annotations=ToolAnnotations(readOnlyHint=False, destructiveHint=True))
        self.prompt("use_memory", description="How to use this memory, with what it holds of the user now.")(self._use_memory)

    # Tools: a docstring is what the client's model reads

    async def search_memory(
        self,
        query: Annotated[str, Field(description="What to look for, by words or meaning; empty for the newest.")],
        limit: Annotated[int, Field(ge=1, le=50, description="How many hits to return.")] = 10,
        sources: Annotated[
            list[str] | None, Field(description="Only these: conversation, archival, files, knowledge, summaries.")
        ] = None,
    ) -> str:
        """Search all that was said, filed and learned earlier, by words and meaning. Each hit says where it is from, and when."""
        return await self._do(memory.search, query, limit, sources)

    async def list_blocks(self) -> str:
        """List the blocks of core memory with their texts and limits: what is always known of the user and the agent."""
        return json.dumps(await self._do(memory.blocks), ensure_ascii=False, indent=1)

    async def read_block(self, label: Label) -> str:
        """Read one block of core memory."""
        return await self._do(memory.read_block, label)

    async def remember(
        self,
        text: Annotated[str, Field(description="The text to keep, understandable on its own.")],
        tags: Annotated[list[str] | None, Field(description="Labels to file it under.")] = None,
    ) -> str:
        """File a text in memory, which has no limit; search_memory finds it again."""
        return await self._do(memory.remember, text, tags, writes=True)

    async def add_to_block(self, label: Label, text: Annotated[str, Field(description="The lines to add, one fact to a line.")]) -> str:
        """Add lines to a block of core memory."""
        return await self._do(memory.add_to_block, label, text, writes=True)

    async def edit_block(
        self,
        label: Label,
        new_text: Annotated[str, Field(description="The new text.")],
        old_text: Annotated[
            str, Field(description="The text to replace, exactly as it stands and there once; empty to rewrite the whole block.")
        ] = "",
    ) -> str:
        """Replace text in a block of core memory, or rewrite the block. Every version is kept and can be restored."""
        return await self._do(memory.edit_block, label, old_text, new_text, writes=True)

    async def forget(
        self,
        what: Annotated[list[str], Field(description="Ids as search_memory shows them, or words that the memory holds.")],
        confirmed: Annotated[bool, Field(description="False shows what would be erased; true erases it for good.")] = False,
    ) -> str:
        """Erase something from memory for good, with what was derived from it. First call it unconfirmed, and ask the user."""
        return await self._do(memory.forget, what, confirmed, writes=True)

    # Resources and the prompt

    @override
    async def list_resources(self) -> list[Resource]:
        """Return the blocks that there are now."""
        found = await self._do(memory.blocks)
        return [
            Resource(
                uri=AnyUrl(BLOCKS + quote(block["label"], safe="")), name=block["label"], description=block["description"] or None,
                mimeType="text/plain",
            )
            for block in found
        ]  # fmt: skip

    @override
    async def list_resource_templates(self) -> list[ResourceTemplate]:
        """Return the form of a block's address."""
        return [ResourceTemplate(uriTemplate=BLOCKS + "{label}", name="block", mimeType="text/plain", description="A block of core memory.")]

    @override
    async def read_resource(self, uri: AnyUrl | str) -> Iterable[ReadResourceContents]:
        """Return a block's text."""
        address = str(uri)
        if not address.startswith(BLOCKS):
            raise ValueError(f"There is no resource {address}. Blocks are {BLOCKS}LABEL.")
        text = await self._do(memory.read_block, unquote(address.removeprefix(BLOCKS)))
        return [ReadResourceContents(content=text, mime_type="text/plain")]

    async def _use_memory(self) -> str:
        found = await self._do(memory.blocks)
        shown = "\n\n".join(f"[{block['label']}]\n{block['value']}" for block in found if block["value"])
        return f"{self.instructions}\n\nWhat core memory holds now:\n\n{shown or '(nothing yet)'}"

    # Who asks

    async def _do(self, act: Callable[..., Any], *given: Any, writes: bool = False) -> Any:
        client = self._client()

        def done() -> Any:
            agent = self._agents.of(client, writes=writes)
            if log := agent.audit:
                log.note(client.who, f"mcp: {act.__name__}", [agent.agent_id])
            return act(agent, *given)

        try:
            return await asyncio.to_thread(done)
        except MemGPTError as error:
            raise ToolError(str(error)) from error

    def _client(self) -> Client:
        context = self.get_context().request_context
        request: Any = context.request
        who = cast("Identity | None", request.scope.get(_IDENTITY)) if request is not None else None
        params = context.session.client_params
        return Client(params.clientInfo.name if params else "", who)


class OwnTokens:
    """Lets those in whose token is known, and notes for whom it speaks."""

    def __init__(self, app: ASGIApp, identify: Identify) -> None:
        self._app, self._identify = app, identify

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the request, or answer 401."""
        if scope["type"] == "http":
            headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
            who = await asyncio.to_thread(self._identify, headers)
            if who is None:
                problem = {"error": "A bearer token is needed; memgpt tokens create makes one."}
                answer = JSONResponse(problem, 401, {"WWW-Authenticate": "Bearer"})
                await answer(scope, receive, send)
                return
            scope = {**scope, _IDENTITY: who}
        await self._app(scope, receive, send)


def run_stdio(agents: ServedAgents) -> None:
    """Serve one client on standard input and output until it closes them."""
    try:
        MemoryServer(agents).run("stdio")
    finally:
        agents.close()


def http_app(agents: ServedAgents, host: str = "127.0.0.1", identify: Identify | None = None) -> ASGIApp:
    """Return the server as an ASGI app with its endpoint at ``/mcp``.

    Args:
        agents: whose memory each client uses.
        host: where it will listen.
        identify: checks a request's token; without it there are no tokens, which is for loopback only.
    """
    app: ASGIApp = MemoryServer(agents, host).streamable_http_app()
    return OwnTokens(app, identify) if identify else app


def run_http(
    agents: ServedAgents, host: str, port: int, identify: Identify | None, started: Callable[[str], None]
) -> None:
    """Serve clients over streamable HTTP until SIGTERM or Ctrl-C."""
    logging.getLogger("mcp.server.streamable_http").addFilter(_is_news)
    try:
        serve_app(http_app(agents, host, identify), host, port, lambda url: started(f"{url}/mcp"))
    finally:
        agents.close()


def _is_news(record: logging.LogRecord) -> bool:
    """Whether a record of mcp 1.30's is worth showing: it logs an error with its traceback whenever a client leaves."""
    return not (record.exc_info and isinstance(record.exc_info[1], ClosedResourceError))
