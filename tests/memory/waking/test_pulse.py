"""The rhythm of heartbeats by the clock: pauses, quiet hours, budgets, and a restart that changes nothing."""

import random
from datetime import UTC, datetime, timedelta

import pytest
from langgraph.store.memory import InMemoryStore

from memgpt_agent.errors import ConfigurationError
from memgpt_agent.memory.waking import Pulse, Rhythm
from memgpt_agent.memory.waking.pulse import span_seconds
from memgpt_agent.testing import Clock


def pulse(rhythm: Rhythm, clock: Clock, store: InMemoryStore | None = None) -> Pulse:
    """A pulse whose dice always fall alike."""
    return Pulse(store or InMemoryStore(), "ann", rhythm, clock, random.Random(7))


def seconds_until(due: datetime, clock: Clock) -> float:
    """How long it is until a moment."""
    return (due - clock()).total_seconds()


@pytest.mark.parametrize(
    ("span", "seconds"),
    [
        ("90s", 90),
        ("10m", 600),
        ("1h 30m", 5400),
        ("2d", 172_800),
        (45, 45),
        (timedelta(minutes=2), 120),
        ("1.5h", 5400),
    ],
)
def test_a_span_is_read_as_people_write_it(span: object, seconds: float) -> None:
    """Numbers are seconds."""
    assert span_seconds(span) == seconds  # type: ignore[arg-type]


@pytest.mark.parametrize("span", ["", "soon", "10 minutes please", "-5m", 0.2, "0s"])
def test_what_is_no_span_is_refused_by_name(span: object) -> None:
    """The message says what can be written."""
    with pytest.raises(ConfigurationError, match="second|Write"):
        span_seconds(span)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "bad", [{"longest": "1m"}, {"jitter": 1.0}, {"quiet": "22:00"}, {"quiet": "25:00-07:00"}, {"tokens_a_day": 0}]
)
def test_a_rhythm_that_cannot_be_is_refused(bad: dict[str, object]) -> None:
    """Each with its value."""
    with pytest.raises(ConfigurationError):
        Rhythm.of("10m", **bad)  # type: ignore[arg-type]


def test_while_nothing_happens_the_pauses_grow_and_speaking_ends_that() -> None:
    """They double up to the longest; something happening, or somebody speaking, brings back the usual pace."""
    clock = Clock()
    heart = pulse(Rhythm.of("10m", longest="1h", jitter=0), clock)
    assert seconds_until(heart.due(), clock) == 600
    pauses = []
    for _ in range(4):
        heart.beaten(10, something_happened=False)
        pauses.append(seconds_until(heart.due(), clock))
    assert pauses == [1200, 2400, 3600, 3600]
    heart.beaten(10, something_happened=True)
    assert seconds_until(heart.due(), clock) == 600
    heart.beaten(10, something_happened=False)
    heart.spoken_to()
    assert seconds_until(heart.due(), clock) == 600


def test_pauses_are_spread_by_the_jitter() -> None:
    """Never by more than its share, and not always alike."""
    clock = Clock()
    heart = pulse(Rhythm.of("100s", jitter=0.2), clock)
    found = set()
    for _ in range(30):
        heart.beaten(0, something_happened=True)
        found.add(round(seconds_until(heart.due(), clock)))
    assert min(found) >= 80
    assert max(found) <= 120
    assert len(found) > 10


def test_quiet_hours_are_slept_through_also_over_midnight() -> None:
    """In the agent's own zone."""
    clock = Clock("2026-06-01T19:55:00+00:00")  # 21:55 in Berlin
    heart = pulse(Rhythm.of("10m", jitter=0, quiet="22:00-07:00", time_zone="Europe/Berlin"), clock)
    assert heart.due() == datetime(2026, 6, 2, 5, 0, tzinfo=UTC)
    clock.now = datetime(2026, 6, 2, 3, 0, tzinfo=UTC)
    heart.beaten(0, something_happened=True)
    assert heart.due() == datetime(2026, 6, 2, 5, 0, tzinfo=UTC)
    clock.now = datetime(2026, 6, 2, 6, 0, tzinfo=UTC)
    heart.beaten(0, something_happened=True)
    assert seconds_until(heart.due(), clock) == 600


def test_a_days_tokens_are_not_overdrawn() -> None:
    """When they are used up, the next beat waits for midnight; then they are counted anew."""
    clock = Clock("2026-06-01T10:00:00+00:00")
    heart = pulse(Rhythm.of("10m", jitter=0, tokens_a_day=1_000), clock)
    heart.beaten(999, something_happened=True)
    assert seconds_until(heart.due(), clock) == 600
    heart.beaten(1, something_happened=True)
    assert heart.due() == datetime(2026, 6, 2, tzinfo=UTC)
    clock.now = datetime(2026, 6, 2, 0, 0, 1, tzinfo=UTC)
    heart.beaten(5, something_happened=True)
    assert heart.state().tokens == 5


def test_a_restart_changes_nothing_and_a_missed_beat_comes_once() -> None:
    """The rhythm is in the store: a new process goes on with it."""
    clock, store = Clock(), InMemoryStore()
    rhythm = Rhythm.of("10m", jitter=0)
    due = pulse(rhythm, clock, store).due()
    clock.advance(minutes=4)
    assert pulse(rhythm, clock, store).due() == due
    clock.advance(hours=5)
    again = pulse(rhythm, clock, store)
    assert again.due() == clock()
    again.beaten(0, something_happened=True)
    assert seconds_until(again.due(), clock) == 600
