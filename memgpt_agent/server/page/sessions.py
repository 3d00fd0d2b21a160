"""Who is logged in to the page: a cookie names a session of this process, which holds the token that was given."""

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

COOKIE = "memgpt_session"
IDLE_SECONDS = 12 * 3_600
"""A session that is not used for so long is over."""
_MOST = 10_000


class Sessions:
    """The sessions of the page. A restart ends them; the token itself never lies in the browser.

    Args:
        clock: gives seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._guard = clock, threading.Lock()
        self._known: OrderedDict[str, tuple[str, float]] = OrderedDict()

    def begin(self, token: str) -> str:
        """Begin the session of whoever gave this token; return its id."""
        made = secrets.token_urlsafe(32)
        with self._guard:
            self._known[made] = (token, self._clock())
            while len(self._known) > _MOST:
                self._known.popitem(last=False)
        return made

    def token(self, session: str) -> str:
        """Return the token of a session; empty if it is over. Whether the token is still good, the caller asks."""
        with self._guard:
            token, used = self._known.get(session, ("", 0.0))
            if not token or self._clock() - used > IDLE_SECONDS:
                self._known.pop(session, None)
                return ""
            self._known[session] = (token, self._clock())
            self._known.move_to_end(session)
            return token

    def end(self, session: str) -> None:
        """End a session."""
        with self._guard:
            self._known.pop(session, None)
