"""Sleep, and what else happens around turns: at once, in the background after some turns, after an eviction, or when nobody speaks."""

import logging
import threading
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any
from weakref import WeakSet

from memgpt_agent.errors import ConfigurationError, ConversationBusy, MemGPTError
from memgpt_agent.events import Event
from memgpt_agent.faces import ON_LOOP, SYNC, Face, iterated
from memgpt_agent.memory import definitions
from memgpt_agent.memory.waking import Pulse, Rhythm, SleepDiary
from memgpt_agent.turns.deliveries import Delivery, event_delivery, heartbeat_event, response_of_turn
from memgpt_agent.turns.heartbeats import Heartbeats
from memgpt_agent.turns.turn_reader import AgentResponse, StreamEvent
from memgpt_agent.turns.turns import Turns

MAX_PORTIONS = 20
"""The most portions that one sleep reads."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SleepRule:
    """When an agent sleeps in the background; ``None`` or false switches a condition off."""

    every_turns: int | None = 10
    """After this many turns since its last sleep."""
    after_eviction: bool = True
    """When messages have left main context."""
    idle_seconds: float | None = 300.0
    """When nobody has spoken for this many seconds, and there are new messages since its last sleep."""

    def __post_init__(self) -> None:
        if (self.every_turns is not None and self.every_turns < 1) or (
            self.idle_seconds is not None and self.idle_seconds <= 0
        ):
            raise ConfigurationError(
                f"every_turns = {self.every_turns}, idle_seconds = {self.idle_seconds}: both must be above zero, or None for never."
            )


@dataclass(frozen=True)
class SleepReport:
    """The result of a sleep."""

    messages_read: int = 0
    """How many messages were read."""
    messages_left: int = 0
    """How many are left for the next sleep."""
    tool_calls: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    """The calls in order, as :class:`AgentResponse` has them."""
    tokens_used: int = 0
    """Tokens of its model calls."""
    interrupted: bool = False
    """Whether it stopped because somebody spoke; it continues next time."""


def thread_of(agent_id: str) -> str:
    """Return the thread in which an agent sleeps: one for each agent, whatever conversations it has."""
    return f"{agent_id}~sleep"


class Sleeper:
    """One agent's sleep. ``turns`` runs turns of the graph ``sleeptime`` in the thread of :func:`thread_of`.

    Background sleep never delays a user: when somebody speaks, it stops after the current model call or tool,
    and continues from there next time. It holds the thread's lease, so two processes do not sleep at once.
    """

    def __init__(self, turns: Turns, rule: SleepRule | None = None) -> None:
        self._turns = turns
        self.rule = rule
        self._diary = SleepDiary(turns.memory.store, turns.memory.agent_id)
        self._since = 0
        self._guard = threading.Lock()
        self._give_way = threading.Event()
        self._sleeping: threading.Thread | None = None
        self._idle: threading.Timer | None = None
        self._closed = False

    def sleep(self) -> SleepReport:
        """Read what was said since the last sleep, portion by portion, and tidy up memory.

        Raises:
            ConversationBusy: another process sleeps for this agent and did not end in time.
        """
        self._give_way.clear()
        return self._sleep()

    def _sleep(self) -> SleepReport:
        self._note_thread()
        total, left = SleepReport(), self._diary.unread()
        for _ in range(MAX_PORTIONS):
            response = self._portion()
            before, left = left, self._diary.unread()
            total = replace(total, messages_read=total.messages_read + max(0, before - left), messages_left=left)
            if response is None:
                return replace(total, interrupted=True)
            spent = total.tokens_used + response.tokens_used
            total = replace(total, tool_calls=[*total.tool_calls, *response.tool_calls], tokens_used=spent)
            if not left or left >= before:
                break
        self._since = 0
        return total

    def _portion(self) -> AgentResponse | None:
        """Run one sleep-time turn; ``None`` if it was interrupted."""
        with closing(self._turns.run(event_delivery(Event(type="heartbeat")))) as events:
            for event in events:
                if event.response is not None:
                    return event.response
                if self._give_way.is_set() and event.type in ("tool_call", "tool_result"):
                    break
        return None

    def _note_thread(self) -> None:
        """Add the thread to the agent's definition, so that deleting the agent deletes it."""
        store, agent_id = self._turns.memory.store, self._turns.memory.agent_id
        known = definitions.load(store, agent_id)
        if known is not None and self._turns.thread_id not in known.threads:
            definitions.save(store, replace(known, threads=(self._turns.thread_id,)))

    # In the background

    def awake(self) -> None:
        """Signal that somebody speaks, so that background sleep stops."""
        self._give_way.set()
        with self._guard:
            if self._idle:
                self._idle.cancel()

    def turn_ended(self, *, evicted: bool) -> None:
        """Signal that a turn is over; starts background sleep if the rule says so."""
        rule = self.rule
        if rule is None or self._closed:
            return
        self._since += 1
        if (rule.every_turns is not None and self._since >= rule.every_turns) or (rule.after_eviction and evicted):
            self._in_background()
        elif rule.idle_seconds is not None:
            self._in_background_after(rule.idle_seconds)

    def _in_background_after(self, seconds: float) -> None:
        with self._guard:
            if self._idle:
                self._idle.cancel()
            self._idle = threading.Timer(seconds, self._in_background)
            self._idle.daemon = True
            self._idle.start()

    def _in_background(self) -> None:
        with self._guard:
            if self._closed or (self._sleeping and self._sleeping.is_alive()):
                return
            self._give_way.clear()
            self._sleeping = threading.Thread(
                target=self._sleep_quietly, name=f"sleep of {self._turns.memory.agent_id}", daemon=True
            )
            self._sleeping.start()

    def _sleep_quietly(self) -> None:
        try:
            self._sleep()
        except ConversationBusy:
            _log.debug("Another process sleeps for %r.", self._turns.memory.agent_id)
        except MemGPTError as error:
            _log.warning("The sleep of %r failed and will be tried again: %s", self._turns.memory.agent_id, error)
        except Exception:  # noqa: BLE001  a thread in the background has nobody to tell
            _log.exception("The sleep of %r failed and will be tried again.", self._turns.memory.agent_id)

    def wait(self, timeout_seconds: float | None = None) -> None:
        """Wait until a sleep in the background is over."""
        if self._sleeping:
            self._sleeping.join(timeout_seconds)

    def close(self) -> None:
        """Stop background sleep and wait until it has stopped."""
        self._closed = True
        self.awake()
        self.wait()


