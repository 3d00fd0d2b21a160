"""The agents that are stored: listing them, and deleting one with all it remembers; none is opened for it."""

from contextlib import ExitStack
from typing import Any

from langgraph.store.base import BaseStore

from memgpt_agent.checkpoints import open_configured_checkpointer
from memgpt_agent.config import Settings
from memgpt_agent.leases import Leases
from memgpt_agent.memory import definitions, deletion
from memgpt_agent.memory.opening import open_configured_store


def list_agents(settings: Settings | None = None, store: BaseStore | None = None) -> list[dict[str, Any]]:
    """Return what the stored agents are made of, oldest first."""
    with ExitStack() as opened:
        store = store or opened.enter_context(open_configured_store(settings or Settings.load(), searches=False))
        return [dict(d.__dict__) for d in definitions.every(store)]


def delete_agent(agent_id: str, settings: Settings | None = None) -> None:
    """Delete an agent: definition, memory and conversations, once the turns that are being taken are over.

    A conversation that another agent takes part in stays, as a shared block does.

    Raises:
        AgentNotFound: there is no such agent; nothing was deleted.
        ConversationBusy: a turn took too long; nothing was deleted.
    """
    settings = settings or Settings.load()
    with ExitStack() as opened:
        store = opened.enter_context(open_configured_store(settings, searches=False))
        checkpointer = opened.enter_context(open_configured_checkpointer(settings))
        known = definitions.load(store, agent_id)
        others = {thread for other in definitions.every(store) if other.agent_id != agent_id for thread in other.threads}
        threads = [thread for thread in (known.threads if known else ()) if thread not in others]
        with ExitStack() as held:
            for thread_id in threads:
                held.enter_context(Leases(store).hold(thread_id, settings.turn_wait_seconds))
            deletion.delete(store, agent_id)
            for thread_id in threads:
                checkpointer.delete_thread(thread_id)
        for thread_id in threads:
            deletion.forget_thread(store, thread_id)
