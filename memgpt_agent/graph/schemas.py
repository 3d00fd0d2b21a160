"""The graph's schemas with the keys that a user adds for tools of their own."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, NotRequired, cast, get_type_hints

from langchain_core.tools import BaseTool
from langgraph.prebuilt import InjectedState
from typing_extensions import TypedDict

from memgpt_agent.errors import ConfigurationError
from memgpt_agent.state import AgentInput, AgentOutput, AgentState
from memgpt_agent.tools.structured import STRUCTURED


@dataclass(frozen=True)
class Schemas:
    """What the graph's state, input and output are made of."""

    state: type[AgentState] = AgentState
    """The checkpointed state."""
    input: type[AgentInput] = AgentInput
    """What the graph is invoked with."""
    output: type[AgentOutput] = AgentOutput
    """What it returns."""
    added: frozenset[str] = frozenset()
    """The keys that the user added to all three."""

    @property
    def keys(self) -> frozenset[str]:
        """All keys of the state."""
        return frozenset(self.state.__annotations__)


def with_keys_of(schema: type[Any] | None) -> Schemas:
    """Return the schemas with the keys that ``schema``, a ``TypedDict``, has beyond the agent's own."""
    if schema is None:
        return Schemas()
    own = frozenset(AgentState.__annotations__)
    added = {key: hint for key, hint in get_type_hints(schema, include_extras=True).items() if key not in own}
    return Schemas(
        _extended(AgentState, added), _extended(AgentInput, added), _extended(AgentOutput, added), frozenset(added)
    )


def with_result(schemas: Schemas, annotation: Any) -> Schemas:
    """Return the schemas with the key of a structured result, which is part of the state and the output, not of the input."""
    added = {STRUCTURED: NotRequired[annotation]}
    return replace(schemas, state=_extended(schemas.state, added), output=_extended(schemas.output, added))


def _extended(schema: Any, added: dict[str, Any]) -> Any:
    total = schema.__total__ and not added
    return cast(Any, TypedDict)(schema.__name__, {**get_type_hints(schema, include_extras=True), **added}, total=total)


def check_injected_keys(tools: Iterable[BaseTool], keys: Iterable[str]) -> None:
    """Check that the state has the keys that tools want from it.

    Raises:
        ConfigurationError: one is not; the message names the tool and the key.

    **Limits**: tools made of functions only, and annotations that can be read here.
    """
    known = sorted(keys)
    for tool in tools:
        for field in _injected_fields(tool):
            if field not in known:
                raise ConfigurationError(
                    f"The tool {tool.name!r} is to be given {field!r} of the state, which does not have it. Its keys are: "
                    f"{', '.join(known)}. Others are added by create_graph(state_schema=...)."
                )


def _injected_fields(tool: BaseTool) -> list[str]:
    function = getattr(tool, "func", None) or getattr(tool, "coroutine", None)
    try:
        hints = get_type_hints(function, include_extras=True) if function else {}
    except NameError:  # annotations that only the function's own scope knows
        return []
    marks = [mark for hint in hints.values() for mark in getattr(hint, "__metadata__", ())]
    return [mark.field for mark in marks if isinstance(mark, InjectedState) and mark.field]
