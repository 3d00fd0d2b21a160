"""Health, readiness and metrics of the server."""

import asyncio
from typing import Any

from fastapi import APIRouter, Request, Response

from memgpt_agent.memory import namespaces
from memgpt_agent.server.problems import HTTPProblem
from memgpt_agent.server.serving import Open
from memgpt_agent.server.shapes.base import ResponseBody

router = APIRouter(tags=["health"])
_READY_SECONDS = 2.0


class Health(ResponseBody):
    """That the server lives."""

    status: str
    version: str


@router.get("/health", response_model=Health, summary="Whether it lives")
@router.get("/v1/health", response_model=Health, summary="Whether it lives")
def health() -> Any:
    """Return that the process lives and answers; it asks no database, so that nobody restarts the server because that is down."""
    from importlib.metadata import version

    return {"status": "ok", "version": version("memgpt-agent")}


@router.get("/ready", summary="Whether it takes requests")
async def ready(request: Request, served: Open) -> Any:
    """Return that the store can be read within two seconds and that the server is not going down; 503 otherwise."""
    if served.runs.draining:
        raise HTTPProblem(503, "The server is going down.")
    probe = getattr(request.app.state, "probe", None)
    if probe is None or probe.done():  # a store that is away is waited for: one asks, for all who want to know
        reading = asyncio.to_thread(served.agents.store.search, namespaces.AGENTS, limit=1)
        probe = request.app.state.probe = asyncio.ensure_future(reading)
    done, _ = await asyncio.wait([probe], timeout=_READY_SECONDS)
    if not done or probe.exception() is not None:
        raise HTTPProblem(503, "The store cannot be read.")
    return {"status": "ok", "runs": len(served.runs.live)}


@router.get("/metrics", summary="Figures")
def metrics(served: Open) -> Response:
    """Return counts since the start, in the text form of Prometheus."""
    counts = served.runs.counts
    lines = [f'memgpt_runs_total{{status="{status}"}} {number}' for status, number in counts.items()]
    text = "\n".join(["# TYPE memgpt_runs_total counter", *lines, "# TYPE memgpt_runs_live gauge", f"memgpt_runs_live {len(served.runs.live)}"])
    return Response(f"{text}\n", media_type="text/plain; version=0.0.4")