def sleeper_of(turns: Turns, graph: Callable[[], Any], rule: SleepRule | None) -> Sleeper:
    """Return the sleeper of the agent that takes its turns by ``turns``; ``graph`` gives the graph ``sleeptime``."""
    asleep = replace(
        turns, graph=graph, thread_id=thread_of(turns.memory.agent_id), memory=replace(turns.memory, in_background=True), _open=WeakSet()
    )  # fmt: skip
    return Sleeper(asleep, rule)


class Waking:
    """Takes one agent's turns, and minds what it does between them; ``forget`` erases what a turn asked to have erased."""

    def __init__(self, turns: Turns, sleeper: Sleeper, forget: Callable[[], None] | None) -> None:
        self._turns = turns
        self._sleeper = sleeper
        self._forget = forget
        self._pulse: Pulse | None = None

    def deliver(self, delivery: Delivery) -> Generator[StreamEvent]:
        """Wake the agent, and take a turn as :meth:`Turns.take` does."""
        return iterated(self._turn(SYNC, delivery))

    def adeliver(self, delivery: Delivery) -> AsyncGenerator[StreamEvent]:
        """Async form of :meth:`deliver`."""
        return self._turn(ON_LOOP, delivery)

    async def _turn(self, face: Face, delivery: Delivery) -> AsyncGenerator[StreamEvent]:
        await face.call(self._before, delivery)
        async with face.stream(self._turns.run, self._turns.arun, delivery) as events:
            async for event in events:
                self._after(event)
                if event.response is not None and self._forget is not None:
                    await face.call(self._forget)
                yield event

    def _before(self, delivery: Delivery) -> None:
        self._sleeper.awake()
        if self._pulse is not None and isinstance(delivery.input, dict) and "messages" in delivery.input:
            self._pulse.spoken_to()

    def _after(self, event: StreamEvent) -> None:
        # A turn that waits for a person is not over: it counts when it was answered.
        if event.response is not None and not event.response.interrupts:
            self._sleeper.turn_ended(evicted=event.response.evicted)

    def by_the_clock(
        self, rhythm: Rhythm, *, on_response: Callable[[AgentResponse], None] | None = None, scheduler: Any = None
    ) -> Heartbeats:
        """Return heartbeats at this rhythm, to be started; being spoken to brings back their usual pace."""
        memory = self._turns.memory
        self._pulse = Pulse(memory.store, memory.agent_id, rhythm, memory.clock)
        return Heartbeats(self._beat, self._pulse, on_response=on_response, scheduler=scheduler)

    def _beat(self, text: str, event_id: str | None) -> AgentResponse:
        return response_of_turn(self.deliver(event_delivery(heartbeat_event(text, event_id))))
