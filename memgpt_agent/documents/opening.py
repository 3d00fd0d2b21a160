"""Opening a document safely: within limits, a regular file, by descriptor, never through a link that leads out of its folder."""

import errno
import os
import stat
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from memgpt_agent.errors import DocumentError

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


_BENEATH = hasattr(os, "O_PATH") and os.open in os.supports_dir_fd
"""Whether each folder on the way can be opened by itself (Linux)."""
_QUIET = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
_BLOCK = 1 << 20

_KINDS = (
    (stat.S_ISFIFO, "a pipe"), (stat.S_ISSOCK, "a socket"), (stat.S_ISCHR, "a device"), (stat.S_ISBLK, "a device"),
    (stat.S_ISDIR, "a folder"), (stat.S_ISLNK, "a link that leads nowhere"),
)  # fmt: skip


def what_else(mode: int) -> str:
    """Return what a file's mode says it is, where that is not a regular file; else an empty string."""
    return next((words for is_kind, words in _KINDS if is_kind(mode)), "")


def printable(name: str) -> str:
    """Return a file's name as text: bytes of it that are none are shown as question marks."""
    return os.fsencode(name).decode("utf-8", "replace")


def read_bytes(path: Path, limits: Limits, *, follow_links: bool = True) -> bytes:
    """Return the bytes of a regular file.

    Args:
        path: the file.
        limits: how large it may be.
        follow_links: whether its name may lead through links: whoever names a file means it. If not, the path must be absolute and
            without links, and each step to it is tried, so that a folder exchanged for a link after its search leads nowhere (on
            Linux; elsewhere the end of the way is checked).

    Raises:
        DocumentError: it is not a regular file, is too large, cannot be read, or a link has taken its place.
    """
    try:
        with _opened(path, follow_links) as handle:
            about = os.fstat(handle)
            if kind := what_else(about.st_mode):
                raise DocumentError(f"{path} is {kind}, not a file. It was not read.")
            if about.st_size > limits.file_bytes:
                raise too_large(path, about.st_size, limits)
            return _all(handle, path, limits)
    except OSError as error:
        if error.errno in {errno.ELOOP, errno.ENOTDIR} and not follow_links:
            raise DocumentError(f"{path} was replaced by a link after its folder was searched. It was not read.") from error
        raise DocumentError(f"{path} cannot be read: {error}. It was not read.") from error


def too_large(path: Path, size: int, limits: Limits) -> DocumentError:
    """Return the error for a file that is larger than it may be."""
    return DocumentError(
        f"{path} has {size:,} bytes; at most {limits.file_bytes:,} are read. Split it, or raise the limit (memgpt load --max-mb)."
    )


def _all(handle: int, path: Path, limits: Limits) -> bytes:
    found: list[bytes] = []
    size = 0
    while block := os.read(handle, _BLOCK):
        size += len(block)
        if size > limits.file_bytes:  # it grows, or its size is not what the system says
            raise too_large(path, size, limits)
        found.append(block)
    return b"".join(found)


@contextmanager
def _opened(path: Path, follow_links: bool) -> Generator[int]:
    """Open a file that is one: a device does something when it is opened, so it is looked at first."""
    handle = _followed(path) if follow_links else _without_links(path)
    try:
        yield handle
    finally:
        os.close(handle)


def _followed(path: Path) -> int:
    _check_kind(path, path.stat().st_mode)
    return os.open(path, os.O_RDONLY | _QUIET)


def _without_links(path: Path) -> int:
    if not _BENEATH:
        _check_kind(path, path.lstat().st_mode)
        if path.resolve() != path:
            raise OSError(errno.ELOOP, "a link")
        return os.open(path, os.O_RDONLY | _QUIET | _NO_LINK)
    *folders, name = path.parts[1:]
    folder = os.open(path.anchor, os.O_PATH | os.O_DIRECTORY)
    try:
        for step in folders:
            inner = os.open(step, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
            os.close(folder)
            folder = inner
        _check_kind(path, os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
        return os.open(name, os.O_RDONLY | _QUIET | _NO_LINK, dir_fd=folder)
    finally:
        os.close(folder)


def _check_kind(path: Path, mode: int) -> None:
    if stat.S_ISLNK(mode):
        raise OSError(errno.ELOOP, "a link")
    if kind := what_else(mode):
        raise DocumentError(f"{path} is {kind}, not a file. It was not read.")
