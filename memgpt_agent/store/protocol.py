"""What the memory tiers need from a store beyond LangGraph's BaseStore: find, count, compare-and-set, transfer, upkeep."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

from langgraph.store.base import BaseStore, PutOp, SearchItem

from memgpt_agent.errors import LeaseLost, MemGPTError, NotAllowed
from memgpt_agent.text.never_stored import Redactor

Namespace = tuple[str, ...]
SearchMode = Literal["hybrid", "words", "meaning"]
"""How a search ranks: by words (BM25) and meaning (cosine) together, or by one of them alone."""
Progress = Callable[[int, int], None]
"""Called after each step of long work: how much is done, of how much."""


class EmbeddingIdentity(NamedTuple):
    """What a store remembers of the embedding that made its vectors. Equal identities mean interchangeable vectors."""

    name: str
    """The embedding's name."""
    dims: int
    """The length of its vectors."""

    def __str__(self) -> str:
        return f"{self.name} ({self.dims:,} dimensions)"


@dataclass(frozen=True, slots=True)
class IndexedItem:
    """A complete item: everything another store needs to hold it and to find it as this one does."""

    namespace: Namespace
    """Its namespace."""
    key: str
    """Its key."""
    value: dict[str, Any]
    """Its value."""
    index: tuple[str, ...] | None
    """The paths that are searched, as ``put`` takes them; ``None``: it is not searched."""
    vectors: Mapping[str, bytes] = field(default_factory=dict[str, bytes])
    """The vector (float32, little-endian, unit length) of each embedded path; empty unless asked for."""


class StoreSizes(NamedTuple):
    """How much a store holds."""

    items: int
    """The number of items, including expired ones that have not been swept."""
    bytes: int
    """Bytes on disk: items, vectors and indexes."""


class Dialogue(NamedTuple):
    """The fields of a namespace that holds what was said, by which ``find`` tells the likelier sayings from the others.

    Beside what ``near`` does for a sequence: of sayings that fit alike, the longer one comes first, an answer before a question, what follows
    a question that fits, and what the one person said whom the query names. That person's own words are looked for as well: the query
    in the first person. An item without such a field counts as the mean.
    """

    sequence: str
    """Items with equal values form a conversation."""
    chars: str
    """The length of the message, in characters."""
    asks: str
    """``True`` where it asks something."""
    speaker: str
    """The speaker's name."""
    dated: str = ""
    """``True`` where it names a time; of more weight where the query asks when something was. Empty if there is no such field."""
    within: Mapping[str, Any] | None = None
    """No field but a filter that what is meant is likely to pass, such as the time that the query names."""

    @property
    def fields(self) -> tuple[str, ...]:
        """All fields that a search reads."""
        return (self.sequence, self.chars, self.asks, self.speaker, *filter(None, [self.dated]), *(self.within or ()))


class Tally(NamedTuple):
    """What one namespace holds."""

    items: int
    """How many items."""
    tags: list[tuple[str, int]]
    """Tags with their number of items, the most frequent first; ties by name."""


class Guard(NamedTuple):
    """A condition on writes: one item's field ``number`` is unchanged.

    The item is a lease. Its number rises whenever somebody takes it, so that writes of whoever held it before are refused.
    """

    namespace: tuple[str, ...]
    """Where the item lies."""
    key: str
    """Its key."""
    number: int
    """What its ``number`` must be."""
    refusal: str = ""
    """The error of a refused write, if the guard is not a lease."""

    def refused(self) -> MemGPTError:
        """Return the error for a write that the guard refuses."""
        return NotAllowed(self.refusal) if self.refusal else LeaseLost.of(self.key)


@runtime_checkable
class ClockedStore(Protocol):
    """A store with a clock that all its users share, such as a database server's. Leases use it."""

    def clock_seconds(self) -> float:
        """Return the time in seconds since 1970."""
        ...


