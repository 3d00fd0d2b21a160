"""Conversations: what was said, a page at a time; saying something, with files; the running turn, live, and stopping it."""

import asyncio
import base64
import json
import mimetypes
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, cast

from fastapi import File, Form, UploadFile
from starlette.responses import Response, StreamingResponse

from memgpt_agent.memory.recall import Message
from memgpt_agent.memory.stored import RunItem
from memgpt_agent.server.page import rendering, transcripts
from memgpt_agent.server.page.transcripts import Cursor, Part
from memgpt_agent.server.page.view import THREADS, Agent, AgentView, pages, plain
from memgpt_agent.server.problems import HTTPProblem, not_found
from memgpt_agent.server.runs import LiveRun
from memgpt_agent.turns.questions import Question
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


router = pages()
_WAIT_SECONDS = 20.0
"""So long a form that was sent without a script waits for the turn; then it shows what there is."""
Waiting = dict[str, Any]


def running(seen: AgentView, thread_id: str) -> list[LiveRun]:
    """Return the turns of a conversation that this server is taking, or will when those before them are over."""
    return [
        one
        for one in seen.served.runs.live.values()
        if one.agent_id == seen.agent_id and one.item.thread_id == thread_id
    ]


def waiting(seen: AgentView, thread_id: str) -> list[Waiting]:
    """Return the calls of a conversation that wait for a person, also those that another program began."""
    if not seen.writable or running(seen, thread_id):
        return []
    return [{"id": one.id, "approval": one.is_approval, **_asked(one)} for one in seen.served.agents.questions(seen.agent_id, thread_id)]


def _asked(question: Question) -> Waiting:
    if not question.is_approval:
        return {
            "call_id": question.call_id,
            "tool": question.tool,
            "arguments": question.arguments,
            "question": question.value,
            "thinking": "",
        }
    value: dict[str, Any] = question.value
    action: dict[str, Any] = value["action_requests"][0]
    thinking = str(action.get("description") or "")
    return {
        "call_id": value["call_id"],
        "tool": action["name"],
        "arguments": action["args"],
        "question": None,
        "thinking": thinking,
    }


@router.get("/a/{agent}/chat")
def conversation(seen: Agent, thread: str = "", before: str = "", at: str = "") -> Response:
    """Show a conversation; with ``before`` the page of older messages, with ``at`` the place of one message."""
    store, part = seen.served.agents.store, None
    if at and (message := seen.served.agents.recall(seen.agent_id).get([at]).get(at)):
        thread = message.thread_id
        part = (
            transcripts.around(store, seen.agent_id, message)
            if thread in seen.threads
            else None
        )
    thread_id = seen.served.agents.conversation(seen.agent_id, thread)
    cursor = Cursor.of(before)
    part = part or transcripts.part(store, seen.agent_id, thread_id, cursor)
    if seen.by_htmx and before:
        groups = transcripts.by_turn(part.messages)
        return seen.page("messages.html", groups=groups, runs=_runs_of(seen, groups), part=part, thread=thread_id, at="")
    return seen.page(
        "chat.html", **_shown(seen, thread_id, part, newest=not at and not before), at=at, threads=seen.threads[:THREADS],
        older_page=bool(before),
    )  # fmt: skip


def _shown(seen: AgentView, thread_id: str, part: Part, *, newest: bool) -> dict[str, Any]:
    """Return what the templates of a conversation need. The records of the running turn stand in its own place."""
    running_now = [(one, steps_of(one.events)) for one in running(seen, thread_id)]
    turns = {one.item.id for one, _ in running_now}
    groups = transcripts.by_turn(one for one in part.messages if one.turn not in turns)
    last = seen.served.runs.newest(seen.agent_id, thread_id) if newest and not running_now else None
    unrecorded = last and all(one.turn != last.id and one.time <= last.created for one in part.messages)
    return {
        "tab": "chat", "groups": groups, "runs": _runs_of(seen, groups), "part": part, "thread": thread_id, "running": running_now,
        "unrecorded": last if unrecorded else None, "asked": waiting(seen, thread_id),
    }  # fmt: skip


def _runs_of(seen: AgentView, groups: Sequence[Sequence[Message]]) -> dict[str, RunItem]:
    """Return the runs behind groups of messages, each by its turn, of which the last group there shows how it ended."""
    return seen.served.runs.of_turns(seen.agent_id, [group[-1].turn for group in groups])


@router.post("/a/{agent}/say")
async def say(
    seen: Agent,
    text: Annotated[str, Form()] = "",
    thread: Annotated[str, Form()] = "",
    files: Annotated[list[UploadFile] | None, File()] = None,
) -> Response:
    """Say something. With a script the turn is shown as it runs; without one the page comes when it is over."""
    thread_id = seen.served.agents.conversation(seen.agent_id, thread)
    sent = [_block(one.filename or "file", await one.read()) for one in files or () if one.filename]
    said = plain(text)
    if not said.strip() and not sent:
        raise HTTPProblem(422, "The message is empty.")
    live = await seen.served.speaker.send(seen.agent_id, thread_id, {"input": said}, files=sent)
    return await begun(seen, live)


