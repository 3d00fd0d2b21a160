"""Agents: making, listing, changing, deleting them; export and import; the context window."""

import io
import json
from typing import Annotated, Any

from fastapi import APIRouter, Body, File, Form, Query, UploadFile

from memgpt_agent.agent_file import export_agent_file
from memgpt_agent.memory.definitions import AgentDefinition
from memgpt_agent.server import letta_agents, letta_context
from memgpt_agent.server.ids import Paged, cut
from memgpt_agent.server.letta_messages import request_message
from memgpt_agent.server.problems import HTTPProblem
from memgpt_agent.server.routes.messages import recompiled
from memgpt_agent.server.serving import Served, Serving
from memgpt_agent.server.shapes.agents import AgentAnswer, AgentFields, ImportedAgents, NewAgent
from memgpt_agent.server.shapes.base import Data

router = APIRouter(prefix="/v1/agents", tags=["agents"])
Include = Annotated[list[str] | None, Query(title="Include", description="Relations to be filled in.", examples=[["agent.pending_approval"]])]


def _letta_agent(served: Served, definition: AgentDefinition) -> Data:
    shown = letta_agents.letta_agent(served.agents, definition)
    run = served.runs.newest(definition.agent_id, definition.agent_id)
    if run is not None:
        asked = run.request.get("pending")
        shown["pending_approval"] = request_message(asked, run.id) if asked else None
        last = {"stop_reason": run.stop_reason or None, "run_completion": run.completed or None, "run_duration_ms": run.usage.get("duration_ms")}
        shown |= {f"last_{name}": value for name, value in last.items()}
    return shown


@router.post("", response_model=AgentAnswer, summary="Make an agent")
def create(served: Serving, body: NewAgent) -> Any:
    """Make an agent. A model or an embedding without its key is an error at the first message, not here."""
    return _letta_agent(served, letta_agents.create(served.agents, body.given()))


@router.get("", response_model=list[AgentAnswer], summary="List agents")
def list_agents(
    served: Serving,
    page: Paged,
    name: Annotated[str | None, Query(title="Name", description="Only agents of this name.")] = None,
    tags: Annotated[list[str] | None, Query(title="Tags", description="Only agents with one of these tags.")] = None,
    match_all_tags: Annotated[bool, Query(title="All tags", description="Only agents with all of these tags.")] = False,
    query_text: Annotated[str | None, Query(title="Words", description="Only agents in whose name this stands.")] = None,
    include: Include = None,
) -> Any:
    """Return agents, the newest first unless another order is asked for."""
    found = [one for one in served.agents.every() if _fits(one, name, tags, query_text, match_all=match_all_tags)]
    return [_letta_agent(served, one) for one in cut(found, page, lambda one: one.agent_id)]


def _fits(one: AgentDefinition, name: str | None, tags: list[str] | None, words: str | None, *, match_all: bool) -> bool:
    called = one.served.get("name") or one.agent_id
    tagged = (set(tags or ()) <= set(one.tags)) if match_all else (not tags or bool(set(tags) & set(one.tags)))
    return (name is None or called == name) and tagged and (words is None or words.casefold() in called.casefold())


@router.get("/count", response_model=int, summary="Count agents")
def count(served: Serving) -> int:
    """Return how many agents there are."""
    return len(served.agents.every())


@router.post("/import", response_model=ImportedAgents, summary="Import agents from a file")
def import_file(
    served: Serving,
    file: Annotated[UploadFile, File(title="File", description="An Agent File (.af), or this package's own export.")],
    append_copy_suffix: Annotated[bool | None, Form()] = None,
    override_existing_tools: Annotated[bool | None, Form()] = None,
    name: Annotated[str | None, Form(title="Name", description="What the agent is called, in place of its name in the file.")] = None,
) -> Any:
    """Make the agents that a file holds, each under an id of its own."""
    ids, notes = letta_agents.import_file(served.agents, file, name or "", "_copy" if append_copy_suffix else "")
    return {"agent_ids": ids, "not_carried": notes}


@router.get("/{agent_id}", response_model=AgentAnswer, summary="Look at an agent")
def retrieve(served: Serving, agent_id: str, include: Include = None) -> Any:
    """Return an agent."""
    return _letta_agent(served, served.agents.definition(agent_id))


@router.patch("/{agent_id}", response_model=AgentAnswer, summary="Change an agent")
def update(served: Serving, agent_id: str, body: AgentFields) -> Any:
    """Change what is given; the rest stays."""
    return _letta_agent(served, letta_agents.modify(served.agents, agent_id, body.given()))


@router.delete("/{agent_id}", summary="Delete an agent")
def delete(served: Serving, agent_id: str) -> Data:
    """Erase an agent with all that it remembers; shared blocks stay."""
    served.agents.delete(agent_id)
    return {"message": f"Agent {agent_id} was deleted."}


@router.get("/{agent_id}/export", summary="Export an agent")
def export(served: Serving, agent_id: str) -> Any:
    """Return the agent as an Agent File (.af)."""
    definition = served.agents.definition(agent_id)
    target = io.StringIO()
    export_agent_file(agent_id, target, settings=served.agents.settings, store=served.agents.store, checkpointer=served.agents.checkpointer)
    data: Any = json.loads(target.getvalue())
    for agent in data.get("agents", ()):
        agent["name"] = definition.served.get("name") or agent.get("name")
    return data


@router.get("/{agent_id}/context", summary="Look at the context window")
def context(served: Serving, agent_id: str, conversation_id: Annotated[str | None, Query()] = None) -> Any:
    """Return what the model is sent, by section, with its tokens."""
    thread_id = served.agents.conversation(agent_id, conversation_id)
    return letta_context.overview(served.agents, agent_id, served.agents.state(thread_id))


@router.post("/{agent_id}/recompile", response_model=str, summary="Compile the system prompt again")
def recompile(served: Serving, agent_id: str, dry_run: Annotated[bool, Query(title="Only look")] = False) -> str:
    """Put memory as it is now into the system message, and return that; the next call of the model gets it."""
    return recompiled(served, agent_id, agent_id, dry_run=dry_run)


@router.patch("/{agent_id}/identities/{rest:path}", include_in_schema=False)
@router.post("/{agent_id}/schedule", include_in_schema=False)
@router.get("/{agent_id}/schedule", include_in_schema=False)
def not_here(agent_id: str, rest: str = "", body: Annotated[Any, Body()] = None) -> Any:
    """Say that there is no such thing here."""
    raise HTTPProblem(501, "Identities and schedules are not served here. An agent's metadata heartbeat_every lets its heart beat.")
