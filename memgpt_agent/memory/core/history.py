"""The history of core memory: each block's versions, its place among them, and reading them without a scan."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from difflib import unified_diff
from typing import Any, Literal, NamedTuple, cast

from langgraph.store.base import BaseStore, GetOp, Item, PutOp

from memgpt_agent.errors import BadDate, UnknownVersion
from memgpt_agent.memory import namespaces
from memgpt_agent.memory.dates import range_filter, stamp
from memgpt_agent.store.plain import newest

Point = int | str | datetime
"""A point in the history: a number, a day or moment, or a turn. See :meth:`CoreMemory.at`."""

_MAX_REDO = 100
_PREFIX_SCAN = 2_000
"""A turn given by the beginning of its id is looked for among this many newest entries."""
MIN_PREFIX_CHARS = 4


class EditId(NamedTuple):
    """One edit of one block, as undo and redo know it."""

    version: int
    """The version that it made; 0: before the block was there."""
    revision: int
    """The revision of core memory as a whole that it made."""
    act: str
    """The act; edits of several blocks by one act are undone together."""


@dataclass(frozen=True)
class Version:
    """One entry of the log: how a block was changed, by whom and why."""

    label: str
    """The block."""
    version: int
    """Its number among the block's versions, from 1."""
    value: str
    """The block's text from then on."""
    time: str
    """When, ISO 8601, UTC; never before the version before it."""
    actor: str = "user"
    """Who: ``agent``, ``user``, ``sleeptime``, ``import`` or another agent's id."""
    tool: str = ""
    """The tool or method that did it."""
    thinking: str = ""
    """The call's inner thoughts."""
    turn: str = ""
    """The id of the event in whose turn it happened."""
    act: str = ""
    """The key of the act; for a tool call also the id of its record in recall memory, which holds the arguments."""
    revision: int = 0
    """Its number among the writes of core memory as a whole."""
    deleted: bool = False
    """Whether the block does not exist from then on."""
    parent: int | None = None
    """The version that undo goes back to; 0: the block is not there; ``None``: nothing to undo."""
    kind: Literal["edit", "undo", "redo"] = "edit"
    """Whether it is an edit or a step in the history of edits."""
    agent: str = ""
    """The agent through which a shared block was edited; empty for a block of the agent's own."""
    block: str = ""
    """The id of the shared block; empty for a block of the agent's own."""

    @property
    def text(self) -> str | None:
        """The block's text; ``None`` if it is not there."""
        return None if self.deleted else self.value

    def as_value(self) -> dict[str, Any]:
        """Return the version as data; for the agent's own block, without the fields of shared ones."""
        return {name: value for name, value in asdict(self).items() if value or name not in {"agent", "block"}}

    @classmethod
    def from_value(cls, value: Mapping[str, Any]) -> "Version":
        """Return the stored version; one from before undo existed has the previous version as its parent."""
        return namespaces.read_as(cls, {"parent": value["version"] - 1 or None, **value})


@dataclass(frozen=True)
class Trail:
    """A block's place in its history, stored with the block."""

    last: Version
    """Its newest version."""
    at: EditId
    """The edit whose result it holds: after an undo an older one than ``last``."""
    redo: tuple[EditId, ...] = ()
    """The undone edits that can be redone, the next one last."""
    edited: int = 0
    """The revision of its last edit; an undo does not count."""

    def as_value(self) -> dict[str, Any]:
        """Return the data stored with the block, which itself has the label, text, version and time."""
        last = {k: v for k, v in self.last.as_value().items() if k not in {"label", "value", "version", "time"}}
        return {"last": last, "at": list(self.at), "redo": [list(edit) for edit in self.redo], "edited": self.edited}

    @classmethod
    def from_value(cls, stored: Mapping[str, Any]) -> "Trail":
        """Return the trail of a stored block; one from before undo existed is at its newest version."""
        given = cast(dict[str, Any], stored.get("trail") or {})
        block = {
            "label": stored["label"],
            "value": stored["value"],
            "version": stored["version"],
            "time": stored["updated_at"],
        }
        last = Version.from_value({**block, **given.get("last", {})})
        at = EditId(*given["at"]) if "at" in given else EditId(last.version, last.revision, last.act)
        return cls(last, at, tuple(EditId(*edit) for edit in given.get("redo", ())), given.get("edited", 0))

    def edit(self, made: Version) -> "Trail":
        """Return the trail after an edit: undo leads back to the block's earlier place, and there is nothing to redo."""
        made = replace(made, parent=self.at.version)
        return Trail(made, EditId(made.version, made.revision, made.act), (), made.revision)

    def undo(self, made: Version, target: Version) -> "Trail":
        """Return the trail after ``made`` went back to ``target``; the undone edit can be redone."""
        at = EditId(target.version, target.revision, target.act)
        made = replace(made, parent=target.parent, kind="undo")
        return replace(self, last=made, at=at, redo=(*self.redo, self.at)[-_MAX_REDO:])

    def forward(self, made: Version, target: Version) -> "Trail":
        """Return the trail after ``made`` redid the last undone edit."""
        made = replace(made, parent=target.parent, kind="redo")
        return replace(self, last=made, at=self.redo[-1], redo=self.redo[:-1])


def first_trail(made: Version, *, undoable: bool) -> Trail:
    """Return the trail of a new block; undoing its creation removes it, unless its history begins with it."""
    made = replace(made, parent=0 if undoable else None)
    return Trail(made, EditId(made.version, made.revision, made.act), (), made.revision)