def _block(name: str, content: bytes) -> dict[str, Any]:
    mime = mimetypes.guess_type(name)[0] or "application/octet-stream"
    kind = mime.partition("/")[0]
    kind = kind if kind in ("image", "audio", "video") else "file"
    return {"type": kind, "base64": base64.b64encode(content).decode(), "mime_type": mime, "extras": {"filename": name}}


async def begun(seen: AgentView, live: LiveRun) -> Response:
    """Answer that a turn has begun: with the place where it is shown as it runs, or without a script when it is over."""
    thread_id = live.item.thread_id
    if seen.by_htmx:
        return await asyncio.to_thread(
            lambda: seen.page("turn_begun.html", live=live, steps=steps_of(live.events), thread=thread_id, asked=[])
        )
    if live.task is not None:
        await asyncio.wait([live.task], timeout=_WAIT_SECONDS)
    return seen.back("chat", thread=thread_id)


@router.get("/a/{agent}/runs/{run_id}/live")
async def followed(seen: Agent, run_id: str) -> Response:
    """Stream a turn as it runs, and the outcome at its end."""
    live = seen.served.runs.live.get(run_id)
    agent_id = live.agent_id if live is not None else (await asyncio.to_thread(seen.served.runs.get, run_id))[0]
    if agent_id != seen.agent_id:
        raise not_found("run", run_id)

    def shown(steps: list[LiveStep]) -> bytes:
        return rendering.written("steps.html", {"steps": steps})

    def ended() -> bytes:
        return cast(bytes, _ended(seen, run_id, live).body)

    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    return StreamingResponse(stream(live, shown, ended), media_type="text/event-stream", headers=headers)


def _ended(seen: AgentView, run_id: str, live: LiveRun | None) -> Response:
    """Return the outcome of a turn: its records, why it failed, and what it waits for."""
    found = seen.served.runs.get(run_id)[1] if live is None else live.item
    groups = transcripts.by_turn(seen.served.agents.recall(seen.agent_id).of_turn(run_id))
    return seen.page(
        "turn_ended.html",
        groups=groups,
        runs={run_id: found},
        unrecorded=None if groups else found,
        thread=found.thread_id,
        at="",
        asked=waiting(seen, found.thread_id),
    )


@router.post("/a/{agent}/runs/{run_id}/stop")
async def stop(seen: Agent, run_id: str) -> Response:
    """Stop a turn; what it did stays."""
    live = seen.served.runs.live.get(run_id)
    seen.check_writable()
    if live is not None and live.agent_id == seen.agent_id:
        await seen.served.runs.cancel(live)
        if seen.by_htmx:
            return Response(status_code=204)
        return seen.back("chat", thread=live.item.thread_id, note="stopped")
    return seen.back("chat")


@router.post("/a/{agent}/decide")
async def decide(
    seen: Agent, decision: Annotated[str, Form()], call_id: Annotated[str, Form()] = "", thread: Annotated[str, Form()] = "",
    reason: Annotated[str, Form()] = "", arguments: Annotated[str, Form()] = "",
) -> Response:  # fmt: skip
    """Approve, edit or reject the call that waits."""
    thread_id = seen.served.agents.conversation(seen.agent_id, thread)
    answer: dict[str, Any] = {
        "type": "approval",
        "approve": decision != "reject",
        "tool_call_id": call_id,
        "reason": plain(reason),
    }
    if decision == "edit":
        answer["arguments"] = _arguments(arguments)
    elif decision not in ("approve", "reject"):
        raise HTTPProblem(422, "Approve, edit or reject it.")
    live = await seen.served.speaker.send(seen.agent_id, thread_id, {"messages": [{"type": "approval", "approvals": [answer]}]})
    return await begun(seen, live)


@router.post("/a/{agent}/answer")
async def answered(
    seen: Agent, question: Annotated[str, Form()], answer: Annotated[str, Form()], thread: Annotated[str, Form()] = ""
) -> Response:
    """Answer what a tool asks, or give the result of a call that a program was to carry out."""
    thread_id = seen.served.agents.conversation(seen.agent_id, thread)
    waits = await asyncio.to_thread(waiting, seen, thread_id)
    asked = next((one for one in waits if one["id"] == question), None)
    if asked is None:
        raise HTTPProblem(409, "This question waits no more.")
    if isinstance(asked["question"], dict) and "client_tool" in asked["question"]:
        result = {"type": "tool", "tool_call_id": asked["call_id"], "tool_return": plain(answer), "status": "success"}
        body = {"messages": [{"type": "approval", "approvals": [result]}]}
        return await begun(seen, await seen.served.speaker.send(seen.agent_id, thread_id, body))
    agent = await asyncio.to_thread(seen.agent, thread_id)
    live = await seen.served.runs.start(agent, lambda _: agent.aanswering({question: plain(answer)}), text="")
    return await begun(seen, live)


def _arguments(text: str) -> dict[str, Any]:
    try:
        given: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise HTTPProblem(422, f"The arguments are no JSON: {error}. The call still waits.") from error
    if not isinstance(given, dict):
        raise HTTPProblem(422, 'The arguments are a JSON object, such as {"city": "Ulm"}. The call still waits.')
    return cast(dict[str, Any], given)


@router.post("/a/{agent}/conversations")
def begin(seen: Agent) -> Response:
    """Begin a new conversation with the same memory."""
    with seen.agent().new_conversation() as made:
        return seen.back("chat", thread=made.thread_id)
