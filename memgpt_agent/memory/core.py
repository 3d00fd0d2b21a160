"""Core memory: blocks of text that are always in main context, edited exactly and written through to the store."""

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from langgraph.store.base import BaseStore, Item, PutOp, SearchOp

from memgpt_agent.errors import (
    BlockExists,
    BlockReadOnly,
    CoreMemoryFull,
    StoreError,
    TextNotFound,
    TextNotUnique,
    ToolError,
    UnknownBlock,
)
from memgpt_agent.events import Clock, utc_now
from memgpt_agent.memory import namespaces
from memgpt_agent.memory.dates import stamp
from memgpt_agent.memory.search import put_if

DEFAULT_LIMIT_CHARS = 2_000
MAX_BLOCKS = 100
_KEPT_CAUSES = 64
"""A block remembers this many of the causes of its last edits, so that an edit done again is recognised."""
_MAX_ATTEMPTS = 50
"""Times that an edit is tried anew because somebody else edited the block in between."""


@dataclass(frozen=True)
class Block:
    """One labelled block of core memory."""

    label: str
    """Its name, unique within the agent."""
    value: str = ""
    """Its text."""
    description: str = ""
    """What it is for; the model reads it."""
    limit_chars: int = DEFAULT_LIMIT_CHARS
    """The most characters that its value may have."""
    read_only: bool = False
    """Whether the agent's tools may not edit it."""
    version: int = 0
    """How often it was written; 0 before the first time."""
    updated_at: str = ""
    """When it was last written, ISO 8601, UTC."""
    causes: tuple[str, ...] = ()
    """The causes of its last edits, oldest first."""

    def as_value(self) -> dict[str, Any]:
        """Return the block as it is stored."""
        return {**self.__dict__, "causes": list(self.causes)}

    @classmethod
    def from_value(cls, value: Mapping[str, Any]) -> "Block":
        """Return the block that was stored."""
        fields: dict[str, Any] = {**value, "causes": tuple(value.get("causes", ()))}
        return cls(**fields)


@dataclass(frozen=True)
class Cause:
    """Why a block is written: who does it, by what, and the key by which the same act is recognised again."""

    key: str = ""
    """The same key again means the same act; it is not done twice. Empty: a new act."""
    actor: str = "user"
    """``agent``, ``user``, ``sleeptime``, ``import`` or another agent's id."""
    tool: str = ""
    """The tool or method that does it."""
    thinking: str = ""
    """The inner thoughts that came with the call."""
    turn: str = ""
    """The id of the event in whose turn it happens."""


PERSONA_DESCRIPTION = "Who you are: your name, character and how you speak. Keep to it; refine it as you learn who you are."
HUMAN_DESCRIPTION = "What you know about the person you talk with: name, work, family, tastes, plans. Keep it current."
SYSTEM_DESCRIPTION = "Standing instructions that were added for you. Follow them."


def default_blocks(persona: str | None = None, human: str | None = None) -> list[Block]:
    """Return the two blocks that an agent has unless told otherwise, ``persona`` and ``human``."""
    return [
        Block("persona", persona if persona is not None else "I am a helpful assistant with a long memory.", PERSONA_DESCRIPTION),
        Block("human", human or "", HUMAN_DESCRIPTION),
    ]


