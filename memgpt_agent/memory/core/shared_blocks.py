"""Shared blocks: which agents have one, attaching it and detaching it."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

from langgraph.store.base import BaseStore, GetOp, Item, PutOp

from memgpt_agent.errors import BlockExists, BlockInUse, ToolError, UnknownBlock
from memgpt_agent.events import Clock, utc_now
from memgpt_agent.memory import namespaces
from memgpt_agent.memory.core.block_store import (
    BlockStore,
    StoredBlock,
    attached,
    check_new,
    check_room,
    check_size,
    describe,
    newest_revision,
)
from memgpt_agent.memory.core.blocks import Block, Cause
from memgpt_agent.memory.core.history import BlockHistory, Trail, Version, first_trail
from memgpt_agent.memory.dates import stamp
from memgpt_agent.owners import Identity, Walls
from memgpt_agent.store.plain import all_items, put_if
from memgpt_agent.store.update import until_written, update

MAX_ATTACHED = 500
"""A shared block is attached to at most this many agents: each edit writes the list of them with it."""
_PAGE = 500


@dataclass(frozen=True)
class Attachment:
    """That an agent has a shared block."""

    agent_id: str
    """The agent."""
    label: str
    """The block's label in it."""
    read_only: bool = False
    """Whether this agent may only read it."""


@dataclass(frozen=True)
class SharedBlock:
    """A block that agents can attach."""

    id: str
    """The id with which agents attach it."""
    block: Block
    """The block as it is now, under its original label."""
    attached: tuple[Attachment, ...]
    """The agents that have it."""


