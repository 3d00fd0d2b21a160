"""Archival memory in any LangChain vector store."""

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

from langchain_core.documents import Document
from langchain_core.vectorstores import VectorStore
from langgraph.store.base import BaseStore

from memgpt_agent.errors import ConfigurationError
from memgpt_agent.events import Clock, utc_now
from memgpt_agent.memory.archival.passages import (
    CLOSE_BY_WORDS,
    ArchivalMemory,
    Passage,
    StoreArchive,
    TagMatch,
    closeness,
    passage_id,
    passing,
)
from memgpt_agent.memory.dates import stamp
from memgpt_agent.store.plain import Filter, matches

_LOOKED_AT = 10
_OVER_FETCH = 10
"""This many times more is asked for than is wanted when something has to be filtered out here."""


class VectorArchive:
    """Archival memory in a LangChain vector store, which may hold documents of its own as well.

    **Limits**: vector stores have no filter in common, so more is fetched than wanted and filtered here: a filter
    that few passages pass may find fewer than there are. Search is by meaning only. The same text is kept once
    where the store honours ids.
    """

    def __init__(self, store: VectorStore, agent_id: str, clock: Clock = utc_now) -> None:
        self._store = store
        self._agent_id = agent_id
        self._clock = clock

    def insert(self, text: str, tags: Sequence[str] = (), *, cause: str = "", source: str = "") -> tuple[Passage, bool]:
        """Keep a passage; see :class:`memgpt_agent.memory.archival.ArchivalMemory`."""
        passage = Passage(passage_id(text), text, tuple(tags), stamp(self._clock()), source, cause)
        known = self._known(passage)
        if known is not None:
            return known, bool(cause) and known.cause == cause
        about: dict[str, Any] = {
            "id": passage.id, "agent_id": self._agent_id, "tags": list(passage.tags), "time": passage.time, "source": source, "cause": cause,
        }  # fmt: skip
        key = self._key(passage)
        self._store.add_documents([Document(text, metadata=about, id=key)], ids=[key])
        return passage, True

    def _key(self, passage: Passage) -> str:
        """Return a document's id: another agent's for the same text is another document, which this one neither sees nor overwrites."""
        return f"{passage.id}-{hashlib.sha256(self._agent_id.encode('utf-8', 'surrogatepass')).hexdigest()[:12]}"

    def _is_mine(self, document: Document) -> bool:
        return document.metadata.get("agent_id", self._agent_id) == self._agent_id  # pyright: ignore[reportUnknownMemberType]

    def _known(self, passage: Passage) -> Passage | None:
        try:
            found = self._store.get_by_ids([self._key(passage), passage.id])  # the latter in stores that earlier versions filled
        except NotImplementedError:
            found = [d for d in self._store.similarity_search(passage.text, k=3) if d.page_content == passage.text]
        return next((_passage(d) for d in found if self._is_mine(d)), None)

    def search(
        self,
        query: str,
        *,
        tags: Sequence[str] = (),
        match: TagMatch = "any",
        dates: Filter | None = None,
        limit: int = 10,
        page: int = 0,
    ) -> list[Passage]:
        """Return passages; see :class:`memgpt_agent.memory.archival.ArchivalMemory`."""
        condition = passing(tags, match, dates)
        wanted = (page + 1) * limit
        found = self._store.similarity_search(query, k=wanted * _OVER_FETCH)
        kept = [_passage(d) for d in found if self._is_mine(d) and matches(d.metadata, condition)]  # pyright: ignore[reportUnknownMemberType]
        return kept[page * limit : wanted]

    def close_to(self, passage: Passage, limit: int = 3) -> list[Passage]:
        """Return earlier passages, by the words they share: vector stores have no measure of meaning in common."""
        found = [
            p for p in self.search(passage.text, limit=_LOOKED_AT) if p.id != passage.id and p.time <= passage.time
        ]
        return [p for p in found if closeness(passage.text, p.text) >= CLOSE_BY_WORDS][:limit]


def _passage(document: Document) -> Passage:
    about: dict[str, Any] = document.metadata  # pyright: ignore[reportUnknownMemberType]
    key = str(about.get("id") or document.id or passage_id(document.page_content))
    return Passage(
        key, document.page_content, tuple(about.get("tags", ())), str(about.get("time", "")),
        str(about.get("source", "")), str(about.get("cause", "")),
    )  # fmt: skip


def archive_of(given: VectorStore | BaseStore | None, clock: Clock) -> Callable[[str], ArchivalMemory] | None:
    """Return what makes the archival memory of an agent id in a store that was given for it; ``None`` if none was.

    Raises:
        ConfigurationError: it is neither a LangChain ``VectorStore`` nor a LangGraph ``BaseStore``.
    """
    if given is None:
        return None
    if isinstance(given, VectorStore):
        return lambda agent_id: VectorArchive(given, agent_id, clock)
    if isinstance(given, BaseStore):  # pyright: ignore[reportUnnecessaryIsInstance]
        return lambda agent_id: StoreArchive(given, agent_id, clock)
    raise ConfigurationError(
        f"archival_store is a {type(given).__name__}; give a LangChain VectorStore or a LangGraph BaseStore."
    )
