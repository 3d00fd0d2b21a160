"""The facade's methods on the chat model: its name, changing it, and what it costs."""

from langchain_core.language_models import BaseChatModel

from memgpt_agent.config import Context, Settings
from memgpt_agent.errors import ConfigurationError
from memgpt_agent.faces import in_thread
from memgpt_agent.memory import definitions
from memgpt_agent.memory.agent_memory import AgentMemory
from memgpt_agent.models import default_model_name, resolve_chat_model
from memgpt_agent.models.advice import try_out
from memgpt_agent.models.dialects import name_of, unwrapped
from memgpt_agent.turns.turns import Turns


class ModelChoice:
    """The facade's methods on the chat model."""

    memory: AgentMemory
    """Its memory."""
    _settings: Settings
    """Where keys are stored, and which model is the default."""
    _model: BaseChatModel | str | None
    """The chat model, or its name; ``None``: the default."""
    _reads_only: bool
    """Whether the agent may only be read."""
    _turns: Turns
    """Runs its turns."""
    _kept_model: str | None = None
    """The name that was stored last from here."""

    @property
    def context(self) -> Context:
        """The context of its runs."""
        raise NotImplementedError

    @property
    def currency(self) -> str:
        """The currency of costs, from the price table; empty without one."""
        return self._turns.prices.currency if self._turns.prices else ""

    @property
    def model(self) -> str:
        """The chat model's name: the given one, or the default's, or what the model object calls itself."""
        if self.context.model:
            return self.context.model
        if isinstance(self._model, str):
            return self._model
        return default_model_name(self._settings) if self._model is None else name_of(unwrapped(self._model)) or type(self._model).__name__

    def use_model(self, model: BaseChatModel | str) -> str:
        """Change the chat model, from the next turn on, after the new one has answered a short question; return its name.

        The agent keeps a name; a model object is used by this agent object only.

        Raises:
            ConfigurationError: the name cannot be used.
            ModelError: the new model did not answer; the agent keeps its model. The message says what would help.
        """
        if self.context.model:
            raise ConfigurationError(f"The model {self.context.model!r} was chosen in the agent's context: open the agent with another there.")
        try_out(resolve_chat_model(model, settings=self._settings), model if isinstance(model, str) else "")
        self._model = model
        self._forget_graphs()
        self._keep_model()
        return self.model

    ause_model = in_thread(use_model)

    def _forget_graphs(self) -> None:
        """Discard the graphs, so that the next use builds them with the current model."""
        raise NotImplementedError

    def _keep_model(self) -> None:
        """Store the model's name, now that it has answered."""
        if isinstance(self._model, str) and self._model != self._kept_model and not self._reads_only:
            definitions.keep_model(self.memory.store, self.memory.agent_id, self._model)
            self._kept_model = self._model
