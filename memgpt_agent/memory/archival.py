"""Archival memory: passages that the agent files away and finds again by meaning, words, tags and date."""

import hashlib
import unicodedata
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, Protocol

from langgraph.store.base import BaseStore, Item

from memgpt_agent.errors import ToolError
from memgpt_agent.events import Clock, utc_now
from memgpt_agent.memory import namespaces
from memgpt_agent.memory.dates import stamp
from memgpt_agent.memory.search import Filter, best_or_newest, put_if

TagMatch = Literal["any", "all"]
MAX_PASSAGE_CHARS = 50_000


@dataclass(frozen=True)
class Passage:
    """One entry of archival memory."""

    id: str
    """Its key, made from its text: the same text has the same id."""
    text: str
    """What it says."""
    tags: tuple[str, ...] = ()
    """The labels it was filed under."""
    time: str = ""
    """When it was inserted, ISO 8601, UTC."""
    source: str = ""
    """The document it comes from, with page or lines; empty for what the agent wrote."""
    cause: str = ""
    """The act that inserted it first."""
    file: str = ""
    """The id of the attached file that it was cut from; empty for what the agent wrote."""


class ArchivalMemory(Protocol):
    """What the tools ask of archival memory, whatever holds it."""

    def insert(self, text: str, tags: Sequence[str] = (), *, cause: str = "", source: str = "") -> tuple[Passage, bool]:
        """Keep a passage; return it and whether it is new. The same text is kept once, with the tags of both."""
        ...

    def search(
        self, query: str, *, tags: Sequence[str] = (), match: TagMatch = "any", dates: Filter | None = None, limit: int = 10, page: int = 0
    ) -> list[Passage]:
        """Return the passages that fit best among those that pass the filters; the newest where the query is empty."""
        ...


class StoreArchive:
    """Archival memory in a LangGraph store."""

    def __init__(self, store: BaseStore, agent_id: str, clock: Clock = utc_now) -> None:
        self._store = store
        self._namespace = namespaces.archival(agent_id)
        self._clock = clock

    def insert(self, text: str, tags: Sequence[str] = (), *, cause: str = "", source: str = "") -> tuple[Passage, bool]:
        """Keep a passage; see :class:`ArchivalMemory`.

        Raises:
            ToolError: the text is empty or longer than 50,000 characters.
        """
        passage = Passage(passage_id(text), text, tuple(dict.fromkeys(tags)), stamp(self._clock()), source, cause)
        _check(text)
        for _ in range(20):
            item = self._store.get(self._namespace, passage.id)
            known = _passage(item) if item else None
            merged = passage if known is None else replace(known, tags=tuple(dict.fromkeys([*known.tags, *passage.tags])))
            if known == merged or put_if(
                self._store, self._namespace, passage.id, _value(merged), expected=item.value if item else None, index=["text"]
            ):
                return merged, known is None or (bool(cause) and known.cause == cause)
        raise ToolError("The passage is being written by somebody else again and again; try once more.")

    def search(
        self, query: str, *, tags: Sequence[str] = (), match: TagMatch = "any", dates: Filter | None = None, limit: int = 10, page: int = 0
    ) -> list[Passage]:
        """Return passages; see :class:`ArchivalMemory`."""
        condition: Filter = {**(dates or {}), **({"tags": {f"${match}": list(tags)}} if tags else {})}
        items = best_or_newest(self._store, self._namespace, query, filter=condition, limit=limit, page=page)
        return [_passage(item) for item in items]


def passage_id(text: str) -> str:
    """Return the id of a passage: equal for texts that differ only in case, white space and compatible characters."""
    normal = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    return f"passage-{hashlib.sha256(normal.encode()).hexdigest()[:16]}"


def _check(text: str) -> None:
    if not text.strip():
        raise ToolError("The content is empty; give the text that is to be kept.")
    if len(text) > MAX_PASSAGE_CHARS:
        raise ToolError(f"The content has {len(text):,} characters; the limit is {MAX_PASSAGE_CHARS:,}. Insert it in parts.")


def _value(passage: Passage) -> dict[str, Any]:
    return {**asdict(passage), "tags": list(passage.tags)}


def _passage(item: Item) -> Passage:
    fields: dict[str, Any] = {**item.value, "tags": tuple(item.value.get("tags", ()))}
    return Passage(**fields)