class SharedBlocks:
    """The shared blocks of a store; where an owner acts (``who``), those of the agents that the owner may use, and the owner's own."""

    def __init__(self, store: BaseStore, who: Identity | None = None, clock: Clock = utc_now) -> None:
        self._store, self._who, self._clock = store, who, clock
        self._history = BlockHistory(store, "-")  # of shared blocks only, which lie under no agent

    def all(self) -> list[SharedBlock]:
        """Return all shared blocks with their agents, by id."""
        found = sorted(all_items(self._store, namespaces.BLOCKS), key=lambda item: item.key)
        seen = (self._seen(item.key, item.value) for item in found if "attached" in item.value)
        return [block for block in seen if block is not None]

    def get(self, block_id: str) -> SharedBlock:
        """Return one shared block.

        Raises:
            UnknownBlock: there is none of this id, or it is others'; if nobody has an identity, the message names those there are.
        """
        found = self._seen(block_id, _known(self._store, block_id, self._who))
        if found is None:
            raise _unknown(block_id)
        return found

    def create(self, block: Block, block_id: str | None = None) -> SharedBlock:
        """Store a new shared block that no agent has yet.

        Raises:
            BlockExists: there is a shared block of this id. CoreMemoryFull: its text is longer than its limit.
            ToolError: its label cannot be one.
        """
        check_new([block])
        new = block_id or f"block-{uuid.uuid4()}"
        namespaces.encode_label(new)  # refuses what cannot be an id
        made = Version(block.label, 1, block.value, stamp(self._clock()), tool="create", act=uuid.uuid4().hex, revision=1, block=new)
        value = {
            **block.as_value(), "version": 1, "updated_at": made.time, "causes": [made.act],
            "trail": first_trail(made, undoable=False).as_value(), "attached": {},
        }  # fmt: skip
        if not put_if(self._store, namespaces.BLOCKS, new, value, expected=None, index=False):
            raise BlockExists(f"There is a shared block {new!r} already; choose another id.")
        self._history.record(made)
        return self.get(new)

    def overwrite(self, block_id: str, value: str) -> SharedBlock:
        """Make ``value`` the whole text of a shared block, read-only or not: this is the owner's way, not an agent's.

        Raises:
            UnknownBlock: there is none of this id. CoreMemoryFull: the text is longer than the block's limit.
        """

        def attempt() -> bool | None:
            known = _known(self._store, block_id)
            check_size(known["label"], value, known["limit_chars"])
            trail = Trail.from_value(known)
            last = trail.last
            made = Version(
                last.label, last.version + 1, value, max(stamp(self._clock()), last.time), tool="overwrite", act=uuid.uuid4().hex,
                revision=last.revision + 1, block=block_id,
            )  # fmt: skip
            self._history.record(last)
            text = {"value": value, "version": made.version, "updated_at": made.time, "trail": trail.edit(made).as_value()}
            if not put_if(self._store, namespaces.BLOCKS, block_id, {**known, **text}, expected=known, index=False):
                return None
            self._history.record(made)
            return True

        until_written(f"block {block_id!r}", attempt)
        return self.get(block_id)

    def describe(
        self, block_id: str, *, label: str | None = None, description: str | None = None, limit_chars: int | None = None,
        read_only: bool | None = None, notes: Mapping[str, Any] | None = None,
    ) -> SharedBlock:  # fmt: skip
        """Change a shared block's fields other than its text, for all who have it; ``None`` leaves a field as it is.

        A new label holds where the block is attached from then on.

        Raises:
            UnknownBlock: there is none of this id. CoreMemoryFull: its text is longer than the new limit.
        """
        kept = dict(notes) if notes is not None else None
        fields = {"label": label, "description": description, "limit_chars": limit_chars, "read_only": read_only, "notes": kept}
        _known(self._store, block_id)
        describe(self._store, namespaces.BLOCKS, block_id, **fields)
        return self.get(block_id)

    def delete(self, block_id: str) -> None:
        """Delete a shared block that nobody has, with its history. This cannot be undone.

        Raises:
            UnknownBlock: there is none of this id, or it is others'. BlockInUse: agents have it; the message names them.
        """
        self.get(block_id)

        def marked(value: dict[str, Any] | None) -> dict[str, Any]:
            if holders := self._holders(block_id, _listed(self._store, block_id, value)):
                named = self._may_see(holders)
                names = ", ".join([f"{a.agent_id!r} (as {a.label!r})" for a in named] + ["others"] * (len(named) < len(holders)))
                raise BlockInUse(f"The shared block {block_id!r} is attached to {names}. Detach it there first.")
            return {"deleted": True}  # from here on nobody can attach it; a crash leaves a mark that is nobody's block

        update(self._store, namespaces.BLOCKS, block_id, marked)
        _forget(self._store, block_id)

    def _seen(self, block_id: str, value: Mapping[str, Any]) -> SharedBlock | None:
        """Return a block with those of its agents that the actor may see; ``None`` if it belongs to others."""
        holders = self._may_see(self._holders(block_id, value))
        if not holders and self._who is not None and not (self._who.is_admin or self._who.has(block_id)):
            return None
        return SharedBlock(block_id, Block.from_value(value), tuple(holders))

    def _may_see(self, holders: list[Attachment]) -> list[Attachment]:
        seen = Walls(self._store, self._who, "").reach((one.agent_id for one in holders), "read")
        return [one for one in holders if one.agent_id in seen]

    def _holders(self, block_id: str, value: Mapping[str, Any]) -> list[Attachment]:
        """The block's list may still name a deleted agent, which no longer has the block."""
        listed = cast(Mapping[str, Mapping[str, Any]], value["attached"])
        reads = [GetOp(namespaces.of(agent, "core"), str(entry["label"])) for agent, entry in listed.items()]
        found = cast(list[Item | None], self._store.batch(reads)) if reads else []
        return [
            Attachment(agent, str(entry["label"]), bool(entry["read_only"]))
            for (agent, entry), own in zip(listed.items(), found, strict=True)
            if own is not None and own.value.get("shared") == block_id
        ]


