"""What leaves main context goes into the hierarchy of summaries; up to two that are due are written by the summarizer."""

from collections.abc import Callable, Sequence

from langchain_core.messages import AnyMessage

from memgpt_agent.memory.hierarchy import SummaryTree, keep_evicted
from memgpt_agent.nodes.session import Session
from memgpt_agent.prompts import ROLL_UP, plain_digest

_WORDS = 150
_CHARS_PER_TOKEN = 3


def roll_up(session: Session, evicted: Sequence[AnyMessage], ask: Callable[[str], str]) -> None:
    """Keep the evicted messages as spans of the hierarchy, and put up to two summaries whose time is over to the model.

    Args:
        session: whose memory it is.
        evicted: the messages that leave main context.
        ask: puts a text to the summarizer and returns what it writes, or nothing if it fails.
    """
    room = max(1_000, session.budget_tokens // 2 * _CHARS_PER_TOKEN)

    def write(what: str, texts: Sequence[str]) -> str:
        lines = [line for text in texts for line in text.splitlines()]
        text = "\n".join(lines)
        shown = text if len(text) <= room else plain_digest(lines, room)
        return session.counter.truncate(ask(ROLL_UP.format(words=_WORDS, what=what, texts=shown)), _WORDS * 3)

    memory = session.memory
    tree = SummaryTree(memory.store, memory.agent_id, memory.clock, memory.time_zone)
    keep_evicted(tree, session.thread_id, evicted, write)
