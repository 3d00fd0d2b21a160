"""The agents that are stored: listing them, and deleting one with all it remembers; none is opened for it."""

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from langgraph.store.base import BaseStore

from memgpt_agent.checkpoints import open_configured_checkpointer
from memgpt_agent.config import Settings
from memgpt_agent.memory import definitions, erasing
from memgpt_agent.memory.opening import open_configured_store


def list_agents(settings: Settings | None = None, store: BaseStore | None = None) -> list[dict[str, Any]]:
    """Return what the stored agents are made of, oldest first."""
    with ExitStack() as opened:
        store = store or opened.enter_context(open_configured_store(settings or Settings.load(), searches=False))
        return [dict(d.__dict__) for d in definitions.every(store)]


def delete_agent(agent_id: str, settings: Settings | None = None, *, tell: Callable[[str], None] | None = None) -> None:
    """Erase an agent: definition, memory and conversations, once the turns that are being taken are over.

    When it returns, no byte of them is left in the data folder. Both databases are rewritten for it, so it takes the longer the
    more all agents together remember. A kill leaves nothing half: the agent is there, or it is gone, and what is left of its
    bytes goes when the next agent is opened or this is called again.

    Args:
        agent_id: the agent.
        settings: where it is stored; the process's own if not given.
        tell: called before each part of the work with what it is and about how long it takes.

    Raises:
        AgentNotFound: there is no such agent; nothing was deleted.
        ConversationBusy: a turn took too long; nothing was deleted.
        StoreError: the agent is gone, but others used the files for so long that bytes of it may be left.

    **Limits**: a conversation that another agent takes part in stays, and so do shared blocks, letters to other agents, exports,
    backups, the prompt's history, and an ``archival_store`` of your own.
    """
    settings = settings or Settings.load()
    with ExitStack() as opened:
        store = opened.enter_context(open_configured_store(settings, searches=False))
        checkpointer = opened.enter_context(open_configured_checkpointer(settings))
        erasing.erase(store, checkpointer, agent_id, settings.turn_wait_seconds, tell or (lambda _: None))