@dataclass(frozen=True)
class Difference:
    """The change of one block between two points."""

    label: str
    """The block."""
    before: str | None
    """Its text at the first point; ``None`` if it did not exist."""
    after: str | None
    """Its text at the second point; ``None`` if it did not exist."""

    def __str__(self) -> str:
        """Return it in unified form."""
        old, new = (text.split("\n") if text else [] for text in (self.before, self.after))
        names = ["(not there)" if text is None else self.label for text in (self.before, self.after)]
        return "\n".join(unified_diff(old, new, names[0], names[1], lineterm=""))


class BlockHistory:
    """Reads an agent's versions by their keys: a page or a search for a point costs no more where there are 10,000.

    The versions of a shared block lie with the block, and bear the label that it has in this agent.
    """

    def __init__(self, store: BaseStore, agent_id: str, time_zone: str = "UTC") -> None:
        self._store = store
        self._agent_id = agent_id
        self._namespace = namespaces.of(agent_id, "core_history")
        self._zone = time_zone

    def record(self, version: Version) -> None:
        """Store a version; storing it again changes nothing."""
        self.record_all([version])

    def record_all(self, versions: Sequence[Version]) -> None:
        """Store versions; storing them again changes nothing."""
        self._store.batch([self._put(version) for version in versions])

    def _put(self, version: Version) -> PutOp:
        value = {**version.as_value(), "ordinal": version.revision}
        return PutOp(self._place(version), _key(version, version.version), value, index=False)

    def get(self, last: Version, versions: Sequence[int]) -> list[Version]:
        """Return versions of the block of which ``last`` is one, those that exist, in the order asked for."""
        place = self._place(last)
        found = self._store.batch([GetOp(place, _key(last, number)) for number in versions]) if versions else []
        read = [Version.from_value(item.value) for item in cast(list[Item | None], found) if item is not None]
        return [replace(version, label=last.label) for version in read]

    def _place(self, version: Version) -> namespaces.Namespace:
        return namespaces.block_history(version.block) if version.block else self._namespace

    def last_that(self, holds: Callable[[Version], bool], trail: Trail) -> Version | None:
        """Return a block's last version of which ``holds`` is true; it must be true of a beginning of the versions only."""
        if holds(trail.last):
            return trail.last
        low, high = 0, trail.last.version  # true at low (0: nothing), false at high
        best: Version | None = None
        while high - low > 1:
            middle = (low + high) // 2
            found = self.get(trail.last, [middle])
            if found and not holds(found[0]):
                high = middle
            else:
                low, best = middle, found[0] if found else best
        return best

    def page(self, trails: Sequence[Trail], limit: int, before: int | None) -> list[Version]:
        """Return the newest versions of these blocks, newest first; only those of a lower revision than ``before``.

        It may be more than ``limit``: versions of one revision are not parted.
        """
        found: list[Version] = []
        for trail in trails:
            last = trail.last if before is None else self.last_that(lambda v: v.revision < before, trail)
            if last is not None:
                older = range(last.version - 1, max(0, last.version - limit), -1)
                found += [last, *self.get(last, older)]
        found.sort(key=lambda v: (v.revision, v.time, v.version, v.label), reverse=True)
        last = found[limit - 1].revision if 0 < limit <= len(found) else 0
        return found[:limit] + [version for version in found[limit:] if version.revision == last]

    def test_of(self, point: Point, *, one_block: bool) -> Callable[[Version], bool]:
        """Return a test of whether a version existed at a point.

        Raises:
            UnknownVersion: the point names no turn of this agent.
        """
        if isinstance(point, int):
            number = point
            return (lambda v: v.version <= number) if one_block else (lambda v: v.revision <= number)
        if isinstance(point, datetime):
            moment = stamp(point)
            return lambda v: v.time <= moment
        try:
            until = range_filter(None, point, self._zone)["time"]["$lte"]
        except (BadDate, KeyError):
            return self._turn_test(point.removeprefix("turn:").strip())
        return lambda v: v.time <= until

    def _turn_test(self, turn: str) -> Callable[[Version], bool]:
        """The end of a turn is its last edit, or without edits the last thing said in it."""
        edits = newest(self._store, self._namespace, filter={"turn": turn}, limit=1) if turn else []
        if not edits and len(turn) >= MIN_PREFIX_CHARS:
            recent = newest(self._store, self._namespace, limit=_PREFIX_SCAN)
            edits = [item for item in recent if str(item.value["turn"]).startswith(turn)][:1]
        if edits:
            revision, moment = int(edits[0].value["revision"]), str(edits[0].value["time"])
            # other agents number a shared block's edits too: there the time decides
            return lambda v: v.time <= moment if v.block else v.revision <= revision
        said = newest(self._store, namespaces.of(self._agent_id, "recall"), filter={"turn": turn}, limit=1) if turn else []
        if said:
            until = str(said[0].value["time"])
            return lambda v: v.time <= until
        raise UnknownVersion(
            f"{turn!r} is no version, day, moment or turn of this agent. Give a number from the log, '2026-11-21', "
            f"'2026-11-21T14:30:00', or a turn's id or at least its first {MIN_PREFIX_CHARS} characters."
        )


def _key(version: Version, number: int) -> str:
    """A shared block's versions are kept under its id: each agent may call it by another label."""
    return f"{version.block or version.label}:{number:08d}"