class CoreMemory(Mapping[str, str]):
    """The blocks of one agent, over a store; also a mapping of label to text, read anew at each look.

    Every edit is one compare-and-set: of two that edit a block at once, both edits stay. An edit whose cause was
    already applied changes nothing and returns the same block. Each version is kept (see ``history``).
    """

    def __init__(self, store: BaseStore, agent_id: str, clock: Clock = utc_now) -> None:
        self._store = store
        self._agent_id = agent_id
        self._clock = clock
        self._namespace = namespaces.core(agent_id)

    def __getitem__(self, label: str) -> str:
        return self.block(label).value

    def __iter__(self) -> Iterator[str]:
        return iter([block.label for block in self.blocks()])

    def __len__(self) -> int:
        return len(self.blocks())

    def __repr__(self) -> str:
        return f"CoreMemory({dict(self)!r})"

    def blocks(self) -> list[Block]:
        """Return all blocks in the order in which they were made."""
        return self.parse(self._store.batch([self.read_operation()])[0])

    def read_operation(self) -> SearchOp:
        """Return the store operation that reads all blocks, for a batch with others; :meth:`parse` takes its result."""
        return SearchOp(self._namespace, limit=MAX_BLOCKS)

    @staticmethod
    def parse(result: Any) -> list[Block]:
        """Return the blocks that a :meth:`read_operation` found."""
        # not by created_at alone: InMemoryStore sets it anew at each write
        items = sorted(cast(list[Item], result), key=lambda item: (item.value["order"], item.created_at))
        return [Block.from_value({k: v for k, v in item.value.items() if k != "order"}) for item in items]

    def block(self, label: str) -> Block:
        """Return one block.

        Raises:
            UnknownBlock: there is none with this label; the message names those there are.
        """
        item = self._store.get(self._namespace, label)
        if item is None:
            known = ", ".join(repr(b.label) for b in self.blocks()) or "none"
            raise UnknownBlock(f"There is no core memory block {label!r}. The blocks are: {known}.")
        return Block.from_value({k: v for k, v in item.value.items() if k != "order"})

    def create(self, blocks: Sequence[Block], cause: Cause = Cause(), *, keep_existing: bool = False) -> None:
        """Store new blocks.

        Raises:
            BlockExists: a label is taken, unless ``keep_existing`` says that what is stored wins.
            CoreMemoryFull: a block's text is longer than its limit; none of the blocks is stored.
        """
        for block in blocks:
            _check_size(block.label, block.value, block.limit_chars)
            if not block.label or len(block.label) > namespaces.MAX_ID_CHARS or block.limit_chars < 1:
                raise ToolError(f"A block needs a label and a limit of one character or more; got {block.label!r}, {block.limit_chars}.")
        stored_items = cast(list[Item], self._store.batch([self.read_operation()])[0])
        taken = 1 + max((int(item.value["order"]) for item in stored_items), default=-1)
        for order, block in enumerate(blocks, start=taken):
            stored = self._next(block, block.value, cause)
            if put_if(self._store, self._namespace, block.label, {**stored.as_value(), "order": order}, expected=None, index=False):
                self._record(stored, cause)
            elif not keep_existing:
                raise BlockExists(f"There is a core memory block {block.label!r} already; edit it, or choose another label.")

    def append(self, label: str, content: str, cause: Cause = Cause()) -> Block:
        """Add ``content`` as a new line at the end of a block; return the block as it is now.

        Raises:
            UnknownBlock, BlockReadOnly, CoreMemoryFull: nothing was changed.
        """
        return self.edit(label, lambda value: f"{value}\n{content}" if value else content, cause)

    def replace(self, label: str, old_content: str, new_content: str, cause: Cause = Cause()) -> Block:
        """Put ``new_content`` where ``old_content`` stands, exactly once, in a block; empty text deletes.

        Raises:
            UnknownBlock, BlockReadOnly, CoreMemoryFull, TextNotFound, TextNotUnique: nothing was changed.
        """

        def exchanged(value: str) -> str:
            times = value.count(old_content) if old_content else 0
            if times == 0:
                raise TextNotFound(
                    f"{old_content!r} does not stand in block {label!r}. Copy the old text exactly as it is there: {value!r}."
                )
            if times > 1:
                raise TextNotUnique(f"{old_content!r} stands {times} times in block {label!r}. Give more of the text around it.")
            return value.replace(old_content, new_content)

        return self.edit(label, exchanged, cause)

    def overwrite(self, label: str, value: str, cause: Cause = Cause()) -> Block:
        """Make ``value`` the whole text of a block, read-only or not: this is the owner's way, not the agent's."""
        return self.edit(label, lambda _: value, cause, may_edit_read_only=True)

    def edit(
        self, label: str, change: Callable[[str], str], cause: Cause = Cause(), *, may_edit_read_only: bool = False
    ) -> Block:
        """Change a block's text by a function of what is there now; return the block as it is then."""
        for _ in range(_MAX_ATTEMPTS):
            item = self._store.get(self._namespace, label)
            block = self.block(label)
            if item is None or block.version != item.value["version"]:
                continue
            if cause.key and cause.key in block.causes:
                self._record(block, cause)
                return block
            if block.read_only and not may_edit_read_only:
                raise BlockReadOnly(f"The core memory block {label!r} is read-only. Keep what you have to note in another block.")
            value = change(block.value)
            _check_size(label, value, block.limit_chars)
            edited = self._next(block, value, cause)
            written = {**edited.as_value(), "order": item.value["order"]}
            if put_if(self._store, self._namespace, label, written, expected=item.value, index=False):
                self._record(edited, cause)
                return edited
        raise StoreError(f"Block {label!r} changed {_MAX_ATTEMPTS} times while it was being edited; try again.")

    def delete(self, label: str) -> None:
        """Take a block out of core memory; its versions stay in the history.

        Raises:
            UnknownBlock: there is none with this label.
        """
        self.block(label)
        self._store.delete(self._namespace, label)

    def history(self, label: str | None = None) -> list[dict[str, Any]]:
        """Return every version of a block (of all blocks, if none is named), oldest first, with its cause."""
        condition = {"label": label} if label else None
        found: list[Item] = []
        while page := self._store.search(namespaces.core_history(self._agent_id), filter=condition, limit=500, offset=len(found)):
            found.extend(page)
        return sorted((item.value for item in found), key=lambda v: (v["time"], v["label"], v["version"]))

    def _next(self, block: Block, value: str, cause: Cause) -> Block:
        causes = (*block.causes, cause.key or uuid.uuid4().hex)[-_KEPT_CAUSES:]
        return replace(block, value=value, version=block.version + 1, updated_at=stamp(self._clock()), causes=causes)

    def _record(self, block: Block, cause: Cause) -> None:
        entry = {
            "label": block.label, "version": block.version, "value": block.value, "time": block.updated_at,
            "actor": cause.actor, "tool": cause.tool, "thinking": cause.thinking, "turn": cause.turn,
        }  # fmt: skip
        key = f"{block.label}:{block.version:08d}"
        self._store.batch([PutOp(namespaces.core_history(self._agent_id), key, entry, index=False)])


def _check_size(label: str, value: str, limit_chars: int) -> None:
    if len(value) > limit_chars:
        raise CoreMemoryFull(
            f"Block {label!r} would hold {len(value):,} characters; its limit is {limit_chars:,}. "
            "Shorten the text, or move detail to archival memory."
        )