class Sharing:
    """How one agent shares, attaches and detaches blocks; see ``CoreMemory``, which offers it.

    What an agent has under the label is written first, the block's list after it: only both together are an
    attachment, so a crash between them leaves none, and doing it again completes it.
    """

    def __init__(
        self, store: BaseStore, agent_id: str, blocks: BlockStore, history: BlockHistory, walls: Walls | None = None
    ) -> None:
        self._store, self._agent_id, self._blocks, self._history = store, agent_id, blocks, history
        self._walls = walls or Walls(store, None, agent_id)

    def share(self, label: str, block_id: str | None, cause: Cause) -> str:
        """Turn a block of the agent's own into a shared one; return its id."""
        who = self._walls.who
        if block_id and who is not None and not who.is_admin and not who.has(block_id):
            block_id = who.agent_named(block_id)

        def attempt() -> str | None:
            old = self._blocks.get(label)
            if old.shared:
                return old.shared
            new = block_id or f"block-{uuid.uuid4().hex[:12]}"
            self._publish(old, new)
            if self._stand_aside(label, old.order, old, new, cause):
                return new
            _forget(self._store, new)  # it was edited in between: what was published is not the newest
            return None

        return until_written(f"block {label!r}", attempt)

    def _publish(self, old: StoredBlock, block_id: str) -> None:
        """Store a shared block with the history of an agent's own block, whose versions all came from this agent."""
        last = replace(old.trail.last, agent=self._agent_id, block=block_id)
        value = {name: item for name, item in old.value.items() if name != "order"}
        value |= {
            "trail": replace(old.trail, last=last).as_value(),
            "attached": {self._agent_id: {"label": old.label, "read_only": False}},
        }
        namespaces.encode_label(block_id)  # refuses what cannot be an id
        if not put_if(self._store, namespaces.BLOCKS, block_id, value, expected=None, index=False):
            raise BlockExists(f"There is a shared block {block_id!r} already; attach it, or choose another id.")
        for first in range(1, last.version + 1, _PAGE):
            page = self._history.get(old.trail.last, range(first, min(first + _PAGE, last.version + 1)))
            self._history.record_all([replace(version, agent=self._agent_id, block=block_id) for version in page])

    def attach(self, block_id: str, label: str | None, cause: Cause, *, read_only: bool) -> Block:
        """Take a shared block into the agent's core memory, or change how it is attached."""
        known = _known(self._store, block_id, self._walls.who)
        self._check_giving(block_id, known["attached"], read_only=read_only)
        name = label or str(known["label"])
        until_written(f"block {name!r}", lambda: self._prepared(block_id, name, cause) or None)
        try:
            self._enter(block_id, {"label": name, "read_only": read_only})
        except ToolError:
            self._free_label(block_id, name)
            raise
        return self._blocks.get(name).block

    def _check_giving(self, block_id: str, attached: Mapping[str, Mapping[str, Any]], *, read_only: bool) -> None:
        """Refuse a block that the actor may use in no agent, or may only read. Without owners, any block may go to any agent."""
        who = self._walls.who
        giving = Walls(self._store, who, "")
        if giving.unlimited or (who is not None and who.has(block_id)):
            return
        reached = giving.reach(attached, "read" if read_only else "write")
        if not any(read_only or not attached[agent]["read_only"] for agent in reached):
            raise _unknown(block_id)

    def _prepared(self, block_id: str, label: str, cause: Cause) -> bool:
        """Have the agent's item of a label name a shared block; return whether it does."""
        if not label or len(label) > namespaces.MAX_ID_CHARS:
            raise ToolError(f"A block needs a label of 1 to {namespaces.MAX_ID_CHARS} characters; got {label[:60]!r}.")
        stored = self._blocks.read()
        here = next((s for s in stored if s.shared == block_id), None)
        if here is not None:
            if here.label == label:
                return True
            raise BlockExists(
                f"This agent has the shared block {block_id!r} already, as {here.label!r}; detach it first."
            )
        if any(s.label == label and not s.deleted for s in stored):
            raise BlockExists(f"This agent has a block {label!r} already; attach {block_id!r} under another label.")
        check_room([label], stored)
        old = self._blocks.own(label)
        if old is not None and old.value.get("shared") == block_id:
            return True  # a crash cut it off here
        order = old.order if old else 1 + max((s.order for s in stored), default=-1)
        return self._stand_aside(label, order, old, block_id, cause)

    def _stand_aside(self, label: str, order: int, old: StoredBlock | None, block_id: str, cause: Cause) -> bool:
        """End the agent's own block, if there is one, and name the shared one in its place."""
        block = replace(old.block, value="") if old else Block(label)
        return self._blocks.write(block, self._next(label, old, None, cause), order, old, shared=block_id)

    def _next(self, label: str, old: StoredBlock | None, text: str | None, cause: Cause) -> Trail:
        """The agent's own history continues with its own numbers; undo cannot go back before this point."""
        cause = replace(cause, key=cause.key or uuid.uuid4().hex)
        revision = 1 + newest_revision(self._blocks.read())
        made = self._blocks.version(old.trail.last if old else None, label, text or "", cause, revision)
        return first_trail(replace(made, deleted=text is None), undoable=False)

    def _enter(self, block_id: str, entry: dict[str, Any] | None) -> None:
        """Record in a shared block's list how this agent has it, or that it does not."""

        def entered(value: dict[str, Any] | None) -> dict[str, Any]:
            known = _listed(self._store, block_id, value)
            listed = {agent: one for agent, one in known["attached"].items() if agent != self._agent_id}
            if entry is not None:
                listed[self._agent_id] = entry
                self._check_holders(block_id, listed)
            return {**known, "attached": listed}

        update(self._store, namespaces.BLOCKS, block_id, entered)

    def _check_holders(self, block_id: str, listed: Mapping[str, Any]) -> None:
        if len(listed) > MAX_ATTACHED:
            raise ToolError(
                f"The shared block {block_id!r} would be attached to {len(listed)} agents; the limit is {MAX_ATTACHED}."
            )

    def _free_label(self, block_id: str, label: str) -> None:
        """Free a label whose shared block could not be attached, unless it was attached before."""
        old = self._blocks.own(label)
        attached_now = any(s.shared == block_id for s in self._blocks.read())
        if old is not None and not attached_now and old.value.get("shared") == block_id:
            self._blocks.write(old.block, old.trail, old.order, old)

    def detach(self, label: str, cause: Cause, *, keep_copy: bool) -> Block | None:
        """Take a shared block out of the agent's core memory."""

        def attempt() -> StoredBlock | None:
            now, old = self._blocks.get(label), self._blocks.own(label)
            if not now.shared or old is None:
                raise ToolError(f"The block {label!r} is the agent's own, not shared; delete it if it is to go.")
            block = replace(now.block, read_only=bool(now.value["read_only"])) if keep_copy else old.block
            trail = self._next(label, old, now.block.value if keep_copy else None, cause)
            return now if self._blocks.write(block, trail, old.order, old) else None

        self._enter(until_written(f"block {label!r}", attempt).shared, None)
        return self._blocks.get(label).block if keep_copy else None


