"""Archival passages that were taken out of search, with the reason and what replaced them; nothing is lost by it."""

from dataclasses import asdict, dataclass
from typing import Any

from langgraph.store.base import BaseStore, PutOp

from memgpt_agent.errors import ToolError, UnknownPassage
from memgpt_agent.events import Clock, utc_now
from memgpt_agent.memory import namespaces
from memgpt_agent.memory.dates import stamp
from memgpt_agent.store.plain import newest


@dataclass(frozen=True)
class Retired:
    """A passage that is no longer found."""

    id: str
    """Its id in archival memory."""
    text: str
    """What it said."""
    reason: str
    """Why it was taken out."""
    replaced_by: str
    """The id of the passage that says it now; empty where none does."""
    time: str
    """When it was taken out, ISO 8601, UTC."""
    cause: str
    """The act that took it out."""
    passage: dict[str, Any]
    """The whole passage as it was stored."""


class RetiredPassages:
    """The retired passages of one agent."""

    def __init__(self, store: BaseStore, agent_id: str, clock: Clock = utc_now) -> None:
        self._store = store
        self._archive = namespaces.of(agent_id, "archival")
        self._namespace = namespaces.of(agent_id, "retired")
        self._clock = clock

    def retire(self, passage_id: str, reason: str, *, replaced_by: str = "", cause: str = "") -> Retired:
        """Take a passage out of search; done again for the same cause, it changes nothing.

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

    def newest(self, limit: int = 50) -> list[Retired]:
        """Return what was taken out, the newest first."""
        return [Retired(**item.value) for item in newest(self._store, self._namespace, limit=limit)]

    def restore(self, passage_id: str) -> None:
        """Put a passage back as it was.

        Raises:
            UnknownPassage: it is not among the retired.
        """
        item = self._store.get(self._namespace, passage_id)
        if item is None:
            raise UnknownPassage(f"No passage {passage_id!r} was retired.")
        back = PutOp(self._archive, passage_id, item.value["passage"], ["text"])
        self._store.batch([back, PutOp(self._namespace, passage_id, None)])
