"""LangChain middleware around our model calls and tools: the two wrapping hooks; others are refused by name."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from langchain_core.messages import AIMessage, SystemMessage
from langchain_core.tools import BaseTool
from langgraph.runtime import get_runtime

from memgpt_agent.config import Context
from memgpt_agent.errors import ConfigurationError, MissingDependency, install_command
from memgpt_agent.faces import ON_LOOP, SYNC, Face, finished
from memgpt_agent.nodes.streaming_answer import StreamingAnswer
from memgpt_agent.state import CompiledPrompt

if TYPE_CHECKING:
    from memgpt_agent.nodes.model_call import ModelCall

_INSTEAD = {
    "before_agent": "a reminder of your profile (Profile(reminders=...)), or a node before the agent in a graph of your own",
    "before_model": "wrap_model_call, which sees each request before it is sent",
    "after_model": "wrap_model_call, which sees each answer; for a person's approval, RequiresApprovalRule",
    "after_agent": "Profile(closing=...), or a node behind the agent in a graph of your own",
}
"""What to do instead of each unsupported hook."""
_OWN_KEYS = {"messages", "jump_to", "structured_response"}


@dataclass(frozen=True)
class Hooks:
    """The middleware of a graph, the first one outermost."""

    middleware: tuple[Any, ...]
    """LangChain's ``AgentMiddleware``, each with one of the two hooks."""

    @classmethod
    def of(cls, given: Sequence[Any]) -> "Hooks | None":
        """Return the hooks of a graph; ``None`` if there are none.

        Raises:
            MissingDependency: ``langchain`` is not installed.
            ConfigurationError: one is not a middleware, or has a hook or a state that our graph has no place for.
        """
        if not given:
            return None
        try:
            from langchain.agents.middleware.types import AgentMiddleware
        except ImportError as error:
            raise MissingDependency(f"middleware needs LangChain's agents. Run: {install_command('middleware')}") from error
        for one in given:
            if not isinstance(one, AgentMiddleware):
                raise ConfigurationError(f"middleware={one!r} is no AgentMiddleware of langchain.agents.middleware.")
            _check(cast(Any, one))
        return cls(tuple(given))

    @property
    def tools(self) -> list[BaseTool]:
        """The tools that they bring."""
        return [tool for one in self.middleware for tool in getattr(one, "tools", ())]

    def around_tools(self) -> dict[str, Any]:
        """Return the wrappers for LangGraph's tool node."""
        wrapping = [one for one in self.middleware if _has(one, "wrap_tool_call")]
        faces = {name: [getattr(one, name) for one in wrapping] for name in ("wrap_tool_call", "awrap_tool_call")}
        return {name: _nested(hooks) for name, hooks in faces.items() if any(_overrides(one, name) for one in wrapping)}

    async def around(self, face: Face, call: "ModelCall") -> StreamingAnswer:
        """Return the answer to a model call; the middleware may change the call, repeat it or answer it itself."""
        from langchain.agents.middleware.types import ModelRequest

        wrapping = [one for one in self.middleware if _has(one, "wrap_model_call")]
        asked = _Asked(call)
        system, *messages = call.prompt["messages"]
        request: Any = ModelRequest(
            model=call.session.model, messages=cast(Any, messages), system_message=cast(SystemMessage, system),
            tools=cast(Any, asked.tools), state=cast(Any, call.state), runtime=cast(Any, get_runtime(Context)),
        )  # fmt: skip
        if face is SYNC:
            response = _wrapped([one.wrap_model_call for one in wrapping], asked.now, call)(request)
        else:
            response = await _awrapped([one.awrap_model_call for one in wrapping], asked.on_loop, call)(request)
        answers = [m for m in response.result if isinstance(m, AIMessage)]
        if len(answers) != 1:
            raise ConfigurationError(f"A middleware's wrap_model_call returned {len(answers)} AIMessages; return one.")
        return asked.growing(answers[0])


