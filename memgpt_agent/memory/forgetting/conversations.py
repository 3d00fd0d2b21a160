"""Forgetting a conversation wherever it is remembered: by each agent that took part in it."""

from langgraph.store.base import BaseStore

from memgpt_agent.memory import definitions, deletion, namespaces
from memgpt_agent.memory.archival import StoreArchive
from memgpt_agent.memory.forgetting.acting import Forgetting
from memgpt_agent.memory.forgetting.plan import ForgetPlanner
from memgpt_agent.owners import Identity, Walls
from memgpt_agent.store.plain import count

_NAMESPACES = 100_000


def agents_of(store: BaseStore, thread_id: str) -> list[str]:
    """Return the agents that took part in a conversation: its messages may be forgotten already. It asks every agent of the store."""
    found = store.list_namespaces(suffix=("recall",), limit=_NAMESPACES)
    remember = [namespaces.decode_label(place[0]) for place in found if len(place) == 2 and count(store, place, {"thread_id": thread_id})]
    listed = [known.agent_id for known in definitions.every(store) if thread_id in known.threads and thread_id != known.agent_id]
    own = [thread_id] if store.list_namespaces(prefix=(namespaces.encode_label(thread_id),), limit=1) else []
    return list(dict.fromkeys([*remember, *listed, *own]))


def forget_conversation(forgetting: Forgetting, thread_id: str, wait_seconds: float, who: Identity | None = None) -> list[str]:
    """Let every agent of a conversation forget it; return which those were. An agent of the conversation's own goes as a whole.

    Where an owner acts, those that the owner may change: another's may have had a conversation of the same id.

    Raises:
        ConversationBusy: a turn took too long. Agents named before it have forgotten.
    """
    store, found = forgetting.store, agents_of(forgetting.store, thread_id)
    reached = Walls(store, who, "").reach(found)
    agents = [agent_id for agent_id in found if agent_id in reached]
    own = {thread_id, *([who.agent_named(thread_id)] if who is not None else [])}
    for agent_id in agents:
        if agent_id in own and definitions.load(store, agent_id) is None:
            deletion.delete_memory(store, agent_id)
        planner = ForgetPlanner(forgetting, agent_id, StoreArchive(store, agent_id), wait_seconds=wait_seconds, actor="server")
        planner.thread(thread_id).erase()
        if agent_id in own and definitions.load(store, agent_id) is None:
            deletion.delete_memory(store, agent_id)  # the record of the act was all that was left
    return agents
