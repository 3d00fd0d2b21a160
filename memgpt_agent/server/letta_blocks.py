"""Blocks in Letta's schema: an agent's own and shared ones, each with an id."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from memgpt_agent.memory.core import Block, CoreMemory
from memgpt_agent.memory.core.shared_blocks import SharedBlock, SharedBlocks
from memgpt_agent.memory.definitions import AgentDefinition
from memgpt_agent.server import ids
from memgpt_agent.server.open_agents import OpenAgents
from memgpt_agent.server.problems import not_found

LIMIT_CHARS = 100_000
"""The limit of a block for which a client names none. Source: the default of Letta's server 0.16."""
NOTES = ("metadata", "tags", "hidden", "template_name", "is_template", "preserve_on_migration", "project_id", "base_template_id")
"""What clients may keep with a block."""


class BlockPlace(NamedTuple):
    """Where a block is."""

    shared: SharedBlock | None
    """The shared block."""
    agent_id: str = ""
    """The agent whose own block it is."""
    label: str = ""
    """Its label there."""


def letta_block(block: Block, block_id: str) -> dict[str, Any]:
    """Return a block as clients see it."""
    usual: dict[str, Any] = {"metadata": {}, "tags": [], "is_template": False}
    notes: dict[str, Any] = {**dict.fromkeys(NOTES), **usual, **block.notes}
    return {
        "id": block_id, "label": block.label, "value": block.value, "limit": block.limit_chars, "description": block.description or None,
        "read_only": block.read_only, "created_by_id": None, "last_updated_by_id": None, **notes,
    }  # fmt: skip


def blocks_of(agents: OpenAgents, agent_id: str) -> list[dict[str, Any]]:
    """Return an agent's blocks in their order."""
    found = CoreMemory(agents.store, agent_id).with_ids(lambda label: own_id(agent_id, label))
    return [letta_block(block, letta_id(agents, block_id)) for block, block_id in found]


def letta_id(agents: OpenAgents, stored: str) -> str:
    """Return the id of a block as clients know it: without what its owner's blocks begin with, and fit to stand in a path."""
    short = stored.removeprefix(agents.who.agent_named("")) if agents.who else stored
    return ids.packed("block", "", short) if "/" in short else short


def own_id(agent_id: str, label: str) -> str:
    """Return the id of an agent's own block."""
    return ids.packed("block", agent_id, label)


def place_of(agents: OpenAgents, block_id: str) -> BlockPlace:
    """Return where the block of an id is.

    Raises:
        HTTPProblem: there is none.
    """
    parts = ids.unpacked("block", block_id)
    stored = [block_id, *([agents.who.agent_named(block_id)] if agents.who else []), *(parts[1:] if parts and not parts[0] else ())]
    shared = next((one for name in stored for one in _shared(agents, name)), None)
    if shared is not None:
        return BlockPlace(shared)
    if parts is not None and len(parts) == 2 and parts[0]:
        agents.definition(parts[0])
        if parts[1] in CoreMemory(agents.store, parts[0]):
            return BlockPlace(None, *parts)
    raise not_found("block", block_id)


def _shared(agents: OpenAgents, block_id: str) -> list[SharedBlock]:
    from memgpt_agent.errors import UnknownBlock

    try:
        return [SharedBlocks(agents.store, agents.who).get(block_id)]
    except UnknownBlock:
        return []


def every(agents: OpenAgents) -> list[dict[str, Any]]:
    """Return all blocks, shared ones first."""
    shared = [letta_block(one.block, letta_id(agents, one.id)) for one in SharedBlocks(agents.store, agents.who).all()]
    known = {one["id"] for one in shared}
    return [*shared, *(block for agent in agents.every() for block in blocks_of(agents, agent.agent_id) if block["id"] not in known)]


def block_at(agents: OpenAgents, block_id: str) -> dict[str, Any]:
    """Return the block of an id.

    Raises:
        HTTPProblem: there is none.
    """
    place = place_of(agents, block_id)
    block = place.shared.block if place.shared else CoreMemory(agents.store, place.agent_id).block(place.label)
    return letta_block(block, block_id)


def holders(agents: OpenAgents, block_id: str) -> list[AgentDefinition]:
    """Return the agents that have a block."""
    place = place_of(agents, block_id)
    names = [one.agent_id for one in place.shared.attached] if place.shared else [place.agent_id]
    return [agents.definition(name) for name in names]


def create(agents: OpenAgents, given: Mapping[str, Any]) -> dict[str, Any]:
    """Make a block that stands by itself; return it as clients see it."""
    name = ids.new("block")
    who = agents.who
    made = SharedBlocks(agents.store, who).create(new_block(given), who.agent_named(name) if who and not who.is_admin else name)
    return letta_block(made.block, letta_id(agents, made.id))


def new_block(given: Mapping[str, Any]) -> Block:
    """Return the block of a client's fields."""
    notes = {name: given[name] for name in NOTES if given.get(name) is not None}
    return Block(
        given["label"], given.get("value") or "", given.get("description") or "",
        LIMIT_CHARS if given.get("limit") is None else given["limit"], bool(given.get("read_only")), notes=notes,
    )  # fmt: skip


def change(agents: OpenAgents, block_id: str, given: Mapping[str, Any]) -> str:
    """Change a block by a client's fields; return its id, which a new label does not change.

    Raises:
        HTTPProblem: there is no such block.
        CoreMemoryFull: its text is longer than its limit; nothing was changed.
    """
    place = place_of(agents, block_id)
    label = given.get("label")
    if place.shared is None:
        core = agents.core(place.agent_id)
        if label is None or label == place.label:
            _change_own(core, place.label, given)
            return block_id
        core.share(place.label, block_id)
        place = place_of(agents, block_id)
    shelf = SharedBlocks(agents.store, agents.who)
    stored = place.shared.id if place.shared else block_id
    for holder in shelf.get(stored).attached:
        agents.writable(holder.agent_id)
    known = shelf.get(stored).block
    fields = _fields(known, given)
    if "value" in given and given["value"] is not None:
        _check(known, given)
        if len(given["value"]) > known.limit_chars:
            shelf.describe(stored, **fields)
            fields = {}
        shelf.overwrite(stored, given["value"])
    shelf.describe(stored, label=label, **fields)
    for holder in shelf.get(stored).attached if label else ():
        core = agents.core(holder.agent_id)
        core.detach(holder.label)
        core.attach(stored, label, read_only=holder.read_only)
    return block_id


def _change_own(core: CoreMemory, label: str, given: Mapping[str, Any]) -> None:
    known = core.block(label)
    fields = _fields(known, given)
    value = given.get("value")
    _check(known, given)
    if value is not None and len(value) > known.limit_chars:
        core.describe(label, **fields)
        fields = {}
    if value is not None and value != known.value:
        core.overwrite(label, value)
    if fields:
        core.describe(label, **fields)


def _check(known: Block, given: Mapping[str, Any]) -> None:
    from memgpt_agent.memory.core.block_store import check_size

    limit = known.limit_chars if given.get("limit") is None else given["limit"]
    check_size(known.label, known.value if given.get("value") is None else given["value"], limit)


def _fields(known: Block, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what changes beside the text and the label."""
    notes = {name: given[name] for name in NOTES if name in given and given[name] is not None}
    fields = {
        "description": given.get("description"), "limit_chars": given.get("limit"), "read_only": given.get("read_only"),
        "notes": {**known.notes, **notes} if notes else None,
    }  # fmt: skip
    return {name: value for name, value in fields.items() if value is not None}
