"""The step that returns a turn's result in the provider's own format, after the user was answered: no tools, the schema, JSON."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from langchain_core.messages import AIMessage, AnyMessage, RemoveMessage

from memgpt_agent.events import mark_of
from memgpt_agent.nodes.profile_rules import ended
from memgpt_agent.nodes.receiving import alert
from memgpt_agent.nodes.session import Session
from memgpt_agent.prompts import NATIVE_RESULT, NATIVE_RESULT_WRONG
from memgpt_agent.state import Turn
from memgpt_agent.tools.structured import STRUCTURED

_WHY = "structuring"


def is_due(session: Session, turn: Turn) -> bool:
    """Whether a turn that could end must give its result first."""
    structured = session.resources.structured
    wanted = bool(structured and structured.native) and turn["type"] == "user_message"
    return wanted and not turn.get("structuring") and turn["step"] < session.context.max_steps


def begin(session: Session, turn: Turn) -> tuple[Turn, AnyMessage]:
    """Return the registers for a next step that gives the result, and the notice to the model."""
    return {**turn, "structuring": True}, alert(NATIVE_RESULT, session, turn, _WHY)


def in_its_format(session: Session) -> Session:
    """Return the session with a model that answers in the result's format."""
    structured = session.resources.structured
    return replace(session, model=session.model.bind(**structured.native)) if structured else session  # pyright: ignore[reportArgumentType]


def read(session: Session, turn: Turn, answer: AIMessage, queue: Sequence[AnyMessage]) -> dict[str, Any]:
    """Return the update with the result, and the turn's end; where the answer is no such result, the model is told so, and asked again.

    Nothing of this step stays in the queue: the reply is the last message.
    """
    structured = session.resources.structured
    assert structured is not None, "a turn gives a result only where the graph has a form for it"  # noqa: S101  see is_due
    asked: list[Any] = [RemoveMessage(id=str(m.id)) for m in queue if _asks(m, turn)]
    try:
        result = structured.read_native(answer)
    except Exception as error:  # noqa: BLE001  whatever the schema's own validators raise
        turn = {**turn, "unusable": turn["unusable"] + 1}
        if turn["unusable"] > session.context.max_unusable_answers or turn["step"] >= session.context.max_steps:
            return {"messages": asked, "turn": ended(session, turn), "heartbeat_reason": None}
        notice = alert(NATIVE_RESULT_WRONG.format(error=error), session, turn, _WHY)
        return {"messages": [*asked, notice], "turn": turn, "heartbeat_reason": "unusable_answer"}
    return {"messages": asked, "turn": ended(session, turn), STRUCTURED: result, "heartbeat_reason": None}


def _asks(message: AnyMessage, turn: Turn) -> bool:
    asked_before = message.type == "system" and mark_of(message).get("turn") == turn["id"]
    return asked_before and message.text.startswith((NATIVE_RESULT, NATIVE_RESULT_WRONG.partition("{")[0]))
