"""Scheduled heartbeats: an agent wakes at intervals, one beat at a time, and speaks only if it has something to say."""

import logging
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

from memgpt_agent.errors import ConfigurationError, ConversationBusy, MemGPTError
from memgpt_agent.memory.waking import Pulse
from memgpt_agent.turns.turn_reader import AgentResponse

if TYPE_CHECKING:
    from apscheduler.schedulers.base import BaseScheduler

_log = logging.getLogger(__name__)
_LATE_SECONDS = 3_600
_BUSY_SECONDS = 30.0
_TEXT = "The clock woke you. Look at your tasks and your memory; speak only if you have something to say."

_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400
_SCHEDULES: tuple[tuple[int, str], ...] = (
    *((n * _MINUTE, f"*/{n} * * * *") for n in range(1, 60) if 60 % n == 0),
    *((n * _HOUR, f"0 */{n} * * *") for n in range(1, 24) if 24 % n == 0),
    (_DAY, "0 0 * * *"), (2 * _DAY, "0 0 * * 0,2,4"), (3 * _DAY, "0 0 * * 0,3"), (7 * _DAY, "0 0 * * 0"),
    (28 * _DAY, "0 0 1 * *"), (59 * _DAY, "0 0 1 */2 *"), (90 * _DAY, "0 0 1 */3 *"), (120 * _DAY, "0 0 1 */4 *"),
    (181 * _DAY, "0 0 1 */6 *"), (365 * _DAY, "0 0 1 1 *"),
)  # fmt: skip
"""Cron expressions with the least time between two of their moments, in seconds; shortest first. Every third day of the month would
not do: after the 31st comes the 1st."""

Beat = Callable[[str, str | None], AgentResponse]
"""One heartbeat with a text and the id of its event; blocks until the turn is over."""


class Heartbeats:
    """One agent's heartbeats by the clock, on a scheduler of APScheduler.

    One beat at a time: the next is planned when the last is over. Where another process holds the conversation, the beat is
    put off for half a minute. An error is logged, and the next beat comes as if nothing had happened in it. A beat has an id of its agent and
    the moment for which it was planned: of several processes that let one heart beat, one takes it, and another finishes it if that one dies.

    Args:
        beat: takes a heartbeat turn.
        pulse: decides when.
        on_response: called with each response.
        scheduler: runs the beats; a background scheduler of its own if omitted. One that is given is started by its owner.
    """

    def __init__(
        self,
        beat: Beat,
        pulse: Pulse,
        *,
        on_response: Callable[[AgentResponse], None] | None = None,
        scheduler: "BaseScheduler | None" = None,
    ) -> None:
        self._beat = beat
        self.pulse = pulse
        self._on_response = on_response or _ignore
        self._own = scheduler is None
        self._scheduler = scheduler or _background()
        self._job = f"heartbeats-{id(self)}"
        self._stopped = True
        self._guard = threading.Lock()

    def start(self) -> None:
        """Plan the next beat; it survives a restart, as the rhythm is kept in the store."""
        self._stopped = False
        if self._own:
            self._scheduler.start()
        self._plan()

    def stop(self) -> None:
        """Plan no further beats, and wait for the one that is running; stopped already, do nothing."""
        with self._guard:  # a beat that ends now must not plan the next one while the scheduler, locked, waits for it
            if self._stopped:
                return
            self._stopped = True
        if self._own:
            self._scheduler.shutdown(wait=True)
        elif self._scheduler.get_job(self._job):
            self._scheduler.remove_job(self._job)

    def beat_now(self, planned: str = "") -> AgentResponse | None:
        """Take a beat at once and plan the next; ``None`` if it could not be taken.

        Args:
            planned: the moment that the beat was planned for, as the pulse has it; empty for one that was not planned.
        """
        if planned and self.pulse.state().next != planned:
            return None  # another process has taken it
        try:
            response = self._beat(_TEXT, f"beat-{self.pulse.agent_id}-{planned}" if planned else None)
        except ConversationBusy as busy:
            _log.info("The heartbeat is put off: %s", busy)
            return None
        except MemGPTError as error:
            _log.warning("The heartbeat failed: %s", error)
            self.pulse.beaten(0, something_happened=False, planned=planned)
            return None
        acted = any(call["failed"] is False for call in response.tool_calls)
        self.pulse.beaten(response.tokens_used, something_happened=bool(response.message) or acted, planned=planned)
        self._on_response(response)
        return response

    def _plan(self, later_seconds: float = 0.0) -> None:
        due = self.pulse.due() + timedelta(seconds=later_seconds)
        planned = self.pulse.state().next
        with self._guard:
            if self._stopped:
                return
            self._scheduler.add_job(  # pyright: ignore[reportUnknownMemberType]
                self._run,
                "date",
                args=[planned],
                run_date=due,
                id=self._job,
                replace_existing=True,
                misfire_grace_time=_LATE_SECONDS,
                max_instances=1,
            )

    def _run(self, planned: str) -> None:
        done: AgentResponse | None = None
        try:
            done = self.beat_now(planned)
        except Exception:  # noqa: BLE001  a thread of the scheduler has nobody to tell
            _log.exception("The heartbeat failed.")
            self.pulse.beaten(0, something_happened=False, planned=planned)
        self._plan(0.0 if done or self.pulse.state().next != planned else _BUSY_SECONDS)


def _background() -> "BaseScheduler":
    from apscheduler.schedulers.background import BackgroundScheduler

    return BackgroundScheduler(timezone="UTC", daemon=True)


def _ignore(_response: AgentResponse) -> None:
    """Nobody wants to know."""


def every_to_cron(seconds: float) -> str:
    """Return the cron expression that comes closest to an interval, for a server's crons; never more often than asked.

    Crons know minutes, hours, days of the week and of the month: ten minutes become ``*/10 * * * *``, three days two days of the week.

    Raises:
        ConfigurationError: the interval is longer than a year, which no cron can say.
    """
    for most, schedule in _SCHEDULES:
        if seconds <= most:
            return schedule
    raise ConfigurationError(f"A cron comes once a year at least, and {seconds:,.0f} seconds are longer. Give an interval of 365 days at most.")
