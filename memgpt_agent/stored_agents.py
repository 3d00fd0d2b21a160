"""Listing, naming, sharing and deleting stored agents, without opening them."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from typing import Any, Literal

from langgraph.store.base import BaseStore

from memgpt_agent.backups import drop_upgrade_copies
from memgpt_agent.checkpoints import open_configured_checkpointer
from memgpt_agent.config import Settings
from memgpt_agent.errors import AgentExists, ConfigurationError, NotAllowed
from memgpt_agent.leases import Leases
from memgpt_agent.memory import definitions, deletion, erasing, namespaces, tiers
from memgpt_agent.memory.archival import StoreArchive
from memgpt_agent.memory.definitions import AgentDefinition
from memgpt_agent.memory.forgetting.acting import Forgetting
from memgpt_agent.memory.forgetting.plan import ForgetPlanner
from memgpt_agent.memory.forgetting.stored_items import StoredItems
from memgpt_agent.memory.namespaces import MAX_ID_CHARS
from memgpt_agent.memory.opening import open_configured_store
from memgpt_agent.owners import Identity, Ownership, Walls, assign, check, owner_of, owners_of, ownership, share
from memgpt_agent.owners.audit import AuditLog
from memgpt_agent.store.plain import count

_NAMESPACES = 10_000

_NAMES = "~names"
"""The lease for naming agents: two agents never get the same name."""


def list_agents(settings: Settings | None = None, store: BaseStore | None = None, *, undefined: bool = False) -> list[dict[str, Any]]:
    """Return the definitions of the stored agents, each with its ``owner``, oldest first; if the settings name an owner, only that owner's.

    Args:
        settings: where they are stored; the process's own if omitted.
        store: the same, if it is open already.
        undefined: also return, last and with id and owner alone, agents that have memory but no definition: those that
            a server has made for its threads, users and assistants.
    """
    with ExitStack() as opened:
        settings = settings or Settings.load()
        store = store or opened.enter_context(open_configured_store(settings, searches=False))
        every = {d.agent_id: dict(d.__dict__) for d in definitions.every(store)}
        if undefined:
            every |= {agent_id: {"agent_id": agent_id} for agent_id in sorted(tiers.agents_with_memory(store)) if agent_id not in every}
        reached = Walls(store, Identity.of(settings.owner), "").reach(every, "read")
        owners = owners_of(store, [agent_id for agent_id in every if agent_id in reached])
        return [{**every[agent_id], "owner": owner} for agent_id, owner in owners.items()]


def check_name(name: str) -> None:
    """Refuse what cannot be an agent's name.

    Raises:
        ConfigurationError: it is too long, or has characters that nobody would see or that move others (line breaks, directions).
    """
    if len(name) > MAX_ID_CHARS:
        raise ConfigurationError(f"The name {name[:60]!r} has {len(name)} characters; give one of {MAX_ID_CHARS} at most.")
    unseen = sorted({char for char in name if not char.isprintable()})
    if unseen:
        shown = ", ".join(map(repr, unseen[:3]))
        raise ConfigurationError(f"The name {name[:60]!r} has characters that cannot be seen ({shown}); leave them out.")


def rename_agent(agent_id: str, name: str, settings: Settings | None = None, *, store: BaseStore | None = None) -> AgentDefinition:
    """Give an agent a name that the command line accepts; an empty one removes the name. Return its definition.

    Its id, memory and conversations do not change.

    Args:
        agent_id: the agent, by its id.
        name: at most 200 visible characters in one line.
        settings: where it is stored; the process's own if omitted.
        store: the store, where it is open already.

    Raises:
        AgentNotFound: there is no such agent, or it is not one that the settings' owner may change.
        AgentExists: another agent has this name or id.
        ConfigurationError: it cannot be a name.
    """
    settings, name = settings or Settings.load(), name.strip()
    check_name(name)
    with ExitStack() as opened:
        store = store if store is not None else opened.enter_context(open_configured_store(settings, searches=False))
        check(store, Identity.of(settings.owner), agent_id, "write")
        opened.enter_context(Leases(store).hold(_NAMES, settings.turn_wait_seconds))
        owner = owner_of(store, agent_id)  # what other owners' agents are called is not told
        same_named = (d for d in definitions.every(store) if name in (d.agent_id, d.name) and owner_of(store, d.agent_id) == owner)
        other = next((d for d in same_named if d.agent_id != agent_id), None) if name else None
        if other is not None:
            what = "id" if name == other.agent_id else "name"
            raise AgentExists(f"The agent {other.agent_id!r} has the {what} {name!r} already; choose another name.")
        _note(settings, store, "agents name", agent_id)
        return definitions.change(store, agent_id, lambda known: replace(known, name=name))


def ownership_of(agent_id: str, settings: Settings | None = None) -> Ownership:
    """Return an agent's owner and with whom it is shared. The record may exist before the agent does.

    Raises:
        AgentNotFound: the agent does not belong to the settings' owner.
    """
    return _as_owner(settings, agent_id, lambda _: None)


def assign_agent(agent_id: str, owner: str, settings: Settings | None = None) -> Ownership:
    """Give an agent to an owner, whoever had it before; an empty name removes the owner. Only the admin may do this.

    Raises:
        NotAllowed: the settings name an owner, who is not an admin.
    """
    settings = settings or Settings.load()
    if settings.owner:
        raise NotAllowed(f"{settings.owner!r} (MEMGPT_OWNER) is an owner; only the admin gives agents to owners. Unset MEMGPT_OWNER.")
    return _as_owner(settings, agent_id, lambda store: assign(store, agent_id, owner), "agents owner")


def share_agent(agent_id: str, name: str, right: Literal["read", "write"] | None, settings: Settings | None = None) -> Ownership:
    """Give somebody (``*``: everybody) the right to ``read`` or ``write`` an agent; ``None`` takes it away.

    Raises:
        AgentNotFound: the agent does not belong to the settings' owner.
    """
    return _as_owner(settings, agent_id, lambda store: share(store, agent_id, name, right), "agents share")


def _as_owner(settings: Settings | None, agent_id: str, act: Callable[[BaseStore], object], noted: str = "") -> Ownership:
    settings = settings or Settings.load()
    with open_configured_store(settings, searches=False) as store:
        check(store, Identity.of(settings.owner), agent_id, "own")
        if noted:
            _note(settings, store, noted, agent_id)
        act(store)
        return replace(ownership(store, agent_id) or Ownership(agent_id), owner=owner_of(store, agent_id))


def _note(settings: Settings, store: BaseStore, act: str, agent_id: str) -> None:
    if log := AuditLog.of(settings, store):
        log.note(settings.owner, act, [agent_id])


def delete_agent(agent_id: str, settings: Settings | None = None, *, tell: Callable[[str], None] | None = None) -> None:
    """Erase an agent: definition, memory and conversations, once its running turns are over.

    When it returns, no byte of them is left in the data folder. This rewrites both databases, so the time grows with the
    memory of all agents. After a kill, the agent is either still there or gone; remaining
    bytes are erased when the next agent is opened or this is called again.

    Args:
        agent_id: the agent.
        settings: where it is stored; the process's own if omitted.
        tell: called before each part of the work with what it is and about how long it takes.

    Raises:
        AgentNotFound: there is no such agent; nothing was deleted.
        ConversationBusy: a turn took too long; nothing was deleted.
        StoreError: the agent is gone, but others used the files for too long, so bytes of it may be left.

    **Limits**: a conversation that another agent takes part in stays, and so do shared blocks, letters to other agents, exports,
    backups, the prompt's history, and an ``archival_store`` of your own.
    """
    settings = settings or Settings.load()
    with ExitStack() as opened:
        store = opened.enter_context(open_configured_store(settings, searches=False))
        checkpointer = opened.enter_context(open_configured_checkpointer(settings))
        check(store, Identity.of(settings.owner), agent_id, "own")
        _note(settings, store, "agents delete", agent_id)
        if definitions.load(store, agent_id) is not None:
            drop_upgrade_copies(settings.home)
        erasing.erase(store, checkpointer, agent_id, settings.turn_wait_seconds, tell or (lambda _: None))


def forget_thread(
    thread_id: str, settings: Settings | None = None, *, store: BaseStore | None = None, who: Identity | None = None
) -> list[str]:
    """Make every agent that took part in a conversation forget it, with what was written because of it; return their ids.

    Call this when you delete conversations elsewhere, such as on a server. An agent that was made for this conversation alone is deleted.

    Args:
        thread_id: the conversation.
        settings: where it is stored; the process's own if omitted.
        store: the same, if it is open already; the conversation's checkpoints are then somebody else's, and stay.
        who: the acting owner; agents that the owner may not change keep the conversation. If omitted, all agents forget it.

    Raises:
        ConversationBusy: a turn took too long.
        NotAllowed: the settings name an owner; let each agent forget it instead.

    **Limits**: it asks every agent of the store; other conversations' checkpoints that are not ours are left as they are.
    """
    settings = settings or Settings.load()
    if settings.owner:
        raise NotAllowed("forget_thread() looks into everybody's agents. Unset MEMGPT_OWNER, or call forget(thread_id=...) on an agent.")
    with ExitStack() as opened:
        if store is not None:
            _note(settings, store, "forget a conversation", "")
            forgetting = Forgetting(store, None)
        else:
            found = opened.enter_context(open_configured_store(settings, searches=False))
            _note(settings, found, "forget a conversation", "")
            forgetting = Forgetting(found, opened.enter_context(open_configured_checkpointer(settings)), settings.home)
        return forget_conversation(forgetting, thread_id, settings.turn_wait_seconds, who)


def agents_of(store: BaseStore, thread_id: str) -> list[str]:
    """Return the agents that took part in a conversation: its messages may be forgotten already. It asks every agent of the store."""
    found = store.list_namespaces(suffix=("recall",), limit=10 * _NAMESPACES)
    remember = [namespaces.decode_label(place[0]) for place in found if len(place) == 2 and count(store, place, {"thread_id": thread_id})]
    listed = [known.agent_id for known in definitions.every(store) if thread_id in known.threads and thread_id != known.agent_id]
    own = [thread_id] if store.list_namespaces(prefix=(namespaces.encode_label(thread_id),), limit=1) else []
    return list(dict.fromkeys([*remember, *listed, *own]))


def forget_conversation(forgetting: Forgetting, thread_id: str, wait_seconds: float, who: Identity | None = None) -> list[str]:
    """Let every agent of a conversation forget it; return which those were. An agent of the conversation's own goes as a whole.

    It stays if another conversation uses it, as a copy of this one does. Where an owner acts, those that the owner may change: another's
    may have had a conversation of the same id.

    Raises:
        ConversationBusy: a turn took too long. Agents named before it have forgotten.
    """
    store, found = forgetting.store, agents_of(forgetting.store, thread_id)
    reached = Walls(store, who, "").reach(found)
    agents = [agent_id for agent_id in found if agent_id in reached]
    own = {thread_id, *([who.agent_named(thread_id)] if who is not None else [])}
    for agent_id in agents:
        unnamed = agent_id in own and definitions.load(store, agent_id) is None
        alone = unnamed and {*StoredItems.of(store, agent_id).threads} <= {thread_id}
        if alone:
            deletion.delete_memory(store, agent_id)
        planner = ForgetPlanner(forgetting, agent_id, StoreArchive(store, agent_id), wait_seconds=wait_seconds, actor="server")
        planner.thread(thread_id).erase()
        if alone:
            deletion.delete_memory(store, agent_id)  # the record of the act was all that was left
    return agents
