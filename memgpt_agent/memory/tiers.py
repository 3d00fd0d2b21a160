"""One description of each tier in the store, which import, export and deletion read."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from typing import Any, Literal

from langgraph.store.base import BaseStore

from memgpt_agent.leases import LEASES
from memgpt_agent.memory import namespaces
from memgpt_agent.memory.archival.passages import index_of_passage
from memgpt_agent.memory.checking import check_as, damaged
from memgpt_agent.memory.core import Block
from memgpt_agent.memory.core.history import Trail, Version
from memgpt_agent.memory.corrections import CorrectedMessage
from memgpt_agent.memory.files.record import FileRecord
from memgpt_agent.memory.hierarchy import SummaryNode
from memgpt_agent.memory.hierarchy.nodes import INDEXED
from memgpt_agent.memory.knowledge import Entity, Fact
from memgpt_agent.memory.recall import index_of_message
from memgpt_agent.memory.stored import (
    BlockItem,
    DataItem,
    DefinitionItem,
    EventsItem,
    ForgottenItem,
    HeadItem,
    ImportItem,
    LetterItem,
    LinesItem,
    MessageItem,
    OriginalItem,
    PageItem,
    PassageItem,
    ReflectionItem,
    RetiredItem,
    RunItem,
    SharedItem,
    SleepItem,
    SortedItem,
    TaskItem,
    TurnLettersItem,
    VersionItem,
    VersionWhole,
    ViewsItem,
)
from memgpt_agent.memory.tasks import Task, TaskStep
from memgpt_agent.memory.uploads import Upload
from memgpt_agent.memory.waking.pulse import PulseState
from memgpt_agent.owners import OWNERS, Ownership

Value = dict[str, Any]
Paths = tuple[str, ...]
_NAMESPACES = 10_000
ORIGINAL = "original"
"""The only key of the rest of an Agent File."""


@dataclass(frozen=True)
class TierFields:
    """The names of the fields of a value that say when, where and through whom it came; empty if there is none."""

    text: str = ""
    """The field shown to people first."""
    time: str = ""
    """When it was said or stored, ISO 8601, UTC."""
    thread: str = ""
    """The conversation."""
    turn: str = ""
    """The turn."""
    user: str = ""
    """The user who spoke."""
    cause: str = ""
    """The act that wrote it, or the list of those that did."""


def _not_searched(_: Mapping[str, Any]) -> Paths | None:
    return None


@dataclass(frozen=True)
class Tier:
    """One kind of item in the store."""

    name: str
    """The label of its namespace: the second one for what lies under an agent, the first one otherwise."""
    read_by: type
    """The class that reads its values."""
    key: Callable[[Value], str] | None = None
    """The key that an item has by its own fields."""
    only: str = ""
    """The only key that is read; items under other keys are unknown."""
    beside: frozenset[str] | None = None
    """Where unknown fields would break the reading: the fields there are beside those of the class."""
    further: Callable[[Value, str], None] | None = None
    """A further check on import."""
    names: TierFields = field(default_factory=TierFields)
    """The meaning of its fields."""
    index: Callable[[Mapping[str, Any]], Paths | None] = _not_searched
    """Which paths of a value are searched; ``None``: it is found by its key alone."""
    keyed_by: Literal["", "agent", "thread", "block"] = ""
    """What its keys name. A colon and more may follow a thread's id."""
    deleted: bool = True
    """Whether it goes with its agent: all of it if it lies under the agent, otherwise the items of the agent or its threads."""
    in_agent_file: bool = False
    """Whether an Agent File has a place for it. Our own export holds everything stored under an agent."""

    def check(self, key: str, value: Value, place: str) -> None:
        """Refuse an item that its class could not read.

        Raises:
            AgentFileError: a field is missing, of the wrong type or one too many, or the key is not the item's own.
        """
        if self.only and key != self.only:
            return
        check_as(self.read_by, value, place)
        if self.beside is not None:
            _refuse_unknown(value, self.read_by, self.beside, place)
        own = self.key(value) if self.key else key
        if own != key:
            raise damaged(place, f"its key is {key!r} and its own name {own!r}")
        if self.further:
            self.further(value, place)


