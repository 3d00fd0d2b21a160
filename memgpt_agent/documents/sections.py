"""What a file's reader yields, and the limits that it must keep."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from io import BufferedIOBase
from pathlib import Path
from typing import IO

from memgpt_agent.documents.opening import DEFAULT_LIMITS, Limits
from memgpt_agent.errors import DocumentError

_DEPTH = 3
"""Attachments within attachments."""


@dataclass(frozen=True)
class DocumentSection:
    """A part of a document that is never joined with the next: a page of a PDF, a notebook's cell, a whole text."""

    text: str
    """What it says."""
    page: int | None = None
    """Counted from 1; None if the document has no pages."""
    title: str | None = None
    """The document's title, where it has one."""
    lines: tuple[int, int] | None = None
    """The file's first and last line that it was made from, where its own lines are not the file's."""
    line_start: int = 1
    """The file's line at which it begins, where its lines are the file's."""
    unit: str = "page"
    """What `page` counts: ``page``, ``cell``, ``slide``, ``sheet`` or ``chapter``."""


@dataclass(frozen=True)
class ReadingNote:
    """What a person should know of how a file was read: pages without text, a guessed encoding."""

    text: str
    """One sentence, without the file's name."""


@dataclass(frozen=True)
class Attached:
    """A document within a document, which is read by itself: what is wrong with it costs nothing else."""

    name: str
    """Its file's name."""
    data: bytes
    """Its bytes."""


class BeyondLimits(DocumentError):
    """A document exceeds what may be read of one; none of it is taken."""


@dataclass
class DocumentSource:
    """A file that is being read, or an attachment within one."""

    name: str
    """What messages call it."""
    suffix: str
    """Of its name, in lower case with the dot."""
    limits: Limits = DEFAULT_LIMITS
    """What the whole file may take."""
    depth: int = 0
    """Attachments around it."""
    _expanded: int = field(default=0, init=False)

    def expand(self, size: int) -> None:
        """Count bytes that were unpacked.

        Raises:
            BeyondLimits: they are more than the file may expand to.
        """
        self._expanded += size
        if self._expanded > self.limits.expanded_bytes:
            raise BeyondLimits(
                f"{self.name} unpacks to more than {self.limits.expanded_bytes:,} bytes, as a zip bomb does. It was not read."
            )

    def inner(self, name: str, limits: Limits) -> "DocumentSource":
        """Return the source of an attachment, which is read by itself, within what is left of the limits.

        Raises:
            DocumentError: it lies too deep.
        """
        if self.depth >= _DEPTH:
            raise DocumentError(f"{self.name} has attachments nested more than {_DEPTH} deep.")
        return DocumentSource(f"{name} in {self.name}", Path(name).suffix.lower(), limits, self.depth + 1)


def too_much_text(source: DocumentSource) -> BeyondLimits:
    """Return the error for a file that holds more text than it may."""
    return BeyondLimits(
        f"{source.name} holds more than {source.limits.text_chars:,} characters of text. Split it, or raise the limit (memgpt load --max-mb)."
    )


def salvaged(parts: Iterable[tuple[str, Iterator["DocumentSection | ReadingNote"]]]) -> Iterator["DocumentSection | ReadingNote"]:
    """Yield what can be read of a document's parts, each with its name; a note names one that is damaged.

    Raises:
        BeyondLimits, MissingDependency, ImportError: the whole document cannot be read.
        Exception: nothing at all could be read: what the first part raised.
    """
    first: Exception | None = None
    taken = False
    for name, sections in parts:
        try:
            for found in sections:
                taken = taken or isinstance(found, DocumentSection)
                yield found
        except (BeyondLimits, ImportError):
            raise
        except Exception as error:  # noqa: BLE001 - a damaged part can make a parser raise anything, memory it cannot get included
            first = first or error
            why = "it needs more memory than there is" if isinstance(error, MemoryError) else str(error)[:200] or type(error).__name__
            yield ReadingNote(f"{name} cannot be read to the end: {why.rstrip('.')}. The rest was read")
    if first is not None and not taken:
        raise first


Parse = Callable[[bytes, DocumentSource], Iterator["DocumentSection | ReadingNote | Attached"]]
"""Reads a file's bytes. May raise anything: the caller turns it into a DocumentError that names the file."""


class Counted(BufferedIOBase):
    """A stream whose bytes count as expanded when they are read."""

    def __init__(self, stream: IO[bytes], source: DocumentSource) -> None:
        self._stream = stream
        self._source = source

    def readable(self) -> bool:
        """Return True."""
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        """Read at most so many bytes; all of them, in blocks, if none are named."""
        if size is None or size < 0:
            return b"".join(iter(lambda: self.read(1 << 16), b""))
        data = self._stream.read(size)
        self._source.expand(len(data))
        return data
