"""Letters between agents: kept until they are handled, with the way they came, so that talk between agents ends."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol

from langgraph.store.base import BaseStore

from memgpt_agent.memory.namespaces import Namespace, encode_label
from memgpt_agent.memory.search import put_if

MAX_HOPS = 4
"""A letter that answers a letter that answers a letter: so many, and no further."""
_SCAN = 100


@dataclass(frozen=True)
class Letter:
    """What one agent wrote to another."""

    id: str
    """Made from the call that sent it: sent again in a replay, it is the same letter."""
    sender: str
    """The agent that wrote it."""
    recipient: str
    """The agent that it is for."""
    text: str
    """What it says."""
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

    def deliver(self, letter: Letter, wait_seconds: float | None) -> str | None:
        """Let the recipient read a letter; return what it said, or ``None`` where nobody waits for that.

        Raises:
            ToolError: it could not be delivered, or no answer came in time; the message is for the sender's model.
        """
        ...


class Inbox:
    """The letters to one agent."""

    def __init__(self, store: BaseStore, agent_id: str) -> None:
        self._store = store
        self._namespace = inbox_namespace(agent_id)

    def put(self, letter: Letter) -> None:
        """Keep a letter; one that is there already stays as it is."""
        put_if(self._store, self._namespace, letter.id, _value(letter), expected=None, index=False)

    def get(self, letter_id: str) -> Letter | None:
        """Return a letter."""
        item = self._store.get(self._namespace, letter_id)
        return _letter(item.value) if item else None

    def waiting(self) -> list[Letter]:
        """Return the letters that were not read, oldest first; a hundred at most."""
        found = self._store.search(self._namespace, filter={"handled": False}, limit=_SCAN)
        return sorted((_letter(item.value) for item in found), key=lambda letter: (letter.time, letter.id))

    def read_in(self, turn: str, letters: Sequence[Letter]) -> None:
        """Note that letters are read in a turn."""
        for letter in letters:
            read = replace(letter, handled=True, turn=turn)
            put_if(self._store, self._namespace, letter.id, _value(read), expected=_value(letter), index=False)

    def of_turn(self, turn: str) -> list[Letter]:
        """Return the letters that were read in a turn, oldest first."""
        found = self._store.search(self._namespace, filter={"turn": turn}, limit=_SCAN)
        return sorted((_letter(item.value) for item in found), key=lambda letter: (letter.time, letter.id))


def inbox_namespace(agent_id: str) -> Namespace:
    """Where an agent's letters are kept."""
    return (encode_label(agent_id), "inbox")


def _value(letter: Letter) -> dict[str, Any]:
    return {**asdict(letter), "chain": list(letter.chain)}


def _letter(value: dict[str, Any]) -> Letter:
    read: dict[str, Any] = {**value, "chain": tuple(value["chain"])}
    return Letter(**read)
