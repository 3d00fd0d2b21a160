"""Owners of agents, and with whom agents are shared: the records, and the one check."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Protocol, cast, runtime_checkable

from langgraph.store.base import BaseStore, GetOp, Item

from memgpt_agent.errors import AgentNotFound, ConfigurationError, NotAllowed
from memgpt_agent.owners.identity import Identity, owner_by_form
from memgpt_agent.store.plain import guarded, put_if
from memgpt_agent.store.protocol import Guard
from memgpt_agent.store.update import update

OWNERS = ("~owners",)
"""Where the records lie, one item each by the agent's id. No agent's label begins with ``~``."""
EVERYBODY = "*"
"""In place of a name: everybody with whom an agent is shared."""
Right = Literal["read", "write", "own"]
"""What one may do with an agent: look into it; talk to it and change it as well; delete and share it as well, as its owner may."""
_ORDER: tuple[Right, ...] = ("read", "write", "own")
_PAGE = 500


@dataclass(frozen=True)
class Ownership:
    """Whose an agent is."""

    agent_id: str
    """The agent."""
    owner: str = ""
    """Its owner's name; empty: whose it is by the form of its id, else nobody's but the admin's."""
    shared: Mapping[str, Right] = field(default_factory=dict[str, Right])
    """Names with what each may do; ``*`` for everybody."""

    def right_of(self, name: str) -> Right | None:
        """Return what somebody may do."""
        if self.owner and name == self.owner:
            return "own"
        rights = {self.shared.get(name), self.shared.get(EVERYBODY)}
        return "write" if "write" in rights else "read" if "read" in rights else None


def ownership(store: BaseStore, agent_id: str) -> Ownership | None:
    """Return the record of an agent; ``None`` if none was ever written."""
    return _read(store.get(OWNERS, agent_id))


def right(store: BaseStore, who: Identity | None, agent_id: str) -> Right | None:
    """Return what somebody may do with an agent; ``None`` is the answer for an agent that there is not, too.

    A record that names an owner decides. Without one, an id that is by its form somebody's is theirs, and every other is nobody's but the
    admin's.
    """
    return _right(who, agent_id, None if who is None or who.is_admin else ownership(store, agent_id))


def owner_of(store: BaseStore, agent_id: str) -> str:
    """Return the name of an agent's owner; empty if it has none, or only the owner could tell by a name that is hashed in the id."""
    known = ownership(store, agent_id)
    return known.owner if known and known.owner else owner_by_form(agent_id)


def owners_of(store: BaseStore, agent_ids: Sequence[str]) -> dict[str, str]:
    """Return the same for many agents, by their ids. One read for 500 of them."""
    return {
        agent_id: known.owner if known and known.owner else owner_by_form(agent_id)
        for agent_id, known in _records(store, agent_ids)
    }


def check(store: BaseStore, who: Identity | None, agent_id: str, wanted: Right = "write") -> None:
    """Let somebody use an agent, or raise.

    Raises:
        AgentNotFound: it is somebody else's, or there is none: the words are the same.
        NotAllowed: it is shared, but not for this.
    """
    has = right(store, who, agent_id)
    if has is None:
        raise unknown(agent_id)
    if _ORDER.index(has) < _ORDER.index(wanted):
        raise NotAllowed(f"The agent {agent_id!r} is shared with you to {has} only. Ask its owner.")


def unknown(agent_id: str) -> AgentNotFound:
    """Return the one error for an agent that is not there and for one that is somebody else's."""
    return AgentNotFound(f"There is no agent {agent_id!r} that you may use.")


def reading(store: BaseStore, agent_id: str) -> BaseStore:
    """Return a view of a store through which nothing is written, for whoever may only read an agent; a write raises NotAllowed."""
    return guarded(store, Guard(OWNERS, "~reading", -1, f"The agent {agent_id!r} is shared with you to read only. Ask its owner."))


@runtime_checkable
class WalledStore(Protocol):
    """A store whose database keeps owners apart by itself."""

    def for_owner(self, marks: Sequence[str]) -> BaseStore:
        """Return a view that sees and changes the rows of the owner with these marks only."""
        ...


