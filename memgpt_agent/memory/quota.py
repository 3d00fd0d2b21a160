"""What an owner has used, and the check that there is room for more. The counts lie in the store, so all processes share them."""

import hashlib
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from langgraph.store.base import BaseStore, GetOp, Item, PutOp

from memgpt_agent.errors import LimitReached
from memgpt_agent.memory import namespaces, tiers
from memgpt_agent.memory.namespaces import COUNTED, USED
from memgpt_agent.owners import OWNERS, Identity, claim, owner_of, owners_of
from memgpt_agent.owners.limits import LimitTable, OwnerLimits
from memgpt_agent.store.plain import all_items, checking, count, sizes_under
from memgpt_agent.store.protocol import ClockedStore, StoredSize
from memgpt_agent.store.rows import encode_value
from memgpt_agent.store.update import update

FILLED = frozenset({"archival", "core", "files", "file_text", "tasks", "entities", "facts"})
"""The tiers whose writes are refused when there is no room. A turn that has begun may write the others: what was said is never lost."""
_MINUTE_MS = 60_000
_MOST_AGENTS = 100_000
_PAGE = 1_000
_INVENTORY = "~inventory"
_VERSIONS = 100
"""So many versions of the limits are remembered: replicas have a file each."""
_LEAST_SPARE = 20
"""A count of what is stored is trusted for so many times as long as it took, so that it costs a twentieth at most."""
_NEAR = {"passages": 1_000, "bytes": 1_000_000}
"""With less room than this, or than a tenth of the limit, everything is counted anew for each write."""


@dataclass
class _Stored:
    until: float
    passages: int
    bytes: int


