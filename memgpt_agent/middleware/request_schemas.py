"""The schemas that a model call sends beside messages: tools and response format, to count their tokens."""

from collections.abc import Sequence
from typing import Any, cast

from langchain.agents.structured_output import AutoStrategy, ProviderStrategy, ToolStrategy
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool

_KEPT = 64


class RequestSchemas:
    """The schemas of what was offered before, so that each set is made once."""

    def __init__(self) -> None:
        self._made: dict[tuple[int, ...], tuple[list[Any], list[dict[str, Any]]]] = {}

    def schemas(self, tools: Sequence[BaseTool | dict[str, Any]], response_format: Any) -> list[dict[str, Any]]:
        """Return the schemas (OpenAI form) of the tools, and of the response format if there is one."""
        key = (*map(id, tools), id(response_format))
        if key not in self._made:
            if len(self._made) >= _KEPT:
                self._made.clear()
            given = [_schema(tool) for tool in tools]
            self._made[key] = [*tools, response_format], [*given, *_response_schemas(response_format)]
        return self._made[key][1]


def _schema(tool: BaseTool | dict[str, Any]) -> dict[str, Any]:
    return tool if isinstance(tool, dict) and "function" not in tool else convert_to_openai_tool(tool)


def _response_schemas(response_format: Any) -> list[dict[str, Any]]:
    if response_format is None:
        return []
    if isinstance(response_format, ProviderStrategy):
        specs: list[Any] = [cast(Any, response_format).schema_spec]
    else:
        strategy: Any = response_format
        if isinstance(strategy, AutoStrategy):
            strategy = ToolStrategy(cast(Any, strategy).schema)
        elif not isinstance(strategy, ToolStrategy):
            strategy = ToolStrategy(strategy)
        specs = list(cast(Any, strategy).schema_specs)
    return [
        {"type": "function", "function": {"name": s.name, "description": s.description or "", "parameters": s.json_schema}} for s in specs
    ]
