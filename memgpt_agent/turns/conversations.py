"""An agent's conversations, as its facade offers them: what was said, written out, a new one begun; and the agent's name."""

import uuid
from typing import Self

from langgraph.store.base import BaseStore

from memgpt_agent.config import Settings
from memgpt_agent.faces import in_thread
from memgpt_agent.memory.agent_memory import AgentMemory
from memgpt_agent.memory.recall import Message
from memgpt_agent.stored_agents import rename_agent
from memgpt_agent.turns.transcript import TranscriptForm, transcript_of


class Conversations:
    """The part of an agent's facade that is about its conversations as a whole."""

    agent_id: str
    """Its id."""
    thread_id: str
    """Its conversation."""
    memory: AgentMemory
    """Its memory."""
    _store: BaseStore
    """Where it is stored."""
    _settings: Settings
    """The process's settings."""

    def _in_conversation(self, thread_id: str) -> Self:
        """Return the same agent in another conversation."""
        raise NotImplementedError

    def messages(self, limit: int = 100) -> list[Message]:
        """Return the newest messages of this conversation from recall memory, oldest first."""
        return self.memory.recall.of_thread(self.thread_id, limit=limit)

    def transcript(
        self, form: TranscriptForm = "text", *, thread_id: str | None = None, thoughts: bool = False, tools: bool = False, ids: bool = False
    ) -> str:
        """Return a conversation written out from its beginning, as recall memory holds it.

        Args:
            form: ``text``, ``markdown`` or ``json``.
            thread_id: which conversation; this one if omitted.
            thoughts: with the inner thoughts.
            tools: with tool calls and their results, alerts and heartbeats.
            ids: with the ids by which messages are corrected; JSON has them in any case.

        Raises:
            ConfigurationError: there is no such form.
        """
        thread = thread_id or self.thread_id
        return transcript_of(self.memory.recall, thread, form, self.memory.time_zone, thoughts=thoughts, tools=tools, ids=ids)

    def new_conversation(self, thread_id: str | None = None) -> Self:
        """Return the same agent in another conversation: with its memory, its model and its tools, and an empty queue.

        Close it too, and before this one, whose files it uses. Without ``thread_id`` the conversation gets an id of its own; give that as
        ``thread_id`` to go on with it later.
        """
        return self._in_conversation(thread_id or f"{self.agent_id}-{uuid.uuid4().hex[:8]}")

    def rename(self, name: str) -> None:
        """Give this agent a name by which the command line finds it as well; its id stays. See :func:`memgpt_agent.rename_agent`.

        Raises:
            AgentExists: another agent has this name or id. ConfigurationError: it cannot be a name.
        """
        rename_agent(self.agent_id, name, self._settings, store=self._store)

    amessages = in_thread(messages)
    atranscript = in_thread(transcript)
    anew_conversation = in_thread(new_conversation)
    arename = in_thread(rename)
