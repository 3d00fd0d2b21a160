"""What a profile adds to the nodes: reminders at the start of a turn, checked answers, and work after its end."""

from collections.abc import Callable, Mapping
from typing import Any

from langchain_core.messages import AnyMessage

from memgpt_agent.memory.core import Cause
from memgpt_agent.nodes.receiving import alert
from memgpt_agent.nodes.session import Session
from memgpt_agent.state import Turn
from memgpt_agent.store.plain import finish_embedding
from memgpt_agent.tools.messages import SEND_MESSAGE


def reminders(session: Session, turn: Turn | None) -> list[AnyMessage]:
    """Return the profile's reminders as alerts at the beginning of a turn.

    If the first step is repeated, they are the same, under the same ids.
    """
    if turn is None or turn["step"] or turn["over"]:
        return []
    memory = session.memory.because(Cause(actor="agent", tool="remind", turn=turn["id"]))
    texts = [remind(memory, turn["type"]) for remind in session.resources.profile.reminders]
    return [alert(text, session, turn, f"reminder-{place}") for place, text in enumerate(texts) if text]


def ended(session: Session, turn: Turn) -> Turn:
    """Do what the profile does at a turn's end, and return the finished turn's registers."""
    profile = session.resources.profile
    memory = session.memory.because(Cause(actor=profile.actor, tool="end", turn=turn["id"]))
    for close in profile.closing:
        close(memory)
    finish_embedding(session.memory.store)
    return {**turn, "over": True}


def is_draft(session: Session, turn: Turn, name: str, arguments: Mapping[str, Any]) -> bool:
    """Whether a call is an answer that the model should check before it is sent: the first of a user's turn.

    Never in the last step, which may only speak; so an answer costs at most one more step.
    """
    if name != SEND_MESSAGE or not str(arguments.get("message") or "").strip():
        return False
    return drafts(session, turn, turn["step"])


def drafts(session: Session, turn: Turn, step: int) -> bool:
    """Whether the reply in a turn's step of this number (from 1) is a draft."""
    wanted = session.resources.profile.checks_answers and turn["type"] == "user_message"
    return wanted and not turn.get("checked", False) and step < session.context.max_steps


def speech_writer(session: Session, turn: Turn, write: Callable[[Any], None]) -> Callable[[Any], None]:
    """Return the streamer of the coming step's reply; a draft is not streamed, since the user does not see it."""
    return unheard if drafts(session, turn, turn["step"] + 1) else write


def unheard(_: Any) -> None:
    """Stream nothing."""
