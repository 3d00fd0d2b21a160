"""Messages: saying something to an agent, waited for, streamed or in the background; reading, cancelling, clearing."""

import asyncio
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Body, Query

from memgpt_agent.server import letta_agents, streams
from memgpt_agent.server.history import History, letta_run, letta_usage
from memgpt_agent.server.letta_messages import filtered, request_messages
from memgpt_agent.server.paging import Paged
from memgpt_agent.server.problems import HTTPProblem
from memgpt_agent.server.runs import LiveRun
from memgpt_agent.server.serving import Served, Serving
from memgpt_agent.server.shapes.agents import AgentAnswer
from memgpt_agent.server.shapes.base import Data
from memgpt_agent.server.shapes.messages import Reply, RunAnswer, Speech

router = APIRouter(prefix="/v1/agents", tags=["messages"])


async def replied(served: Served, agent_id: str, thread_id: str, body: Data) -> Any:
    """Say something, and answer with the outcome: as a stream, or whole when the turn is over.

    Raises:
        HTTPProblem: the turn failed, or could not begin.
    """
    background = bool(body.get("background"))
    before = await asyncio.to_thread(_known, served, agent_id, thread_id)
    live = await served.speaker.send(agent_id, thread_id, body, background=background)
    if body.get("streaming"):
        return streams.response(live, body)
    async for _ in live.follow():
        pass
    live.raise_error()
    return await asyncio.to_thread(_reply, served, agent_id, thread_id, live, body, before)


def _known(served: Served, agent_id: str, thread_id: str) -> set[str]:
    """Return the ids of the messages of a turn that waits: an answer to it is answered by what comes after them."""
    served.agents.definition(agent_id)
    run = served.speaker.waiting_run(agent_id, thread_id)
    return {one["id"] for one in History(served.agents, served.runs, agent_id, thread_id).of_turns([run.id])} if run else set()


def _reply(served: Served, agent_id: str, thread_id: str, live: LiveRun, body: Data, before: set[str]) -> Data:
    run = live.item
    history = History(served.agents, served.runs, agent_id, thread_id, use_assistant_message=body.get("use_assistant_message") is not False)
    asked = [message for one in run.request.get("pending", ()) for message in request_messages(one, run.id)]
    hidden = before | {one["id"] for one in asked}
    turns = [run.id]
    messages = [one for one in history.of_turns(turns) if one["id"] not in hidden and one["message_type"] != "approval_response_message"]
    return {
        "messages": filtered([*messages, *asked], body.get("include_return_message_types")),
        "stop_reason": {"message_type": "stop_reason", "stop_reason": run.stop_reason or "end_turn"}, "usage": letta_usage(run),
    }  # fmt: skip


@router.post("/{agent_id}/messages", response_model=Reply, summary="Say something")
async def create(served: Serving, agent_id: str, body: Speech) -> Any:
    """Say something to an agent, or answer a call that waits, and return what it did and said."""
    return await replied(served, agent_id, agent_id, body.given())


@router.post("/{agent_id}/messages/stream", response_model=None, summary="Say something, streamed")
async def stream(served: Serving, agent_id: str, body: Speech) -> Any:
    """Say something, and stream what the agent does and says as server-sent events."""
    return await replied(served, agent_id, agent_id, {**body.given(), "streaming": True})


@router.post("/{agent_id}/messages/async", response_model=RunAnswer, summary="Say something in the background")
async def create_async(served: Serving, agent_id: str, body: Speech) -> Any:
    """Say something and return at once the run that it becomes. A run that a restart cuts off is taken up again."""
    live = await served.speaker.send(agent_id, None, body.given(), background=True)
    return letta_run(agent_id, live.item)


@router.get("/{agent_id}/messages", response_model=list[Data], summary="List messages")
def list_messages(
    served: Serving,
    agent_id: str,
    page: Paged,
    conversation_id: Annotated[str | None, Query(title="Conversation")] = None,
    use_assistant_message: Annotated[bool, Query(title="Replies as messages")] = True,
    include_return_message_types: Annotated[list[str] | None, Query(title="Types")] = None,
) -> Any:
    """Return the messages of a conversation: the newest, oldest first, unless an order is asked for."""
    served.agents.definition(agent_id)
    thread = conversation_id if conversation_id not in (None, "default") else agent_id
    history = History(served.agents, served.runs, agent_id, thread, use_assistant_message=use_assistant_message)
    return filtered(history.page(page), include_return_message_types)


@router.post("/{agent_id}/messages/cancel", summary="Cancel runs")
async def cancel(served: Serving, agent_id: str, body: Annotated[Data | None, Body()] = None) -> Data:
    """End the runs that are being taken, or those that are named; what they did stays."""
    await asyncio.to_thread(served.agents.writable, agent_id)
    wanted: set[str] = set((body or {}).get("run_ids") or ())
    return await cancelled(served, lambda run: run.agent_id == agent_id and (not wanted or run.item.id in wanted))


async def cancelled(served: Served, chosen: Callable[[LiveRun], bool]) -> Data:
    """End the runs that are chosen; return which they are."""
    found = [run for run in list(served.runs.live.values()) if chosen(run)]
    for run in found:
        await served.runs.cancel(run)
    return {run.item.id: "cancelled" for run in found}


@router.post("/{agent_id}/summarize", include_in_schema=False)
def compact(agent_id: str, body: Annotated[Data | None, Body()] = None) -> Any:
    """Say that there is no such thing here."""
    raise HTTPProblem(501, "A conversation is summarised by itself here, when its window is full.")


@router.patch("/{agent_id}/reset-messages", response_model=AgentAnswer, summary="Start the conversation over")
def reset(served: Serving, agent_id: str, body: Annotated[Any, Body()] = None) -> Any:
    """Empty the queue of the conversation. What was said stays in recall memory, where the agent can search for it."""
    served.agents.reset(agent_id, agent_id)
    return letta_agents.letta_agent(served.agents, served.agents.definition(agent_id))


