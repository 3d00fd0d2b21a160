"""What a profile adds to the nodes: reminders at the start of a turn, checked answers, work after its end, and rules on tool calls."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from langchain_core.messages import AnyMessage, ToolMessage

from memgpt_agent.events import is_event, mark_of
from memgpt_agent.memory.core import Cause
from memgpt_agent.nodes.receiving import alert
from memgpt_agent.nodes.session import Session
from memgpt_agent.prompts import NOT_NOW
from memgpt_agent.state import Turn
from memgpt_agent.store.plain import finish_embedding
from memgpt_agent.tools.messages import SEND_MESSAGE
from memgpt_agent.tools.rules import Called


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


def called_in(turn: Turn | None, queue: Sequence[AnyMessage]) -> list[Called]:
    """Return the calls of a turn that have a result in the queue, in order."""
    if turn is None:
        return []
    return [
        Called(str(m.name), m.text, m.status == "error")
        for m in queue
        if isinstance(m, ToolMessage) and mark_of(m).get("turn") == turn["id"] and not is_event(m)
    ]


def offered(session: Session, turn: Turn | None, queue: Sequence[AnyMessage]) -> list[str]:
    """Return the names of the tools that the model is offered now."""
    names = session.resources.tools.names
    rules = session.resources.rules
    return rules.allowed(names, called_in(turn, queue))[0] if rules else list(names)


def refusal(session: Session, name: str, called: Sequence[Called]) -> str:
    """Return why a tool may not be called now, in words for the model; empty if it may."""
    rules = session.resources.rules
    if not rules or name not in session.resources.tools.names:
        return ""
    may, why = rules.allowed(session.resources.tools.names, called)
    return "" if name in may else NOT_NOW.format(name=name, why=why, may=", ".join(may) or "none: end the turn")


def still_required(session: Session, turn: Turn, called: Sequence[Called]) -> list[str]:
    """Return the tools that must still be called before the turn may end, because of a rule or to give its result."""
    structured = session.resources.structured
    result = structured.missing(called) if structured and turn["type"] == "user_message" else []
    return [*session.resources.rules.missing(called), *result]
