"""What a store brings: an engine, and readers that share the order of results, the TTL of what was read, and namespaces by pattern."""

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, Protocol, Self, TypeVar

from langgraph.store.base import (
    GetOp,
    Item,
    ListNamespacesOp,
    MatchCondition,
    Op,
    Result,
    SearchItem,
    SearchOp,
    TTLConfig,
)

from memgpt_agent.store.arrays import Floats
from memgpt_agent.store.embedding import Embedder
from memgpt_agent.store.filters import Filter
from memgpt_agent.store.operations import Find, Newest, PreparedBatch, Vectors
from memgpt_agent.store.protocol import (
    AuditEntry,
    AuditQuery,
    Dialogue,
    EmbeddingIdentity,
    Guard,
    IndexedItem,
    Namespace,
    Progress,
    StoreSizes,
    Tally,
)
from memgpt_agent.store.ranking import RankedItem
from memgpt_agent.store.rows import as_found

ITEM_COLUMNS: Final = "items.key, items.value, items.created, items.updated, items.id, items.ttl_minutes, items.ns"
"""What a reader selects of an item, in the order in which `ItemReading` takes it."""
VALUE, ID, TTL, NS = 1, 4, 5, 6
"""Places in such a row."""
T = TypeVar("T")
_SWEPT_AT_ONCE = 1_000


class RankedSearch(Protocol):
    """Ranked searches of one namespace in the reader's transaction."""

    def closest(self, namespace_id: int, query: Floats, filter: Filter | None, k: int) -> tuple[list[RankedItem], list[RankedItem]]:
        """Return the ``k`` items closest to a vector, and, where there are fewer, the first ``k`` that have none."""
        ...

    def find(self, namespace_id: int, asked: Find, vector: Floats | None) -> list[RankedItem]:
        """Return the items that fit a query best, by words, by meaning or by both."""
        ...

    def named(self, namespace_id: int, asked: Find, said: Dialogue) -> str | None:
        """Return the one speaker whom the query names."""
        ...


