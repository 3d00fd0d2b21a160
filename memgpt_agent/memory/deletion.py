"""Deleting an agent's items from the store, as the tiers' descriptions say."""

from collections.abc import Iterator, Sequence

from langgraph.store.base import BaseStore, PutOp

from memgpt_agent.memory import definitions, namespaces, quota, tiers
from memgpt_agent.memory.definitions import AgentDefinition
from memgpt_agent.store.plain import all_items

_NAMESPACES = 10_000


def delete(store: BaseStore, agent_id: str, also: Sequence[PutOp] = ()) -> AgentDefinition:
    """Delete an agent's definition and all its memory but blocks that are shared; return what the definition was.

    What no tier describes but lies under the agent goes as well. All of it is one batch, with the writes of ``also``: whoever
    looks sees the whole agent or none.

    Raises:
        AgentNotFound: there is no such agent; nothing was deleted.
    """
    definition = definitions.existing(store, agent_id)
    own = [name for name, tier in tiers.GLOBAL.items() if tier.deleted and tier.keyed_by == "agent"]
    store.batch([*_deletions(store, agent_id), *(PutOp((name,), agent_id, None) for name in own), *quota.dismissals(store, agent_id), *also])
    return definition


def delete_memory(store: BaseStore, agent_id: str) -> None:
    """Delete what lies under an agent without a definition: somebody wrote it while the agent was being deleted."""
    if late := list(_deletions(store, agent_id)):
        store.batch(late)


def thread_deletions(thread_id: str) -> list[PutOp]:
    """Return the writes that delete what lies beside the agents for one conversation: its lease."""
    names = [name for name, tier in tiers.GLOBAL.items() if tier.deleted and tier.keyed_by == "thread"]
    return [PutOp((name,), thread_id, None) for name in names]


def _deletions(store: BaseStore, agent_id: str) -> Iterator[PutOp]:
    for namespace in store.list_namespaces(prefix=(namespaces.encode_label(agent_id),), limit=_NAMESPACES):
        tier = tiers.described(namespace)
        if tier is None or tier.deleted:
            yield from [PutOp(item.namespace, item.key, None) for item in all_items(store, namespace)]
