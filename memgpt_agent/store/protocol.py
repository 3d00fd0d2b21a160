"""What the memory tiers ask of a store beyond LangGraph's BaseStore: finding, the newest, counting, compare-and-set."""

from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

from langgraph.store.base import BaseStore, SearchItem

SearchMode = Literal["hybrid", "words", "meaning"]
"""How a search ranks: by words (BM25) and meaning (cosine) together, or by one of them alone."""


class Guard(NamedTuple):
    """A condition on writes: one item's field ``number`` is what it was.

    The item is a lease. Its number rises whenever somebody takes it, so that writes of whoever held it before are refused.
    """

    namespace: tuple[str, ...]
    """Where the item lies."""
    key: str
    """Its key."""
    number: int
    """What its ``number`` must be."""


@runtime_checkable
class ClockedStore(Protocol):
    """A store with a clock that all who use it agree on, such as a database server's. Leases go by it."""

    def clock_seconds(self) -> float:
        """Return the time in seconds since 1970."""
        ...


@runtime_checkable
class MemoryStore(Protocol):
    """The operations that a store adds to ``BaseStore`` to serve the memory tiers fully.

    A plain ``BaseStore`` works as well, with what it can do: see ``memgpt_agent.store.plain``. Each has an async face
    of the same signature, its name with an ``a`` before it, that does not block the loop.
    """

    def find(
        self,
        namespace: tuple[str, ...],
        query: str,
        *,
        mode: SearchMode = "hybrid",
        filter: dict[str, Any] | None = None,
        limit: int = 10,
        offset: int = 0,
        near: str | None = None,
    ) -> list[SearchItem]:
        """Return the items of one namespace (exactly this one) that fit ``query`` best, best first.

        Any text is a valid query. ``filter`` takes the operators of ``BaseStore.search`` and, beside them,
        ``$in`` (the value is one of a list), ``$any`` and ``$all`` (the value, a list, holds one or all of a list);
        it is applied before ranking and limiting. ``SearchItem.score`` is higher for a better hit and is
        comparable within one result only. A blank query lists what passes the filter, in the order of storing.

        What is searched is the text at the paths of ``put``'s ``index`` (or the store's ``fields``): by words and by
        meaning alike, except that a path written ``words:PATH`` is searched by words only.

        ``near`` names a field whose equal values make a sequence in the order of storing (``thread_id``: a conversation).
        An item is then raised by those that stand up to four before and after it in its sequence, as far as they fit
        the query and pass the filter: what is looked for often stands beside what names it. It does not change which items are hits.
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
    ) -> bool:
        """Write ``value`` only if the stored value equals ``expected`` (``None``: only if there is no item).

        Returns whether it was written. The comparison and the write are one transaction: of two writers with
        the same ``expected``, in any threads or processes, exactly one gets ``True``. What is not ``durable`` need not outlive a
        power failure: a store may then wait for no disk.
        """
        ...

    def guarded(self, guard: Guard) -> BaseStore:
        """Return a view of this store that makes its writes only while the guard's item has the guard's number.

        The number is read in the transaction of the write, or in its one statement: between the two nobody can raise it. What
        ``batch``, ``put_if`` and everything built on them writes is guarded; reading is as before. A refused write raises
        ``LeaseLost`` and changes nothing.
        """
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
        near: str | None = None,
    ) -> list[SearchItem]:
        """Do as :meth:`find` does, without blocking the loop."""
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
        """Do as :meth:`newest` does, without blocking the loop."""
        ...

    async def acount(self, namespace: tuple[str, ...], filter: dict[str, Any] | None = None) -> int:
        """Do as :meth:`count` does, without blocking the loop."""
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
        """Do as :meth:`put_if` does, without blocking the loop."""
        ...


class Tally(NamedTuple):
    """What one namespace holds."""

    items: int
    """How many items."""
    tags: list[tuple[str, int]]
    """Tags with the number of items that have them, the most used first, of equals the first by name."""


@runtime_checkable
class TallyStore(Protocol):
    """A ``MemoryStore`` that also knows which tags its items have. Without it an agent is told no tags."""

    def tally(self, namespace: tuple[str, ...], *, limit: int = 10) -> Tally:
        """Return how many items one namespace (exactly this one) holds, and the ``limit`` tags that most of them have.

        The tags of an item are the distinct texts in the list ``tags`` of its value, indexed or not. The cost does not grow with
        the namespace, nor with its tags.

        **Limits**: what has expired counts until it is swept; a text with a NUL or half an emoji in it is no tag.
        """
        ...

    async def atally(self, namespace: tuple[str, ...], *, limit: int = 10) -> Tally:
        """Do as :meth:`tally` does, without blocking the loop."""
        ...
