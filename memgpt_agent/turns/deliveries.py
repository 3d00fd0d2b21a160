"""What is delivered to an agent: a message with what is attached to it, a heartbeat or another event, or a decision."""

import base64
import mimetypes
import uuid
from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any, NamedTuple, cast

from langchain_core.messages import HumanMessage
from langgraph.types import Command

from memgpt_agent.errors import ConfigurationError, DocumentError, NothingToDecide
from memgpt_agent.events import Event
from memgpt_agent.faces import Unsuspended, finished
from memgpt_agent.memory.uploads import MAX_UPLOAD_BYTES
from memgpt_agent.nodes.approval import decision_of
from memgpt_agent.text.never_stored import Redactor
from memgpt_agent.turns.questions import Question, answers_by_id
from memgpt_agent.turns.turn_reader import AgentResponse, StreamEvent

Attachment = str | Path | Mapping[str, Any]
"""A file's path, or a content block in any form that chat clients send."""


def blocks_of(attachments: Sequence[Attachment]) -> list[dict[str, Any]]:
    """Return attachments as content blocks.

    Raises:
        DocumentError: a file is not there, cannot be read, or is too large.
    """
    return [dict(one) if isinstance(one, Mapping) else _block(Path(one).expanduser()) for one in attachments]


def _block(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise DocumentError(f"There is no file {path}. Check the name; relative names start at {Path.cwd()}.")
    if (size := path.stat().st_size) > MAX_UPLOAD_BYTES:
        raise DocumentError(
            f"{path} has {size / 1e6:,.0f} MB; {MAX_UPLOAD_BYTES / 1e6:,.0f} MB are the limit of what comes with a message. "
            "Load it into the agent's files instead: memgpt load."
        )
    mime = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    kind = mime.partition("/")[0]
    packed = base64.b64encode(path.read_bytes()).decode()
    kind = kind if kind in {"image", "audio", "video"} else "file"
    return {"type": kind, "base64": packed, "mime_type": mime, "extras": {"filename": path.name}}


class Delivery(NamedTuple):
    """What wakes the agent, or lets it go on."""

    input: dict[str, Any] | Command[Any]
    """The graph's input; a command where a turn that waits for a decision goes on."""
    event_id: str = ""
    """The event's id, which is its turn's too; a decision has none."""
    may_be_known: bool = False
    """Whether the caller gave the id, so that it may have been delivered before."""
    call_id: str | None = None
    """Which call is decided on; ``None``: the one that waits."""
    answers: bool = False
    """Whether it answers questions; else a command is a decision on a call."""

    def checked(self, waiting: Sequence[Question], thread_id: str) -> dict[str, Any] | Command[Any]:
        """Return the graph's input, an answer under the id of its question, before anything is done.

        Raises:
            NothingToDecide: it is on a call or a question that does not wait.
            ConfigurationError: it is not a decision, or not an answer for all that wait; the call still waits.
        """
        if not isinstance(self.input, Command):
            return self.input
        answer = cast(Any, self.input.resume)
        if self.answers:
            return Command(resume=answers_by_id(answer, waiting, thread_id))
        asked = next((question for question in waiting if question.is_approval), None)
        call_id = asked.value["call_id"] if asked else ""
        if asked is None or self.call_id not in (None, call_id):
            raise NothingToDecide(
                f"{'No call' if asked is None else f'Another call ({call_id}), not {self.call_id!r},'} of {thread_id!r} waits for a "
                "decision. It may have been decided already, or given up because something else was said."
            )
        decision_of(answer, asked.value["action_requests"][0]["name"])
        return Command(resume={asked.id: answer})


def without(redactor: Redactor | None, given: dict[str, Any] | Command[Any]) -> dict[str, Any] | Command[Any]:
    """Return a graph's input without what is never stored."""
    if redactor is None:
        return given
    if isinstance(given, Command):
        return Command(resume=redactor.in_value(given.resume))
    messages = [m.model_copy(update={"content": redactor.in_value(m.content)}) for m in given.get("messages", ())]
    event = given.get("event")
    redacted = {"event": {**event, "text": redactor(event.get("text", ""))}} if event else {}
    return {**given, **redacted, **({"messages": messages} if messages else {})}


def message_delivery(text: str, event_id: str | None, attachments: Sequence[Attachment] = ()) -> Delivery:
    """Return the delivery of what the user says, with what is sent along.

    Raises:
        ConfigurationError: the text is empty, and nothing is sent along.
        DocumentError: a file that is to be sent along cannot be read.
    """
    if not text.strip() and not attachments:
        raise ConfigurationError("The message is empty; say something, or call heartbeat() to let the agent think.")
    given = event_id or uuid.uuid4().hex
    blocks: list[Any] = [*([{"type": "text", "text": text}] if text.strip() else []), *blocks_of(attachments)]
    return Delivery({"messages": [HumanMessage(blocks if attachments else text, id=given)]}, given, event_id is not None)


def heartbeat_event(text: str, event_id: str | None) -> Event:
    """Return a heartbeat with a text, which may be empty."""
    return Event(type="heartbeat", text=text, **({"id": event_id} if event_id else {}))


def event_delivery(event: Event) -> Delivery:
    """Return the delivery of an event; one without an id gets one."""
    given = event.get("id") or uuid.uuid4().hex
    return Delivery({"event": {**event, "id": given}}, given, "id" in event)


def decision_delivery(decision: dict[str, Any], call_id: str | None) -> Delivery:
    """Return the delivery of a decision, in the form of LangChain's human-in-the-loop."""
    return Delivery(Command(resume={"decisions": [decision]}), call_id=call_id)


def answer_delivery(answer: Any) -> Delivery:
    """Return the delivery of a person's answer to the questions that wait."""
    return Delivery(Command(resume=answer), answers=True)


def response_of_turn(events: Generator[StreamEvent]) -> AgentResponse:
    """Take a turn to its end and return the response."""
    return finished(aresponse_of_turn(Unsuspended(events)))


async def aresponse_of_turn(events: AsyncGenerator[StreamEvent] | Unsuspended[StreamEvent]) -> AgentResponse:
    """Async form of :func:`response_of_turn`."""
    async with aclosing(events):
        async for event in events:
            if event.response is not None:
                return event.response
    raise AssertionError("a turn ends with its response")
