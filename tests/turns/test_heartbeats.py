"""Heartbeats by the clock on a real scheduler: one at a time, put off when busy, never ended by an error."""

import threading
import time
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from apscheduler.schedulers.background import BackgroundScheduler
from hypothesis import given
from hypothesis import strategies as st
from langgraph.store.memory import InMemoryStore

from memgpt_agent.errors import ConfigurationError, ConversationBusy, ModelError
from memgpt_agent.memory.waking import Pulse, Rhythm
from memgpt_agent.turns.heartbeats import Heartbeats, every_to_cron
from memgpt_agent.turns.turn_reader import AgentResponse

CALL = {"name": "core_memory_append", "args": {}, "id": "1", "result": "", "failed": False, "thinking": ""}


def pulse(seconds: float = 1.0) -> Pulse:
    """Beats every second."""
    return Pulse(InMemoryStore(), "ann", Rhythm.of(seconds, longest="8s", jitter=0))


def test_beats_come_at_their_rhythm_one_at_a_time() -> None:
    """A slow beat is waited for: the next is planned when it is over."""
    running, most, beats = 0, 0, threading.Semaphore(0)

    def beat(_text: str, _id: str | None) -> AgentResponse:
        nonlocal running, most
        running += 1
        most = max(most, running)
        time.sleep(1.2)
        running -= 1
        beats.release()
        return AgentResponse("", tool_calls=[CALL], tokens_used=7)

    told: list[AgentResponse] = []
    heart = Heartbeats(beat, pulse(), on_response=told.append)
    heart.start()
    try:
        assert beats.acquire(timeout=20)
        assert beats.acquire(timeout=20)
    finally:
        heart.stop()
    assert most == 1
    assert len(told) >= 2
    assert heart.pulse.state().tokens == 7 * heart.pulse.state().beats


def test_a_beat_without_anything_slows_the_heart() -> None:
    """No message and no call that did something: the pause doubles."""
    heart = Heartbeats(lambda _text, _id: AgentResponse("", tokens_used=3), pulse())
    assert heart.beat_now() is not None
    assert heart.pulse.state().interval_seconds == 2
    speaking = Heartbeats(lambda _text, _id: AgentResponse("Good morning."), heart.pulse)
    speaking.beat_now()
    assert heart.pulse.state().interval_seconds == 1


def test_a_busy_conversation_and_a_broken_model_do_not_stop_the_heart() -> None:
    """A busy one is tried again without being counted; a failed beat counts as one in which nothing happened."""

    def busy(_text: str, _id: str | None) -> AgentResponse:
        raise ConversationBusy("held")

    def broken(_text: str, _id: str | None) -> AgentResponse:
        raise ModelError("no answer")

    heart = Heartbeats(busy, pulse())
    assert heart.beat_now() is None
    assert heart.pulse.state().beats == 0
    heart = Heartbeats(broken, heart.pulse)
    assert heart.beat_now() is None
    assert heart.pulse.state().beats == 1


def test_an_interval_becomes_a_cron_that_is_never_more_frequent() -> None:
    """For a server's crons, which know no seconds."""
    assert [every_to_cron(s) for s in (30, 600, 700, 3600, 7200, 18_000, 86_400, 259_200)] == [
        "*/1 * * * *",
        "*/10 * * * *",
        "*/12 * * * *",
        "0 */1 * * *",
        "0 */2 * * *",
        "0 */6 * * *",
        "0 0 * * *",
        "0 0 * * 0,3",
    ]
    with pytest.raises(ConfigurationError, match="365 days at most"):
        every_to_cron(366 * 86_400)


@given(st.floats(0.1, 365 * 86_400))
def test_between_two_moments_of_a_cron_lies_the_whole_interval(seconds: float) -> None:
    """Also over the end of an hour, a day, a month and a year, leap years among them."""
    croniter = pytest.importorskip("croniter", reason="it comes with the development server (extra `serve`)").croniter
    schedule = every_to_cron(seconds)
    for begin in (datetime(2027, 12, 30, 23, 58, tzinfo=UTC), datetime(2028, 2, 27, 23, 58, tzinfo=UTC)):
        moments = croniter(schedule, begin)
        times = [moments.get_next(datetime) for _ in range(14)]
        assert min(b - a for a, b in pairwise(times)) >= timedelta(seconds=seconds)


def test_a_beat_is_planned_for_the_moment_that_the_rhythm_says() -> None:
    """On a scheduler of the program's own; stopped, its plan is gone from there."""
    scheduler = BackgroundScheduler(timezone="UTC")
    heart = Heartbeats(lambda _text, _id: AgentResponse(""), pulse(), scheduler=scheduler)
    heart.start()
    (job,) = scheduler.get_jobs()
    assert job.trigger.run_date == datetime.fromisoformat(heart.pulse.state().next)
    heart.stop()
    assert scheduler.get_jobs() == []


def test_a_heart_can_be_stopped_at_any_moment() -> None:
    """Also in the moment in which a beat ends and plans the next one, where two locks could wait for each other."""
    ended = threading.Event()

    def beat(_text: str, _id: str | None) -> AgentResponse:
        ended.set()
        return AgentResponse("")

    for delay in range(12):
        ended.clear()
        heart = Heartbeats(beat, pulse())
        heart.pulse.beaten(0, something_happened=True)
        heart.start()
        assert ended.wait(20)
        time.sleep(delay / 2_000)
        stopping = threading.Thread(target=heart.stop, daemon=True)
        stopping.start()
        stopping.join(20)
        assert not stopping.is_alive()


def test_a_heart_that_was_stopped_or_never_beat_can_be_stopped() -> None:
    """Whoever stopped it may close the agent afterwards, which stops it too."""
    heart = Heartbeats(lambda _text, _id: AgentResponse(""), pulse())
    heart.stop()
    heart.start()
    heart.stop()
    heart.stop()


def test_a_beat_that_another_process_has_taken_is_not_taken_again() -> None:
    """Two processes let one heart beat: the second finds the beat noted, or is given what came of it, and notes nothing."""
    taken: list[str | None] = []

    def beat(_text: str, event_id: str | None) -> AgentResponse:
        taken.append(event_id)
        return AgentResponse("", tokens_used=1)

    first, second = Heartbeats(beat, pulse()), Heartbeats(beat, pulse())
    second.pulse = first.pulse
    first.pulse.due()
    planned = first.pulse.state().next
    assert first.beat_now(planned) is not None
    assert second.beat_now(planned) is None
    assert taken == [f"beat-ann-{planned}"]
    assert second.pulse.beaten(5, something_happened=True, planned=planned).beats == 1
