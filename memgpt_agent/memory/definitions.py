"""The stored definitions of agents, so that an id alone opens one."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from langgraph.store.base import BaseStore

from memgpt_agent.checkpoints import Checkpointer
from memgpt_agent.errors import AgentExists, AgentNotFound
from memgpt_agent.memory import namespaces
from memgpt_agent.memory.core import Block, default_blocks
from memgpt_agent.owners import Identity, check, unknown
from memgpt_agent.store.plain import all_items
from memgpt_agent.store.update import update

_LISTED = ("tools", "threads", "groups", "rules", "tags", "without")


@dataclass(frozen=True)
class AgentDefinition:
    """An agent's definition; its blocks and memories are stored separately."""

    agent_id: str
    """Its id."""
    created: str
    """When it was made, ISO 8601, UTC."""
    profile: str = "memgpt"
    """Prompt, tools and rules."""
    model: str | None = None
    """The name of its chat model, even while it runs on a model object; ``None``: none was ever named."""
    embedding: str | None = None
    """The name of the embedding that made its memory's vectors; ``None``: none was ever named."""
    tools: tuple[str, ...] = ()
    """The names of its tools."""
    context: dict[str, Any] | None = None
    """Its other settings (see ``Context``)."""
    threads: tuple[str, ...] = ()
    """Its conversations."""
    groups: tuple[str, ...] = ()
    """The names of its groups of tools."""
    rules: tuple[dict[str, Any], ...] = ()
    """The rules on its tool calls, as data."""
    tags: tuple[str, ...] = ()
    """The tags by which other agents find it."""
    without: tuple[str, ...] = ()
    """The removed tools of its profile and its groups."""
    system: str = ""
    """Its own system prompt, in place of its profile's."""
    served: dict[str, Any] = field(default_factory=dict[str, Any])
    """Data from a client of the server that changes nothing here, such as a name and description."""
    name: str = ""
    """What people call it, beside its id, which never changes; empty if it has no name of its own."""


def seeds(
    persona: str | None,
    human: str | None,
    core_memory: Mapping[str, str] | None,
    blocks: Sequence[Block | Mapping[str, Any]],
) -> list[Block]:
    """Return the blocks of a new agent: the defaults, then a mapping's texts, then whole blocks; the later wins."""
    made = {block.label: block for block in default_blocks(persona, human)}
    for label, text in (core_memory or {}).items():
        known = made.get(label)
        made[label] = Block(label, text, known.description if known else "")
    for given in blocks:
        block = given if isinstance(given, Block) else Block(**given)
        made[block.label] = block
    return list(made.values())


def save(store: BaseStore, definition: AgentDefinition) -> AgentDefinition:
    """Store a new agent's definition, or let it take the place of the one that is stored; return what is stored then.

    What is stored keeps its day of making, its threads, the names of its model and its embedding if omitted, and what
    only :func:`change` changes: the tools taken from it, its own system prompt, what clients of the server gave it.

    Raises:
        WriteConflict: others wrote it before each attempt.
    """

    def merged(value: dict[str, Any] | None) -> dict[str, Any]:
        known = read(value) if value else None
        if known is None:
            return _as_value(definition)
        threads = tuple(dict.fromkeys([*known.threads, *definition.threads]))
        kept = replace(
            definition,
            created=known.created,
            threads=threads,
            model=definition.model or known.model,
            embedding=definition.embedding or known.embedding,
            without=known.without,
            system=known.system,
            served=known.served,
            name=known.name,
        )
        return value if value and kept == known else _as_value(kept)

    return read(update(store, namespaces.AGENTS, definition.agent_id, merged).after)


def keep_model(store: BaseStore, agent_id: str, model: str) -> None:
    """Store the name of an agent's chat model, which has answered; a deleted agent stays deleted.

    Raises:
        WriteConflict: others wrote the definition before each attempt.
    """
    def changed(value: dict[str, Any] | None) -> dict[str, Any] | None:
        return _as_value(replace(read(value), model=model)) if value else None

    update(store, namespaces.AGENTS, agent_id, changed)


def change(store: BaseStore, agent_id: str, changed: Callable[[AgentDefinition], AgentDefinition]) -> AgentDefinition:
    """Change an agent's stored definition by a function of what is stored now; return what is stored then.

    Raises:
        AgentNotFound: there is no such agent. WriteConflict: others wrote it before each attempt.
    """

    def merged(value: dict[str, Any] | None) -> dict[str, Any]:
        if value is None:
            raise AgentNotFound(f"There is no agent {agent_id!r}.")
        return _as_value(changed(read(value)))

    return read(update(store, namespaces.AGENTS, agent_id, merged).after)


def load(store: BaseStore, agent_id: str) -> AgentDefinition | None:
    """Return the definition of an agent, or ``None`` if it was never stored."""
    item = store.get(namespaces.AGENTS, agent_id)
    return read(item.value) if item else None


def existing(store: BaseStore, agent_id: str, who: Identity | None = None) -> AgentDefinition:
    """Return the definition of an agent that there must be, and that ``who`` may change.

    Raises:
        AgentNotFound: there is no such agent, or it is somebody else's; if nobody has an identity, the message names those there are.
        NotAllowed: it may only be read.
    """
    check(store, who, agent_id)
    definition = load(store, agent_id)
    if definition is None and who is not None:
        raise unknown(agent_id)
    if definition is None:
        there = ", ".join(d.agent_id for d in every(store)) or "none"
        raise AgentNotFound(f"There is no agent {agent_id!r}. The agents are: {there}.")
    return definition


def conversation(agent_id: str, thread_id: str | None, known: AgentDefinition | None, who: Identity | None) -> str:
    """Return the thread that is meant: where an owner acts, one of this agent's, whatever the name means elsewhere.

    The agent's own thread and those that its definition knows are meant by their names, every other within the agent: ``<agent>~/<name>``.
    """
    if thread_id is None or who is None or thread_id == agent_id:
        return thread_id or agent_id
    own = f"{agent_id}~/"
    return thread_id if thread_id.startswith(own) or (known and thread_id in known.threads) else own + thread_id


def refuse_others_conversation(store: BaseStore, checkpointer: Checkpointer, agent_id: str) -> None:
    """Refuse a new agent whose conversation another agent has begun under its name: it would take what was said there for its own.

    An import may have brought one. Agents that are to share a conversation name it (``thread_id=``).

    Raises:
        AgentExists: there is such a conversation.
    """
    if checkpointer.get_tuple({"configurable": {"thread_id": agent_id}}) is None:
        return
    if others := [one.agent_id for one in every(store) if agent_id in one.threads and one.agent_id != agent_id]:
        raise AgentExists(
            f"There is a conversation {agent_id!r} already, of the agent {others[0]!r}. Choose another id for the new agent, or name a "
            "conversation for it (--thread, thread_id=)."
        )


def every(store: BaseStore) -> list[AgentDefinition]:
    """Return the definitions of all agents, oldest first."""
    return sorted((read(item.value) for item in all_items(store, namespaces.AGENTS)), key=lambda d: (d.created, d.agent_id))


def _as_value(definition: AgentDefinition) -> dict[str, Any]:
    return {**asdict(definition), **{name: list(getattr(definition, name)) for name in _LISTED}}


def read(value: dict[str, Any]) -> AgentDefinition:
    """Return the definition of a stored value."""
    given: dict[str, Any] = {**value, **{name: tuple(value[name]) for name in _LISTED if name in value}}
    return AgentDefinition(**given)
