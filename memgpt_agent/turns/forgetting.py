"""The facade's methods on forgetting: one thing, a conversation, a user, or everything older than a date."""

from dataclasses import replace
from pathlib import Path
from typing import Any, Self, cast

from langchain_core.language_models import BaseChatModel
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.store.memory import InMemoryStore

from memgpt_agent.config import Settings
from memgpt_agent.errors import ConfigurationError
from memgpt_agent.faces import in_thread
from memgpt_agent.memory import definitions, erasing
from memgpt_agent.memory.agent_memory import AgentMemory
from memgpt_agent.memory.forgetting import ForgetPlan, ForgetPlanner, Forgetting, keep_to_retention
from memgpt_agent.owners import check
from memgpt_agent.tools.specification import AgentSpecification
from memgpt_agent.turns.sleeper import Sleeper


class Forgetful:
    """The facade's methods on forgetting."""

    memory: AgentMemory
    """Its memory."""
    _checkpointer: BaseCheckpointSaver[Any]
    """Where its conversations are kept."""
    _settings: Settings
    """The process's settings."""
    _sleeper: Sleeper
    """Its sleep, which stops for this."""
    _home: Path | None
    """The data folder; ``None`` where store and checkpoints are others."""
    _specification: AgentSpecification
    """Its specification."""
    _model: BaseChatModel | str | None
    """Its chat model."""
    _summarizer: BaseChatModel | str | None
    """The model that writes summaries."""

    def forget(
        self, *what: str, thread_id: str | None = None, user_id: str | None = None, before: str | None = None
    ) -> ForgetPlan:
        """Plan to forget something. Nothing is erased until you call ``erase`` on the plan.

        Args:
            what: words to look for, or ids of messages, passages and facts, or ``LABEL:NUMBER`` for a line of a block.
            thread_id: a conversation instead: its messages, and everything written because of them.
            user_id: a user instead: the turns in which the user spoke, and what was written in them.
            before: a day or moment instead: everything older.

        Raises:
            ConfigurationError: none or several of these were given.
            BadDate: ``before`` is neither a day nor a moment.
            NotAllowed: the acting owner may only read the agent.

        **Limits**: another agent's memory, shared blocks, letters, exports, backups and an ``archival_store`` stay; the plan's ``stays``
        names them. On checkpoints that are not in our own file only the newest state of a conversation is kept.
        """
        texts: tuple[Any, ...] = (*what, thread_id, user_id, before)
        for one in texts:
            if not isinstance(one, str | None):
                raise ConfigurationError(f"forget() takes texts, not a {type(one).__name__}; of a list of words or ids, forget(*list).")
        given = [name for name, one in (("what", what), ("thread_id", thread_id), ("user_id", user_id), ("before", before)) if one]
        if len(given) != 1:
            raise ConfigurationError(f"forget() takes words or ids, thread_id, user_id or before, one of them; it was given {given or 'none'}.")
        check(self.memory.store, self.memory.who, self.memory.agent_id, "write")
        self._sleeper.awake()
        planner = self._planner("user")
        if what:
            return planner.thing(what)
        if thread_id:
            known = definitions.load(self.memory.store, self.memory.agent_id)
            return planner.thread(definitions.conversation(self.memory.agent_id, thread_id, known, self.memory.who))
        return planner.user(user_id) if user_id else planner.before(before or "")

    aforget = in_thread(forget)

    def temporary(self) -> Self:
        """Return a temporary chat with this agent: it lives in memory only, and nothing of it is remembered.

        It has the agent's model, tools, rules, settings and current blocks, and knows nothing of earlier messages. It writes
        nothing to a file. What its tools do elsewhere stays done.

        **Limits**: its searches are by words. Shared blocks are copies.
        """
        has, kept = self._specification, self._settings.model_copy(update={"owner": None, "retention_days": None})
        blocks = [replace(block, version=0, updated_at="", causes=()) for block in self.memory.core.blocks()]
        made = cast(Any, type(self))(
            model=self._model, summarizer=self._summarizer, profile=has.profile, tools=has.added, rules=has.rules, context=dict(has.choices),
            blocks=blocks, store=InMemoryStore(), checkpointer=InMemorySaver(), settings=kept, clock=self.memory.clock,
        )  # fmt: skip
        return cast(Self, made)

    def _planner(self, actor: str) -> ForgetPlanner:
        return ForgetPlanner(
            self._forgetting(), self.memory.agent_id, self.memory.archival, self.memory.archive is None, self._settings.turn_wait_seconds,
            actor, self.memory.time_zone, self.memory.clock,
        )  # fmt: skip

    def _keep_to_retention(self) -> None:
        """Forget what is older than the settings allow."""
        if self._settings.retention_days is not None:
            keep_to_retention(self._planner("retention"), self._settings.retention_days)

    def _forgetting(self) -> Forgetting:
        return Forgetting(self.memory.store, self._checkpointer, self._home)

    def _forget_requested(self) -> None:
        """Erase what a turn asked to forget."""
        erasing.forget_requested(self._forgetting(), self._settings.turn_wait_seconds)
