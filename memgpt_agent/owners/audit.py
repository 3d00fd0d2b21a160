"""The audit log: who did what when with which agent; never what was said or stored."""

import threading
import time
from collections.abc import Iterable
from datetime import datetime

from langgraph.store.base import BaseStore

from memgpt_agent.config import Settings
from memgpt_agent.errors import ConfigurationError
from memgpt_agent.owners.identity import Identity
from memgpt_agent.store.base import MemoryStore
from memgpt_agent.store.protocol import AuditEntry, AuditQuery
from memgpt_agent.store.rows import micros

_MAX_CHARS = 500
_MINUTE_SECONDS = 60.0
_KEPT = 10_000


class AuditLog:
    """Adds to the log of a store.

    Args:
        store: where the log is, as it was opened: not an owner's view of it.

    Raises:
        ConfigurationError: the store keeps no log.
    """

    def __init__(self, store: BaseStore) -> None:
        if not isinstance(store, MemoryStore):
            raise ConfigurationError(
                f"MEMGPT_AUDIT is on, and {type(store).__name__} keeps no audit log. Use a store of this package, or switch it off."
            )
        self._store = store
        self._lately: dict[tuple[str, ...], float] = {}
        self._guard = threading.Lock()

    @classmethod
    def of(cls, settings: Settings, store: BaseStore) -> "AuditLog | None":
        """Return the log of a store; ``None`` if the settings do not ask for one."""
        return cls(store) if settings.audit == "on" else None

    def note(
        self, who: "Identity | str | None", act: str, agents: Iterable[str] = ("",), outcome: str = "", *, once_a_minute: bool = False
    ) -> None:
        """Add that somebody did something, one entry for each agent. When it returns the entries are on disk.

        Args:
            who: who acted; ``None``: nobody in particular.
            act: what was done.
            agents: with which agents.
            outcome: what came of it.
            once_a_minute: whether the same by the same, within a minute and in this process, is left out: looking at something.
        """
        name = who.name if isinstance(who, Identity) else who or ""
        entries = [AuditEntry(_storable(name), _storable(act), _storable(agent_id), _storable(outcome)) for agent_id in agents]
        if once_a_minute:
            entries = [entry for entry in entries if self._is_new(entry[:4])]
        if entries:
            self._store.append_audit(entries)

    def _is_new(self, entry: tuple[str, ...]) -> bool:
        now = time.monotonic()
        with self._guard:
            if len(self._lately) >= _KEPT:
                self._lately = {one: noted for one, noted in self._lately.items() if now - noted < _MINUTE_SECONDS}
            if entry in self._lately and now - self._lately[entry] < _MINUTE_SECONDS:
                return False
            self._lately[entry] = now
            return True


def read_audit(
    store: BaseStore, *, who: str | None = None, agent_id: str | None = None, since: datetime | None = None, before: int | None = None,
    limit: int = 100,
) -> list[AuditEntry]:  # fmt: skip
    """Return entries of a store's audit log, the newest first; none if nothing was ever logged.

    Args:
        store: where the log is.
        who: only what this owner did; an empty text: what nobody in particular did.
        agent_id: only what was done with this agent.
        since: only what was done since then, a time with a zone.
        before: only what was done before the entry of this number: for the next page.
        limit: how many at most.
    """
    if not isinstance(store, MemoryStore):
        return []
    start = micros(since) if since else None
    return store.read_audit(
        AuditQuery(who if who is None else _storable(who), agent_id if agent_id is None else _storable(agent_id), start, before, limit)
    )


def _storable(text: str) -> str:
    """Return a text as every database takes it: without NUL and half characters, and not too long."""
    return text[:_MAX_CHARS].encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")
