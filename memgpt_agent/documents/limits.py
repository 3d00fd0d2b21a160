"""Limits on reading one document, so that no file uses up this process's memory or time."""

from dataclasses import dataclass, replace

MEGABYTE = 1_000_000


@dataclass(frozen=True)
class Limits:
    """The most that one file may take. A file beyond them is refused with the limit's name, never cut short in silence."""

    file_bytes: int = 100 * MEGABYTE
    """The file itself."""
    expanded_bytes: int = 200 * MEGABYTE
    """All that is unpacked of it, nested archives and attachments together."""
    text_chars: int = 20_000_000
    """The text it yields: some 10,000 pages."""
    parts: int = 10_000
    """Pages, cells, slides, chapters or sheets."""
    seconds: float = 600.0
    """Time spent on reading and parsing; storing and embedding are not counted."""
    part_seconds: float = 60.0
    """Time until the first part, and from one part to the next."""
    memory_bytes: int = 1_000 * MEGABYTE
    """Memory of the process that parses it; held by the system where it can (POSIX)."""

    folder_files: int = 100_000
    """Files that are looked at in one folder, at all depths."""
    folder_depth: int = 64
    """Folders within folders."""

    @classmethod
    def of(cls, megabytes: float | None = None, seconds: float | None = None) -> "Limits":
        """Return the usual limits with another size of file, and text and memory to match it, or another time."""
        limits = cls() if seconds is None else replace(cls(), seconds=seconds, part_seconds=seconds)
        if megabytes is None:
            return limits
        size = int(megabytes * MEGABYTE)
        return replace(
            limits, file_bytes=size, text_chars=max(size, limits.text_chars), expanded_bytes=max(3 * size, limits.expanded_bytes),
            memory_bytes=max(10 * size, limits.memory_bytes),
        )  # fmt: skip


DEFAULT_LIMITS = Limits()
"""What holds unless a caller gives others."""