class ItemReading(ABC):
    """Answers reads in one transaction's snapshot; a store adds how it selects rows."""

    def __init__(self, searcher: RankedSearch) -> None:
        self._searcher = searcher
        self._paths: dict[int, Namespace] = {}
        self.refreshes = False
        """Whether the current operation restarts the TTL of what it reads."""
        self.touched: list[int] = []
        """Items with a TTL that such operations read."""

    @abstractmethod
    def get(self, op: GetOp) -> Item | None:
        """Return one item."""

    def search(self, op: SearchOp, query: Floats | None) -> list[SearchItem]:
        """Return items under a namespace prefix as ``InMemoryStore`` does: by cosine where there is a query vector."""
        namespaces = self._namespaces_under(op.namespace_prefix)
        if query is None:
            return self._unranked(namespaces, op.filter, op.limit, op.offset)
        stop = op.offset + op.limit
        hits: list[RankedItem] = []
        rest: list[RankedItem] = []
        for namespace_id, _ in namespaces:
            found, without = self._searcher.closest(namespace_id, query, op.filter, stop)
            hits += found
            rest += without if len(hits) < stop else []
        hits.sort(key=lambda hit: (-(hit.score or 0.0), hit.namespace_id, hit.item))
        hits = hits[op.offset : stop]
        if missing := max(op.limit - len(hits), 0):  # InMemoryStore fills up with the first items that have no vector
            for namespace_id, _ in namespaces:
                rest += self._unindexed(namespace_id, op.filter, missing)
            hits += sorted(rest, key=lambda hit: (hit.namespace_id, hit.item))[:missing]
        return self._found(hits)

    def find(self, asked: Find, vector: Floats | None) -> list[SearchItem]:
        """Return the items of one namespace that fit a query best; a blank query lists them in the order of storing."""
        namespace_id = self._namespace_id(asked.namespace)
        if namespace_id is None:
            return []
        if not asked.query.strip():
            return self._unranked([(namespace_id, 0)], asked.filter, asked.limit, asked.offset)
        return self._found(self._searcher.find(namespace_id, asked, vector))

    def named(self, asked: Find) -> str | None:
        """Return the one speaker of the dialogue whom the query names."""
        namespace_id = self._namespace_id(asked.namespace)
        return self._searcher.named(namespace_id, asked, asked.near) if namespace_id is not None and isinstance(asked.near, Dialogue) else None

    def namespaces(self, op: ListNamespacesOp) -> list[Namespace]:
        """Return the namespaces that hold items."""
        conditions = op.match_conditions or ()
        found = [one for one in self._every_namespace() if all(_fits(condition, one) for condition in conditions)]
        if op.max_depth is not None:
            found = list({one[: op.max_depth] for one in found})
        return sorted(found)[op.offset : op.offset + op.limit]

    def answer(self, ops: Sequence[Op], queries: Vectors) -> list[Result]:
        """Return what each operation of a batch reads; None for a write."""
        results: list[Result] = []
        for op in ops:
            if isinstance(op, GetOp):
                self.refreshes = op.refresh_ttl
                results.append(self.get(op))
            elif isinstance(op, SearchOp):
                self.refreshes = op.refresh_ttl
                results.append(self.search(op, queries.get(op.query) if op.query else None))
            elif isinstance(op, ListNamespacesOp):
                results.append(self.namespaces(op))
            else:
                results.append(None)
        return results

    @abstractmethod
    def newest(self, asked: Newest) -> list[SearchItem]:
        """Return items of one namespace by a field, highest first."""

    @abstractmethod
    def count(self, namespace: Namespace, filter: Filter | None) -> int:
        """Return how many items one namespace holds that pass the filter."""

    @abstractmethod
    def tally(self, namespace: Namespace, limit: int) -> Tally:
        """Return how many items one namespace holds, and the tags that most of them have."""

    @abstractmethod
    def _unranked(
        self, namespaces: Sequence[tuple[int, int]], filter: Filter | None, limit: int, offset: int
    ) -> list[SearchItem]:
        """Return items in the order of namespaces and storing; namespaces as (id, number of items)."""

    @abstractmethod
    def _unindexed(self, namespace_id: int, filter: Filter | None, limit: int) -> list[RankedItem]:
        """Return the first items of a namespace of which nothing is indexed."""

    @abstractmethod
    def _rows_of(self, items: Sequence[int]) -> list[Any]:
        """Return the rows of items by their ids, in any order; ids that are gone have none."""

    @abstractmethod
    def _every_namespace(self) -> list[Namespace]:
        """Return each namespace that holds something to show."""

    @abstractmethod
    def _namespaces_under(self, prefix: Namespace) -> list[tuple[int, int]]:
        """Return the ids and sizes of the namespaces below a prefix, itself included, and learn their paths."""

    @abstractmethod
    def _namespace_id(self, namespace: Namespace) -> int | None:
        """Return the id of a namespace, and learn its path."""

    @abstractmethod
    def _stored_path(self, namespace_id: int) -> Namespace:
        """Return the namespace of an id."""

    def _found(self, hits: Sequence[RankedItem]) -> list[SearchItem]:
        rows = {row[ID]: row for row in self._rows_of([hit.item for hit in hits])}
        return [self._item(rows[hit.item], hit.score) for hit in hits if hit.item in rows]

    def _item(self, row: Any, score: float | None = None) -> SearchItem:
        self._touch(row)
        namespace = self._paths.get(row[NS])
        if namespace is None:
            namespace = self._paths[row[NS]] = self._stored_path(row[NS])
        return as_found(namespace, row, score)

    def _touch(self, row: Any) -> None:
        if self.refreshes and row[TTL] is not None:
            self.touched.append(row[ID])


