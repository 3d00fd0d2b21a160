"""Letters between agents: kept until they are handled, with their route, so that talk between agents ends."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol, cast

from langgraph.store.base import BaseStore, GetOp, Item, PutOp, SearchItem, SearchOp

from memgpt_agent.memory import namespaces
from memgpt_agent.store.plain import put_if
from memgpt_agent.store.update import update

MAX_HOPS = 4
"""How many letters may lead to one another."""
_AT_ONCE = 100
"""The most waiting letters shown in one turn; the next turn shows the others."""
_PAGE = 500
_SORTED = "sorted"
"""The key of the note that every letter of before has been entered where it is looked for."""


@dataclass(frozen=True)
class Letter:
    """A letter from one agent to another."""

    id: str
    """Made from the call that sent it: sent again in a replay, it is the same letter."""
    sender: str
    """The agent that wrote it."""
    recipient: str
    """The agent that it is for."""
    text: str
    """Its text."""
    time: str
    """When it was written, ISO 8601, UTC."""
    chain: tuple[str, ...] = ()
    """The agents that wait for an answer, the first one first."""
    hops: int = 0
    """How many letters led to this one."""
    handled: bool = False
    """Whether the recipient has read it."""
    turn: str = ""
    """The recipient's turn in which it was read."""


class Post(Protocol):
    """Brings letters to agents that do not run, and their answers back."""

    def deliver(self, letter: Letter, *, wait: bool) -> str | None:
        """Let the recipient read a letter; return what it said, or ``None`` at once if nobody waits for that.

        Raises:
            ToolError: it could not be delivered, or no answer came in time; the message is for the sender's model.
        """
        ...


class Inbox:
    """The letters to one agent. What a turn reads of them does not grow with the letters that ever came.

    The letter's own record says whether it was read, and in which turn; it is changed by compare-and-set alone, so that of
    two turns exactly one reads it. Waiting letters and those of a turn are indexed apart, so that neither is searched for among all
    letters. Both may hold too much after a crash, never too little: they are written before the record, cleared after it,
    and the record decides.
    """

    def __init__(self, store: BaseStore, agent_id: str) -> None:
        self._store = store
        self._namespace = namespaces.of(agent_id, "inbox")
        self._waiting = namespaces.of(agent_id, "letters_waiting")
        self._turns = namespaces.of(agent_id, "letters_told")
        self._notes = namespaces.of(agent_id, "letters")

    def put(self, letter: Letter) -> None:
        """Store a letter; one already stored stays as it is."""
        if self.get(letter.id) is None:
            self._store.put(self._waiting, letter.id, _value(letter), index=False)
            put_if(self._store, self._namespace, letter.id, _value(letter), expected=None, index=False)

    def get(self, letter_id: str) -> Letter | None:
        """Return a letter."""
        item = self._store.get(self._namespace, letter_id)
        return _letter(item.value) if item else None

    def waiting(self) -> list[Letter]:
        """Return the letters that were not read, oldest first; a hundred at most."""
        entered, _ = self._entered("")
        records = self._records(letter.id for letter in entered)
        return _oldest_first(letter for letter in entered if not _is_read(records.get(letter.id)))

    def read_for(self, turn: str) -> list[Letter]:
        """Return the letters for a turn, oldest first, and mark them as read in it.

        At most a hundred waiting letters, and those that this turn has read before; not the letter that the turn itself
        is about. Where nothing waits it is one round trip to the store.
        """
        entered, has_read = self._entered(turn)
        self.read_in(turn, [letter for letter in entered if letter.id != turn])
        return self.of_turn(turn) if entered or has_read else []

    def read_in(self, turn: str, letters: Sequence[Letter]) -> None:
        """Note that letters are read in a turn; one that another turn has read stays that turn's."""
        if not letters:
            return
        if new := [letter.id for letter in letters if letter.id != turn]:  # a turn about a letter need not be told it
            self._tell(turn, new)
        records = self._records(letter.id for letter in letters)
        done: list[str] = []
        for letter in letters:
            item = records.get(letter.id)  # none if its sender was cut off between the two writes
            read = _value(replace(letter, handled=True, turn=turn))
            if _is_read(item) or put_if(
                self._store, self._namespace, letter.id, read, expected=item.value if item else None, index=False
            ):
                done.append(letter.id)
        self._store.batch([PutOp(self._waiting, key, None) for key in done])

    def of_turn(self, turn: str) -> list[Letter]:
        """Return the letters shown to a turn beside its own event, oldest first."""
        item = self._store.get(self._turns, turn)
        found = self._records(item.value["letters"]) if item else {}
        letters = (_letter(record.value) for record in found.values())
        return _oldest_first(letter for letter in letters if letter.turn == turn)

    def _entered(self, turn: str) -> tuple[list[Letter], bool]:
        """Return the waiting letters, and whether this turn has read any."""
        operations = [
            SearchOp(self._waiting, limit=_AT_ONCE),
            GetOp(self._turns, turn),
            GetOp(self._notes, _SORTED),
            SearchOp(self._namespace, limit=1),
        ]
        found: list[Any] = self._store.batch(operations)
        entered, read_before, is_sorted, any_letter = found
        if is_sorted is None and any_letter:
            self._sort()
            return self._entered(turn)
        return [_letter(item.value) for item in _of(self._waiting, entered)], read_before is not None

    def _sort(self) -> None:
        """Enter the letters of a store from before they were entered when they came. Once; done again it changes nothing."""
        offset = 0
        by_turn: dict[str, list[str]] = {}
        while page := self._store.search(self._namespace, limit=_PAGE, offset=offset):
            offset += len(page)
            letters = [_letter(item.value) for item in _of(self._namespace, page)]
            for letter in letters:
                if letter.handled and letter.turn != letter.id:
                    by_turn.setdefault(letter.turn, []).append(letter.id)
            self._store.batch([PutOp(self._waiting, i.id, _value(i), index=False) for i in letters if not i.handled])
        for turn, ids in by_turn.items():
            self._tell(turn, ids)
        self._store.put(self._notes, _SORTED, {"letters": offset}, index=False)

    def _tell(self, turn: str, ids: Sequence[str]) -> None:
        """Record letters as shown in a turn."""
        update(
            self._store,
            self._turns,
            turn,
            lambda known: {"letters": list(dict.fromkeys([*(known or {"letters": []})["letters"], *ids]))},
        )

    def _records(self, ids: Iterable[str]) -> dict[str, Item]:
        operations = [GetOp(self._namespace, letter_id) for letter_id in ids]
        found = cast(list[Item | None], self._store.batch(operations)) if operations else []
        return {item.key: item for item in found if item is not None}


def _of(namespace: namespaces.Namespace, items: Sequence[SearchItem]) -> list[SearchItem]:
    """Leave out items of longer namespaces: a store may search by prefix."""
    return [item for item in items if item.namespace == namespace]


def _is_read(item: Item | None) -> bool:
    return item is not None and bool(item.value["handled"])


def _oldest_first(letters: Iterable[Letter]) -> list[Letter]:
    return sorted(letters, key=lambda letter: (letter.time, letter.id))


def _value(letter: Letter) -> dict[str, Any]:
    return {**asdict(letter), "chain": list(letter.chain)}


def _letter(value: dict[str, Any]) -> Letter:
    read: dict[str, Any] = {**value, "chain": tuple(value["chain"])}
    return Letter(**read)
