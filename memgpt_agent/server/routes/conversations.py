"""Conversations: several with one agent, over one memory."""

import asyncio
import uuid
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter, Body, Query

from memgpt_agent.events import utc_now
from memgpt_agent.memory import namespaces
from memgpt_agent.memory.dates import stamp
from memgpt_agent.memory.definitions import AgentDefinition
from memgpt_agent.server import ids, letta_agents
from memgpt_agent.server.history import History
from memgpt_agent.server.ids import Paged, cut
from memgpt_agent.server.letta_messages import filtered
from memgpt_agent.server.problems import HTTPProblem, not_found
from memgpt_agent.server.routes.messages import cancelled, compacted, recompiled, replied
from memgpt_agent.server.routes.runs import followed
from memgpt_agent.server.serving import Served, Serving
from memgpt_agent.server.shapes.base import Data
from memgpt_agent.server.shapes.messages import CompactionAnswer, Speech
from memgpt_agent.server.shapes.tools import ConversationAnswer, ConversationFields, NewConversation

router = APIRouter(prefix="/v1/conversations", tags=["conversations"])
Agent = Annotated[str | None, Query(title="Agent", description="For the conversation `default`.")]
_PAGE = 500


class ConversationPlace(NamedTuple):
    """A conversation, as it is found."""

    agent_id: str
    """The agent."""
    thread_id: str
    """The thread."""
    value: Mapping[str, Any]
    """What is stored of it; empty for an agent's first one."""


def _place(served: Served, conversation_id: str, agent_id: str | None = None) -> ConversationPlace:
    """Return the conversation of an id: one that was made, or an agent's first by ``default`` or the agent's id.

    Raises:
        HTTPProblem: there is none.
    """
    if conversation_id == "default":
        if not agent_id:
            raise HTTPProblem(422, "The conversation `default` needs an agent_id.")
        return ConversationPlace(served.agents.definition(agent_id).agent_id, agent_id, {})
    item = served.agents.store.get(namespaces.CONVERSATIONS, conversation_id)
    if item is None:
        if conversation_id.startswith("conv-"):
            raise not_found("conversation", conversation_id)
        return ConversationPlace(served.agents.definition(conversation_id).agent_id, conversation_id, {})
    if not served.agents.sees(item.value["agent_id"]):
        raise not_found("conversation", conversation_id)
    return ConversationPlace(served.agents.definition(item.value["agent_id"]).agent_id, conversation_id, item.value)


def _letta_conversation(served: Served, place: ConversationPlace) -> Data:
    seen: list[Any] = served.agents.state(place.thread_id).get("messages") or []
    known = [f"message-{message.id}" for message in seen]
    kept = {name: value for name, value in place.value.items() if name != "fork_parts"}
    return {
        "model": None, "model_settings": None, "archived": False, "archived_at": None, **kept, "id": place.thread_id,
        "agent_id": place.agent_id, "in_context_message_ids": [letta_agents.system_message_id(place.thread_id), *known],
    }  # fmt: skip


def _put(served: Served, place: ConversationPlace, **new: Any) -> ConversationPlace:
    value = {**place.value, **new, "updated_at": stamp(utc_now())}
    served.agents.store.put(namespaces.CONVERSATIONS, place.thread_id, value, index=False)
    return place._replace(value=value)


@router.post("", response_model=ConversationAnswer, summary="Begin a conversation")
def create(served: Serving, body: NewConversation, agent_id: Annotated[str | None, Query(title="Agent")] = None) -> Any:
    """Begin another conversation with an agent, over the same memory."""
    wanted = agent_id or body.agent_id
    if not wanted:
        raise HTTPProblem(422, "Name the agent: agent_id.")
    served.agents.definition(wanted)
    return _letta_conversation(served, _begun(served, wanted, body.given()))


