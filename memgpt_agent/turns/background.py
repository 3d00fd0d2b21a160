"""The facade's methods on background work: sleep and scheduled heartbeats, sync and async."""

from collections.abc import Callable
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

from memgpt_agent.faces import in_thread
from memgpt_agent.memory.agent_memory import AgentMemory
from memgpt_agent.memory.waking import Rhythm
from memgpt_agent.turns.heartbeats import Heartbeats
from memgpt_agent.turns.sleeper import Sleeper, SleepReport, Waking
from memgpt_agent.turns.turn_reader import AgentResponse


class Background:
    """The part of an agent's facade that is about what it does by itself."""

    memory: AgentMemory
    """Its memory."""
    _sleeper: Sleeper
    """Its sleep."""
    _waking: Waking
    """Takes the turns that the clock asks for."""
    _opened: ExitStack
    """What ends when the agent is closed."""

    def sleep(self) -> SleepReport:
        """Let the agent put its memory in order at once: it reads what was said since it last slept, and rewrites what it keeps.

        Raises:
            ConversationBusy: another process sleeps for this agent and did not end in time.
        """
        return self._sleeper.sleep()

    asleep = in_thread(sleep)

    def schedule(
        self,
        every: str | float | timedelta,
        *,
        longest: str | float | timedelta | None = None,
        jitter: float = 0.1,
        quiet: str | None = None,
        tokens_a_day: int | None = None,
        on_response: Callable[[AgentResponse], None] | None = None,
        scheduler: Any = None,
        told: Callable[[AgentResponse], None] | None = None,
    ) -> Heartbeats:
        """Let the agent's heart beat by the clock, in the background, until ``stop`` is called on what is returned.

        Args:
            every: the interval, such as ``'10m'``.
            longest: while nothing happens the interval doubles up to this; twelve times ``every`` if omitted.
            jitter: each interval differs by up to this share.
            quiet: hours without a beat, such as ``'22:00-07:00'``, in the agent's time zone.
            tokens_a_day: no beat begins when so many tokens were used that day.
            on_response: called with the response of each beat.
            scheduler: one of APScheduler's, started by its owner; one of our own if omitted.
            told: the earlier name of ``on_response``.

        Raises:
            ConfigurationError: one of these cannot be.
        """
        zone = self.memory.time_zone
        rhythm = Rhythm.of(
            every, longest=longest, jitter=jitter, quiet=quiet, tokens_a_day=tokens_a_day, time_zone=zone
        )
        beats = self._waking.by_the_clock(rhythm, on_response=on_response or told, scheduler=scheduler)
        self._opened.callback(beats.stop)
        beats.start()
        return beats

    aschedule = in_thread(schedule)
