"""Opening an agent in the background, so that a person can type while models and indexes load."""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Loading(Generic[T]):
    """A value that a thread of its own gets, once it is started or waited for."""

    def __init__(self, get: Callable[[], T]) -> None:
        self._get = get
        self._lock = threading.Lock()
        self._started = self._finished = False
        self._waiting: list[Callable[[], None]] = []
        self.got: list[T] = []
        """The value, once it is there."""
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="memgpt-loading", daemon=True)

    def start(self) -> None:
        """Begin, unless it has begun."""
        with self._lock:
            if not self._started:
                self._started = True
                self._thread.start()

    @property
    def failed(self) -> bool:
        """Whether getting it has failed already."""
        return self._error is not None

    def value(self) -> T:
        """Wait for the value and return it.

        Raises:
            BaseException: whatever getting it raised.
        """
        self.start()
        while self._thread.is_alive():
            self._thread.join(0.1)  # in slices: a join without a limit holds off Ctrl-C on Windows
        if self._error is not None:
            raise self._error
        return self.got[0]

    def when_finished(self, call: Callable[[], None]) -> None:
        """Call back once, from the loading thread, or at once where it has finished."""
        with self._lock:
            if not self._finished:
                self._waiting.append(call)
                return
        call()

    def _run(self) -> None:
        try:
            self.got.append(self._get())
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is raised where the value is wanted
            self._error = error
        with self._lock:
            self._finished, waiting = True, self._waiting
        for call in waiting:
            call()
