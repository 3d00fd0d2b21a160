"""The ordered tool set of a profile, parsing a call's arguments, and the tools by name for the embedding program."""

import asyncio
import inspect
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from langchain_core.tools import BaseTool
from pydantic import BaseModel, ValidationError

from memgpt_agent.errors import ConfigurationError, InvalidArguments, UnknownTool
from memgpt_agent.memory.agent_memory import AgentMemory
from memgpt_agent.memory.core import Cause
from memgpt_agent.text.cleaning import clean_content
from memgpt_agent.tools.definition import CONTROL_ARGUMENTS, AgentTool, foreign_tool


@dataclass(frozen=True)
class ParsedCall:
    """One tool call, its control arguments taken out."""

    arguments: dict[str, Any]
    """What the tool itself is given."""
    request_heartbeat: bool
    """Whether the model wants to go on after it."""
    thinking: str
    """The inner thoughts that came with it."""


def parse_call(arguments: Mapping[str, Any]) -> ParsedCall:
    """Take the control arguments out of a call's arguments; a heartbeat given as text counts by its meaning."""
    heartbeat = arguments.get("request_heartbeat", False)
    wanted = heartbeat.strip().lower() in {"true", "1", "yes"} if isinstance(heartbeat, str) else bool(heartbeat)
    own = {key: value for key, value in arguments.items() if key not in CONTROL_ARGUMENTS}
    return ParsedCall(own, wanted, str(arguments.get("thinking") or ""))


class ToolRegistry:
    """The tools that an agent has, in order, by name."""

    def __init__(self, tools: Sequence[AgentTool], added: Iterable[BaseTool | Callable[..., Any]] = ()) -> None:
        self._tools: dict[str, AgentTool] = {}
        for tool in (*tools, *(foreign_tool(given) for given in added)):
            if tool.name in self._tools:
                raise ConfigurationError(f"Two tools are called {tool.name!r}; rename one of them.")
            self._tools[tool.name] = tool

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all tools."""
        return tuple(self._tools)

    def schemas(self, *, thinking: bool, only: Sequence[str] | None = None) -> list[dict[str, Any]]:
        """Return what the model is offered (OpenAI form); ``only`` restricts it to these names."""
        return [tool.schema(thinking=thinking) for tool in self._tools.values() if only is None or tool.name in only]

    def get(self, name: str) -> AgentTool:
        """Return one tool.

        Raises:
            UnknownTool: there is none of this name; the message lists those there are.
        """
        if name not in self._tools:
            raise UnknownTool(f"There is no tool {name!r}. The tools are: {', '.join(self._tools)}.")
        return self._tools[name]

    def act_on_memory(self, name: str, memory: AgentMemory, arguments: Mapping[str, Any]) -> str:
        """Carry out a memory tool; return its result.

        Raises:
            ToolError: the arguments do not fit, or the tool cannot do it; the message is for the model.
        """
        tool = self.get(name)
        if tool.act is None:
            raise UnknownTool(f"{name!r} is not a memory tool.")
        return tool.act(memory, **validated(tool, arguments))


def validated(tool: AgentTool, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments as the tool's schema reads them; those that LangGraph injects are no part of it.

    Raises:
        InvalidArguments: one is missing, unknown or of the wrong type; the message names each.

    **Limits**: of a schema given as JSON (an MCP tool's) only the names are checked; its server checks the rest.
    """
    given_schema: Any = tool.tool.tool_call_schema
    if isinstance(given_schema, dict):
        return _named(tool.name, cast(dict[str, Any], given_schema), arguments)
    schema = cast(type[BaseModel], given_schema)
    unknown = [name for name in arguments if name not in schema.model_fields]
    try:
        model = schema.model_validate(dict(arguments))
    except ValidationError as error:
        raise InvalidArguments(describe_mistakes(tool, error)) from error
    if unknown:
        raise InvalidArguments(f"{tool.name} has no argument {unknown[0]!r}. Its arguments are: {', '.join(schema.model_fields)}.")
    return {name: getattr(model, name) for name in schema.model_fields}


def describe_mistakes(tool: AgentTool, error: ValidationError) -> str:
    """Return the error for invalid arguments: each mistake, and the arguments that exist."""
    found = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']} (given: {_brief(e['input'])})" for e in error.errors())
    return f"{tool.name}: {found}. Its arguments are: {', '.join(tool.tool.args)}."


def _named(name: str, schema: Mapping[str, Any], arguments: Mapping[str, Any]) -> dict[str, Any]:
    known = list(schema.get("properties", {}))
    missing = [f"{field}: Field required" for field in schema.get("required", []) if field not in arguments]
    unknown = [f"{field}: no such argument" for field in arguments if known and field not in known]
    if missing or unknown:
        raise InvalidArguments(f"{name}: {'; '.join([*missing, *unknown])}. Its arguments are: {', '.join(known)}.")
    return dict(arguments)


def _brief(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 80 else text[:79] + "…"


class ToolsByName:
    """An agent's tools as methods: ``tools.archival_memory_search("notes", limit=3)``.

    What they do is what the model's calls do, in memory history as the user's doing. ``section`` is taken for
    ``label``. Iterating gives the names.

    Raises:
        ToolError: as the model would be told.
        AttributeError: there is no tool of that name.
    """

    def __init__(self, registry: ToolRegistry, memory: AgentMemory) -> None:
        self._registry = registry
        self._memory = memory

    def __iter__(self) -> Iterator[str]:
        return iter(self._registry.names)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._registry.names]

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("_") or name not in self._registry.names:
            raise AttributeError(f"There is no tool {name!r}. The tools are: {', '.join(self._registry.names)}.")

        def call(*positional: Any, **named: Any) -> Any:
            return self._call(name, positional, named)

        call.__name__, call.__doc__ = name, self._registry.get(name).tool.description
        return call

    def _call(self, name: str, positional: tuple[Any, ...], named: dict[str, Any]) -> Any:
        tool = self._registry.get(name)
        parameters = list(tool.tool.args) if tool.act is None else list(inspect.signature(tool.act).parameters)[1:]
        if len(positional) > len(parameters):
            raise TypeError(f"{name} takes {len(parameters)} arguments ({', '.join(parameters)}); {len(positional)} were given.")
        arguments = {**dict(zip(parameters, positional, strict=False)), **named}
        if "section" in arguments and "section" not in parameters:
            arguments["label"] = arguments.pop("section")
        arguments = {argument: clean_content(v) if isinstance(v, str) else v for argument, v in arguments.items()}
        if tool.act is None:
            return tool.tool.invoke(validated(tool, arguments))
        return self._registry.act_on_memory(name, self._memory.because(Cause(actor="user", tool=name)), arguments)


class AsyncToolsByName:
    """The same, each to be awaited; the work is done in a thread."""

    def __init__(self, tools: ToolsByName) -> None:
        self._tools = tools

    def __getattr__(self, name: str) -> Callable[..., Any]:
        act = getattr(self._tools, name)

        async def call(*positional: Any, **named: Any) -> Any:
            return await asyncio.to_thread(act, *positional, **named)

        return call
