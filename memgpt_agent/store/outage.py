"""An embedding that cannot be reached: memory goes on by words, and what was written meanwhile is embedded afterwards."""

import logging
import threading
import time
from types import TracebackType

from memgpt_agent.errors import MemGPTError

CATCH_UP_DOCS = 64
"""So many documents are embedded after the fact with each write that finds the embedding there again."""
_SLOW_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 60.0
_log = logging.getLogger(__name__)


class Outage:
    """What is known of an embedding that fails; shared by all views of one store.

    As a context it takes in what the embedding raises, but for errors of this package such as a wrong dimension. A failure
    that took long (a server that does not answer) is followed by a pause ten times as long, a minute at most, in which
    nothing is asked: no turn waits for a timeout again and again.
    """

    def __init__(self) -> None:
        self.pending = False
        """Whether documents may wait for their vectors."""
        self._asked_again_at = 0.0
        self._out = False
        self._asking = threading.local()

    @property
    def pauses(self) -> bool:
        """Whether the embedding is not asked now."""
        return time.monotonic() < self._asked_again_at

    def __enter__(self) -> None:
        self._asking.since = time.monotonic()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> bool:
        if error is None:
            self._out = False
            return False
        if isinstance(error, MemGPTError) or not isinstance(error, Exception):
            return False
        now = time.monotonic()
        took = now - self._asking.since
        if took > _SLOW_SECONDS:
            self._asked_again_at = now + min(10 * took, _LONGEST_PAUSE_SECONDS)
        if not self._out:
            _log.warning(
                "The embedding cannot be asked (%s: %s). Memory is searched by words meanwhile; what is written is embedded later.",
                type(error).__name__, error,
            )  # fmt: skip
        self._out = self.pending = True
        return True
