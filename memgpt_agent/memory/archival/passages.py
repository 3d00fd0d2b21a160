"""Archival memory: passages that the agent files and finds again by meaning, words, tags and date."""

import hashlib
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, Protocol, cast

from langchain_core.documents import BaseDocumentCompressor
from langgraph.store.base import BaseStore, GetOp, Item, PutOp

from memgpt_agent.errors import ToolError
from memgpt_agent.events import Clock, utc_now
from memgpt_agent.memory import namespaces
from memgpt_agent.memory.dates import stamp
from memgpt_agent.memory.reranking import reranked
from memgpt_agent.store.plain import Filter, best_or_newest, find
from memgpt_agent.store.update import update
from memgpt_agent.text.cleaning import MAX_CHUNKS, embedded_chunks
from memgpt_agent.text.english import FUNCTION_WORDS
from memgpt_agent.text.words import tokens

TagMatch = Literal["any", "all"]
MAX_PASSAGE_CHARS = 50_000
CLOSE = 1.05
"""Two passages are close from this sum on: the cosine of their vectors plus the share of their words that both hold (ADR 0053)."""
CLOSE_BY_WORDS = 0.5
"""Without vectors, from this share of words on."""
_LOOKED_AT = 10


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
    """When it was inserted; ISO 8601, UTC."""
    source: str = ""
    """The document it comes from, with page or lines; empty for the agent's own text."""
    cause: str = ""
    """The act that inserted it first."""
    file: str = ""
    """The id of the attached file that it was cut from; empty for the agent's own text."""
    message: str = ""
    """The id of the message that it was observed in; empty for what is no observation."""


class ArchivalMemory(Protocol):
    """The archival memory that tools expect, whatever holds it."""

    def insert(self, text: str, tags: Sequence[str] = (), *, cause: str = "", source: str = "") -> tuple[Passage, bool]:
        """Keep a passage; return it and whether it is new. The same text is kept once, with the tags of both."""
        ...

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
        """Return the best-fitting passages among those that pass the filters; the newest if the query is empty."""
        ...

    def close_to(self, passage: Passage, limit: int = 3) -> list[Passage]:
        """Return earlier passages that say nearly the same as this one, the closest first. They may differ in what matters."""
        ...


