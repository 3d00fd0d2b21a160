"""Delivering letters to other agents of this process: each is read in its own turn, and the answer comes back."""

import logging
import queue
import threading
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager
from typing import Protocol

from langgraph.store.base import BaseStore

from memgpt_agent.errors import MemGPTError, ToolError
from memgpt_agent.events import Event
from memgpt_agent.memory.waking import Inbox, Letter
from memgpt_agent.turns.deliveries import response_of_turn
from memgpt_agent.turns.turn_reader import StreamEvent

_log = logging.getLogger(__name__)


class Recipient(Protocol):
    """What the post asks of an agent."""

    def send(self, event: Event) -> Generator[StreamEvent]:
        """Take a turn about an event."""
        ...


class LocalPost:
    """Lets the recipient read a letter in a thread of its own.

    A letter is kept before it is brought, and its id is its turn's: brought twice, it is read once and answered alike. One that
    is not read because this process ended is shown to the recipient when its next turn begins.

    Args:
        open_agent: opens the recipient.
        store: where letters are kept.
        wait_seconds: so long an answer is waited for.
    """

    def __init__(
        self, open_agent: Callable[[str], AbstractContextManager[Recipient]], store: BaseStore, wait_seconds: float
    ) -> None:
        self._open = open_agent
        self._store = store
        self._wait_seconds = wait_seconds
        self._threads: list[threading.Thread] = []

    def deliver(self, letter: Letter, *, wait: bool) -> str | None:
        """Let the recipient read a letter; return what it said, or ``None`` at once if nobody waits.

        Raises:
            ToolError: no answer came in time, none was given, or the recipient failed.
        """
        answers: queue.SimpleQueue[str | Exception] = queue.SimpleQueue()
        # A thread begins with an empty context: the recipient's graph is no part of the run in which it was written to.
        thread = threading.Thread(
            target=self._read, args=(letter, answers), name=f"letter to {letter.recipient}", daemon=True
        )
        thread.start()
        if not wait:
            self._threads = [*(t for t in self._threads if t.is_alive()), thread]
            return None
        try:
            answer = answers.get(timeout=self._wait_seconds)
        except queue.Empty:
            raise ToolError(
                f"{letter.recipient} did not answer within {self._wait_seconds:g} seconds. Go on without it, or ask again later."
            ) from None
        if isinstance(answer, Exception):
            raise ToolError(f"{letter.recipient} could not read it: {answer}") from answer
        if not answer:
            raise ToolError(f"{letter.recipient} read it and said nothing.")
        return answer

    def _read(self, letter: Letter, answers: "queue.SimpleQueue[str | Exception]") -> None:
        try:
            with self._open(letter.recipient) as recipient:
                event = Event(
                    type="agent_message", id=letter.id, text=letter.text, sender=letter.sender, time=letter.time
                )
                response = response_of_turn(recipient.send(event))
            inbox = Inbox(self._store, letter.recipient)
            kept = inbox.get(letter.id)
            if kept is not None and not kept.handled:
                inbox.read_in(letter.id, [kept])
            answers.put(response.message)
        except MemGPTError as error:
            answers.put(error)
        except Exception as error:  # noqa: BLE001  report whatever a model's provider raises to the sender
            _log.exception("A letter to %r could not be read.", letter.recipient)
            answers.put(error)

    def close(self, timeout_seconds: float = 60.0) -> None:
        """Wait for letters that are being read."""
        for thread in self._threads:
            thread.join(timeout_seconds)