def walled(store: BaseStore, who: Identity | None) -> BaseStore:
    """Return a view of a store for what somebody does: through it the database shows that owner's agents, and those shared with the owner.

    **Limits**: the store itself where nobody in particular or an admin acts, and where the database has no row-level security.
    """
    return store.for_owner(who.marks) if who is not None and not who.is_admin and isinstance(store, WalledStore) else store


def claim(store: BaseStore, agent_id: str, owner: str) -> None:
    """Make somebody the owner of an agent that is about to be made. Of several who claim one id at once, one gets it.

    For programs that give out ids themselves. Never call it with an id that a client chose: whether it succeeds tells if there is one.

    Raises:
        AgentNotFound: it has an owner already, and that is somebody else.
    """
    made = asdict(Ownership(agent_id, Identity(owner).name))
    if not put_if(store, OWNERS, agent_id, made, expected=None, index=False):
        known = ownership(store, agent_id)
        if known is None or known.owner != owner:
            raise unknown(agent_id)


def assign(store: BaseStore, agent_id: str, owner: str) -> Ownership:
    """Give an agent to an owner, whoever had it before; an empty name ends that. With whom it is shared stays."""

    def changed(value: dict[str, Any]) -> dict[str, Any]:
        return {**value, "owner": owner}

    return _changed(store, agent_id, changed)


def share(store: BaseStore, agent_id: str, name: str, given: Literal["read", "write"] | None) -> Ownership:
    """Give somebody (``*``: everybody) a right to an agent, or take it away with ``None``.

    Raises:
        ConfigurationError: there is no such right, or the name is empty.
    """
    if given not in {"read", "write", None} or not name.strip():
        raise ConfigurationError(f"{name!r} cannot be given {given!r}. Give a name (or '*'), and 'read' or 'write'; None takes it away.")

    def changed(value: dict[str, Any]) -> dict[str, Any]:
        others = {one: has for one, has in value["shared"].items() if one != name}
        return {**value, "shared": {**others, name: given} if given else others}

    return _changed(store, agent_id, changed)


@dataclass(frozen=True)
class Walls:
    """What of all agents one agent's turn may reach: those that both whoever acts and the agent's own owner may use.

    So an agent that is shared opens no way to its owner's other agents, nor to the agents of whoever talks to it.
    """

    store: BaseStore
    """Where the records lie."""
    who: Identity | None
    """Who acts."""
    agent_id: str
    """The agent in whose name that is done."""

    @property
    def unlimited(self) -> bool:
        """Whether everything may be reached: no owner acts, and the agent has none."""
        return not self._identities()

    def reach(self, agent_ids: Iterable[str], wanted: Right = "write") -> set[str]:
        """Return those of these agents that may be used. One read for 500 of them."""
        identities, ids = self._identities(), list(agent_ids)
        if not identities:
            return set(ids)
        allowed: set[str] = set()
        for agent_id, known in _records(self.store, ids):
            rights = {_right(side, agent_id, known) for side in identities}
            if all(has is not None and _ORDER.index(has) >= _ORDER.index(wanted) for has in rights):
                allowed.add(agent_id)
        return allowed

    def _identities(self) -> list[Identity]:
        owner = owner_of(self.store, self.agent_id) if self.agent_id else ""
        return [side for side in (self.who, Identity(owner) if owner else None) if side is not None and not side.is_admin]


def _records(store: BaseStore, agent_ids: Sequence[str]) -> Iterator[tuple[str, Ownership | None]]:
    for first in range(0, len(agent_ids), _PAGE):
        page = agent_ids[first : first + _PAGE]
        found = cast(list[Item | None], store.batch([GetOp(OWNERS, agent_id) for agent_id in page]))
        yield from zip(page, map(_read, found), strict=True)


def _right(who: Identity | None, agent_id: str, known: Ownership | None) -> Right | None:
    if who is None or who.is_admin:
        return "own"
    owns = who.has(agent_id) and not (known and known.owner)
    has = "own" if owns else known.right_of(who.name) if known else None
    return has if has is None or "chat" in who.scopes else "read"


def _changed(store: BaseStore, agent_id: str, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Ownership:
    empty = asdict(Ownership(agent_id))
    return Ownership(**update(store, OWNERS, agent_id, lambda value: change(value or empty)).after)


def _read(item: Item | None) -> Ownership | None:
    return Ownership(**item.value) if item else None
