"""The stored form of each item of an agent: its fields, and how long and large they may be."""

import json
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from memgpt_agent.memory.archival import MAX_PASSAGE_CHARS, Passage, Retired
from memgpt_agent.memory.checking import Long, Name, Names
from memgpt_agent.memory.core import MAX_BLOCK_CHARS, MAX_DESCRIPTION_CHARS, Block
from memgpt_agent.memory.core.history import Version
from memgpt_agent.memory.definitions import AgentDefinition
from memgpt_agent.memory.files.open_files import FileView
from memgpt_agent.memory.recall import Message, Role
from memgpt_agent.memory.tasks import MAX_NOTE_CHARS, MAX_STEPS, MAX_TASKS, MAX_TITLE_CHARS, Task, TaskStep
from memgpt_agent.memory.waking import Letter

Texts = tuple[str, ...]
_RULE_CHARS = 10_000
Count = Annotated[int, Field(ge=0, le=1_000_000_000)]
"""A number of things, or the position of one."""
BlockText = Annotated[str, Field(max_length=MAX_BLOCK_CHARS)]
PassageText = Annotated[str, Field(max_length=MAX_PASSAGE_CHARS)]


def _short(rule: dict[str, Any]) -> dict[str, Any]:
    if (size := len(json.dumps(rule))) > _RULE_CHARS:
        raise ValueError(f"a rule of {size:,} characters; {_RULE_CHARS:,} are the limit")
    return rule


@dataclass(frozen=True)
class DefinitionItem(AgentDefinition):
    """An agent's definition."""

    tools: Names = ()
    groups: Names = ()
    tags: Names = ()
    without: Names = ()
    threads: Annotated[tuple[str, ...], Field(max_length=10_000)] = ()
    rules: Annotated[tuple[Annotated[dict[str, Any], AfterValidator(_short)], ...], Field(max_length=1_000)] = ()
    system: BlockText = ""


@dataclass(frozen=True)
class BlockItem(Block):
    """A block with its place among the others and in its history; of a shared one with its id."""

    label: Name = field(kw_only=True)
    value: BlockText = field(kw_only=True)
    description: Annotated[str, Field(max_length=MAX_DESCRIPTION_CHARS)] = ""
    limit_chars: Annotated[int, Field(ge=1, le=MAX_BLOCK_CHARS)] = Block.limit_chars
    version: Count = field(kw_only=True)
    updated_at: str = field(kw_only=True)
    causes: Texts = field(kw_only=True)
    order: Annotated[int, Field(ge=-1_000_000, le=1_000_000)] = field(kw_only=True)
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
    """A version of a block: the fields needed to find it."""

    label: Name
    version: Count
    value: BlockText
    time: str
    turn: str
    revision: Count = 0


@dataclass(frozen=True)
class VersionWhole(Version):
    """A version of a block with all its fields."""

    label: Name
    version: Count
    value: BlockText
    revision: Count = 0


@dataclass(frozen=True)
class MessageItem(Message):
    """A message with the texts by which it is searched."""

    text: Long
    arguments: Long = ""
    thinking: Long = ""
    beyond: Long = ""
    indexed: Long | tuple[Long, ...] = ""
    beside: Long = ""


@dataclass(frozen=True)
class PassageItem(Passage):
    """A passage."""

    text: PassageText
    tags: Names = ()


@dataclass(frozen=True)
class RetiredItem(Retired):
    """A passage that searches no longer find."""

    text: PassageText


@dataclass(frozen=True)
class StepItem(TaskStep):
    """A step of a task."""

    text: Annotated[str, Field(max_length=MAX_TITLE_CHARS)]


@dataclass(frozen=True)
class OneTaskItem(Task):
    """A task."""

    title: Annotated[str, Field(max_length=MAX_TITLE_CHARS)]
    steps: Annotated[tuple[StepItem, ...], Field(max_length=MAX_STEPS)] = ()
    note: Annotated[str, Field(max_length=MAX_NOTE_CHARS)] = ""


@dataclass(frozen=True)
class TaskItem:
    """All tasks of an agent."""

    next: Count
    open: Annotated[tuple[OneTaskItem, ...], Field(max_length=MAX_TASKS)]
    leaving: tuple[OneTaskItem, ...]
    closed: tuple[OneTaskItem, ...]
    causes: Texts


@dataclass(frozen=True)
class ViewsItem:
    """The files that are open."""

    views: tuple[FileView, ...]


@dataclass(frozen=True)
class DataItem:
    """A piece of what a user sent, in base64."""

    data: Long


@dataclass(frozen=True)
class LinesItem:
    """A page of a file's text."""

    lines: tuple[Long, ...]


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
    """The traces of forgetting: the secret of the hashes, that a message existed, or the record of an act."""

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
    """The portion that is being read during sleep."""

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
    """How many turns have passed since the agent reflected, and in which turns it was asked to."""

    count: int
    seen: Texts
    asked: dict[str, int]


@dataclass(frozen=True)
class LetterItem(Letter):
    """A letter, with the fields that say whether it waits."""

    chain: Texts = field(kw_only=True)
    handled: bool = field(kw_only=True)


@dataclass(frozen=True)
class TurnLettersItem:
    """The letters shown to a turn."""

    letters: Texts


@dataclass(frozen=True)
class SortedItem:
    """The note that the letters of earlier versions have been indexed."""

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
    """What a client of the server asked for and the outcome; its messages are those of the turn of the same id."""

    id: str
    thread_id: str
    created: str
    status: str = "running"
    background: bool = False
    completed: str = ""
    stop_reason: str = ""
    error: str = ""
    input: Long = ""
    usage: dict[str, Any] = field(default_factory=dict[str, Any])
    request: dict[str, Any] = field(default_factory=dict[str, Any])
