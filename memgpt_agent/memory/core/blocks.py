"""The values of core memory: a block, the cause of a write, the default blocks, and edits of a text."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from memgpt_agent.errors import InvalidArguments, TextNotFound, TextNotUnique
from memgpt_agent.memory.namespaces import read_as

DEFAULT_LIMIT_CHARS = 2_000
MAX_BLOCK_CHARS = 1_000_000
"""The highest limit of a block. A block is in every prompt."""
MAX_DESCRIPTION_CHARS = 10_000
"""Of a block's description, which is in every prompt as well."""


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
    notes: dict[str, Any] = field(default_factory=dict[str, Any], compare=False)
    """What a client keeps with it that the model does not see, such as tags."""

    def as_value(self) -> dict[str, Any]:
        """Return the block as it is stored."""
        value = {**self.__dict__, "causes": list(self.causes)}
        return value if self.notes else {name: one for name, one in value.items() if name != "notes"}

    @classmethod
    def from_value(cls, value: Mapping[str, Any]) -> "Block":
        """Return the stored block, without other fields stored with it."""
        return read_as(cls, value)


@dataclass(frozen=True)
class Cause:
    """The cause of a write: the actor, the tool, and a key that identifies the act."""

    key: str = ""
    """The same key means the same act, which is not repeated. Empty: a new act."""
    actor: str = "user"
    """``agent``, ``user``, ``sleeptime``, ``import`` or another agent's id."""
    tool: str = ""
    """The tool or method."""
    thinking: str = ""
    """The inner thoughts that came with the call."""
    turn: str = ""
    """The id of the event of the turn."""


BY_USER = Cause()
"""A new act of the user's."""
MAKING = frozenset({"create", "import"})
"""The ``Cause.tool`` of an agent's first blocks. A block's history begins there: it cannot be undone."""

PERSONA_DESCRIPTION = (
    "Who you are: your name, character and how you speak. Keep to it; refine it as you learn who you are."
)
HUMAN_DESCRIPTION = "What you know about the person you talk with: name, work, family, tastes, plans. Keep it current."
SYSTEM_DESCRIPTION = "Standing instructions that were added for you. Follow them."


def default_blocks(persona: str | None = None, human: str | None = None) -> list[Block]:
    """Return the two default blocks, ``persona`` and ``human``."""
    return [
        Block(
            "persona",
            persona if persona is not None else "I am a helpful assistant with a long memory.",
            PERSONA_DESCRIPTION,
        ),
        Block("human", human or "", HUMAN_DESCRIPTION),
    ]


_COPIED_NUMBER = re.compile(r"^[ \t]*(?:\d+[ \t]*→|Line \d+:)", re.MULTILINE)


def refuse_numbers(name: str, text: str) -> None:
    """Refuse text in which line numbers were copied from the numbered view.

    Raises:
        InvalidArguments: a line of it begins as ``3→`` or ``Line 3:``.
    """
    found = _COPIED_NUMBER.search(text)
    if found:
        raise InvalidArguments(
            f"{name} begins a line with {found[0].strip()!r}. Line numbers are only in your view and not in the text; "
            "leave them out and give the text alone."
        )


def replaced(label: str, value: str, old: str, new: str) -> str:
    """Return ``value`` with ``new`` where ``old`` stands.

    Raises:
        InvalidArguments: ``old`` is nowhere to be found and has line numbers copied from the view.
        TextNotFound: it stands nowhere.
        TextNotUnique: it stands there more than once; the message names the lines.
    """
    places = _places(value, old)
    if not places:
        refuse_numbers("The old text", old)
        raise TextNotFound(
            f"{old!r} does not stand in block {label!r}. Copy the old text exactly as it is there: {value!r}."
        )
    if len(places) > 1:
        lines = ", ".join(str(value.count("\n", 0, place) + 1) for place in places[:20])
        raise TextNotUnique(
            f"{old!r} stands {len(places)} times in block {label!r}, in lines {lines}. Give more of the text around it."
        )
    return value[: places[0]] + new + value[places[0] + len(old) :]


def inserted(label: str, value: str, new: str, line: int) -> str:
    """Return ``value`` with ``new`` as lines of its own: at the end (-1), at the top (0), or after line ``line``.

    Raises:
        InvalidArguments: there is no such line.
    """
    lines = value.split("\n") if value else []
    if not -1 <= line <= len(lines):
        raise InvalidArguments(
            f"insert_line = {line}: block {label!r} has {len(lines)} lines. Give -1 for the end, 0 for the top, "
            f"or the number of the line after which to insert, up to {len(lines)}."
        )
    place = len(lines) if line == -1 else line
    return "\n".join([*lines[:place], new, *lines[place:]])


def _places(value: str, old: str) -> list[int]:
    """Where ``old`` begins in ``value``, also where two of its places overlap."""
    places: list[int] = []
    place = value.find(old) if old else -1
    while place >= 0:
        places.append(place)
        place = value.find(old, place + 1)
    return places
