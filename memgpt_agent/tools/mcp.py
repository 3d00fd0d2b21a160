"""Tools of MCP servers (Model Context Protocol), through langchain-mcp-adapters."""

import asyncio
import hashlib
import json
import logging
import re
from collections.abc import Collection, Mapping
from typing import Any, cast

from langchain_core.tools import BaseTool, StructuredTool, ToolException

from memgpt_agent.errors import ConfigurationError, MissingDependency, install_command
from memgpt_agent.tools.definition import CONTROL_ARGUMENTS, outside, run_in_loop, with_sync_face

START_TIMEOUT_SECONDS = 60.0
CALL_TIMEOUT_SECONDS = 120.0
MAX_DESCRIPTION_CHARS = 1_024
"""Of a tool; OpenAI takes no more."""
MAX_ARGUMENT_CHARS = 300
"""Of the description of one argument."""
MAX_SCHEMA_CHARS = 20_000
"""Of a tool's schema as JSON: about 5,000 tokens, which every model call would carry."""
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
"""The names that OpenAI, Anthropic and Google all take."""
_ENDING_SECONDS = 10.0
"""What ending a server that hangs may take beyond its time."""
_log = logging.getLogger(__name__)


def mcp_tools(
    servers: Mapping[str, Mapping[str, Any]],
    *,
    timeout_seconds: float = CALL_TIMEOUT_SECONDS,
    start_seconds: float = START_TIMEOUT_SECONDS,
    prefix: bool = False,
) -> list[BaseTool]:
    """Return the tools of MCP servers, to be given to an agent; blocks until each server has listed its tools.

    A name that not every provider takes is changed (``files/read`` to ``files_read``). Long descriptions are cut. A tool with a
    huge schema, or with an argument that the agent adds itself (``thinking``), is left out, with a warning in the log.

    Args:
        servers: by name, how each is reached, as langchain-mcp-adapters takes it: ``{"transport": "stdio", "command": ...,
            "args": [...]}`` or ``{"transport": "streamable_http", "url": ...}``.
        timeout_seconds: for one call.
        start_seconds: for one server to start and list its tools; a server that takes longer is ended.
        prefix: put the server's name before each tool's, where two servers have tools of one name.

    Raises:
        MissingDependency: langchain-mcp-adapters is not installed.
        ConfigurationError: a server cannot be reached.

    **Limits**: each call opens a session of its own, so a server that died is there again at the next call; one that is a
    program is started for each call. What a tool returns is shown to 8,000 characters; of images and files only their kind.
    """
    return run_in_loop(
        amcp_tools(servers, timeout_seconds=timeout_seconds, start_seconds=start_seconds, prefix=prefix),
        (start_seconds + _ENDING_SECONDS) * max(1, len(servers)),
    )


async def amcp_tools(
    servers: Mapping[str, Mapping[str, Any]],
    *,
    timeout_seconds: float = CALL_TIMEOUT_SECONDS,
    start_seconds: float = START_TIMEOUT_SECONDS,
    prefix: bool = False,
) -> list[BaseTool]:
    """Do as :func:`mcp_tools` does, in an asyncio loop."""
    try:
        from langchain_mcp_adapters.client import MultiServerMCPClient
    except ImportError as error:
        raise MissingDependency(
            f"Tools of MCP servers need langchain-mcp-adapters. Run: {install_command('tools')}"
        ) from error
    connections: Any = {name: dict(server) for name, server in servers.items()}
    client = MultiServerMCPClient(connections, tool_name_prefix=prefix)
    found: list[BaseTool] = []
    for name in servers:
        limit = asyncio.timeout(start_seconds)
        try:
            async with limit:
                tools = await client.get_tools(server_name=name)
        except Exception as error:
            if limit.expired():  # whatever the client raised when it was broken off
                raise ConfigurationError(
                    f"The MCP server {name!r} did not list its tools within {start_seconds:g} seconds and was ended. "
                    "Start it by hand to see why."
                ) from error
            raise ConfigurationError(
                f"The MCP server {name!r} did not list its tools: {_cause(error)}. Check how it is reached."
            ) from error
        for tool in tools:
            if (small := _usable(tool, name)) is not None:
                used = {other.name for other in found}
                found.append(_bounded(small.model_copy(update={"name": usable_name(small.name, used)}), name, timeout_seconds))
    return found


def usable_name(name: str, used: Collection[str] = ()) -> str:
    """Return a name like this one that every provider takes: a letter, then letters, digits, ``_`` and ``-``, 64 characters at most.

    A usable name stays as it is, unless it is taken. A name that is cut or taken ends in a mark of the whole name.
    """
    plain = re.sub(r"[^A-Za-z0-9_-]", "_", name)
    plain = plain if plain[:1].isalpha() or plain[:1] == "_" else f"_{plain}"
    if _NAME.fullmatch(plain) and plain not in used:
        return plain
    return f"{plain[:55]}_{hashlib.sha256(name.encode('utf-8', 'replace')).hexdigest()[:8]}"


def _usable(tool: BaseTool, server: str) -> BaseTool | None:
    """Return the tool with its descriptions cut; ``None``, with a warning, if no model could call it."""
    given: Any = tool.args_schema
    schema = _of_object(_cut(given)) if isinstance(given, dict) else given
    length = len(json.dumps(schema if isinstance(schema, dict) else tool.args, default=str))
    if length > MAX_SCHEMA_CHARS:
        _log.warning("The tool %r of the MCP server %r is left out: its schema has %d characters.", tool.name, server, length)
        return None
    small = tool.model_copy(update={"description": _shortened(tool.description, MAX_DESCRIPTION_CHARS), "args_schema": schema})
    if reserved := [name for name in CONTROL_ARGUMENTS if name in small.args]:
        _log.warning("The tool %r of the MCP server %r is left out: the agent itself adds its argument %r.", tool.name, server, reserved[0])
        return None
    return small


def _of_object(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema as one of an object with named arguments: servers leave out ``properties`` where a tool takes none."""
    named: Any = schema.get("properties")
    return {**schema, "type": "object", "properties": named if isinstance(named, dict) else {}}


def _cut(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_cut(one) for one in cast(list[Any], schema)]
    if not isinstance(schema, dict):
        return schema
    fields = cast(dict[str, Any], schema)
    return {
        key: _shortened(value, MAX_ARGUMENT_CHARS) if key == "description" and isinstance(value, str) else _cut(value)
        for key, value in fields.items()
    }


def _shortened(text: str, limit_chars: int) -> str:
    return text if len(text) <= limit_chars else text[: limit_chars - 1] + "…"


def _bounded(tool: BaseTool, server: str, timeout_seconds: float) -> BaseTool:
    """Return the tool with a time limit, its answer cut and marked, and its errors told to the model."""
    if not isinstance(tool, StructuredTool) or tool.coroutine is None:
        raise ConfigurationError(f"The MCP tool {tool.name!r} has no async face; update langchain-mcp-adapters.")
    coroutine = tool.coroutine

    async def call(**arguments: Any) -> str:
        limit = asyncio.timeout(timeout_seconds)
        try:
            async with limit:
                answer = await coroutine(**arguments)
        except Exception as error:
            if limit.expired():  # whatever the client raised when it was broken off
                raise ToolException(f"{tool.name} did not answer within {timeout_seconds:g} seconds.") from error
            if isinstance(error, ToolException):
                raise
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