def _by_id(value: Value) -> str:
    return value["id"]


def _check_block(value: Value, place: str) -> None:
    limit = value.get("limit_chars", Block.limit_chars)
    if len(value["value"]) > limit:
        raise damaged(f"{place}.value", f"it has {len(value['value']):,} characters; the block's limit is {limit:,}")
    check_as(VersionWhole, asdict(Trail.from_value(value).last), f"{place}.trail.last")


def _check_version(value: Value, place: str) -> None:
    check_as(VersionWhole, asdict(Version.from_value(value)), place)


def _check_retired(value: Value, place: str) -> None:
    check_as(PassageItem, value["passage"], f"{place}.passage")


def _as_written(kind: type[Entity] | type[Fact] | type[SummaryNode]) -> Callable[[Value, str], None]:
    """Return the check that an item is, field by field, what its class writes: a compare-and-set would else never succeed."""

    def check(value: Value, place: str) -> None:
        written = kind.from_value(value).as_value()
        for name in written:
            if name not in value:
                raise damaged(f"{place}.{name}", "Field required")
            if value[name] != written[name]:
                raise damaged(f"{place}.{name}", "it does not follow from the other fields")

    return check


def _check_tasks(value: Value, place: str) -> None:
    for name in ("open", "leaving", "closed"):
        for number, task in enumerate(value[name]):
            where = f"{place}.{name}.{number}"
            _refuse_unknown(task, Task, frozenset(), where)
            for step, one in enumerate(task.get("steps", ())):
                _refuse_unknown(one, TaskStep, frozenset(), f"{where}.steps.{step}")
            if "steps" not in task:
                raise damaged(f"{where}.steps", "Field required")
            _check_time(task.get("due_at", ""), f"{where}.due_at")


def _check_pulse(value: Value, place: str) -> None:
    _check_time(value.get("next", ""), f"{place}.next")


def _check_time(text: str, place: str) -> None:
    try:
        aware = not text or datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        aware = False
    if not aware:
        raise damaged(place, f"{text!r} is no time in ISO 8601 with a zone")


def _searched(*paths: str) -> Callable[[Mapping[str, Any]], Paths]:
    return lambda _: paths


def _page_key(value: Value) -> str:
    return f"{value['thread']}:{value['page']}"


_MESSAGE = TierFields("text", "time", "thread_id", "turn", "user_id")
_LETTER = TierFields("text", "time", turn="turn")
_FACT = TierFields("text", "time", cause="causes")
_SUMMARY = TierFields("text", "time", "thread_id")

