"""Routes of Letta's server that this one lacks: each answers with an explanation."""

from typing import Annotated, Any

from fastapi import APIRouter, Body

from memgpt_agent.server.problems import HTTPProblem
from memgpt_agent.server.shapes.base import Data

router = APIRouter(prefix="/v1", include_in_schema=False)
NOT_HERE = {
    "templates": "Templates belong to Letta's cloud. Export an agent and import it instead.",
    "environments": "Environments belong to Letta's cloud.",
    "client-side-access-tokens": "Access tokens are made by `memgpt tokens create`.",
    "feeds": "Feeds belong to Letta's cloud.",
    "pipelines": "Pipelines belong to Letta's cloud.",
    "voice-beta": "Agents for voice are not here.",
    "batches": "Batches are not here; say things in the background instead.",
    "telemetry": "Traces are not kept here.",
    "projects": "There are no projects here.",
    "identities": "There are no identities here; tokens and owners tell people apart.",
    "mcp-servers": "MCP servers are given to an agent in Python (memgpt_agent.tools.mcp), not over HTTP yet.",
    "archives": "Each agent has one archive of its own, under /v1/agents/{agent_id}/archival-memory.",
    "groups": "Groups are not here; agents write to each other with the tools of the group `agents`.",
    "providers": "Providers are configured by their environment variables.",
    "jobs": "What runs in the background is under /v1/runs.",
}
"""The first part of a path, and what is said of it."""


@router.api_route("/{kind}", methods=["GET", "POST", "PATCH", "PUT", "DELETE"])
@router.api_route("/{kind}/{rest:path}", methods=["GET", "POST", "PATCH", "PUT", "DELETE"])
def not_here(kind: str, rest: str = "", body: Annotated[Data | None, Body()] = None) -> Any:
    """Answer 501 for what is known and not here, 404 for the rest."""
    raise HTTPProblem(501, NOT_HERE[kind]) if kind in NOT_HERE else HTTPProblem(404, f"There is no /v1/{kind}{f'/{rest}' if rest else ''}.")
