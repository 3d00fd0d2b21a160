"""Continuing a reply that the length limit cut: asks for the rest a few times, and marks the reply as cut if that fails."""

from collections.abc import Sequence
from typing import Any, cast

from langchain_core.messages import AIMessage, AnyMessage, RemoveMessage

from memgpt_agent.events import MARK, Mark, mark_of
from memgpt_agent.memory.dates import stamp
from memgpt_agent.models.stops import WINDOW_FULL, Stop
from memgpt_agent.nodes.reading import ReadCall
from memgpt_agent.nodes.receiving import alert
from memgpt_agent.nodes.session import Session
from memgpt_agent.nodes.speech import message_so_far
from memgpt_agent.nodes.streaming_answer import StreamingAnswer
from memgpt_agent.prompts import CUT_GO_ON, CUT_NOTE, PAUSED_NOTE, WINDOW_NOTE
from memgpt_agent.state import Turn
from memgpt_agent.text.cleaning import clean
from memgpt_agent.tools.messages import SEND_MESSAGE

MAX_CONTINUED = 6
"""How often in one turn the rest of a reply is asked for."""
_TAIL_CHARS = 60
_LEAST_OVERLAP, _MOST_OVERLAP = 16, 400


def partial_of(turn: Turn, queue: Sequence[AnyMessage]) -> AIMessage | None:
    """Return the turn's incomplete reply, whose rest was requested and has not arrived."""
    for message in reversed(queue):
        if isinstance(message, AIMessage):
            mark = mark_of(message)
            return message if mark.get("goes_on") and mark.get("turn") == turn["id"] else None
    return None


def spoken_in(text: str, calls: Sequence[ReadCall], growing: StreamingAnswer, *, going_on: bool) -> str | None:
    """Return an answer's part of a reply; None if the answer is something else.

    Plain text, or a ``send_message`` that is the only call: one that broke off, or a whole one that continues a reply.
    """
    if not calls:
        return text if text.strip() else None
    if len(calls) != 1 or calls[0].name != SEND_MESSAGE:
        return None
    if calls[0].error:
        chunks = growing.tool_call_chunks
        said = message_so_far(chunks[0]["args"])[0] if len(chunks) == 1 else ""
        return clean(said) or None
    said: Any = calls[0].arguments.get("message")
    return said if going_on and isinstance(said, str) else None


def joined(before: str, rest: str) -> str:
    """Join a text and its rest; words of the end that the rest repeats appear once."""
    for size in range(min(len(before), len(rest), _MOST_OVERLAP), _LEAST_OVERLAP - 1, -1):
        if before.endswith(rest[:size]):
            return before + rest[size:]
    spaced = before[-1:] in {".", "!", "?"} and rest[:1].isupper()
    return f"{before} {rest}" if spaced else before + rest


def may_go_on(session: Session, turn: Turn, stop: Stop) -> bool:
    """Whether to ask for the rest of a cut reply; not if it ran on without end."""
    bounded = turn.get("continued", 0) < MAX_CONTINUED and turn["step"] < session.context.max_steps
    return bounded and stop.kind in {"cut_off", "paused"} and stop.reason != "endless"


def ask_for_rest(session: Session, turn: Turn, text: str, message: AIMessage) -> list[AnyMessage]:
    """Return the part that has arrived, as it is kept meanwhile, and the alert that asks the model for the rest."""
    notice = alert(CUT_GO_ON.format(tail=text[-_TAIL_CHARS:]), session, turn, "cut")
    return [kept(session, turn, text, message, goes_on=str(notice.id)), notice]


def kept(session: Session, turn: Turn, text: str, message: AIMessage, **marked: str) -> AIMessage:
    """Return a reply as plain text under the id of an answer, with that answer's figures."""
    mark: dict[str, Any] = {"kind": "action", "time": stamp(session.resources.clock()), "turn": turn["id"], **marked}
    return AIMessage(
        text, id=message.id, additional_kwargs={MARK: cast(Mark, mark)}, usage_metadata=message.usage_metadata,
        response_metadata=cast(dict[str, Any], message.response_metadata),
    )  # fmt: skip


def cut_short(text: str, stop: Stop | None = None) -> str:
    """Return an incomplete reply, marked so."""
    note = PAUSED_NOTE if stop and stop.kind == "paused" else WINDOW_NOTE if stop and stop.reason == WINDOW_FULL else CUT_NOTE
    return f"{text}\n\n{note}"


def without_request(partial: AIMessage | None) -> list[Any]:
    """Return the removal of the alert that asked for the rest of a reply."""
    return [RemoveMessage(id=mark_of(partial).get("goes_on", ""))] if partial is not None else []
