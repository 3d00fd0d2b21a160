"""Finding who acts in a run, and whose memory it uses: by the context, the conversation, or the memory scope."""

import os
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from langgraph.runtime import ServerInfo
from langgraph.store.base import BaseStore

from memgpt_agent.config import Context, MemoryScope, Settings
from memgpt_agent.errors import NotAllowed
from memgpt_agent.owners import SCOPES, Identity, Scope, check, right
from memgpt_agent.owners.identity import SCOPE_PREFIX
from memgpt_agent.state import AgentState


def acting_identity(server: ServerInfo | None, given: Identity | None) -> Identity | None:
    """Return who acts in a run: the user whom the server authenticated, else the owner for whom the graph was built.

    Context, state and metadata do not count: a client writes those.

    Raises:
        NotAllowed: the server authenticates its users, and this run has none.
    """
    if server is not None and (user := identity_of(server.user)) is not None:
        return user
    if server is not None and given is None and authenticates():
        raise NotAllowed("This server authenticates its users, and this run has none. Send the user's credentials with the request.")
    return given


@cache
def process_settings() -> Settings:
    """Return the settings of a server's process, read once."""
    return Settings.load()


def authenticates(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether LangGraph's server in this process has an ``auth``, as it says in its environment."""
    return environ.get("LANGGRAPH_AUTH", "").strip() not in {"", "{}", "null"}


def identity_of(user: Any, permissions: Iterable[str] | None = None) -> Identity | None:
    """Return the identity of a user whom LangGraph's server has authenticated; ``None`` if it has not.

    Where none of our scopes is among the permissions it has the usual ones: another program authenticates, or a cron fires, of which the
    server keeps the user's name alone.
    """
    name = str(getattr(user, "identity", "") or "")
    granted = set(permissions or getattr(user, "permissions", None) or ())
    scopes = frozenset[Scope](scope for scope in SCOPES if SCOPE_PREFIX + scope in granted)
    return (Identity(name, scopes) if scopes else Identity(name)) if name.strip() else None


def run_agent(
    store: BaseStore, who: Identity | None, context: Context, state: AgentState, thread_id: str, server: ServerInfo | None,
    default: MemoryScope,
) -> str:  # fmt: skip
    """Return the id of the agent whose memory a run uses, which who acts may write.

    The agent that the run names comes first, then the one that the conversation has: it keeps it when the scope changes. A new
    conversation goes by the scope.

    Raises:
        AgentNotFound: it is somebody else's or not there, or the conversation is that of such an agent.
        NotAllowed: it may only be read.
    """
    said = state.get("agent_id") or (thread_id if state.get("turn") else None)  # an earlier version noted none for a thread's own
    noted = None if said is None else str(said)  # a client may have written anything there
    agent_id = context.agent_id or noted or _by_scope(store, who, thread_id, server, context.memory_scope or default)
    for one in {agent_id, noted or agent_id}:
        check(store, who, one)
    return agent_id


def _by_scope(store: BaseStore, who: Identity | None, thread_id: str, server: ServerInfo | None, scope: MemoryScope) -> str:
    """Return whose memory a new conversation uses.

    Where LangGraph runs without its server there are neither users nor assistants, and each thread has an agent of its own; so has one
    on a server that was to go by the user and authenticates nobody. Whoever acts gets an agent of their own; an assistant's, which all
    its users share, only where it was shared with them.
    """
    if server is not None and who is not None and scope in ("user", "server"):
        return who.agent_id
    if server is not None and server.assistant_id and scope in ("assistant", "server"):
        shared = f"assistant:{server.assistant_id}"
        return shared if who is None or right(store, who, shared) in {"write", "own"} else who.agent_named(shared)
    return thread_id if who is None else who.agent_named(thread_id)