class Quota:
    """What the owner of an agent, and whoever acts, may still use.

    Turns and tokens count for whoever acts, else for the agent's owner; agents and what is stored count for the agent's owner.

    Args:
        store: where the counts lie, as it was opened: not an owner's view of it.
        table: the limits.
        spender: for whom turns and tokens count.
        keeper: for whom the agent and its memory count.
        agent_id: the agent.

    **Limits**: those who store at the same moment may together go beyond ``passages`` and ``bytes`` by what they store then. On a plain
    ``BaseStore``, counts are safe between the threads of one process.
    """

    def __init__(self, store: BaseStore, table: LimitTable, *, spender: str, keeper: str, agent_id: str) -> None:
        self._store, self._table, self._agent_id = store, table, agent_id
        self._spender, self._keeper = spender, keeper
        self._stored: _Stored | None = None

    @classmethod
    def of(cls, store: BaseStore, table: LimitTable | None, who: Identity | None, agent_id: str, owner: str = "") -> "Quota | None":
        """Return the quota that holds when somebody uses an agent; ``None`` if nothing is limited for them.

        The admin is not limited. Where nobody in particular acts (a heartbeat), it is the agent's owner.

        Args:
            store: the store, as it was opened.
            table: the limits.
            who: who acts.
            agent_id: the agent.
            owner: whose it will be, if it is about to be made.
        """
        if table is None or not table.is_set or (who is not None and who.is_admin):
            return None
        keeper = owner or owner_of(store, agent_id) or (who.name if who is not None and who.has(agent_id) else "")
        spender = who.name if who is not None else keeper
        if all(not name or table.of(name) is None for name in (spender, keeper)):
            return None
        return cls(store, table, spender=spender, keeper=keeper, agent_id=agent_id)

    def check_turn(self, *, in_background: bool = False) -> None:
        """Refuse a turn for which there is no room, before anything of it is stored; nothing is counted yet.

        Args:
            in_background: whether the agent sleeps: its turns are not counted, their tokens are.

        Raises:
            LimitReached: a limit is used up.
        """
        self.admit()
        self.check_storage([])
        self.check_spent(in_background=in_background)

    def check_spent(self, *, in_background: bool = False) -> None:
        """Refuse a turn if whoever acts has begun too many, or used too many tokens.

        Raises:
            LimitReached: a limit is used up.
        """
        self._check_tokens()
        if (most := self._turns(in_background=in_background)) is not None:
            self._with_turn(self._item("turns"), most, "")

    def begin_turn(self, turn: str, *, in_background: bool = False) -> None:
        """Do the same, and count the turn; one that is begun again, after a kill say, counts once.

        Args:
            turn: names it among all turns.
            in_background: as in :meth:`check_turn`.

        Raises:
            LimitReached: a limit is used up.
        """
        most = self._turns(in_background=in_background)
        if most is not None and any(one[1] == digest(turn)[:16] for one in (self._item("turns") or {}).get("starts", ())):
            return
        self.admit()
        self.check_storage([])
        self._check_tokens()
        if most is not None:
            update(self._store, USED, f"{digest(self._spender)}:turns", lambda value: self._with_turn(value, most, turn))

    def _check_tokens(self) -> None:
        limits = self._limits(self._spender)
        tokens = limits.of("tokens_a_day") if limits else None
        if tokens is not None and self._used_today() >= tokens:
            raise self._no_tokens(tokens)

    def _turns(self, *, in_background: bool) -> int | None:
        limits = self._limits(self._spender)
        return limits.of("turns_a_minute") if limits and not in_background else None

    def note_tokens(self, tokens: int) -> None:
        """Count the tokens of a model call."""
        limits = self._limits(self._spender)
        if tokens <= 0 or limits is None or limits.of("tokens_a_day") is None:
            return
        today = self._now().date().isoformat()

        def added(value: dict[str, Any] | None) -> dict[str, Any]:
            before = value["tokens"] if value and value["day"] == today else 0
            return {"day": today, "tokens": before + tokens}

        update(self._store, USED, f"{digest(self._spender)}:tokens", added)

    def admit(self) -> None:
        """Count the agent among its owner's; one that is new is refused where there are enough.

        Raises:
            LimitReached: the owner has as many agents as are allowed.
        """
        limits = self._limits(self._keeper)
        if limits is None or not limits.counts_agents:
            return
        _take_inventory(self._store, self._table.version)
        owner = digest(self._keeper)
        known = self._store.get(COUNTED, self._agent_id)
        if known is not None and known.value["owner"] == owner:
            return
        is_new = not self._store.list_namespaces(prefix=(namespaces.encode_label(self._agent_id),), limit=1)
        moved = [PutOp((*COUNTED, known.value["owner"]), self._agent_id, None)] if known else []
        mine = (*COUNTED, owner)
        self._store.batch([*_counting(self._agent_id, owner), *moved])
        most = limits.of("agents")
        if is_new and most is not None and count(self._store, mine) > most:  # of two who come at once, both may be refused, never both let in
            self._store.batch(dismissals(self._store, self._agent_id))
            raise LimitReached.of(
                f"{self._keeper!r} may have {_counted(most, 'agent')} and has no room for another. "
                "Delete one, or ask the admin to allow more (limits.toml)."
            )

    # What is stored

    def check_storage(self, puts: Sequence[StoredSize]) -> None:
        """Refuse puts for which there is no room; without any, refuse if there is room for nothing.

        Raises:
            LimitReached: they would go beyond a limit.
        """
        limits, reached = self._limits(self._keeper), None
        if limits is None or (limits.of("passages") is None and limits.of("bytes") is None):
            return
        for exactly in (False, True):
            if exactly:
                self._stored = None
            stored = self._measured()
            passages, size = self._growth(puts) if exactly else (sum(map(_is_passage, puts)), sum(put.bytes for put in puts))
            reached = self._reached(limits, stored, passages, size if puts else 1, exactly=exactly)
            if reached is None:
                stored.passages, stored.bytes = stored.passages + passages, stored.bytes + size
                return
        assert reached is not None  # noqa: S101  or it would have returned
        raise reached

    def _reached(self, limits: OwnerLimits, stored: _Stored, passages: int, size: int, *, exactly: bool) -> LimitReached | None:
        room = "Delete some, forget what is not needed, or ask the admin to allow more (limits.toml)."
        for name, unit, used, more in (("passages", "passage", stored.passages, passages), ("bytes", "byte", stored.bytes, size)):
            most = limits.of(name)
            spare = 0 if most is None or exactly else max(_NEAR[name], most // 10)
            if most is not None and more > 0 and used + more > most - spare:
                known = f"{self._keeper!r} has stored {_counted(used, unit)}, and {most:,} are allowed; this would add {more:,}."
                return LimitReached.of(f"{known} {room}")
        return None

    def _growth(self, puts: Sequence[StoredSize]) -> tuple[int, int]:
        """Return by how many passages and bytes these puts make memory grow, without what they replace."""
        before = self._store.batch([GetOp(put.namespace, put.key) for put in puts])
        passages = sum(_is_passage(put) for put, known in zip(puts, before, strict=True) if known is None)
        replaced = sum(len(encode_value(known.value).encode()) for known in before if isinstance(known, Item))
        return passages, sum(put.bytes for put in puts) - replaced

    def _measured(self) -> _Stored:
        if self._stored is None or time.monotonic() > self._stored.until:
            began = time.monotonic()
            agents = [item.key for item in self._store.search((*COUNTED, digest(self._keeper)), limit=_MOST_AGENTS)]
            found = sizes_under(self._store, [namespaces.encode_label(one) for one in {*agents, self._agent_id}], "archival")
            ended = time.monotonic()
            self._stored = _Stored(ended + _LEAST_SPARE * (ended - began), found.items, found.bytes)
        return self._stored

    # Turns and tokens

    def _with_turn(self, value: dict[str, Any] | None, most: int, turn: str) -> dict[str, Any]:
        now = int(self._now().timestamp() * 1_000)
        starts = [one for one in (value or {}).get("starts", ()) if now - _MINUTE_MS < one[0] <= now + _MINUTE_MS]
        name = digest(turn)[:16]
        if turn and any(one[1] == name for one in starts):
            return {"starts": starts}
        if len(starts) >= most:
            heals = (starts[len(starts) - most][0] + _MINUTE_MS - now) / 1_000 if most else None
            when = f"Try again in {max(1, -int(-heals // 1))} seconds" if heals is not None else "Turns are not allowed"
            raise LimitReached.of(
                f"{self._spender!r} has begun {_counted(len(starts), 'turn')} within a minute; {most:,} are allowed. {when}, "
                "or ask the admin to allow more (limits.toml).", heals,
            )  # fmt: skip
        return {"starts": [*starts, [now, name]]}

    def _used_today(self) -> int:
        value = self._item("tokens")
        return int(value["tokens"]) if value and value["day"] == self._now().date().isoformat() else 0

    def _no_tokens(self, most: int) -> LimitReached:
        now = self._now()
        midnight = datetime(now.year, now.month, now.day, tzinfo=UTC) + timedelta(days=1)
        seconds = (midnight - now).total_seconds()
        return LimitReached.of(
            f"{self._spender!r} has used {_counted(self._used_today(), 'token')} today; {most:,} a day are allowed. Go on after midnight UTC, "
            f"in {int(seconds // 3600)} h {int(seconds % 3600 // 60)} min, or ask the admin to allow more (limits.toml).",
            seconds if most else None,
        )

    def _item(self, kind: str) -> dict[str, Any] | None:
        item = self._store.get(USED, f"{digest(self._spender)}:{kind}")
        return item.value if item else None

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._store.clock_seconds() if isinstance(self._store, ClockedStore) else time.time(), UTC)

    def _limits(self, owner: str) -> OwnerLimits | None:
        return self._table.of(owner) if owner else None


