"""Health, readiness and metrics of the server."""

from typing import Any

from fastapi import APIRouter, Response

from memgpt_agent.memory import namespaces
from memgpt_agent.server.problems import HTTPProblem
from memgpt_agent.server.serving import Open
from memgpt_agent.server.shapes.base import ResponseBody

router = APIRouter(tags=["health"])


class Health(ResponseBody):
    """That the server lives."""

    status: str
    version: str


@router.get("/health", response_model=Health, summary="Whether it lives")
@router.get("/v1/health", response_model=Health, summary="Whether it lives")
def health() -> Any:
    """Return that the server lives."""
    from importlib.metadata import version

    return {"status": "ok", "version": version("memgpt-agent")}


@router.get("/ready", summary="Whether it takes requests")
def ready(served: Open) -> Any:
    """Return that the store can be read and that the server is not going down; 503 otherwise."""
    if served.runs.draining:
        raise HTTPProblem(503, "The server is going down.")
    served.agents.store.search(namespaces.AGENTS, limit=1)  # one item: a balancer asks every few seconds
    return {"status": "ok", "runs": len(served.runs.live)}


@router.get("/metrics", summary="Figures")
def metrics(served: Open) -> Response:
    """Return counts since the start, in the text form of Prometheus."""
    counts = served.runs.counts
    lines = [f'memgpt_runs_total{{status="{status}"}} {number}' for status, number in counts.items()]
    text = "\n".join(["# TYPE memgpt_runs_total counter", *lines, "# TYPE memgpt_runs_live gauge", f"memgpt_runs_live {len(served.runs.live)}"])
    return Response(f"{text}\n", media_type="text/plain; version=0.0.4")