class Engine(ABC):
    """A store's work on its data, one blocking call at a time, from any thread, and without embedding.

    Every call is one transaction, but for ``items`` (one for as long as it is read), ``sweep``, ``reindex`` and ``compact``.
    ``vectors`` hold what the plan's texts became; a text without a vector is found by words only. What each call answers,
    ``MemoryStore`` says at its method of the same name.

    Args:
        embedder: what texts are embedded by; None: by words only.
        ttl: LangGraph's TTL settings.
    """

    def __init__(self, embedder: Embedder | None, ttl: TTLConfig | None) -> None:
        self.embedder = embedder
        self.guard: Guard | None = None
        """What must hold for a write to be made."""
        self._ttl: TTLConfig = ttl or {}

    def guarded(self, guard: Guard) -> Self:
        """Return this engine with a guard that every write checks in its transaction: another view of the same data."""
        view = copy.copy(self)
        view.guard = guard
        return view

    def find(self, asked: Find, vectors: Vectors) -> list[SearchItem]:
        """Return what fits a query best; ``vectors`` holds the query's, where the mode needs one."""
        vector = asked.vector(vectors)
        return self._read(lambda reader: reader.find(asked, vector), uses_vectors=vector is not None, refreshes=True)

    def named(self, asked: Find) -> str | None:
        """Return the one speaker of the dialogue whom the query names."""
        return self._read(lambda reader: reader.named(asked))

    def newest(self, asked: Newest) -> list[SearchItem]:
        """Return items in the order of a field."""
        return self._read(lambda reader: reader.newest(asked), refreshes=True)

    def count(self, namespace: Namespace, filter: Filter | None) -> int:
        """Return how many items a namespace holds."""
        return self._read(lambda reader: reader.count(namespace, filter))

    def tally(self, namespace: Namespace, limit: int) -> Tally:
        """Return how many items a namespace holds and its tags."""
        return self._read(lambda reader: reader.tally(namespace, limit))

    def sweep(self) -> int:
        """Delete what has expired, some at a time; return how many items that were."""
        deleted = 0
        while (found := self._sweep_some(_SWEPT_AT_ONCE)) == _SWEPT_AT_ONCE:
            deleted += found
        return deleted + found

    def reindex(self, embedder: Embedder, progress: Progress | None) -> int:
        """Embed everything again, put the new vectors in force and use this embedder from then on."""
        embedded = self._reindex(embedder, progress)
        self.embedder = embedder
        return embedded

    @abstractmethod
    def execute(self, plan: PreparedBatch, vectors: Vectors, queries: Vectors) -> list[Result]:
        """Answer all reads of a batch from the state before it, then make all its writes or none."""

    @abstractmethod
    def put_if(self, plan: PreparedBatch, vectors: Vectors, expected: Mapping[str, Any] | None, *, durable: bool) -> bool:
        """Make the plan's one write if the stored value is ``expected``."""

    @abstractmethod
    def embedding(self) -> EmbeddingIdentity | None:
        """Return the embedding in force."""

    @abstractmethod
    def items(self, namespace: Namespace, vectors_by: EmbeddingIdentity | None) -> Iterator[IndexedItem]:
        """Yield the items of a namespace in the order of storing."""

    @abstractmethod
    def pending(self) -> int:
        """Return how many items wait for their vectors."""

    @abstractmethod
    def catch_up(self, limit: int) -> int:
        """Embed at most ``limit`` documents that wait for their vectors; return how many that were."""

    @abstractmethod
    def compact(self) -> int:
        """Give back the space of what was deleted."""

    @abstractmethod
    def sizes(self) -> StoreSizes:
        """Return how much it holds."""

    @abstractmethod
    def sizes_under(self, labels: Sequence[str], counted: str) -> StoreSizes:
        """Return how much lies under labels."""

    @abstractmethod
    def append_audit(self, entries: Sequence[AuditEntry]) -> None:
        """Add entries to the audit log."""

    @abstractmethod
    def read_audit(self, asked: AuditQuery) -> list[AuditEntry]:
        """Return entries of the audit log, the newest first."""

    @abstractmethod
    def _read(self, answer: Callable[[ItemReading], T], *, uses_vectors: bool = False, refreshes: bool = False) -> T:
        """Answer in one snapshot; ``refreshes``: what is read lives on, where the settings say so."""

    @abstractmethod
    def _sweep_some(self, limit: int) -> int:
        """Delete so many expired items at most; return how many."""

    @abstractmethod
    def _reindex(self, embedder: Embedder, progress: Progress | None) -> int:
        """Embed everything again and put the new vectors in force; return how many documents that were."""


def _fits(condition: MatchCondition, namespace: Namespace) -> bool:
    path = tuple(condition.path)
    if len(namespace) < len(path):
        return False
    if condition.match_type == "prefix":
        part = namespace[: len(path)]
    elif condition.match_type == "suffix":
        part = namespace[len(namespace) - len(path) :]
    else:
        raise ValueError(f"Unsupported match type: {condition.match_type}. Use 'prefix' or 'suffix'.")
    return all(wanted in ("*", label) for wanted, label in zip(path, part, strict=True))
