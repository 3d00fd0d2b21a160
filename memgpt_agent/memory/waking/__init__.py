"""What wakes an agent and what it does by itself: letters, the clock, sleep, and the journal of its background runs."""

from memgpt_agent.memory.waking.inbox import Inbox, Letter, Post
from memgpt_agent.memory.waking.pulse import Pulse, Rhythm
from memgpt_agent.memory.waking.sleep_diary import Journal, SleepDiary

__all__ = ["Inbox", "Journal", "Letter", "Post", "Pulse", "Rhythm", "SleepDiary"]
