"""What a tool is: a memory tool, or one from elsewhere with its async-only form made callable and its text marked as others'."""

import asyncio
import inspect
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import cache, wraps
from typing import Any, TypeVar, cast

from langchain_core.tools import BaseTool, StructuredTool
from langchain_core.tools import tool as langchain_tool
from langchain_core.utils.function_calling import convert_to_openai_tool

from memgpt_agent.errors import ConfigurationError
from memgpt_agent.prompts import OUTSIDE, REQUEST_HEARTBEAT, THINKING, as_data

T = TypeVar("T")


def run_in_loop(work: Coroutine[Any, Any, T], timeout_seconds: float | None = None) -> T:
    """Run a coroutine to its end in this process's one loop for such work, and return what it returns.

    Raises:
        TimeoutError: it took longer; it was cancelled.
        RuntimeError: it was called by a coroutine that runs in this very loop, which would wait for itself.
    """
    if _runs_there():
        work.close()
        raise RuntimeError(
            "An async tool called sync code that needs the tools' loop, in which it runs. Use asyncio.to_thread for it."
        )
    future = asyncio.run_coroutine_threadsafe(work, _loop())
    try:
        return future.result(timeout_seconds)
    except BaseException:
        future.cancel()
        raise


def _runs_there() -> bool:
    try:
        return asyncio.get_running_loop() is _loop()
    except RuntimeError:  # no loop runs in this thread
        return False


@cache
def _loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="tools with an async face", daemon=True).start()
    return loop


def with_sync_face(tool: BaseTool) -> BaseTool:
    """Return the tool with a sync face where it has only an async one; any other tool as it is."""
    if not isinstance(tool, StructuredTool) or tool.func is not None or tool.coroutine is None:
        return tool
    coroutine = tool.coroutine

    @wraps(coroutine)  # what LangChain and LangGraph inject is found by the signature
    def face(*positional: Any, **named: Any) -> Any:
        work: Any = coroutine(*positional, **named)
        return run_in_loop(cast(Coroutine[Any, Any, Any], work))

    return tool.model_copy(update={"func": face})


CONTROL_ARGUMENTS = ("thinking", "request_heartbeat")
"""Arguments that every tool's schema gets and no tool is given."""


@dataclass(frozen=True)
class AgentTool:
    """A tool that an agent has."""

    tool: BaseTool
    """The tool as LangChain knows it: name, description, argument schema; and, for a tool from elsewhere, its behaviour."""
    act: Callable[..., str] | None = None
    """A memory tool's behaviour: a function of the agent's memory and the arguments. ``None`` for a tool from elsewhere."""
    reads_memory: bool = False
    """Whether it only reads memory; the agent then always gets another step."""
    ends_turn: bool = False
    """Whether the turn is over when it succeeds, whatever heartbeat was asked for."""
    edits_queue: bool = False
    """Whether it changes the queue; it is then carried out in a replay too, since the change is part of the state."""

    @property
    def name(self) -> str:
        """The name by which the model calls it."""
        return self.tool.name

    def schema(self, *, thinking: bool) -> dict[str, Any]:
        """Return the schema that the model is shown (OpenAI form): ``thinking`` first, ``request_heartbeat`` last."""
        shown = convert_to_openai_tool(self.tool)
        function = cast(dict[str, Any], shown["function"])
        parameters: dict[str, Any] = function.get("parameters") or {"type": "object", "properties": {}}
        before = {"thinking": {"type": "string", "description": THINKING}} if thinking else {}
        after = {"request_heartbeat": {"type": "boolean", "description": REQUEST_HEARTBEAT}}
        parameters = {
            **parameters,
            "properties": {**before, **{k: _plain(v) for k, v in parameters.get("properties", {}).items()}, **after},
            "required": [*before, *parameters.get("required", []), *after],
        }
        return {"type": "function", "function": {**function, "parameters": parameters}}


def _plain(schema: Any) -> Any:
    """Return an argument's schema without the choice of null, where leaving the argument out means the same.

    Pydantic writes ``X | None = None`` as a choice of two with a default, which costs a model 15 tokens and says nothing.
    """
    given = cast(dict[str, Any], schema) if isinstance(schema, dict) else {}
    choices = cast(list[Any], given.get("anyOf") or [])
    others = [choice for choice in choices if choice != {"type": "null"}]
    if len(choices) != 2 or len(others) != 1 or given.get("default", 0) is not None or not isinstance(others[0], dict):
        return cast(Any, schema)
    rest = {k: v for k, v in given.items() if k not in {"anyOf", "default"}}
    return {**cast(dict[str, Any], others[0]), **rest}


def memory_tool(
    act: Callable[..., str], *, reads_memory: bool = False, ends_turn: bool = False, edits_queue: bool = False
) -> AgentTool:
    """Return the tool made of a function whose first parameter is the agent's memory and whose docstring is the description.

    The other parameters, with the docstring's ``Args``, become the schema.
    """
    signature = inspect.signature(act)
    shown = [p for p in signature.parameters.values() if p.name != "memory"]

    def schema_of(**arguments: Any) -> str:
        raise NotImplementedError(f"{act.__name__} needs the agent's memory; call it through the agent.")

    schema_of.__name__ = act.__name__
    schema_of.__doc__ = act.__doc__
    schema_of.__annotations__ = {k: v for k, v in act.__annotations__.items() if k != "memory"}
    schema_of.__signature__ = signature.replace(parameters=shown)  # pyright: ignore[reportFunctionMemberAccess]
    tool = StructuredTool.from_function(schema_of, parse_docstring=True)
    return AgentTool(tool, act, reads_memory, ends_turn, edits_queue)


def foreign_tool(given: BaseTool | Callable[..., Any]) -> AgentTool:
    """Return the tool made of a LangChain tool or of a plain typed function with a docstring, sync or async.

    One that is async only works in sync code too.

    Raises:
        ConfigurationError: one of its arguments bears the name of a control argument, a function has no docstring, or it is neither.
    """
    if not isinstance(cast(Any, given), BaseTool) and not callable(given):
        raise ConfigurationError(f"{given!r} cannot be a tool: it is neither a LangChain tool nor a function.")
    try:
        tool = (
            given
            if isinstance(given, BaseTool)
            else langchain_tool(given, parse_docstring=True, error_on_invalid_docstring=False)
        )
    except (ValueError, TypeError) as error:
        raise ConfigurationError(f"{given!r} cannot be a tool: {error}. Give it a docstring and type hints.") from error
    reserved = [name for name in CONTROL_ARGUMENTS if name in tool.args]
    if reserved:
        raise ConfigurationError(
            f"The tool {tool.name!r} has an argument {reserved[0]!r}, which the agent adds to every tool itself. Rename the argument."
        )
    return AgentTool(with_sync_face(tool), ends_turn=tool.return_direct)


MAX_CHARS = 8_000
"""What a tool from elsewhere returns is shown up to this length; about 2,000 tokens."""


def outside(text: str, source: str, limit_chars: int = MAX_CHARS) -> str:
    """Return a text as the model is shown it: between marks that it cannot close, with where it comes from."""
    rest = len(text) - limit_chars
    shown = text if rest <= 0 else f"{text[:limit_chars]}\n[... {rest:,} more characters]"
    return OUTSIDE.format(source=source, text=as_data(shown, "outside"))