class _Asked:
    """Carries out the requests of the innermost handler, and keeps each answer with its metadata."""

    def __init__(self, call: "ModelCall") -> None:
        self._call = call
        self._heard: list[tuple[AIMessage, StreamingAnswer]] = []
        registry = call.session.resources.tools
        self._schemas = {schema["function"]["name"]: schema for schema in call.prompt["tools"]}
        self.tools = [registry.get(name).tool for name in self._schemas]

    def now(self, request: Any) -> Any:
        return finished(self._asked(SYNC, request))

    async def on_loop(self, request: Any) -> Any:
        return await self._asked(ON_LOOP, request)

    async def _asked(self, face: Face, request: Any) -> Any:
        from langchain.agents.middleware.types import ModelResponse

        call = self._of(request)
        growing = await call.asked(face)
        self._call.tool_names = call.tool_names
        message = growing.message()
        self._heard.append((message, growing))
        return ModelResponse([message])

    def _of(self, request: Any) -> "ModelCall":
        """Return our own call for the request that the middleware leaves.

        Raises:
            ConfigurationError: it asks for what our graph decides itself.
        """
        for name in ("tool_choice", "response_format", "model_settings"):
            if getattr(request, name):
                raise ConfigurationError(
                    f"A middleware set {name} of a request; the agent decides that itself. Leave it, or use create_graph(response_format=...) "
                    "and the model's own options."
                )
        session = self._call.session if request.model is self._call.session.model else replace(self._call.session, model=request.model)
        messages = [*([request.system_message] if request.system_message else []), *request.messages]
        tools: list[Any] = [tool if isinstance(tool, dict) else self._schemas.get(tool.name) for tool in request.tools]
        if None in tools:
            unknown = next(t.name for t in request.tools if not isinstance(t, dict) and t.name not in self._schemas)
            raise ConfigurationError(
                f"A middleware offers the tool {unknown!r}, which the agent does not have. Give it to create_graph(tools=...)."
            )
        return replace(self._call, session=session, prompt=CompiledPrompt(messages=messages, tools=cast(Any, tools)))

    def growing(self, answer: AIMessage) -> StreamingAnswer:
        """Return what was heard of an answer; one that a middleware made or changed is taken whole."""
        for message, growing in self._heard:
            if message is answer:
                return growing
        made = StreamingAnswer(self._call.limit_tokens)
        made.add(answer)
        return made


def _has(one: Any, hook: str) -> bool:
    return _overrides(one, hook) or _overrides(one, f"a{hook}")


def _overrides(one: Any, name: str) -> bool:
    from langchain.agents.middleware.types import AgentMiddleware

    return getattr(cast(Any, type(one)), name) is not getattr(cast(Any, AgentMiddleware), name)


def _check(one: Any) -> None:
    if type(one).__name__ == "MemGPTMiddleware":
        raise ConfigurationError("MemGPTMiddleware gives other agents this agent's memory; create_graph's agent has it. Leave it out.")
    for hook, instead in _INSTEAD.items():
        if _has(one, hook):
            raise ConfigurationError(f"{one.name} has the hook {hook}, which create_graph has no place for. Use instead: {instead}.")
    if added := sorted(set(getattr(one.state_schema, "__annotations__", {})) - _OWN_KEYS):
        raise ConfigurationError(
            f"{one.name} keeps {added[0]!r} in the state. Add that key by create_graph(state_schema=...) and leave state_schema out."
        )


def _wrapped(hooks: Sequence[Callable[..., Any]], innermost: Callable[[Any], Any], call: "ModelCall") -> Callable[[Any], Any]:
    handler = innermost
    for hook in reversed(hooks):
        handler = _layer(hook, handler, call)
    return handler


def _layer(hook: Callable[..., Any], handler: Callable[[Any], Any], call: "ModelCall") -> Callable[[Any], Any]:
    return lambda request: _read(hook(request, handler), call)


def _awrapped(hooks: Sequence[Callable[..., Any]], innermost: Callable[[Any], Any], call: "ModelCall") -> Callable[[Any], Any]:
    handler = innermost
    for hook in reversed(hooks):
        handler = _alayer(hook, handler, call)
    return handler


def _alayer(hook: Callable[..., Any], handler: Callable[[Any], Any], call: "ModelCall") -> Callable[[Any], Any]:
    async def layer(request: Any) -> Any:
        return _read(await hook(request, handler), call)

    return layer


def _read(returned: Any, call: "ModelCall") -> Any:
    """Return a hook's result as a response; the state's update that came with it is kept for the node.

    Raises:
        ConfigurationError: it updates a key that is not the user's.
    """
    from langchain.agents.middleware.types import ExtendedModelResponse, ModelResponse

    if isinstance(returned, AIMessage):
        return ModelResponse([returned])
    if not isinstance(returned, ExtendedModelResponse):
        return returned
    update: dict[str, Any] = dict(cast(Any, returned.command).update or {}) if returned.command else {}
    if others := sorted(set(update) - call.session.resources.state_keys):
        raise ConfigurationError(
            f"A middleware updates {others[0]!r} of the state; it may update keys that create_graph(state_schema=...) added."
        )
    call.updates.update(update)
    return cast(Any, returned).model_response


def _nested(hooks: Sequence[Callable[..., Any]]) -> Callable[[Any, Callable[[Any], Any]], Any]:
    """Return one wrapper of tool calls made of several; what they return, or await, is passed on."""
    outermost, *inner = hooks
    if not inner:
        return outermost
    rest = _nested(inner)

    def nested(request: Any, execute: Callable[[Any], Any]) -> Any:
        def further(changed: Any) -> Any:
            return rest(changed, execute)

        return outermost(request, further)

    return nested
