"""The agent's tools by name, for the program that embeds it; they run as the model's own calls do."""

import asyncio
import inspect
from collections.abc import Callable, Iterator
from typing import Any

from memgpt_agent.memory.agent_memory import AgentMemory
from memgpt_agent.memory.core import Cause
from memgpt_agent.text.cleaning import clean_content
from memgpt_agent.tools.registry import ToolRegistry, validated


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
