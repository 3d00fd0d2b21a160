"""The journal of runs in the background: what they said and did, apart from what was said to the agent."""

from collections.abc import Sequence

from langgraph.store.base import BaseStore, PutOp

from memgpt_agent.memory import namespaces
from memgpt_agent.memory.recall import Message, RecallMemory


class Journal(RecallMemory):
    """Kept as recall memory is, so that a step done again changes nothing; not searched, so not indexed."""

    def __init__(self, store: BaseStore, agent_id: str) -> None:
        super().__init__(store, agent_id)
        self._namespace = namespaces.of(agent_id, "journal")

    def put_operation(self, message: Message, context: Sequence[str] = ()) -> PutOp:
        """Return the store operation that keeps a message."""
        return super().put_operation(message, context)._replace(index=False)