def as_own(store: BaseStore, agent_id: str, item: Item) -> dict[str, Any]:
    """Return the value of an agent's core memory item as it is without any sharing: a shared block's text as its own.

    The result is the same each time, so that an export can be repeated.
    """
    block_id = item.value.get("shared")
    if block_id is None:
        return item.value
    own = {name: value for name, value in item.value.items() if name != "shared"}
    stored = attached(item, store.get(namespaces.BLOCKS, block_id), agent_id)
    if not stored.shared:
        return own
    before, last = Trail.from_value(item.value).last, stored.trail.last
    made = Version(
        item.key, before.version + 1, last.value, max(before.time, last.time), last.actor, "detach", "", last.turn, last.act,
        max(before.revision + 1, last.revision),
    )  # fmt: skip
    block = replace(stored.block, version=made.version, updated_at=made.time, read_only=stored.value["read_only"])
    return {**own, **block.as_value(), "trail": first_trail(made, undoable=False).as_value()}


def _unknown(block_id: str) -> UnknownBlock:
    return UnknownBlock(f"There is no shared block {block_id!r} that you may use.")


def _known(store: BaseStore, block_id: str, who: Identity | None = None) -> dict[str, Any]:
    item = store.get(namespaces.BLOCKS, block_id)
    if who is not None and (item is None or "attached" not in item.value):
        raise _unknown(block_id)
    return _listed(store, block_id, item.value if item else None)


def _listed(store: BaseStore, block_id: str, value: dict[str, Any] | None) -> dict[str, Any]:
    """Return the value of a shared block; refuse anything else."""
    if value is None or "attached" not in value:
        known = ", ".join(repr(found.key) for found in store.search(namespaces.BLOCKS, limit=20)) or "none"
        raise UnknownBlock(f"There is no shared block {block_id!r}. The shared blocks are: {known}.")
    return value


def _forget(store: BaseStore, block_id: str) -> None:
    """Delete a shared block and its versions; the block's item last, so that a crash leaves no history without it."""
    place = namespaces.block_history(block_id)
    while items := store.search(place, limit=_PAGE):
        store.batch([PutOp(place, item.key, None) for item in items])
    store.delete(namespaces.BLOCKS, block_id)
