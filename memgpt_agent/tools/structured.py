"""A structured result beside the reply: one tool for each schema that the result may have."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from langchain_core.messages import AIMessage
from langchain_core.tools import StructuredTool

from memgpt_agent.errors import ConfigurationError, InvalidArguments, MissingDependency, install_command
from memgpt_agent.memory.agent_memory import AgentMemory
from memgpt_agent.prompts import GIVE_RESULT, RESULT_ACCEPTED
from memgpt_agent.tools.definition import CONTROL_ARGUMENTS, AgentTool
from memgpt_agent.tools.rules import Called

STRUCTURED = "structured_response"
"""The key of the state, as LangChain's ``create_agent`` has it."""


@dataclass(frozen=True)
class Structured:
    """The form that a user's turn has to give its result in."""

    tools: tuple[AgentTool, ...]
    """One for each schema; which one the model chooses is free."""
    bindings: dict[str, Any]
    """What reads the arguments of each tool."""
    annotation: Any
    """The type of the state's key."""
    native: dict[str, Any] = field(default_factory=dict[str, Any])
    """The options of a model call that gives the result in the provider's own format; empty where a tool gives it."""

    @classmethod
    def of(cls, response_format: Any) -> "Structured":
        """Return what a ``response_format`` means, as ``create_agent`` takes it: a strategy or a schema.

        A schema is a pydantic model, a dataclass, a ``TypedDict`` or a JSON schema; a ``ToolStrategy`` may have several. The agent acts by
        tool calls, so that a schema alone is given by a tool as well; with a ``ProviderStrategy``, one more step behind the reply gives it.

        Raises:
            MissingDependency: ``langchain`` is not installed.
            ConfigurationError: it is none of these.
        """
        try:
            from langchain.agents.structured_output import (
                AutoStrategy,
                OutputToolBinding,
                ProviderStrategy,
                ProviderStrategyBinding,
                ToolStrategy,
            )
        except ImportError as error:
            raise MissingDependency(f"response_format needs LangChain's agents. Run: {install_command('middleware')}") from error
        given: Any = cast(Any, response_format).schema if isinstance(response_format, AutoStrategy) else response_format
        try:
            if isinstance(given, ProviderStrategy):
                spec: Any = cast(Any, given).schema_spec
                return cls((), {spec.name: ProviderStrategyBinding.from_schema_spec(spec)}, _kind(spec), given.to_model_kwargs())
            strategy = cast(Any, given if isinstance(given, ToolStrategy) else ToolStrategy(given))
            specs: list[Any] = list(strategy.schema_specs)
            bindings: dict[str, Any] = {spec.name: OutputToolBinding.from_schema_spec(spec) for spec in specs}
        except Exception as error:  # whatever pydantic makes of it
            raise ConfigurationError(f"response_format={response_format!r} cannot be used: {error}") from error
        kinds: Any = None
        for spec in specs:
            kinds = _kind(spec) if kinds is None else kinds | _kind(spec)
        return cls(tuple(_tool(strategy, spec, bindings[spec.name]) for spec in specs), bindings, kinds)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the tools."""
        return tuple(tool.name for tool in self.tools)

    def read(self, name: str, arguments: dict[str, Any]) -> Any:
        """Return the result that a call of one of the tools has given; it was checked when the call was carried out."""
        return self.bindings[name].parse(arguments)

    def read_native(self, answer: AIMessage) -> Any:
        """Return the result that an answer holds.

        Raises:
            ValueError: it holds none; the message says why.
        """
        (binding,) = self.bindings.values()
        return binding.parse(answer)

    def missing(self, called: Sequence[Called]) -> list[str]:
        """Return the tools of which one is still to be called in this turn, with success; none if it was."""
        return [] if not self.tools or any(c.name in self.bindings and not c.failed for c in called) else [" or ".join(self.names)]


def _kind(spec: Any) -> Any:
    return dict[str, Any] if isinstance(spec.schema, dict) else spec.schema


def _tool(strategy: Any, spec: Any, binding: Any) -> AgentTool:
    reserved = [name for name in CONTROL_ARGUMENTS if name in spec.json_schema.get("properties", {})]
    if reserved:
        raise ConfigurationError(f"The schema {spec.name!r} has a field {reserved[0]!r}, which the agent adds to every tool itself. Rename it.")

    def act(memory: AgentMemory, **arguments: Any) -> str:
        try:
            binding.parse(arguments)
        except Exception as error:
            raise _misfit(strategy, spec.name, error) from error
        return strategy.tool_message_content or RESULT_ACCEPTED

    def by_the_agent(**_: Any) -> str:
        raise NotImplementedError(f"{spec.name} is called by the agent.")

    description = "\n\n".join(filter(None, [spec.description.strip(), GIVE_RESULT]))
    tool = StructuredTool(name=spec.name, description=description, args_schema=spec.json_schema, func=by_the_agent)
    return AgentTool(tool, act)


def _misfit(strategy: Any, name: str, error: Exception) -> Exception:
    """Return the exception for an invalid result: a message for the model, or the error itself, as the strategy says."""
    from langchain.agents.structured_output import StructuredOutputValidationError

    how: Any = strategy.handle_errors
    failure = StructuredOutputValidationError(name, error, AIMessage(""))
    if isinstance(how, str):
        return InvalidArguments(how)
    if isinstance(how, bool | type | tuple):
        caught = how is True or (how is not False and isinstance(failure, cast(Any, how)))
        return InvalidArguments(str(failure)) if caught else failure
    return InvalidArguments(how(failure))
