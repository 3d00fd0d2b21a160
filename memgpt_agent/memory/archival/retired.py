"""Retired passages: searches no longer find them, but they are kept with the reason and the replacement."""

from dataclasses import asdict, dataclass, replace
from typing import Any

from langgraph.store.base import BaseStore, PutOp

from memgpt_agent.errors import NothingToUndo, ToolError, UnknownPassage
from memgpt_agent.events import Clock, utc_now
from memgpt_agent.memory import namespaces
from memgpt_agent.memory.archival.passages import Passage, check_text, index_of_passage, passage_of, value_of
from memgpt_agent.memory.archival.passages import passage_id as id_of
from memgpt_agent.memory.dates import stamp
from memgpt_agent.store.plain import newest

_CORRECTED_TO_ONE = 100
"""How many of the passages that one replaced are searched for the correction."""


@dataclass(frozen=True)
class Retired:
    """A passage that searches no longer find."""

    id: str
    """Its id in archival memory."""
    text: str
    """What it said."""
    reason: str
    """Why it was taken out."""
    replaced_by: str
    """The id of the passage that replaces it; empty if none does."""
    time: str
    """When it was taken out, ISO 8601, UTC."""
    cause: str
    """The act that took it out."""
    passage: dict[str, Any]
    """The whole passage as it was stored."""
    made_new: bool = False
    """Whether it was corrected, and the passage that replaces it was not there before."""


class RetiredPassages:
    """The retired passages of one agent."""

    def __init__(self, store: BaseStore, agent_id: str, clock: Clock = utc_now) -> None:
        self._store = store
        self._archive = namespaces.of(agent_id, "archival")
        self._namespace = namespaces.of(agent_id, "retired")
        self._clock = clock

    def retire(self, passage_id: str, reason: str, *, replaced_by: str = "", cause: str = "") -> Retired:
        """Take a passage out of search; repeating it for the same cause changes nothing.

        Raises:
            UnknownPassage: there is no such passage, or none that could replace it.
            ToolError: it is part of a file, which is unloaded as a whole; or it would replace itself.
        """
        if passage_id == replaced_by:
            raise ToolError(f"{passage_id} cannot replace itself; name the passage that stays.")
        item = self._store.get(self._archive, passage_id)
        if item is None:
            known = self._store.get(self._namespace, passage_id)
            if known and cause and known.value["cause"] == cause:
                return Retired(**known.value)
            raise UnknownPassage(
                f"There is no passage {passage_id!r}{' any more: it is retired' if known else ''}. Search for it again."
            )
        if item.value.get("file"):
            raise ToolError(
                f"{passage_id} is part of the file {item.value.get('source')!r}, which can only be taken out as a whole."
            )
        if replaced_by and self._store.get(self._archive, replaced_by) is None:
            raise UnknownPassage(
                f"There is no passage {replaced_by!r} that could replace it. Insert the new one first."
            )
        value = dict(item.value)
        retired = Retired(passage_id, str(value["text"]), reason, replaced_by, stamp(self._clock()), cause, value)
        self._store.batch(
            [PutOp(self._namespace, passage_id, asdict(retired), index=False), PutOp(self._archive, passage_id, None)]
        )
        return retired

    def correct(self, passage_id: str, text: str, *, cause: str = "") -> Passage:
        """Put a passage with another text, and the same tags, time and source, in the place of one; :meth:`undo` takes it back.

        Raises:
            UnknownPassage: there is no such passage, or it was corrected before.
            ToolError: the text is empty or too long, or the passage is part of a file.
        """
        check_text(text)
        old = self._corrected(passage_id)
        if str(old["text"]) == text:
            return passage_of(old)
        passage = passage_of({**old, "id": id_of(text), "text": text})
        there = self._store.get(self._archive, passage.id) if passage.id != passage_id else None
        if there is not None:  # it was filed before: it gets the tags too
            passage = replace(passage_of(there.value), tags=tuple(dict.fromkeys([*there.value.get("tags", ()), *passage.tags])))
        kept = Retired(passage_id, str(old["text"]), "corrected", passage.id, stamp(self._clock()), cause, old, there is None)
        gone = [PutOp(self._archive, passage_id, None)] if passage.id != passage_id else []
        value = value_of(passage)
        made = PutOp(self._archive, passage.id, value, list(index_of_passage(value)))
        self._store.batch([PutOp(self._namespace, passage_id, asdict(kept), index=False), *gone, made])
        return passage

    def _corrected(self, passage_id: str) -> dict[str, Any]:
        value = self.standing(passage_id)
        if value.get("file"):
            raise ToolError(f"{passage_id} is part of the file {value.get('source')!r}: correct the file and load it again.")
        return value

    def standing(self, passage_id: str) -> dict[str, Any]:
        """Return a passage as it is stored.

        Raises:
            UnknownPassage: there is none with this id; if it was corrected, the error names the one that stands in its place.
        """
        item, now, seen = self._store.get(self._archive, passage_id), passage_id, {passage_id}
        while item is None:
            known = self._store.get(self._namespace, now)
            now = str(known.value["replaced_by"]) if known and known.value["reason"] == "corrected" else ""
            if not now or now in seen:
                raise UnknownPassage(f"There is no passage {passage_id!r}. Search for it again.")
            seen.add(now)
            item = self._store.get(self._archive, now)
        if now != passage_id:
            raise UnknownPassage(f"The passage {passage_id!r} was corrected: it is {now!r} now ({item.value['text']}). Use that id.")
        return dict(item.value)

    def earlier(self, passage_id: str) -> list[Retired]:
        """Return the passages that one was corrected from, the oldest first."""
        found: list[Retired] = []
        while known := self._before(passage_id, {r.id for r in found}):
            found.append(known)
            passage_id = known.id
        return found[::-1]

    def _before(self, passage_id: str, seen: set[str]) -> Retired | None:
        items = newest(self._store, self._namespace, filter={"replaced_by": passage_id}, limit=_CORRECTED_TO_ONE)
        return next((r for item in items if (r := Retired(**item.value)).reason == "corrected" and r.id not in seen), None)

    def undo(self, passage_id: str) -> Passage:
        """Put the passage back that this one was corrected from, and take this one out if the correction made it.

        Raises:
            NothingToUndo: it was not corrected.
            UnknownPassage: there is no such passage, or it was itself corrected later.
        """
        self.standing(passage_id)
        known = self._before(passage_id, set())
        if known is None:
            raise NothingToUndo(f"There is nothing to undo in passage {passage_id!r}: it was not corrected.")
        gone = [PutOp(self._archive, passage_id, None)] if known.made_new and passage_id != known.id else []
        back = PutOp(self._archive, known.id, known.passage, list(index_of_passage(known.passage)))
        self._store.batch([*gone, back, PutOp(self._namespace, known.id, None)])
        return passage_of(known.passage)

    def newest(self, limit: int = 50) -> list[Retired]:
        """Return the retired passages, newest first."""
        return [Retired(**item.value) for item in newest(self._store, self._namespace, limit=limit)]

    def restore(self, passage_id: str) -> None:
        """Put a passage back as it was.

        Raises:
            UnknownPassage: it is not among the retired.
        """
        item = self._store.get(self._namespace, passage_id)
        if item is None:
            raise UnknownPassage(f"No passage {passage_id!r} was retired.")
        back = PutOp(self._archive, passage_id, item.value["passage"], list(index_of_passage(item.value["passage"])))
        self._store.batch([back, PutOp(self._namespace, passage_id, None)])