def bounded(store: BaseStore, counts: BaseStore, table: LimitTable | None, who: Identity | None) -> BaseStore:
    """Return a view of a store through which somebody fills agents' memory only while there is room; the store itself if there are no limits.

    Whether there are any is asked once, now; a change of the table holds from the next write on.

    Args:
        store: the store, or a view of it.
        counts: where the counts lie: the store as it was opened.
        table: the limits.
        who: who acts.
    """
    if table is None or not table.is_set or (who is not None and who.is_admin):
        return store
    quotas: dict[tuple[str, str], Quota | None] = {}

    def check(puts: Sequence[StoredSize]) -> None:
        filled = [put for put in puts if put.namespace[1:2] and put.namespace[1] in FILLED]
        for label in dict.fromkeys(put.namespace[0] for put in filled):
            if (known := (label, table.version)) not in quotas:
                quotas[known] = Quota.of(counts, table, who, namespaces.decode_label(label))
            if (quota := quotas[known]) is not None:
                quota.check_storage([put for put in filled if put.namespace[0] == label])

    return checking(store, check)


def _take_inventory(store: BaseStore, version: str) -> None:
    """Count the agents that were made while nothing was limited, once for each version of the limits; it looks at every agent."""
    known = store.get(USED, _INVENTORY)
    taken: list[str] = known.value["versions"] if known is not None else []
    if version in taken:
        return
    ids = tiers.agents_with_memory(store) | {item.key for item in all_items(store, OWNERS)}
    owned = [(agent_id, digest(owner)) for agent_id, owner in owners_of(store, sorted(ids)).items() if owner]
    for first in range(0, len(owned), _PAGE):
        store.batch([put for agent_id, owner in owned[first : first + _PAGE] for put in _counting(agent_id, owner)])
    store.put(USED, _INVENTORY, {"versions": [*taken, version][-_VERSIONS:]}, index=False)


def _counting(agent_id: str, owner: str) -> tuple[PutOp, PutOp]:
    return PutOp(COUNTED, agent_id, {"owner": owner}, False), PutOp((*COUNTED, owner), agent_id, {"agent_id": agent_id}, False)


def dismissals(store: BaseStore, agent_id: str) -> list[PutOp]:
    """Return the writes after which an agent that is deleted counts no more."""
    known = store.get(COUNTED, agent_id)
    return [PutOp(COUNTED, agent_id, None), PutOp((*COUNTED, known.value["owner"]), agent_id, None)] if known else []


@contextmanager
def admitted(store: BaseStore, table: LimitTable | None, who: Identity | None, agent_id: str, *, claims: bool = True) -> Generator[None]:
    """Count an agent that the block makes among those of whoever acts, and make them its owner; neither stays if the block fails.

    Args:
        store: the store, as it was opened.
        table: the limits.
        who: who acts; ``None``: the agent becomes nobody's and is not counted.
        agent_id: the agent, which is not there yet.
        claims: whether they become its owner; not where the id itself says whose it is.

    Raises:
        LimitReached: they have as many agents as are allowed.
        AgentNotFound: the agent is somebody else's.
    """
    claimed: list[PutOp] = []
    try:
        if who is not None and (quota := Quota.of(store, table, who, agent_id, who.name)):
            quota.admit()
        if who is not None and claims:
            claim(store, agent_id, who.name)
            claimed.append(PutOp(OWNERS, agent_id, None))
        yield
    except BaseException:
        store.batch([*dismissals(store, agent_id), *claimed])
        raise


def _is_passage(put: StoredSize) -> bool:
    return put.namespace[1:] == ("archival",)


def digest(text: str) -> str:
    """Return what stands for a name in the counts."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _counted(number: int, unit: str) -> str:
    return f"{number:,} {unit}{'' if number == 1 else 's'}"
