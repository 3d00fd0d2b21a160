"""Waking an agent: background sleep gives way before a turn and may resume after it; scheduled heartbeats."""

from collections.abc import AsyncGenerator, Callable, Generator
from typing import Any

from memgpt_agent.faces import ON_LOOP, SYNC, Face, iterated
from memgpt_agent.memory.waking import Pulse, Rhythm
from memgpt_agent.turns.deliveries import Delivery, event_delivery, heartbeat_event, response_of_turn
from memgpt_agent.turns.heartbeats import Heartbeats
from memgpt_agent.turns.sleeper import Sleeper
from memgpt_agent.turns.turn_reader import AgentResponse, StreamEvent
from memgpt_agent.turns.turns import Turns


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
