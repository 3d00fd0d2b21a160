"""Choosing the agent whose memory an MCP client uses, and what the client may do."""

import re
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from memgpt_agent.agent import MemGPTAgent
from memgpt_agent.errors import NotAllowed
from memgpt_agent.owners import Identity

Sharing = Literal["one", "each"]
"""``one``: every client uses the same agent. ``each``: a client has an agent of its own."""
MAX_OPEN = 100
"""How many agents stay open; the least recently used is closed first."""


@dataclass(frozen=True)
class Client:
    """Who sends a request."""

    name: str = ""
    """What the program calls itself; anybody may write anything here."""
    who: Identity | None = None
    """For whom it acts, by its token; ``None`` if no tokens are asked for."""


class ServedAgents:
    """Opens the agent that a client uses.

    Args:
        open_agent: opens an agent, or makes it: called with its id and ``owner=``.
        agent_id: the agent of every client, or where each has its own what its id begins with.
        sharing: whether clients share it.
        read_only: whether nobody may change anything.
    """

    def __init__(self, open_agent: Callable[..., MemGPTAgent], agent_id: str, sharing: Sharing, *, read_only: bool) -> None:
        self._open = open_agent
        self._agent_id, self._sharing = agent_id, sharing
        self.read_only = read_only
        self._agents: OrderedDict[tuple[str, Identity | None], MemGPTAgent] = OrderedDict()
        self._guard = threading.Lock()

    def id_of(self, client: Client) -> str:
        """Return the id of a client's agent: its token's owner's, or one made of the program's own name."""
        if self._sharing == "one":
            return self._agent_id
        if client.who is not None:
            return client.who.agent_id
        return f"{self._agent_id}:{re.sub(r'[^A-Za-z0-9_-]+', '-', client.name).strip('-')[:80] or 'client'}"

    def of(self, client: Client, *, writes: bool = False) -> MemGPTAgent:
        """Return a client's agent, open.

        Raises:
            AgentNotFound: it belongs to somebody else.
            NotAllowed: it is to be changed, and the client or this server may only read.
        """
        if writes and self.read_only:
            raise NotAllowed("This server is read-only: memory can be searched and read, not changed.")
        if writes and client.who is not None and not client.who.is_admin and "chat" not in client.who.scopes:
            raise NotAllowed("This token may read only. Ask for one with the scope 'chat'.")
        key = (self.id_of(client), client.who)
        with self._guard:
            known = self._agents.get(key)
            if known is None:
                known = self._agents[key] = self._open(key[0], owner=client.who)
            self._agents.move_to_end(key)
            gone = self._agents.popitem(last=False)[1] if len(self._agents) > MAX_OPEN else None
        if gone is not None:
            gone.close()
        return known

    def close(self) -> None:
        """Close all that are open."""
        with self._guard:
            agents, self._agents = list(self._agents.values()), OrderedDict()
        for agent in agents:
            agent.close()
