"""A memory tool as a plain LangChain tool, for graphs and loops that are not ours."""

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool, ToolException
from pydantic import PrivateAttr, ValidationError
from typing_extensions import override

from memgpt_agent.errors import ToolError
from memgpt_agent.memory.agent_memory import AgentMemory
from memgpt_agent.text.cleaning import clean
from memgpt_agent.tools.definition import AgentTool
from memgpt_agent.tools.registry import describe_mistakes

Open = Callable[[RunnableConfig, str, dict[str, Any], str], AgentMemory]
"""Opens the memory that a call acts on, by the run's configuration, the tool's name, the arguments and the call's id, empty if it has none."""

ACTING: ContextVar[AgentMemory | None] = ContextVar("memgpt_acting", default=None)
"""The memory that the running call acts on, where whoever makes the call has opened it."""

_CALL_ID: ContextVar[str] = ContextVar("memgpt_call_id", default="")


class PlainMemoryTool(BaseTool):
    """One memory tool of an agent.

    What it cannot do it says in its result, with the status ``error``; it raises only where the store does. Called again with
    the same tool call on the same thread, it changes nothing.
    """

    _act: Callable[..., str] = PrivateAttr()
    _open: Open = PrivateAttr()

    @classmethod
    def of(cls, tool: AgentTool, opening: Open) -> "PlainMemoryTool":
        """Return the plain form of a memory tool."""
        assert tool.act is not None, "a tool from elsewhere is a plain tool already"  # noqa: S101  callers pass memory tools only

        def mistakes(error: ValidationError) -> str:
            return describe_mistakes(tool, error)

        fields: dict[str, Any] = {
            "name": tool.name, "description": tool.tool.description, "args_schema": tool.tool.args_schema,
            "handle_tool_error": True, "handle_validation_error": mistakes,
        }  # fmt: skip
        made = cls(**fields)
        made._act, made._open = tool.act, opening
        return made

    @override
    def run(self, tool_input: str | dict[str, Any], *args: Any, tool_call_id: str | None = None, **kwargs: Any) -> Any:
        """Carry out the call; the id of a model's call tells it from others like it."""
        token = _CALL_ID.set(tool_call_id or "")
        try:
            return super().run(tool_input, *args, tool_call_id=tool_call_id, **kwargs)
        finally:
            _CALL_ID.reset(token)

    @override
    async def arun(self, tool_input: str | dict[str, Any], *args: Any, tool_call_id: str | None = None, **kwargs: Any) -> Any:
        """The same in an asyncio loop; the work is done in a thread."""
        token = _CALL_ID.set(tool_call_id or "")
        try:
            return await super().arun(tool_input, *args, tool_call_id=tool_call_id, **kwargs)
        finally:
            _CALL_ID.reset(token)

    @override
    def _run(self, config: RunnableConfig, **arguments: Any) -> str:
        memory = ACTING.get() or self._open(config, self.name, arguments, _CALL_ID.get())
        try:
            return clean(self._act(memory, **arguments))
        except ToolError as error:
            raise ToolException(clean(str(error))) from error
