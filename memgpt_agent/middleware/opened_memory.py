"""The agent whose memory the middleware uses, opened when first needed, and the session of one hook."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import RunnableConfig
from langgraph.store.base import BaseStore
from typing_extensions import override

from memgpt_agent.config import Context
from memgpt_agent.memory.core import Block
from memgpt_agent.middleware.memory_tools import found_or_made
from memgpt_agent.middleware.state import MiddlewareRegisters
from memgpt_agent.nodes.session import Resources, Session
from memgpt_agent.state import AgentState
from memgpt_agent.tools.profiles import Profile
from memgpt_agent.tools.specification import AgentSpecification


class _NoModel(BaseChatModel):
    """Stands where a hook runs in which no model is called."""

    @property
    def _llm_type(self) -> str:
        return "none"

    @override
    def _generate(self, *args: Any, **kwargs: Any) -> Any:
        raise AssertionError("No model is called in this hook.")


_NO_MODEL = _NoModel()


@dataclass
class OpenedMemory:
    """The agents that one middleware has opened in this process."""

    resources: Resources
    """What its hooks share."""
    kept: Profile
    """The memory tools and sections."""
    choices: Mapping[str, Any]
    """The fields of ``Context`` that were chosen for it."""
    seeds: list[Block]
    """The blocks of a new agent."""
    _contexts: dict[tuple[int, str], tuple[BaseStore, Context]] = field(default_factory=dict[tuple[int, str], tuple[BaseStore, Context]])

    def session(
        self, runtime: Any, config: RunnableConfig, registers: MiddlewareRegisters, *, agent_id: str | None, model: BaseChatModel | None = None
    ) -> Session:
        """Return the session of one hook.

        Args:
            runtime: LangGraph's runtime of the node, or of the tool call.
            config: the node's configuration.
            registers: what the conversation's state holds for the middleware.
            agent_id: whose memory was chosen; by the state, the scope and the thread if nobody chose.
            model: the model that is to be called, where one is.
        """
        chosen = {**self.choices, **({"agent_id": agent_id} if agent_id else {})}
        state: Any = {**registers, "messages": []}
        session = self._of(runtime, config, state, Context.from_values(chosen), model)
        context = self._context(session, self.resources.opened_store(runtime))
        return session if context == session.context else self._of(runtime, config, state, context, model)

    def _of(self, runtime: Any, config: RunnableConfig, state: AgentState, context: Context, model: BaseChatModel | None) -> Session:
        session = Session.of(runtime, config, self.resources, state, context=context, model=model or _NO_MODEL)
        budget = (state.get("context_usage") or {}).get("budget")
        if model is None and budget:  # tools show shares of the budget of the model that called them
            session = replace(session, memory=replace(session.memory, budget_tokens=budget))
        return session

    def _context(self, session: Session, opened: BaseStore) -> Context:
        """Return the choices that hold for an agent: those given here, else those that are stored of it.

        They are kept by the store as it was opened: a session of a client has a view of its own.
        """
        agent_id = session.memory.agent_id
        key = (id(opened), agent_id)
        if key not in self._contexts:
            stored = found_or_made(session.memory.store, agent_id, self.kept, self.seeds, self.choices, self.resources.clock)
            plain = replace(stored, groups=(), rules=())
            specification = AgentSpecification.of(plain, profile=self.kept, choices=dict(self.choices))
            self._contexts[key] = opened, specification.context
        return self._contexts[key][1]
