"""What is stored of an agent in items for which its memory has no class of their own, as far as it is read again."""

from dataclasses import dataclass, field
from typing import Any

from memgpt_agent.memory.core import Block
from memgpt_agent.memory.files.open_files import FileView
from memgpt_agent.memory.recall import Message, Role
from memgpt_agent.memory.tasks import Task
from memgpt_agent.memory.waking import Letter

Texts = tuple[str, ...]


@dataclass(frozen=True)
class BlockItem(Block):
    """A block with its place among the others and in its history; of a shared one with its id."""

    label: str = field(kw_only=True)
    value: str = field(kw_only=True)
    version: int = field(kw_only=True)
    updated_at: str = field(kw_only=True)
    causes: Texts = field(kw_only=True)
    order: int = field(kw_only=True)
    trail: "TrailItem | None" = None
    shared: str = ""


@dataclass(frozen=True)
class TrailItem:
    """Where a block stands in its history."""

    last: dict[str, Any] = field(default_factory=dict[str, Any])
    at: tuple[int, int, str] = (0, 0, "")
    redo: tuple[tuple[int, int, str], ...] = ()
    edited: int = 0


@dataclass(frozen=True)
class VersionItem:
    """A version of a block, the fields without which it cannot be found."""

    label: str
    version: int
    value: str
    time: str
    turn: str
    revision: int = 0


@dataclass(frozen=True)
class MessageItem(Message):
    """A message with the texts by which it is searched."""

    indexed: str | Texts = ""
    beside: str = ""


@dataclass(frozen=True)
class TaskItem:
    """All tasks of an agent."""

    next: int
    open: tuple[Task, ...]
    leaving: tuple[Task, ...]
    closed: tuple[Task, ...]
    causes: Texts


@dataclass(frozen=True)
class ViewsItem:
    """The files that are open."""

    views: tuple[FileView, ...]


@dataclass(frozen=True)
class DataItem:
    """A piece of what a user sent, in base64."""

    data: str


@dataclass(frozen=True)
class LinesItem:
    """A page of a file's text."""

    lines: Texts


@dataclass(frozen=True)
class PageItem:
    """The messages of a page of the queue."""

    thread: str
    page: int
    ids: Texts


@dataclass(frozen=True)
class HeadItem:
    """The running session of a conversation."""

    session: str
    until: str


@dataclass(frozen=True)
class ForgottenItem:
    """What is kept of what was forgotten: the secret of the hashes, that there was a message, or the record of an act."""

    secret: str = ""
    role: Role = "tool"
    time: str = ""
    thread_id: str = ""
    turn: str = ""
    checkpoint: str = ""
    spoken: bool = False
    actor: str = ""
    erased: dict[str, int] = field(default_factory=dict[str, int])
    days: int = 0


@dataclass(frozen=True)
class EventsItem:
    """Events without a text, each with the checkpoint at which it was received."""

    ids: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class ReadingItem:
    """The portion that is being read asleep."""

    turn: str
    until: str
    seen: Texts


@dataclass(frozen=True)
class SleepItem:
    """How far an agent has read while asleep."""

    until: str
    seen: Texts
    reading: ReadingItem | None
    tries: int


@dataclass(frozen=True)
class ReflectionItem:
    """How many turns there were since the agent reflected, and in which it was asked to."""

    count: int
    seen: Texts
    asked: dict[str, int]


@dataclass(frozen=True)
class LetterItem(Letter):
    """A letter, with the fields by which is told whether it waits."""

    chain: Texts = field(kw_only=True)
    handled: bool = field(kw_only=True)


@dataclass(frozen=True)
class TurnLettersItem:
    """The letters that a turn was told."""

    letters: Texts


@dataclass(frozen=True)
class SortedItem:
    """The note that all letters of before were entered where they are looked for."""

    letters: int


@dataclass(frozen=True)
class OriginalItem:
    """The rest of an Agent File."""

    agent: dict[str, Any]
    tools: tuple[dict[str, Any], ...]
    shared: dict[str, Any]


@dataclass(frozen=True)
class SharedItem(Block):
    """A shared block, with the agents that have it."""

    attached: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    trail: "TrailItem | None" = None


@dataclass(frozen=True)
class ImportItem:
    """An import that has begun."""

    threads: Texts


@dataclass(frozen=True)
class RunItem:
    """What a client of the server asked for and what came of it; its messages are those of the turn of the same id."""

    id: str
    thread_id: str
    created: str
    status: str = "running"
    background: bool = False
    completed: str = ""
    stop_reason: str = ""
    error: str = ""
    input: str = ""
    usage: dict[str, Any] = field(default_factory=dict[str, Any])
    request: dict[str, Any] = field(default_factory=dict[str, Any])
