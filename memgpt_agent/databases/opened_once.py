"""What is open in this process, each place once: files and databases that several agents use at the same time."""

import os
import threading
import weakref
from collections.abc import Callable, Hashable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Generic, Protocol, TypeVar


class _Closes(Protocol):
    def close(self) -> None: ...


T = TypeVar("T", bound=_Closes)


class _Shared(Generic[T]):
    """What one place was opened as, and how many use it."""

    def __init__(self) -> None:
        self.opening = threading.Lock()
        self.opened: T | None = None
        self.users = 0
        self.file: tuple[int, int] | None = None
        self.failures: list[Exception] = []


class OpenedOnce(Generic[T]):
    """Opens each place once in this process, for all who use it at the same time; the last one closes it (ADR 0234).

    Whoever is forgotten without being closed keeps nothing open: what is opened lives as long as somebody refers to it.
    A file that was replaced or deleted meanwhile is opened anew, and so is everything in a forked child.
    """

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._shared: weakref.WeakValueDictionary[Hashable, _Shared[T]] = weakref.WeakValueDictionary()
        self._pid = os.getpid()

    def use(
        self, place: Hashable, open_it: Callable[[], T], *, file: Path | None = None, seen: Callable[[T], T] = lambda opened: opened
    ) -> "Use[T]":
        """Return a use of a place, to be entered and left.

        Args:
            place: names it.
            open_it: opens it, where nobody has.
            file: tells whether what was opened is still there.
            seen: makes what this user gets of what was opened.
        """
        return Use(self, place, open_it, file, seen)

    def joined(self, place: Hashable, file: Path | None) -> _Shared[T]:
        """Return what this place is opened as, or will be, as one of its users; ``file`` tells whether it is still there."""
        if self._pid != os.getpid():  # the parent's connections are not to be used here, and its lock may be held
            self.__init__()
        with self._guard:
            shared = self._shared.get(place)
            if shared is None or (shared.opened is not None and shared.file != _known_as(file)):
                shared = self._shared[place] = _Shared()
            shared.users += 1
            return shared

    def left(self, place: Hashable, shared: _Shared[T]) -> None:
        """Be no user any more; the last one closes it."""
        with self._guard:
            shared.users -= 1
            last = not shared.users
            if last and self._shared.get(place) is shared:
                del self._shared[place]
        if last and shared.opened is not None:
            shared.opened.close()


class Use(AbstractContextManager[T]):
    """A use of a place: it is opened at the block's beginning unless somebody has it open, and closed at the end unless somebody goes on.

    A class and not a generator, which would close it while garbage is collected.
    """

    def __init__(self, once: OpenedOnce[T], place: Hashable, open_it: Callable[[], T], file: Path | None, seen: Callable[[T], T]) -> None:
        self._once, self._place, self._open_it, self._file, self._seen = once, place, open_it, file, seen
        self._shared: _Shared[T] | None = None

    def __enter__(self) -> T:
        self._shared = shared = self._once.joined(self._place, self._file)
        try:
            return self._seen(self._opened(shared, len(shared.failures)))
        except BaseException:
            self._once.left(self._place, shared)
            raise

    def _opened(self, shared: _Shared[T], failures: int) -> T:
        """Return what the place is opened as. If it failed while this user waited, that is its failure too: it does not wait as long again."""
        with shared.opening:
            if shared.opened is None:
                if len(shared.failures) > failures:
                    raise shared.failures[-1]
                try:
                    opened = self._open_it()
                    shared.file, shared.opened = _known_as(self._file), opened  # in this order: whoever joins meanwhile compares the file
                except Exception as error:
                    shared.failures.append(error)
                    raise
            return shared.opened

    def __exit__(self, *_: object) -> None:
        shared, self._shared = self._shared, None
        if shared is not None:
            self._once.left(self._place, shared)


def _known_as(file: Path | None) -> tuple[int, int] | None:
    """Return what tells a file from another one at its place."""
    try:
        found = file.stat() if file else None
    except OSError:
        return None
    return (found.st_dev, found.st_ino) if found else None
