"""A turn that is running, as it is shown: what was thought, called and said so far, and the stream of that."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from memgpt_agent.server.runs import LiveRun
from memgpt_agent.turns.turn_reader import StreamEvent

_PAUSE_SECONDS = 0.08
"""What happens within so long is shown at once."""
_SHOWN_CHARS = 1_500
"""So much of a result is shown while the turn runs."""


@dataclass
class LiveStep:
    """One thing that the agent did."""

    kind: Literal["thought", "call", "reply"]
    """What it is."""
    text: str = ""
    """The thought, what was said, or what the call returned so far."""
    name: str = ""
    """The tool."""
    arguments: dict[str, Any] = field(default_factory=dict[str, Any])
    """What it was called with."""
    id: str = ""
    """The call's or the reply's."""
    failed: bool | None = None
    """Whether the call failed; ``None`` while it runs."""


def steps_of(events: Sequence[StreamEvent]) -> list[LiveStep]:
    """Return what a turn did so far; what was said and then taken back is left out."""
    steps: list[LiveStep] = []
    for event in events:
        if event.type == "delta":
            said = next((one for one in steps if one.kind == "reply" and one.id == event.reply_id), None)
            if said is None:
                steps.append(said := LiveStep("reply", id=event.reply_id))
            said.text += event.text
        elif event.type == "withdrawn":
            gone = next(
                (one for one in reversed(steps) if one.kind == "reply" and event.reply_id in ("", one.id)), None
            )
            steps = [one for one in steps if one is not gone]
        elif event.type == "thinking":
            steps.append(LiveStep("thought", event.text))
        elif event.type == "message":
            steps.append(LiveStep("reply", event.text, id=event.reply_id))
        elif event.type == "tool_call" and event.name != "send_message":
            steps.append(LiveStep("call", name=event.name, arguments=event.arguments, id=event.call_id))
        elif event.type == "tool_result":
            _result(steps, event)
    return steps


def _result(steps: list[LiveStep], event: StreamEvent) -> None:
    for step in steps:
        if step.kind == "call" and step.id == event.call_id:
            step.text, step.failed = event.text[:_SHOWN_CHARS], event.failed


async def stream(
    live: LiveRun | None, shown: Callable[[list[LiveStep]], bytes], ended: Callable[[], bytes]
) -> AsyncIterator[bytes]:
    """Yield the server-sent events of a turn: each time something happens all that it did so far, at the end the outcome.

    Each event is whole by itself: a browser that comes late or comes back misses nothing.
    """
    while live is not None:
        waiting, over, seen = live.changed, live.over, len(live.events)
        yield _event("turn", shown(steps_of(live.events)))
        if over:
            break
        if len(live.events) == seen and not live.over:
            await waiting.wait()
        await asyncio.sleep(_PAUSE_SECONDS)
    yield _event("done", await asyncio.to_thread(ended))


def _event(name: str, data: bytes) -> bytes:
    lines = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    return b"event: " + name.encode() + b"\n" + b"".join(b"data: " + line + b"\n" for line in lines) + b"\n"
