"""Messages: saying something to an agent, waited for, streamed or in the background; reading, cancelling, clearing."""

import asyncio
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Body, Query

from memgpt_agent.memory.stored import RunItem
from memgpt_agent.server import letta_agents, letta_context, streams
from memgpt_agent.server.history import History, letta_run, letta_usage, message_at
from memgpt_agent.server.ids import Paged
from memgpt_agent.server.letta_messages import filtered, request_messages
from memgpt_agent.server.message_runs import repeatable_id
from memgpt_agent.server.problems import HTTPProblem
from memgpt_agent.server.routes.runs import followed
from memgpt_agent.server.runs import LiveRun
from memgpt_agent.server.serving import Served, Serving
from memgpt_agent.server.shapes.agents import AgentAnswer
from memgpt_agent.server.shapes.base import Data
from memgpt_agent.server.shapes.messages import CompactionAnswer, Reply, RunAnswer, Speech

router = APIRouter(prefix="/v1/agents", tags=["messages"])


async def replied(served: Served, agent_id: str, thread_id: str, body: Data) -> Any:
    """Say something, and answer with the outcome: as a stream, or whole when the turn is over.

    Raises:
        HTTPProblem: the turn failed, or could not begin.
    """
    background = bool(body.get("background"))
    if background and (again := await asyncio.to_thread(_said_before, served, agent_id, thread_id, body)) is not None:
        return await asyncio.to_thread(followed, served, again.id, body)
    before = await asyncio.to_thread(_known, served, agent_id, thread_id)
    live = await served.speaker.send(agent_id, thread_id, body, background=background)
    if body.get("streaming"):
        return streams.response(live, body)
    async for _ in live.follow():
        pass
    live.raise_error()
    return await asyncio.to_thread(_reply, served, agent_id, thread_id, live, body, before)


def _said_before(served: Served, agent_id: str, thread_id: str, body: Data) -> RunItem | None:
    """Return the run in the background of a message that the client sent before, by its otid."""
    served.agents.definition(agent_id)
    known = repeatable_id(agent_id, thread_id, body)
    return served.runs.stored(agent_id, known) if known else None


def _known(served: Served, agent_id: str, thread_id: str) -> set[str]:
    """Return the ids of the messages of a turn that waits: an answer to it is answered by what comes after them."""
    served.agents.definition(agent_id)
    run = served.speaker.waiting_run(agent_id, thread_id)
    return {one["id"] for one in History(served.agents, served.runs, agent_id, thread_id).of_turns([run.id])} if run else set()


def _reply(served: Served, agent_id: str, thread_id: str, live: LiveRun, body: Data, before: set[str]) -> Data:
    run = live.item
    history = History(served.agents, served.runs, agent_id, thread_id, use_assistant_message=body.get("use_assistant_message") is not False)
    asked = request_messages(run.request.get("pending", ()), run.id)
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
    given = body.given()
    again = await asyncio.to_thread(_said_before, served, agent_id, agent_id, given)
    return letta_run(agent_id, again or (await served.speaker.send(agent_id, None, given, background=True)).item)


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
    thread = served.agents.conversation(agent_id, conversation_id)
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


@router.post("/{agent_id}/summarize", response_model=CompactionAnswer, summary="Compact the conversation")
def compact(served: Serving, agent_id: str, body: Annotated[Data | None, Body()] = None) -> Any:
    """Summarise all but the newest exchange now. What was said stays in recall memory."""
    return compacted(served, agent_id, agent_id)


def compacted(served: Served, agent_id: str, thread_id: str) -> Data:
    """Compact a conversation, and return what that did.

    Raises:
        HTTPProblem: 400 where there is nothing to summarise.
    """
    done = served.agents.agent(agent_id, thread_id).compact()
    if done.after == done.before:
        raise HTTPProblem(400, "There is nothing to compact: the conversation has one exchange or none.")
    return {"summary": done.summary, "num_messages_before": done.before + 1, "num_messages_after": done.after + 1}  # the system message


def recompiled(served: Served, agent_id: str, thread_id: str, *, dry_run: bool) -> str:
    """Return the system message with memory as it is now; unless only looked at, the next call of the model gets it."""
    definition = served.agents.definition(agent_id)
    state = served.agents.state(thread_id)
    if state and not dry_run:
        served.agents.agent(agent_id, thread_id).recompile()
    return letta_context.system_text(served.agents, definition, thread_id, {**state, "sent_memory": None})


@router.patch("/{agent_id}/reset-messages", response_model=AgentAnswer, summary="Start the conversation over")
def reset(served: Serving, agent_id: str, body: Annotated[Any, Body()] = None) -> Any:
    """Empty the queue of the conversation. What was said stays in recall memory, where the agent can search for it."""
    served.agents.reset(agent_id, agent_id)
    return letta_agents.letta_agent(served.agents, served.agents.definition(agent_id))


every = APIRouter(prefix="/v1/messages", tags=["messages"])


@every.get("/{message_id}", response_model=list[Data], summary="Look at a message")
def retrieve(served: Serving, message_id: str) -> Any:
    """Return the messages of an id: what the agent thought, called and said in one step has the same."""
    return message_at(served.agents, served.runs, message_id)