class StoreArchive:
    """Archival memory in a LangGraph store."""

    def __init__(
        self, store: BaseStore, agent_id: str, clock: Clock = utc_now, rerank: BaseDocumentCompressor | None = None
    ) -> None:
        self._store, self._rerank = store, rerank
        self._namespace = namespaces.of(agent_id, "archival")
        self._clock = clock

    def insert(
        self, text: str, tags: Sequence[str] = (), *, cause: str = "", source: str = "", message: str = ""
    ) -> tuple[Passage, bool]:
        """Keep a passage; see :class:`ArchivalMemory`. ``message`` is the id of the message that it was observed in.

        Raises:
            ToolError: the text is empty or longer than 50,000 characters.
            WriteConflict: others wrote the passage before each attempt.
        """
        passage = Passage(passage_id(text), text, tuple(dict.fromkeys(tags)), stamp(self._clock()), source, cause, message=message)
        check_text(text)

        def merged(value: dict[str, Any] | None) -> dict[str, Any] | None:
            if value is None:
                return value_of(passage)
            known = passage_of(value)
            tags = tuple(dict.fromkeys([*known.tags, *passage.tags]))
            return None if tags == known.tags else value_of(replace(known, tags=tags))

        before, after = update(self._store, self._namespace, passage.id, merged, index=_index(value_of(passage)))
        return passage_of(after), before is None or (bool(cause) and passage_of(before).cause == cause)

    def insert_many(
        self, texts: Sequence[str], tags: Sequence[str] = (), *, cause: str = "", sources: Sequence[str] = ()
    ) -> list[tuple[Passage, bool]]:
        """Keep many passages in one write, embedded in batches; return for each what :meth:`insert` would.

        Args:
            texts: the passages; one that is there twice is kept once.
            tags: what all of them are filed under.
            cause: the act that inserts them.
            sources: where each comes from; one for each text, or none.

        Raises:
            ToolError: a text is empty or longer than 50,000 characters. Nothing was kept.

        **Limits**: of two who insert the same new text at the same moment, the tags of one may be lost.
        """
        for text in texts:
            check_text(text)
        now, labels = stamp(self._clock()), tuple(dict.fromkeys(tags))
        of = list(sources) if sources else [""] * len(texts)
        given = [
            Passage(passage_id(text), text, labels, now, source, cause) for text, source in zip(texts, of, strict=True)
        ]
        known = self._get([passage.id for passage in given])
        new = {passage.id: passage for passage in reversed(given) if passage.id not in known}
        values = {i: value_of(passage) for i, passage in new.items()}
        self._store.batch(
            [PutOp(self._namespace, i, value, _index(value)) for i, value in reversed(values.items())]
        )
        return [(new[p.id], new[p.id] is p) if p.id in new else self.insert(p.text, labels, cause=cause) for p in given]

    def _get(self, ids: Sequence[str]) -> dict[str, Passage]:
        found = self._store.batch([GetOp(self._namespace, key) for key in dict.fromkeys(ids)]) if ids else []
        return {item.key: passage_of(item.value) for item in cast(list[Item | None], found) if item is not None}

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
        """Return passages; see :class:`ArchivalMemory`."""
        condition = passing(tags, match, dates)

        def search(limit: int, page: int) -> list[Passage]:
            items = best_or_newest(self._store, self._namespace, query, filter=condition, limit=limit, page=page)
            return [passage_of(item.value) for item in items]

        return reranked(self._rerank, query, limit, page, search, lambda passage: passage.text)

    def close_to(self, passage: Passage, limit: int = 3) -> list[Passage]:
        """Return earlier passages; see :class:`ArchivalMemory`. Costs one more search."""
        found = find(self._store, self._namespace, passage.text, mode="meaning", limit=_LOOKED_AT)
        by_meaning = bool(found) and found[0].score is not None
        if not by_meaning:
            found = find(self._store, self._namespace, passage.text, mode="words", limit=_LOOKED_AT)
        close: list[tuple[float, Passage]] = []
        for item in found:
            other = passage_of(item.value)
            degree = closeness(passage.text, other.text) + (item.score or 0.0 if by_meaning else 0.0)
            earlier = other.id != passage.id and (other.time <= passage.time or not passage.time)
            if earlier and degree >= (CLOSE if by_meaning else CLOSE_BY_WORDS):
                close.append((degree, other))
        return [other for _, other in sorted(close, key=lambda pair: -pair[0])][:limit]


def passing(tags: Sequence[str], match: TagMatch, dates: Filter | None) -> Filter:
    """Return a filter for passages with any or all of these tags and of these dates; without tags, for dates only."""
    return {**(dates or {}), **({"tags": {f"${match}": list(tags)}} if tags else {})}


def closeness(text: str, other: str) -> float:
    """Return the share of all telling words of two texts that both of them hold, from 0 to 1."""
    words, others = (set(tokens(one)) - FUNCTION_WORDS for one in (text, other))
    return len(words & others) / max(len(words | others), 1)


def passage_id(text: str) -> str:
    """Return the id of a passage: equal for texts that differ only in case, white space and compatible characters."""
    normal = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    return f"passage-{hashlib.sha256(normal.encode()).hexdigest()[:16]}"


def check_text(text: str) -> None:
    """Refuse a text that cannot be a passage.

    Raises:
        ToolError: it is empty or longer than 50,000 characters.
    """
    if not text.strip():
        raise ToolError("The content is empty; give the text that is to be kept.")
    if len(text) > MAX_PASSAGE_CHARS:
        raise ToolError(
            f"The content has {len(text):,} characters; the limit is {MAX_PASSAGE_CHARS:,}. Insert it in parts."
        )


def index_of_passage(value: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the searched parts of a stored passage: its text, or the chunks of a long one."""
    parts = value.get("parts")
    return ("parts[*]", *(("words:text",) if len(parts) == MAX_CHUNKS else ())) if parts else ("text",)


def _index(value: Mapping[str, Any]) -> list[str]:
    return list(index_of_passage(value))


def value_of(passage: Passage) -> dict[str, Any]:
    """Return a passage as it is stored."""
    chunks = embedded_chunks(passage.text)
    written = {name: one for name, one in asdict(passage).items() if one or name != "message"}
    return {**written, "tags": list(passage.tags), **({"parts": chunks} if len(chunks) > 1 else {})}


def passage_of(value: dict[str, Any]) -> Passage:
    """Return the stored passage, without the item's other fields."""
    return namespaces.read_as(Passage, value)