@runtime_checkable
class MemoryStore(Protocol):
    """The operations beyond ``BaseStore`` that the memory tiers use.

    A plain ``BaseStore`` works as well, with what it can do: see ``memgpt_agent.store.plain``. What a turn calls has an async
    face of the same signature, its name with an ``a`` before it, that does not block the loop; the rest is called from a
    thread. To write a store, subclass ``memgpt_agent.store.base.BaseMemoryStore``, which brings both faces, planning and
    embedding, and hold it to ``tests/store/protocol_suite.py``.

    What holds for all of them:

    - **Transactions.** A read sees one state of the store. ``batch``, ``put_if`` and ``put_items`` make all their writes or
      none, and no reader sees a part of them. The reads of a batch see the state before its writes; of several writes to
      one key the last counts.
    - **Order.** "The order of storing" is the order in which keys were first put, whatever was written to them since; a key
      that was deleted and put again counts as new. The puts of one batch are stored in its order. Concurrent writers get
      some order, the same for every reader from then on.
    - **Durability.** When a write returns it survives a power failure, unless it was called with ``durable=False``.
    - **Isolation of namespaces.** "Exactly this namespace" excludes those below it.
    """

    def put_then_embed(self, puts: Sequence[PutOp]) -> None:
        """Write items in one transaction without waiting for their vectors, which another thread adds.

        Searches find them by words at once, and by meaning once the vectors are there; :meth:`finish_embedding` waits for that. After a
        crash in between they count as :meth:`pending`. Use it for writes while somebody waits.
        """
        ...

    def finish_embedding(self, timeout_seconds: float = 30) -> bool:
        """Wait for the vectors of :meth:`put_then_embed`; return whether embedding them was attempted within the timeout.

        An embedding that fails is not an error here: what it left is :meth:`pending`.
        """
        ...

    def find(
        self,
        namespace: tuple[str, ...],
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
        ...

    def newest(
        self,
        namespace: tuple[str, ...],
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
        ...

    def count(self, namespace: tuple[str, ...], filter: dict[str, Any] | None = None) -> int:
        """Return how many items one namespace (exactly this one) holds that pass the filter.

        Without a filter the cost does not grow with the namespace.
        """
        ...

    def put_if(
        self,
        namespace: tuple[str, ...],
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
        ...

    def tally(self, namespace: tuple[str, ...], *, limit: int = 10) -> Tally:
        """Return how many items one namespace (exactly this one) holds, and the ``limit`` tags that most of them have.

        The tags of an item are the distinct texts in the list ``tags`` of its value, indexed or not. The cost does not grow with
        the namespace, nor with its tags.

        **Limits**: expired items count until they are swept; a text with a NUL or half an emoji in it is not a tag.
        """
        ...

    def guarded(self, guard: Guard) -> BaseStore:
        """Return a view of this store that makes its writes only while the guard's item has the guard's number.

        The number is read in the transaction of the write, or in its one statement: between the two nobody can raise it. What
        ``batch``, ``put_if``, ``put_items`` and everything built on them writes is guarded; reading is as before. A refused write raises
        ``LeaseLost`` (or what the guard says) and changes nothing.
        """
        ...

    def redacting(self, redactor: Redactor) -> BaseStore:
        """Return a view of this store through which nothing is stored that is never to be; reading is as before."""
        ...

    async def afind(
        self,
        namespace: tuple[str, ...],
        query: str,
        *,
        mode: SearchMode = "hybrid",
        filter: dict[str, Any] | None = None,
        limit: int = 10,
        offset: int = 0,
        near: str | Dialogue | None = None,
    ) -> list[SearchItem]:
        """Async form of :meth:`find`."""
        ...

    async def anewest(
        self,
        namespace: tuple[str, ...],
        *,
        by: str = "time",
        filter: dict[str, Any] | None = None,
        limit: int = 10,
        offset: int = 0,
    ) -> list[SearchItem]:
        """Async form of :meth:`newest`."""
        ...

    async def acount(self, namespace: tuple[str, ...], filter: dict[str, Any] | None = None) -> int:
        """Async form of :meth:`count`."""
        ...

    async def aput_if(
        self,
        namespace: tuple[str, ...],
        key: str,
        value: dict[str, Any],
        *,
        expected: dict[str, Any] | None,
        index: Literal[False] | list[str] | None = None,
        durable: bool = True,
    ) -> bool:
        """Async form of :meth:`put_if`."""
        ...

    async def atally(self, namespace: tuple[str, ...], *, limit: int = 10) -> Tally:
        """Async form of :meth:`tally`."""
        ...

    # Moving items between stores

    def embedding(self) -> EmbeddingIdentity | None:
        """Return the embedding that made the store's vectors; ``None`` if the store has no vectors and no embedding.

        It is the one in force: after a ``reindex``, also by another process, the new one. A store that was opened without
        an embedding still names the one that made what it holds.
        """
        ...

    def items(self, namespace: Namespace, *, vectors_by: EmbeddingIdentity | None = None) -> Iterator[IndexedItem]:
        """Yield the items of exactly this namespace in the order of storing, with what of each is indexed.

        All come from one state of the store, however slowly they are taken; they need not fit in memory. Close the iterator if
        you leave it early. With ``vectors_by`` the items carry every vector that the store has of them.

        Raises:
            EmbeddingMismatch: the vectors in force were not made by ``vectors_by``.
        """
        ...

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
        ...

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
        ...

    def compact(self) -> int:
        """Rewrite the store without what was deleted or overwritten; return by how many bytes it has become smaller.

        No byte of that is left in any of the store's files then: no text, no vector, no word of an index, no name of an empty
        namespace. Daily use does not need it. Writers wait meanwhile. Interrupted, it loses nothing; call it again.

        Raises:
            StoreBusy: others used the store for more than a minute. Nothing is lost; something of what was deleted may be left.
        """
        ...

    def pending(self) -> int:
        """Return how many items wait for their vectors: just written by :meth:`put_then_embed`, or while the embedding could not be asked.

        They are found by words. A write that finds the embedding there again embeds some of them, the oldest first; ``reindex`` all.
        """
        ...

    def sizes(self) -> StoreSizes:
        """Return how much the store holds. It may read every item: use it for monitoring, not in a turn."""
        ...
