"""Tools of MCP servers (Model Context Protocol), through langchain-mcp-adapters."""

import asyncio
from collections.abc import Mapping
from typing import Any, cast

from langchain_core.tools import BaseTool, StructuredTool, ToolException

from memgpt_agent.errors import ConfigurationError, MissingDependency
from memgpt_agent.tools.definition import CONTROL_ARGUMENTS
from memgpt_agent.tools.sync_face import run_in_loop, with_sync_face
from memgpt_agent.tools.untrusted import outside

START_TIMEOUT_SECONDS = 60.0
CALL_TIMEOUT_SECONDS = 120.0


def mcp_tools(
    servers: Mapping[str, Mapping[str, Any]], *, timeout_seconds: float = CALL_TIMEOUT_SECONDS, prefix: bool = False
) -> list[BaseTool]:
    """Return the tools of MCP servers, to be given to an agent; blocks until each server has listed its tools.

    Args:
        servers: by name, how each is reached, as langchain-mcp-adapters takes it: ``{"transport": "stdio", "command": ...,
            "args": [...]}`` or ``{"transport": "streamable_http", "url": ...}``.
        timeout_seconds: for one call.
        prefix: put the server's name before each tool's, where two servers have tools of one name.

    Raises:
        MissingDependency: langchain-mcp-adapters is not installed.
        ConfigurationError: a server cannot be reached, or a tool has an argument that the agent adds itself.

    **Limits**: each call opens a session of its own, so a server that died is there again at the next call; one that is a
    program is started for each call. What a tool returns is shown to 8,000 characters; of images and files only their kind.
    """
    return run_in_loop(
        amcp_tools(servers, timeout_seconds=timeout_seconds, prefix=prefix),
        START_TIMEOUT_SECONDS * max(1, len(servers)),
    )


async def amcp_tools(
    servers: Mapping[str, Mapping[str, Any]], *, timeout_seconds: float = CALL_TIMEOUT_SECONDS, prefix: bool = False
) -> list[BaseTool]:
    """Do as :func:`mcp_tools` does, in an asyncio loop."""
    try:
        from langchain_mcp_adapters.client import MultiServerMCPClient
    except ImportError as error:
        raise MissingDependency(
            "Tools of MCP servers need langchain-mcp-adapters. Run: pip install 'memgpt-agent[tools]'"
        ) from error
    connections: Any = {name: dict(server) for name, server in servers.items()}
    client = MultiServerMCPClient(connections, tool_name_prefix=prefix)
    found: list[BaseTool] = []
    for name in servers:
        try:
            async with asyncio.timeout(START_TIMEOUT_SECONDS):
                tools = await client.get_tools(server_name=name)
        except Exception as error:
            raise ConfigurationError(
                f"The MCP server {name!r} did not list its tools: {_cause(error)}. Check how it is reached."
            ) from error
        found += [_bounded(tool, name, timeout_seconds) for tool in tools]
    return found


def _bounded(tool: BaseTool, server: str, timeout_seconds: float) -> BaseTool:
    """Return the tool with a time limit, its answer cut and marked, and its errors told to the model."""
    if not isinstance(tool, StructuredTool) or tool.coroutine is None:
        raise ConfigurationError(f"The MCP tool {tool.name!r} has no async face; update langchain-mcp-adapters.")
    taken = [name for name in CONTROL_ARGUMENTS if name in tool.args]
    if taken:
        raise ConfigurationError(
            f"The MCP tool {tool.name!r} of {server!r} has an argument {taken[0]!r}, which the agent adds itself."
        )
    coroutine = tool.coroutine

    async def call(**arguments: Any) -> str:
        try:
            async with asyncio.timeout(timeout_seconds):
                answer = await coroutine(**arguments)
        except TimeoutError as error:
            raise ToolException(f"{tool.name} did not answer within {timeout_seconds:g} seconds.") from error
        except ToolException:
            raise
        except Exception as error:
            raise ToolException(f"{tool.name} failed: {_cause(error)}") from error
        content: Any = cast(tuple[Any, Any], answer)[0] if tool.response_format == "content_and_artifact" else answer
        return outside(_text(content), f"MCP server {server}, tool {tool.name}")

    return with_sync_face(tool.model_copy(update={"coroutine": call, "response_format": "content"}))


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    parts = cast(list[Any], content if isinstance(content, list) else [content])
    return "\n".join(map(_part, parts))


def _part(part: Any) -> str:
    if not isinstance(part, dict):
        return str(part)
    block = cast(dict[str, Any], part)
    return str(block["text"]) if "text" in block else f"[{block.get('type', 'something')}]"


def _cause(error: BaseException) -> str:
    """What is at the bottom of a group of errors, in one line."""
    while isinstance(error, BaseExceptionGroup):
        error = cast(BaseExceptionGroup[BaseException], error).exceptions[0]
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
