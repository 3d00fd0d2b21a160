"""Runs and steps: what clients asked for, how it stands, its messages and its tokens."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Query

from memgpt_agent.server import streams
from memgpt_agent.server.history import History, letta_run, letta_usage
from memgpt_agent.server.ids import Paged, cut
from memgpt_agent.server.problems import HTTPProblem, not_found
from memgpt_agent.server.runs import LiveRun, RunItem
from memgpt_agent.server.serving import Served, Serving
from memgpt_agent.server.shapes.base import Data
from memgpt_agent.server.shapes.messages import RunAnswer

router = APIRouter(prefix="/v1", tags=["runs"])


@router.get("/runs", response_model=list[RunAnswer], summary="List runs")
def list_runs(
    served: Serving,
    page: Paged,
    agent_id: Annotated[str | None, Query(title="Agent")] = None,
    agent_ids: Annotated[list[str] | None, Query(title="Agents")] = None,
    statuses: Annotated[list[str] | None, Query(title="Statuses")] = None,
    background: Annotated[bool | None, Query(title="Background")] = None,
    stop_reason: Annotated[str | None, Query(title="Stop reason")] = None,
    conversation_id: Annotated[str | None, Query(title="Conversation")] = None,
    active: Annotated[bool, Query(title="Active", description="Only those that are being taken.")] = False,
) -> Any:
    """Return runs, the newest first unless another order is asked for."""
    wanted = [*(agent_ids or ()), *([agent_id] if agent_id else ())] or [one.agent_id for one in served.agents.every()]
    found = [(one, run) for one in dict.fromkeys(wanted) if served.agents.definition(one) for run in served.runs.of(one)]
    found = [
        (one, run) for one, run in found
        if (not statuses or run.status in statuses) and (background is None or run.background == background)
        and (stop_reason is None or run.stop_reason == stop_reason) and (conversation_id is None or run.thread_id == conversation_id)
        and (not active or run.status == "running")
    ]  # fmt: skip
    found.sort(key=lambda pair: (pair[1].created, pair[1].id))
    return [letta_run(one, run) for one, run in cut(found, page, lambda pair: pair[1].id)]


@router.get("/runs/active", response_model=list[RunAnswer], summary="List active runs")
def active(served: Serving, page: Paged, agent_id: Annotated[str | None, Query()] = None) -> Any:
    """Return the runs that are being taken."""
    return list_runs(served, page, agent_id=agent_id, active=True)


def _run(served: Served, run_id: str) -> tuple[str, RunItem]:
    """Return a run with its agent, which whoever asks may see.

    Raises:
        HTTPProblem: there is none, or it is of somebody else's agent: 404.
    """
    agent_id, run = served.runs.get(run_id)
    if not served.agents.sees(agent_id):
        raise not_found("run", run_id)
    return agent_id, run


@router.get("/runs/{run_id}", response_model=RunAnswer, summary="Look at a run")
def retrieve(served: Serving, run_id: str) -> Any:
    """Return a run."""
    return letta_run(*_run(served, run_id))


@router.get("/runs/{run_id}/messages", response_model=list[Data], summary="List a run's messages")
def messages(served: Serving, run_id: str, page: Paged) -> Any:
    """Return the messages of a run, oldest first unless another order is asked for."""
    agent_id, run = _run(served, run_id)
    assistant = run.request.get("use_assistant_message", True)
    history = History(served.agents, served.runs, agent_id, run.thread_id, use_assistant_message=assistant)
    return cut(history.of_turns([run_id], whole=True), page, lambda one: one["id"], newest_first=False, limit=100)


@router.get("/runs/{run_id}/usage", summary="Look at a run's tokens")
def usage(served: Serving, run_id: str) -> Any:
    """Return how many tokens a run used."""
    return letta_usage(_run(served, run_id)[1])


@router.get("/runs/{run_id}/steps", response_model=list[Data], summary="List a run's steps")
def steps_of(served: Serving, run_id: str, page: Paged) -> Any:
    """Return the steps of a run."""
    return cut(_steps(served, run_id), page, lambda one: one["id"], newest_first=False)


def _steps(served: Served, run_id: str) -> list[Data]:
    agent_id, run = _run(served, run_id)
    messages = History(served.agents, served.runs, agent_id, run.thread_id).of_turns([run_id])
    steps = list(dict.fromkeys(one["step_id"] for one in messages if one["step_id"]))
    status = {"completed": "success", "failed": "failed", "cancelled": "cancelled"}.get(run.status, "pending")
    return [
        {"id": step, "run_id": run_id, "agent_id": agent_id, "status": status, "origin": None, "tags": [], "messages": [],
         "stop_reason": run.stop_reason or None}
        for step in steps
    ]  # fmt: skip


@router.get("/runs/{run_id}/trace", summary="Look at a run's trace", include_in_schema=False)
def trace(run_id: str) -> Any:
    """Say that there is no such thing here."""
    raise HTTPProblem(501, "Traces are not kept here.")


@router.post("/runs/{run_id}/stream", response_model=None, summary="Follow a run")
def stream(served: Serving, run_id: str, body: Annotated[Data | None, Body()] = None) -> Any:
    """Stream a run from its beginning, while it is taken or afterwards."""
    return followed(served, run_id, body)


def followed(served: Served, run_id: str, body: Data | None) -> Any:
    """Return the stream of a run, while it is taken or afterwards."""
    live = served.runs.live.get(run_id)
    if live is not None and not served.agents.sees(live.agent_id):
        raise not_found("run", run_id)
    if live is None:
        agent_id, run = _run(served, run_id)
        live = LiveRun(run, agent_id, over=True)
        return streams.past(live, History(served.agents, served.runs, agent_id, run.thread_id).of_turns([run_id]))
    return streams.response(live, {"stream_tokens": True, **(body or {})})


@router.get("/steps", response_model=list[Data], summary="List steps")
def list_steps(
    served: Serving, page: Paged, run_id: Annotated[str | None, Query()] = None, agent_id: Annotated[str | None, Query()] = None
) -> Any:
    """Return the steps of a run, or of an agent's runs."""
    wanted = [run_id] if run_id else []
    if agent_id and not run_id:
        served.agents.definition(agent_id)
        wanted = [run.id for run in served.runs.of(agent_id)]
    return cut([step for one in wanted for step in _steps(served, one)], page, lambda one: one["id"])
