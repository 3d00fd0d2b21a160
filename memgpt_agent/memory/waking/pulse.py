"""An agent's heartbeat schedule and its use of tokens today, kept in the store across restarts."""

import random
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from langgraph.store.base import BaseStore

from memgpt_agent.errors import ConfigurationError
from memgpt_agent.events import Clock, utc_now
from memgpt_agent.memory import namespaces
from memgpt_agent.memory.dates import stamp
from memgpt_agent.store.update import update

_KEY = "state"
_UNITS = {"s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}
_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*([smhd])")
_CLOCK_TIME = re.compile(r"(\d{1,2}):(\d{2})")
MIN_SECONDS = 1.0


@dataclass(frozen=True)
class Rhythm:
    """How often an agent gets scheduled heartbeats."""

    every_seconds: float
    """The interval while something happens."""
    longest_seconds: float
    """While nothing happens the interval doubles with each beat, up to this."""
    jitter: float = 0.1
    """Each interval is longer or shorter by up to this share, so that many agents do not wake at once."""
    quiet: tuple[time, time] | None = None
    """The quiet hours without heartbeats, in ``time_zone``; the end may be on the next day."""
    tokens_a_day: int | None = None
    """No heartbeat begins once this many tokens were used since midnight in ``time_zone``."""
    time_zone: str = "UTC"
    """The time zone of the quiet hours and of midnight."""

    @classmethod
    def of(
        cls,
        every: str | float | timedelta,
        *,
        longest: str | float | timedelta | None = None,
        jitter: float = 0.1,
        quiet: str | None = None,
        tokens_a_day: int | None = None,
        time_zone: str = "UTC",
    ) -> "Rhythm":
        """Return the rhythm of spans such as ``'10m'`` or ``'1h 30m'`` and quiet hours such as ``'22:00-07:00'``.

        ``longest`` is twelve times ``every`` if omitted.

        Raises:
            ConfigurationError: a span, the hours, the jitter or the budget cannot be; the message says what can.
        """
        seconds = span_seconds(every)
        most = span_seconds(longest) if longest is not None else 12 * seconds
        if most < seconds:
            raise ConfigurationError(f"longest = {longest!r} is shorter than every = {every!r}; swap them.")
        if not 0 <= jitter < 1:
            raise ConfigurationError(f"jitter = {jitter}: it is a share of the interval, from 0 to below 1.")
        if tokens_a_day is not None and tokens_a_day < 1:
            raise ConfigurationError(f"tokens_a_day = {tokens_a_day}: give a number above zero, or none for no limit.")
        return cls(seconds, most, jitter, _quiet_hours(quiet), tokens_a_day, time_zone)


@dataclass(frozen=True)
class PulseState:
    """The state of an agent's scheduled heartbeats."""

    next: str = ""
    """When the next one is due, ISO 8601, UTC; empty before the first."""
    interval_seconds: float = 0.0
    """The interval that led to it."""
    day: str = ""
    """The day that the tokens are counted for, in the rhythm's zone."""
    tokens: int = 0
    """Tokens used on that day by heartbeats of the clock."""
    beats: int = 0
    """Heartbeats since the first."""


class Pulse:
    """Decides when one agent's next heartbeat by the clock is due."""

    def __init__(
        self, store: BaseStore, agent_id: str, rhythm: Rhythm, clock: Clock = utc_now, dice: random.Random | None = None
    ) -> None:
        self._store = store
        self.agent_id = agent_id
        """The agent."""
        self._namespace = namespaces.of(agent_id, "pulse")
        self.rhythm = rhythm
        self._clock = clock
        self._dice = dice or random.Random()  # noqa: S311  spreads wake-ups, keeps no secret

    def state(self) -> PulseState:
        """Return what is stored."""
        item = self._store.get(self._namespace, _KEY)
        return PulseState(**item.value) if item else PulseState()

    def due(self) -> datetime:
        """Return when the next heartbeat is due; if none was planned, plan one a whole interval from now.

        A beat that was missed, because nobody ran, is due at once, and once only.
        """
        state = self.state()
        if not state.next or state.interval_seconds > self.rhythm.longest_seconds:
            state = self._change(lambda old: self._planned(old, self.rhythm.every_seconds))
        now = self._clock()
        wanted = max(datetime.fromisoformat(state.next), now)
        if self._spent(state, now):
            wanted = max(wanted, self._midnight(now))
        return self._after_quiet(wanted)

    def beaten(self, tokens: int, *, something_happened: bool, planned: str = "") -> PulseState:
        """Note a heartbeat, what it used and whether anything came of it; plan the next one.

        Args:
            tokens: what it used.
            something_happened: whether the agent spoke or did something.
            planned: the moment for which it was planned: where another process has noted it, nothing changes.
        """

        def change(old: PulseState) -> PulseState:
            if planned and old.next != planned:
                return old
            now = self._clock()
            day = self._day(now)
            used = (old.tokens if old.day == day else 0) + tokens
            slower = min(self.rhythm.longest_seconds, 2 * max(old.interval_seconds, self.rhythm.every_seconds))
            interval = self.rhythm.every_seconds if something_happened else slower
            return self._planned(replace(old, day=day, tokens=used, beats=old.beats + 1), interval)

        return self._change(change)

    def spoken_to(self) -> PulseState:
        """Note that somebody spoke to the agent: its heartbeats return to their usual pace."""
        every = self.rhythm.every_seconds
        return self._change(
            lambda old: old if old.interval_seconds <= every and old.next else self._planned(old, every)
        )

    def _planned(self, state: PulseState, interval: float) -> PulseState:
        spread = 1 + self._dice.uniform(-self.rhythm.jitter, self.rhythm.jitter)
        due = self._after_quiet(self._clock() + timedelta(seconds=interval * spread))
        return replace(state, next=stamp(due), interval_seconds=interval)

    def _change(self, change: Callable[[PulseState], PulseState]) -> PulseState:
        def changed(value: dict[str, Any] | None) -> dict[str, Any]:
            return dict(change(PulseState(**(value or {}))).__dict__)

        return PulseState(**update(self._store, self._namespace, _KEY, changed).after)

    def _spent(self, state: PulseState, now: datetime) -> bool:
        budget = self.rhythm.tokens_a_day
        return budget is not None and state.day == self._day(now) and state.tokens >= budget

    def _day(self, moment: datetime) -> str:
        return moment.astimezone(ZoneInfo(self.rhythm.time_zone)).date().isoformat()

    def _midnight(self, now: datetime) -> datetime:
        zone = ZoneInfo(self.rhythm.time_zone)
        tomorrow = now.astimezone(zone).date() + timedelta(days=1)
        return datetime.combine(tomorrow, time(0), zone)

    def _after_quiet(self, moment: datetime) -> datetime:
        """Return the moment, or the end of the quiet hours that it lies in."""
        if self.rhythm.quiet is None:
            return moment
        begin, end = self.rhythm.quiet
        zone = ZoneInfo(self.rhythm.time_zone)
        local = moment.astimezone(zone)
        for day in (local.date() - timedelta(days=1), local.date()):
            first = datetime.combine(day, begin, zone)
            last = datetime.combine(day + timedelta(days=begin >= end), end, zone)
            if first <= local < last:
                return last
        return moment


def span_seconds(span: str | float | timedelta) -> float:
    """Return a span in seconds: a number, a timedelta, or text such as ``'90s'``, ``'10m'``, ``'1h 30m'``, ``'2d'``.

    Raises:
        ConfigurationError: it is none of these, or shorter than a second.
    """
    if isinstance(span, timedelta):
        seconds = span.total_seconds()
    elif isinstance(span, str):
        parts = _SPAN.findall(span)
        if not parts or _SPAN.sub("", span).strip():
            raise ConfigurationError(f"{span!r} is no span of time. Write '90s', '10m', '1h 30m' or '2d'.")
        seconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
    else:
        seconds = float(span)
    if seconds < MIN_SECONDS:
        raise ConfigurationError(f"{span!r} is shorter than a second; heartbeats are a second apart at least.")
    return seconds


def _quiet_hours(text: str | None) -> tuple[time, time] | None:
    if text is None:
        return None
    hours = [_CLOCK_TIME.fullmatch(part.strip()) for part in text.split("-")]
    try:
        begin, end = (time(int(found[1]), int(found[2])) for found in hours if found)
    except ValueError:
        begin = end = time(0)
    if begin == end:
        raise ConfigurationError(f"{text!r} are no quiet hours. Write them as '22:00-07:00'.")
    return begin, end
