"""The routes of the page, all below one path."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from memgpt_agent.server.page import (
    agents,
    blocks,
    chat,
    documents,
    entering,
    figures,
    items,
    jobs,
    knowledge,
    managing,
    searching,
    turns,
    waking,
    window,
)  # fmt: skip
from memgpt_agent.server.page.view import address_in, pages
from memgpt_agent.server.problems import HTTPProblem

router = APIRouter(include_in_schema=False)
"""The page."""
for _part in (
    entering,
    managing,
    agents,
    blocks,
    chat,
    searching,
    items,
    turns,
    window,
    knowledge,
    documents,
    figures,
    waking,
    jobs,
):
    router.include_router(_part.router)

_elsewhere = pages()


@_elsewhere.get("/{path:path}")
def elsewhere(path: str) -> Response:
    """Say that nothing is at this address below the page's."""
    raise HTTPProblem(404, f"There is no page {path[:80]!r}.")


router.include_router(_elsewhere)

root = APIRouter(include_in_schema=False)
"""The way to the page from the server's address."""


@root.get("/")
def at_root(request: Request) -> Response:
    """Go to the page."""
    return RedirectResponse(address_in(request, "agents"), 303)