def _begun(served: Served, agent_id: str, given: Data, thread_id: str = "") -> ConversationPlace:
    thread_id, now = thread_id or ids.new("conv"), stamp(utc_now())
    known = {name: value for name, value in given.items() if name not in ("agent_id", "isolated_block_labels")}

    def listed(definition: AgentDefinition) -> AgentDefinition:
        return replace(definition, threads=tuple(dict.fromkeys((*definition.threads, thread_id))))

    served.agents.change(agent_id, listed)
    return _put(served, ConversationPlace(agent_id, thread_id, {"agent_id": agent_id, "created_at": now, "last_message_at": None, **known}))


def of_chat(served: Served, agent_id: str, chat_id: str) -> str:
    """Return the conversation with an agent that a client knows by an id of its own; it is begun if it is not there."""
    thread_id = f"conv-{uuid.uuid5(uuid.uuid5(uuid.NAMESPACE_OID, agent_id), chat_id)}"
    if served.agents.store.get(namespaces.CONVERSATIONS, thread_id) is None:
        _begun(served, agent_id, {}, thread_id)
    return thread_id


@router.get("", response_model=list[ConversationAnswer], summary="List conversations")
def list_conversations(
    served: Serving,
    page: Paged,
    agent_id: Annotated[str | None, Query(title="Agent")] = None,
    summary_search: Annotated[str | None, Query(title="Words in the summary")] = None,
    order_by: Annotated[str | None, Query(title="By", examples=["last_message_at"])] = None,
) -> Any:
    """Return conversations that were made, the newest first unless another order is asked for."""
    mine = {agent_id} if agent_id else {one.agent_id for one in served.agents.every()}
    if agent_id:
        served.agents.definition(agent_id)
    found: list[ConversationPlace] = []
    offset = 0
    while items := served.agents.store.search(namespaces.CONVERSATIONS, limit=_PAGE, offset=offset):
        found += [ConversationPlace(item.value["agent_id"], item.key, item.value) for item in items if item.value["agent_id"] in mine]
        offset += len(items)
    words = (summary_search or "").casefold()
    found = [one for one in found if words in (one.value.get("summary") or "").casefold()]
    by = "last_message_at" if order_by == "last_message_at" else "created_at"
    found.sort(key=lambda one: (one.value.get(by) or "", one.value["created_at"]))
    return [_letta_conversation(served, one) for one in cut(found, page, lambda one: one.thread_id)]


@router.get("/{conversation_id}", response_model=ConversationAnswer, summary="Look at a conversation")
def retrieve(served: Serving, conversation_id: str, agent_id: Agent = None) -> Any:
    """Return a conversation."""
    return _letta_conversation(served, _place(served, conversation_id, agent_id))


@router.patch("/{conversation_id}", response_model=ConversationAnswer, summary="Change a conversation")
def update(served: Serving, conversation_id: str, body: ConversationFields) -> Any:
    """Change what is said of a conversation."""
    place = _place(served, conversation_id)
    if not place.value:
        raise HTTPProblem(400, "An agent's first conversation has no summary of its own.")
    return _letta_conversation(served, _put(served, place, **body.given()))


@router.delete("/{conversation_id}", summary="End a conversation")
def delete(served: Serving, conversation_id: str) -> Data:
    """Forget a conversation's queue; what was said stays in the agent's recall memory."""
    place = _place(served, conversation_id)
    served.agents.reset(place.agent_id, place.thread_id)
    if place.value:
        served.agents.store.delete(namespaces.CONVERSATIONS, place.thread_id)
    return {"message": f"Conversation {conversation_id} was deleted."}


@router.post("/{conversation_id}/cancel", summary="Cancel a conversation's runs")
async def cancel(served: Serving, conversation_id: str, agent_id: Agent = None) -> Data:
    """End the runs of a conversation that are being taken; what they did stays."""
    place = await asyncio.to_thread(_place, served, conversation_id, agent_id)
    return await cancelled(served, lambda run: run.item.thread_id == place.thread_id)


