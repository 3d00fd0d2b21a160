"""What the memory tiers and the stores say to each other: namespaces, modes, items with their vectors, guards."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

from memgpt_agent.errors import LeaseLost, MemGPTError, NotAllowed

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


class StoredSize(NamedTuple):
    """An item that is about to be put."""

    namespace: Namespace
    """Its namespace."""
    key: str
    """Its key."""
    bytes: int
    """The bytes of its value as JSON."""


Check = Callable[[Sequence[StoredSize]], None]
"""Looks at the puts of a batch before it begins; what it raises refuses all of it."""


class AuditEntry(NamedTuple):
    """Something that somebody did, as the audit log has it; never what was said or stored."""

    who: str
    """The acting owner's name; empty: nobody in particular."""
    act: str
    """What was done: a turn, a route, a command."""
    agent_id: str = ""
    """With which agent; empty: with none, or it is not known."""
    outcome: str = ""
    """What came of it: a status, or why it was refused; empty where that is not known when it begins."""
    time: str = ""
    """When, ISO 8601, UTC; the store sets it."""
    number: int = 0
    """Its place in the log, rising; the store sets it."""


class AuditQuery(NamedTuple):
    """Which entries of the audit log are asked for; a field that is ``None`` asks for all."""

    who: str | None = None
    agent_id: str | None = None
    since_micros: int | None = None
    """Since when, in microseconds since 1970."""
    before: int | None = None
    """Only entries before this number: the next page."""
    limit: int = 100


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
