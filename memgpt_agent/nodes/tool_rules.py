"""The profile's rules on tool calls, applied to the running turn."""

from collections.abc import Sequence

from langchain_core.messages import AnyMessage, ToolMessage

from memgpt_agent.events import is_event, mark_of
from memgpt_agent.nodes.session import Session
from memgpt_agent.prompts import NOT_NOW
from memgpt_agent.state import Turn
from memgpt_agent.tools.rules import Called


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