@router.post("/{conversation_id}/recompile", response_model=str, summary="Compile the system prompt again")
def recompile(
    served: Serving, conversation_id: str, agent_id: Agent = None, dry_run: Annotated[bool, Query(title="Only look")] = False,
    body: Annotated[Data | None, Body()] = None,
) -> str:  # fmt: skip
    """Put memory as it is now into the system message, and return that; the next call of the model gets it."""
    place = _place(served, conversation_id, agent_id or (body or {}).get("agent_id"))
    return recompiled(served, place.agent_id, place.thread_id, dry_run=dry_run)


@router.post("/{conversation_id}/fork", response_model=ConversationAnswer, summary="Fork a conversation")
def fork(
    served: Serving, conversation_id: str, agent_id: Agent = None,
    message_id: Annotated[str | None, Query(title="Message", description="The last message that the fork has; all, if omitted.")] = None,
) -> Any:  # fmt: skip
    """Begin a conversation that has the messages of this one, and goes on separately over the same memory."""
    place = _place(served, conversation_id, agent_id)
    history = History(served.agents, served.runs, place.agent_id, place.thread_id)
    thread_id, parts = ids.new("conv"), history.parts(message_id)
    if parts:
        served.agents.agent(place.agent_id, place.thread_id).fork(thread_id, until=parts[0]["until"])
        parts[0]["until"] = parts[0]["until"] or stamp(utc_now())  # what is said in this one from now on is not the fork's
    kept = {name: place.value[name] for name in ("summary", "model", "model_settings") if name in place.value}
    return _letta_conversation(served, _begun(served, place.agent_id, {**kept, "fork_parts": parts}, thread_id))


@router.post("/{conversation_id}/compact", response_model=CompactionAnswer, summary="Compact a conversation")
def compact(served: Serving, conversation_id: str, agent_id: Agent = None, body: Annotated[Data | None, Body()] = None) -> Any:
    """Summarise all but the newest exchange now. What was said stays in recall memory."""
    place = _place(served, conversation_id, agent_id or (body or {}).get("agent_id"))
    return compacted(served, place.agent_id, place.thread_id)


@router.post("/{conversation_id}/messages", response_model=None, summary="Say something in a conversation")
async def say(served: Serving, conversation_id: str, body: Speech) -> Any:
    """Say something; streamed unless ``streaming`` is false."""
    place = await asyncio.to_thread(_place, served, conversation_id, body.agent_id)
    if place.value:
        await asyncio.to_thread(_put, served, place, last_message_at=stamp(utc_now()))
    given = body.given()
    return await replied(served, place.agent_id, place.thread_id, {**given, "streaming": given.get("streaming") is not False})


@router.get("/{conversation_id}/messages", response_model=list[Data], summary="List a conversation's messages")
def list_messages(
    served: Serving, conversation_id: str, page: Paged, agent_id: Agent = None,
    include_return_message_types: Annotated[list[str] | None, Query(title="Types")] = None,
) -> Any:  # fmt: skip
    """Return the messages of a conversation: the newest, oldest first, unless an order is asked for."""
    place = _place(served, conversation_id, agent_id)
    return filtered(History(served.agents, served.runs, place.agent_id, place.thread_id).page(page), include_return_message_types)


@router.post("/{conversation_id}/stream", response_model=None, summary="Follow a conversation")
def stream(served: Serving, conversation_id: str, body: Annotated[Data | None, Body()] = None) -> Any:
    """Stream the conversation's newest run from its beginning, or that of the message of an `otid`: while it is taken, or in the background."""
    given = body or {}
    place = _place(served, conversation_id, given.get("agent_id"))
    if given.get("otid"):
        run = served.runs.stored(place.agent_id, ids.run_id(place.agent_id, place.thread_id, str(given["otid"])))
    else:
        run = served.runs.newest(place.agent_id, place.thread_id)
    if run is None or (run.id not in served.runs.live and not run.background):
        raise HTTPProblem(400, "No active runs found: nothing is being said in this conversation now, and nothing was in the background.")
    return followed(served, run.id, body)