_OF_AN_AGENT = (
    Tier("core", BlockItem, lambda value: value["label"], further=_check_block, names=TierFields("value", "updated_at", cause="causes"),
         in_agent_file=True),
    Tier("core_history", VersionItem, further=_check_version, names=TierFields("value", "time", turn="turn")),
    Tier("recall", MessageItem, _by_id, names=_MESSAGE, index=index_of_message, in_agent_file=True),
    Tier("journal", MessageItem, _by_id, names=_MESSAGE),
    Tier("forgotten", ForgottenItem),
    Tier("corrections", CorrectedMessage, _by_id, beside=frozenset(), names=TierFields("text", "time", "thread_id", user="user_id")),
    Tier("events", EventsItem, keyed_by="thread"),
    Tier("pages", PageItem, _page_key, names=TierFields(thread="thread"), keyed_by="thread"),
    Tier("archival", PassageItem, _by_id, names=TierFields("text", "time", cause="cause"), index=index_of_passage),
    Tier("retired", RetiredItem, _by_id, beside=frozenset(), further=_check_retired, names=TierFields("text", "time", cause="cause")),
    Tier("entities", Entity, _by_id, beside=frozenset(), further=_as_written(Entity), names=TierFields("name", "time"),
         index=_searched("name")),
    Tier("facts", Fact, _by_id, beside=frozenset({"ends", "text"}), further=_as_written(Fact), names=_FACT, index=_searched("text")),
    Tier("summaries", SummaryNode, _by_id, beside=frozenset({"time", "indexed"}), further=_as_written(SummaryNode), names=_SUMMARY,
         index=_searched(*INDEXED)),
    Tier("summary_heads", HeadItem, keyed_by="thread"),
    Tier("files", FileRecord, _by_id, names=TierFields("name", "time")),
    Tier("file_text", LinesItem),
    Tier("uploads", Upload, _by_id, names=TierFields("name", "time", "thread_id", user="user_id")),
    Tier("upload_data", DataItem),
    Tier("open_files", ViewsItem, only="views"),
    Tier("tasks", TaskItem, only="list", further=_check_tasks),
    Tier("reflection", ReflectionItem, only="turns"),
    Tier("sleep", SleepItem, only="state"),
    Tier("pulse", PulseState, only="state", beside=frozenset(), further=_check_pulse),
    Tier("runs", RunItem, _by_id, names=TierFields("input", "created", "thread_id")),
    Tier("inbox", LetterItem, _by_id, beside=frozenset(), names=_LETTER),
    Tier("letters_waiting", LetterItem, _by_id, beside=frozenset(), names=_LETTER),
    Tier("letters_told", TurnLettersItem),
    Tier("letters", SortedItem, only="sorted"),
    Tier("agent_file", OriginalItem, only=ORIGINAL, in_agent_file=True),
)  # fmt: skip
_OF_THE_STORE = (
    Tier(namespaces.AGENTS[0], DefinitionItem, lambda value: value["agent_id"], keyed_by="agent"),
    Tier(OWNERS[0], Ownership, lambda value: value["agent_id"], keyed_by="agent"),
    Tier(namespaces.IMPORTS[0], ImportItem, keyed_by="agent"),
    Tier(LEASES[0], dict, keyed_by="thread"),
    Tier(namespaces.CONVERSATIONS[0], dict, keyed_by="thread"),
    Tier(namespaces.TOOLS[0], dict, deleted=False),
    Tier(namespaces.FOLDERS[0], dict, deleted=False),
    Tier(namespaces.FOLDER_FILES[0], dict, deleted=False),
    Tier(namespaces.ERASURES[0], dict, deleted=False),
    Tier(namespaces.COUNTED[0], dict, keyed_by="agent"),
    Tier(namespaces.USED[0], dict, deleted=False),
    Tier(namespaces.BLOCKS[0], SharedItem, names=TierFields("value", "updated_at"), keyed_by="block", deleted=False),
    Tier(namespaces.BLOCK_HISTORY, VersionItem, names=TierFields("value", "time", turn="turn"), deleted=False),
)
TIERS: Mapping[str, Tier] = {tier.name: tier for tier in _OF_AN_AGENT}
"""Every tier that lies under an agent, by its label there."""
GLOBAL: Mapping[str, Tier] = {tier.name: tier for tier in _OF_THE_STORE}
"""Every tier that lies beside the agents, by its first label. No agent's label can be one of these."""


def described(namespace: namespaces.Namespace) -> Tier | None:
    """Return the description of what lies in a namespace; ``None``: another program, or a newer version, put it there."""
    if namespace[0] in GLOBAL:
        return GLOBAL[namespace[0]]
    return TIERS.get("/".join(namespace[1:]))


def agents_with_memory(store: BaseStore) -> set[str]:
    """Return the ids of all agents that have memory, with or without a definition."""
    found, offset = set[str](), 0
    while page := store.list_namespaces(max_depth=2, limit=_NAMESPACES, offset=offset):
        found |= {namespaces.decode_label(place[0]) for place in page if place[0] not in GLOBAL and described(place) is not None}
        offset += len(page)
    return found


def index_of(namespace: namespaces.Namespace, value: Mapping[str, Any]) -> Paths | None:
    """Return what of a value is searched, for a store that does not say; nothing of what no tier describes."""
    tier = described(namespace)
    return tier.index(value) if tier else None


def _refuse_unknown(value: Value, kind: type, beside: frozenset[str], place: str) -> None:
    known = {f.name for f in fields(kind)} | beside
    unknown = [name for name in value if name not in known]
    if unknown:
        raise damaged(f"{place}.{unknown[0]}", "this program does not know this field")
