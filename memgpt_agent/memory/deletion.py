"""Deleting what an agent has in the store, as the descriptions of the tiers say."""

from langgraph.store.base import BaseStore, PutOp

from memgpt_agent.memory import definitions, namespaces, tiers
from memgpt_agent.memory.definitions import AgentDefinition

_PAGE = 500
_NAMESPACES = 10_000


def delete(store: BaseStore, agent_id: str) -> AgentDefinition:
    """Delete an agent's definition and all its memory but blocks that are shared; return what the definition was.

    What no tier describes but lies under the agent goes as well. The definition goes last, so that a crash leaves an agent
    that can be deleted again.

    Raises:
        AgentNotFound: there is no such agent; nothing was deleted.
    """
    definition = definitions.existing(store, agent_id)
    for namespace in store.list_namespaces(prefix=(namespaces.encode_label(agent_id),), limit=_NAMESPACES):
        tier = tiers.described(namespace)
        while (tier is None or tier.deleted) and (items := store.search(namespace, limit=_PAGE)):
            store.batch([PutOp(item.namespace, item.key, None) for item in items])
    own = [name for name, tier in tiers.GLOBAL.items() if tier.deleted and tier.keyed_by == "agent"]
    for name in sorted(own, key=lambda name: (name,) == namespaces.AGENTS):
        store.delete((name,), agent_id)
    return definition


def forget_thread(store: BaseStore, thread_id: str) -> None:
    """Delete what lies beside the agents for one conversation: its lease."""
    for name, tier in tiers.GLOBAL.items():
        if tier.deleted and tier.keyed_by == "thread":
            store.delete((name,), thread_id)
