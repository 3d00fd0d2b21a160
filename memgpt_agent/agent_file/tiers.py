"""Checking the items of every tier that is known, by the classes that read them; a tier that is not is taken as it stands."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any

from memgpt_agent.agent_file.af_agents import ORIGINAL
from memgpt_agent.agent_file.checking import check_as, damaged
from memgpt_agent.agent_file.document import StoredItem
from memgpt_agent.agent_file.shapes import (
    BlockItem,
    EventsItem,
    HeadItem,
    LetterItem,
    LinesItem,
    MessageItem,
    OriginalItem,
    PageItem,
    ReflectionItem,
    SleepItem,
    SortedItem,
    TaskItem,
    ToldItem,
    VersionItem,
    ViewsItem,
)
from memgpt_agent.memory.archival import Passage, Retired
from memgpt_agent.memory.core.history import Trail, Version
from memgpt_agent.memory.files.record import FileRecord
from memgpt_agent.memory.hierarchy import SummaryNode
from memgpt_agent.memory.knowledge import Entity, Fact
from memgpt_agent.memory.tasks import Step, Task
from memgpt_agent.memory.waking.pulse import PulseState

Value = dict[str, Any]


@dataclass(frozen=True)
class _Kind:
    """What the items of one tier are."""

    read_by: type
    """The class that reads them."""
    key: Callable[[Value], str] | None = None
    """The key that an item has by its own fields."""
    only: str = ""
    """The one key that is read; what lies under others is not known."""
    beside: frozenset[str] | None = None
    """Where unknown fields would break the reading: the fields there are beside those of the class."""
    further: Callable[[Value, str], None] | None = None
    """What else is checked."""


def _by_id(value: Value) -> str:
    return value["id"]


def _check_trail(value: Value, place: str) -> None:
    check_as(Version, asdict(Trail.from_value(value).last), f"{place}.trail.last")


def _check_version(value: Value, place: str) -> None:
    check_as(Version, asdict(Version.from_value(value)), place)


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
                _refuse_unknown(one, Step, frozenset(), f"{where}.steps.{step}")
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


TIERS: Mapping[str, _Kind] = {
    "core": _Kind(BlockItem, lambda value: value["label"], further=_check_trail),
    "core_history": _Kind(VersionItem, further=_check_version),
    "recall": _Kind(MessageItem, _by_id),
    "journal": _Kind(MessageItem, _by_id),
    "events": _Kind(EventsItem),
    "pages": _Kind(PageItem, lambda value: f"{value['thread']}:{value['page']}"),
    "archival": _Kind(Passage, _by_id),
    "retired": _Kind(Retired, _by_id, beside=frozenset()),
    "entities": _Kind(Entity, _by_id, beside=frozenset(), further=_as_written(Entity)),
    "facts": _Kind(Fact, _by_id, beside=frozenset({"ends", "text"}), further=_as_written(Fact)),
    "summaries": _Kind(SummaryNode, _by_id, beside=frozenset({"time", "indexed"}), further=_as_written(SummaryNode)),
    "summary_heads": _Kind(HeadItem),
    "files": _Kind(FileRecord, _by_id),
    "file_text": _Kind(LinesItem),
    "open_files": _Kind(ViewsItem, only="views"),
    "tasks": _Kind(TaskItem, only="list", further=_check_tasks),
    "reflection": _Kind(ReflectionItem, only="turns"),
    "sleep": _Kind(SleepItem, only="state"),
    "pulse": _Kind(PulseState, only="state", beside=frozenset(), further=_check_pulse),
    "inbox": _Kind(LetterItem, _by_id, beside=frozenset()),
    "letters_waiting": _Kind(LetterItem, _by_id, beside=frozenset()),
    "letters_told": _Kind(ToldItem),
    "letters": _Kind(SortedItem, only="sorted"),
    "agent_file": _Kind(OriginalItem, only=ORIGINAL),
}
"""Every tier that this package reads, by its namespace under the agent."""


def check_item(tier: str, item: StoredItem, place: str) -> None:
    """Refuse an item that its tier could not read.

    Raises:
        AgentFileError: a field is missing, of the wrong type or one too many, or the key is not the item's own.
    """
    kind = TIERS.get(tier)
    if kind is None or (kind.only and item.key != kind.only):
        return
    check_as(kind.read_by, item.value, place)
    if kind.beside is not None:
        _refuse_unknown(item.value, kind.read_by, kind.beside, place)
    own = kind.key(item.value) if kind.key else item.key
    if own != item.key:
        raise damaged(place, f"its key is {item.key!r} and its own name {own!r}")
    if kind.further:
        kind.further(item.value, place)


def _refuse_unknown(value: Value, kind: type, beside: frozenset[str], place: str) -> None:
    known = {f.name for f in fields(kind)} | beside
    unknown = [name for name in value if name not in known]
    if unknown:
        raise damaged(f"{place}.{unknown[0]}", "this program does not know this field")
