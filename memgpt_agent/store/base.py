"""The store that the memory tiers use: sync and async forms of every operation, batching and embedding, over an engine."""

import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, Literal, Self

import numpy as np
from langgraph.store.base import BaseStore, Op, PutOp, Result, SearchItem, TTLConfig

from memgpt_agent.errors import ConfigurationError
from memgpt_agent.faces import ON_LOOP, SYNC, Closing, Face, finished, forms, in_thread
from memgpt_agent.store.arrays import Floats
from memgpt_agent.store.embedding import EmbeddingLater, Outage, make_embedder
from memgpt_agent.store.fields import texts_at
from memgpt_agent.store.operations import BatchPreparer, Find, Newest, PreparedBatch, Vectors
from memgpt_agent.store.protocol import (
    AuditEntry,
    AuditQuery,
    Check,
    Dialogue,
    EmbeddingIdentity,
    Guard,
    IndexedItem,
    Namespace,
    Progress,
    SearchMode,
    StoreSizes,
    Tally,
)
from memgpt_agent.store.reading import Engine
from memgpt_agent.store.sweeper import Sweeper
from memgpt_agent.text.never_stored import Redactor


class MemoryStore(Closing, BaseStore):
    """A store with the operations beyond ``BaseStore`` that the memory tiers use, over an engine.

    A plain ``BaseStore`` works as well, with what it can do: see ``memgpt_agent.store.plain``. What a turn calls has an async
    form of the same signature, its name with an ``a`` before it, that does not block the loop; the rest is called from a
    thread. A new store brings the engine, and ``close``; hold it to ``tests/store/protocol_suite.py``.

    What holds for all of them:

    - **Transactions.** A read sees one state of the store. ``batch``, ``put_if`` and ``put_items`` make all their writes or
      none, and no reader sees a part of them. The reads of a batch see the state before its writes; of several writes to
      one key the last counts.
    - **Order.** "The order of storing" is the order in which keys were first put, whatever was written to them since; a key
      that was deleted and put again counts as new. The puts of one batch are stored in its order. Concurrent writers get
      some order, the same for every reader from then on.
    - **Durability.** When a write returns it survives a power failure, unless it was called with ``durable=False``.
    - **Isolation of namespaces.** "Exactly this namespace" excludes those below it.

    Args:
        engine: does the work.
        planner: takes operations apart, with the engine's encoding of values.
        ttl: LangGraph's TTL settings; ``start_ttl_sweeper`` starts the sweeper.
    """

    supports_ttl = True

    def __init__(self, engine: Engine, planner: BatchPreparer, ttl: TTLConfig | None) -> None:
        self.ttl_config = ttl
        self._engine = engine
        self._planner = planner
        self._sweeper = Sweeper(engine.sweep)
        self._outage = Outage()
        self._outage.pending = engine.embedder is not None and engine.pending() > 0
        self._later = EmbeddingLater(engine.catch_up, engine.pending, self._outage)

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        """Run operations: all reads see the state before the batch, then all writes happen at once or not at all."""
        return finished(self._batch(SYNC, ops))

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        """Do as :meth:`batch` does, without blocking the loop. Cancelled, a write that has begun is still finished."""
        return await self._batch(ON_LOOP, list(ops))

    async def _batch(self, face: Face, ops: Iterable[Op]) -> list[Result]:
        plan = await face.call(self._planner.prepare, ops)
        vectors = await self._outage.documents(face, self._engine.embedder, plan.texts)
        queries = await self._outage.queries(face, self._engine.embedder, plan.queries)
        return await face.call(self._execute, plan, vectors, queries)

    def put_then_embed(self, puts: Sequence[PutOp]) -> None:
        """Write items in one transaction without waiting for their vectors, which another thread adds.

        Searches find them by words at once, and by meaning once the vectors are there; :meth:`finish_embedding` waits for that. After a
        crash in between they count as :meth:`pending`. Use it for writes while somebody waits.
        """
        plan = self._planner.prepare(puts)
        self._engine.execute(plan, {}, {})
        self._embed_later(plan)

    def finish_embedding(self, timeout_seconds: float = 30) -> bool:
        """Wait for the vectors of :meth:`put_then_embed`; return whether embedding them was attempted within the timeout.

        An embedding that fails is not an error here: what it left is :meth:`pending`.
        """
        return self._later.wait(timeout_seconds)

    async def _find(
        self,
        face: Face,
        namespace: Namespace,
        query: str,
        *,
        mode: SearchMode = "hybrid",
        filter: dict[str, Any] | None = None,
        limit: int = 10,
        offset: int = 0,
        near: str | Dialogue | None = None,
    ) -> list[SearchItem]:
        """Return the items of exactly this namespace that match ``query`` best, best first.

        Any text is a valid query. ``filter`` takes the operators of ``BaseStore.search`` and, beside them,
        ``$in`` (the value is one of a list), ``$any`` and ``$all`` (the value, a list, holds one or all of a list);
        it is applied before ranking and limiting. ``SearchItem.score`` is higher for a better hit and is
        comparable within one result only. A blank query lists what passes the filter, in the order of storing.

        What is searched is the text at the paths of ``put``'s ``index`` (or the store's ``fields``): by words and by
        meaning alike, except that a path written ``words:PATH`` is searched by words only.

        ``near`` names a field whose equal values make a sequence in the order of storing (``thread_id``: a conversation).
        An item is then raised by those that stand up to four before and after it in its sequence, as far as they fit
        the query and pass the filter: what is looked for often stands beside what names it. A :class:`Dialogue` names what else tells one saying
        from another. Neither changes which items are hits.
        """
        asked = Find(namespace, query, mode, filter, limit, offset, near).checked()
        asked = await face.call(asked.in_their_words, self._engine.named)
        vectors = await self._outage.queries(face, self._engine.embedder, asked.texts)
        return await face.call(self._engine.find, asked, vectors)

    find, afind = forms(_find)

    def newest(
        self,
        namespace: Namespace,
        *,
        by: str = "time",
        filter: dict[str, Any] | None = None,
        limit: int = 10,
        offset: int = 0,
    ) -> list[SearchItem]:
        """Return items of one namespace (exactly this one) by a top-level field of their values, highest first.

        Texts (ISO 8601 times in UTC) come before numbers, numbers before what has neither; equals stand in the order of
        storing, what was stored last first. ``filter`` is as in :meth:`find`, applied before limiting. By ``time`` the cost of the first
        page does not grow with the namespace, whether or not the filter names a ``thread_id``; with another
        filter it grows with the newer items that do not pass.
        """
        return self._engine.newest(Newest(namespace, by, filter, limit, offset).checked())

    anewest = in_thread(newest)

    def count(self, namespace: Namespace, filter: dict[str, Any] | None = None) -> int:
        """Return how many items one namespace (exactly this one) holds that pass the filter.

        Without a filter the cost does not grow with the namespace.
        """
        asked = Newest(namespace, "time", filter, 0, 0).checked()
        return self._engine.count(asked.namespace, asked.filter)

    acount = in_thread(count)

    def tally(self, namespace: Namespace, *, limit: int = 10) -> Tally:
        """Return how many items one namespace (exactly this one) holds, and the ``limit`` tags that most of them have.

        The tags of an item are the distinct texts in the list ``tags`` of its value, indexed or not. The cost does not grow with
        the namespace, nor with its tags.

        **Limits**: expired items count until they are swept; a text with a NUL or half an emoji in it is not a tag.
        """
        asked = Newest(namespace, "time", None, limit, 0).checked()
        return self._engine.tally(asked.namespace, asked.limit)

    atally = in_thread(tally)

    async def _put_if(
        self,
        face: Face,
        namespace: Namespace,
        key: str,
        value: dict[str, Any],
        *,
        expected: dict[str, Any] | None,
        index: Literal[False] | list[str] | None = None,
        durable: bool = True,
        embed_later: bool = False,
    ) -> bool:
        """Write ``value`` only if the stored value equals ``expected`` (``None``: only if there is no item).

        Returns whether it was written. The comparison and the write are one transaction: of two writers with
        the same ``expected``, in any threads or processes, exactly one gets ``True``. What is not ``durable`` need not outlive a
        power failure: a store may then wait for no disk. With ``embed_later`` its vectors follow as those of :meth:`put_then_embed` do.
        """
        plan = await face.call(self._planner.prepare_put, namespace, key, value, index, self._default_ttl)
        vectors: Vectors = {} if embed_later else await self._outage.documents(face, self._engine.embedder, plan.texts)
        return await face.call(self._put_planned, plan, vectors, expected, durable=durable, embed_later=embed_later)

    put_if, aput_if = forms(_put_if)

    def guarded(self, guard: Guard) -> Self:
        """Return a view of this store that makes its writes only while the guard's item has the guard's number.

        The number is read in the transaction of the write, or in its one statement: between the two nobody can raise it. What
        ``batch``, ``put_if``, ``put_items`` and everything built on them writes is guarded; reading is as before. A refused write raises
        ``LeaseLost`` (or what the guard says) and changes nothing.
        """
        view = copy.copy(self)
        view._engine = self._engine.guarded(guard)
        return view

    def redacting(self, redactor: Redactor) -> Self:
        """Return a view of this store through which nothing is stored that is never to be; reading is as before."""
        view = copy.copy(self)
        view._planner = self._planner.redacting(redactor)
        return view

    def checking(self, check: Check) -> Self:
        """Return a view of this store that has ``check`` look at the puts of each batch first."""
        view = copy.copy(self)
        view._planner = self._planner.checking(check)
        return view

    # Moving items between stores

    def embedding(self) -> EmbeddingIdentity | None:
        """Return the embedding that made the store's vectors; ``None`` if the store has no vectors and no embedding.

        It is the one in force: after a ``reindex``, also by another process, the new one. A store that was opened without
        an embedding still names the one that made what it holds.
        """
        return self._engine.embedding()

    def items(self, namespace: Namespace, *, vectors_by: EmbeddingIdentity | None = None) -> Iterator[IndexedItem]:
        """Yield the items of exactly this namespace in the order of storing, with what of each is indexed.

        All come from one state of the store, however slowly they are taken; they need not fit in memory. Close the iterator if
        you leave it early. With ``vectors_by`` the items carry every vector that the store has of them.

        Raises:
            EmbeddingMismatch: the vectors in force were not made by ``vectors_by``.
        """
        return self._engine.items(namespace, vectors_by)

    def put_items(
        self,
        items: Sequence[IndexedItem],
        also: Sequence[PutOp] = (),
        *,
        vectors_by: EmbeddingIdentity | None = None,
        progress: Progress | None = None,
    ) -> None:
        """Put items in their order, and ``also`` after them, in one transaction.

        The vectors that the items carry are stored if ``vectors_by`` is the embedding with which this store was opened. Every
        other text is embedded before the transaction begins; ``progress`` counts these texts. The items get no TTL.
        """
        puts = [PutOp(i.namespace, i.key, i.value, False if i.index is None else list(i.index)) for i in items]
        plan = self._planner.prepare([*puts, *also])
        embedder = self._engine.embedder
        known = _carried_vectors(items) if embedder and embedder.identity == vectors_by else {}
        missing = [text for text in plan.texts if text not in known]
        made: Vectors = embedder.documents(missing, progress) if embedder else {}
        self._engine.execute(plan, {**known, **made}, {})

    # Upkeep

    def reindex(self, embedding: Any = None, *, dims: int | None = None, progress: Progress | None = None) -> int:
        """Embed everything again and use the new vectors from then on; return how many documents were embedded.

        Until the end the old vectors answer, here and in other processes, and what is written meanwhile is embedded as
        well. Then the new ones are put in force at once: a store that is open with another embedding raises
        EmbeddingMismatch when it next needs a vector. Interrupted or killed, it loses a batch at most and continues from there
        when it is called again with the same embedding.

        Args:
            embedding: a name, a LangChain embedding or a function; None for the store's own, which then only embeds
                what was stored without one.
            dims: the length of its vectors, where it does not say so itself.
            progress: called with the number of documents done, and of all.

        Raises:
            ConfigurationError: no embedding was given and the store has none.
        """
        embedder = make_embedder({"embed": embedding, "dims": dims}) or self._engine.embedder
        if embedder is None:
            raise ConfigurationError("The store has no embedding. Give one: store.reindex('minilm').")
        return self._engine.reindex(embedder, progress)

    areindex = in_thread(reindex)

    def pending(self) -> int:
        """Return how many items wait for their vectors: just written by :meth:`put_then_embed`, or while the embedding could not be asked.

        They are found by words. A write that finds the embedding there again embeds some of them, the oldest first; ``reindex`` all.
        """
        return self._engine.pending()

    def compact(self) -> int:
        """Rewrite the store without what was deleted or overwritten; return by how many bytes it has become smaller.

        No byte of that is left in any of the store's files then: no text, no vector, no word of an index, no name of an empty
        namespace. Daily use does not need it. Writers wait meanwhile. Interrupted, it loses nothing; call it again.

        Raises:
            StoreBusy: others used the store for more than a minute. Nothing is lost; something of what was deleted may be left.
        """
        return self._engine.compact()

    def sizes(self) -> StoreSizes:
        """Return how much the store holds. It may read every item: use it for monitoring, not in a turn."""
        return self._engine.sizes()

    def sizes_under(self, labels: Sequence[str], counted: str) -> StoreSizes:
        """Return how much lies under these first labels.

        ``bytes`` are those of all values there, as JSON, without vectors and indexes; it reads every one. ``items`` are those of the
        namespaces ``(label, counted)`` alone.
        """
        return self._engine.sizes_under(labels, counted)

    def append_audit(self, entries: Sequence[AuditEntry]) -> None:
        """Add entries to the audit log, which nothing is ever taken out of; when it returns they are on disk."""
        self._engine.append_audit(entries)

    def read_audit(self, asked: AuditQuery) -> list[AuditEntry]:
        """Return entries of the audit log, the newest first."""
        return self._engine.read_audit(asked)

    # TTL

    def sweep_ttl(self) -> int:
        """Delete what has expired and return how many items that were."""
        return self._engine.sweep()

    def start_ttl_sweeper(self, sweep_interval_minutes: float | None = None) -> "Future[None]":
        """Delete what has expired every so many minutes (default: the setting, else 5), until cancelled or closed."""
        setting = (self.ttl_config or {}).get("sweep_interval_minutes")
        return self._sweeper.start(float(sweep_interval_minutes or setting or 5))

    def stop_ttl_sweeper(self, timeout: float | None = None) -> bool:
        """Stop the sweeper; whether it has stopped within ``timeout`` seconds."""
        return self._sweeper.stop(timeout)

    @property
    def _default_ttl(self) -> float | None:
        return (self.ttl_config or {}).get("default_ttl")

    def _execute(self, plan: PreparedBatch, vectors: Vectors, queries: Vectors) -> list[Result]:
        results = self._engine.execute(plan, vectors, queries)
        self._outage.catch_up_after(vectors, self._engine.catch_up)
        return results

    def _put_planned(
        self, plan: PreparedBatch, vectors: Vectors, expected: Mapping[str, Any] | None, *, durable: bool, embed_later: bool
    ) -> bool:
        written = self._engine.put_if(plan, vectors, expected, durable=durable)
        self._outage.catch_up_after(vectors, self._engine.catch_up)
        if written and embed_later:
            self._embed_later(plan)
        return written

    def _embed_later(self, plan: PreparedBatch) -> None:
        if plan.texts and self._engine.embedder is not None:
            self._later.begin()


BaseMemoryStore = MemoryStore
"""The name of earlier versions."""


def _carried_vectors(items: Sequence[IndexedItem]) -> dict[str, Floats]:
    known: dict[str, Floats] = {}
    for item in items:
        if item.vectors and item.index:
            for field in texts_at(item.value, item.index):
                if field.embed and field.path in item.vectors:
                    known[field.text] = np.frombuffer(item.vectors[field.path], dtype="<f4").astype(np.float32)
    return known
