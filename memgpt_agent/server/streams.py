"""A run as server-sent events: its messages, then its stop reason, its tokens, and the end."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from starlette.responses import StreamingResponse

from memgpt_agent.events import utc_now
from memgpt_agent.memory.dates import stamp
from memgpt_agent.server.history import letta_usage
from memgpt_agent.server.letta_messages import LettaMessage, LettaStream, request_message
from memgpt_agent.server.problems import error_text
from memgpt_agent.server.runs import LiveRun

PING_SECONDS = 15.0
"""A stream that says nothing for so long says that it lives, where the client asked for it."""


def data(event: Any) -> str:
    """Return one server-sent event."""
    return f"data: {event if isinstance(event, str) else json.dumps(event)}\n\n"


def response(live: LiveRun, body: Mapping[str, Any]) -> StreamingResponse:
    """Return the answer that streams a run. The run continues where the client leaves."""
    tokens, assistant = bool(body.get("stream_tokens")), body.get("use_assistant_message") is not False
    messages = _messages(live, body.get("include_return_message_types"), tokens=tokens, assistant=assistant)
    source = _pinged(messages, live.item.id) if body.get("include_pings") else messages
    return StreamingResponse(_written(source), media_type="text/event-stream", headers={"cache-control": "no-cache", "x-accel-buffering": "no"})


def past(live: LiveRun, messages: Sequence[LettaMessage]) -> StreamingResponse:
    """Return the answer that streams what came of a run that is over."""

    async def replayed() -> AsyncIterator[LettaMessage]:
        for message in messages:
            yield message
        async for message in _messages(live, None, tokens=False, assistant=True):
            if message["message_type"] != "approval_request_message":
                yield message

    return StreamingResponse(_written(replayed()), media_type="text/event-stream")


async def _written(messages: AsyncIterator[LettaMessage]) -> AsyncIterator[str]:
    async for message in messages:
        yield data(message)
    yield data("[DONE]")


async def _messages(live: LiveRun, types: list[str] | None, *, tokens: bool, assistant: bool) -> AsyncIterator[LettaMessage]:
    run_id = live.item.id
    telling = LettaStream(run_id, stamp(utc_now()), tokens=tokens, use_assistant_message=assistant, held=live.held)
    place = 0
    async for event in live.follow():
        for message in telling.messages(event):
            if not types or message["message_type"] in types:
                place += 1
                yield {**message, "seq_id": place}
    if live.error is not None:
        kind = type(live.error).__name__
        yield {"message_type": "error_message", "run_id": run_id, "error_type": kind, "message": error_text(live.error), "detail": None}
    if asked := live.item.request.get("pending"):
        yield request_message(asked, run_id)
    yield {"message_type": "stop_reason", "stop_reason": live.item.stop_reason or "end_turn"}
    yield letta_usage(live.item)


async def _pinged(messages: AsyncIterator[LettaMessage], run_id: str) -> AsyncIterator[LettaMessage]:
    """Yield the messages, and a ping if none comes for a while."""
    iterator = aiter(messages)
    coming: asyncio.Future[LettaMessage] = asyncio.ensure_future(anext(iterator))
    try:
        while True:
            done, _ = await asyncio.wait([coming], timeout=PING_SECONDS)
            if not done:
                yield {"message_type": "ping", "id": "message-ping", "date": stamp(utc_now()), "run_id": run_id}
                continue
            try:
                yield coming.result()
            except StopAsyncIteration:
                return
            coming = asyncio.ensure_future(anext(iterator))
    finally:
        coming.cancel()
        with suppress(asyncio.CancelledError, StopAsyncIteration):
            await coming
