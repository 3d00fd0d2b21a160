"""Logging in and out, light and dark, and the files that the pages load."""

from typing import Annotated, cast

from fastapi import Form, Request
from starlette.responses import RedirectResponse, Response

from memgpt_agent.server.page import rendering
from memgpt_agent.server.page.sessions import COOKIE
from memgpt_agent.server.page.view import (
    PREFIX,
    THEME,
    THEMES,
    PageView,
    address,
    address_in,
    pages,
    safe_next,
    sessions_of,
)
from memgpt_agent.server.problems import HTTPProblem, not_found
from memgpt_agent.server.serving import Authentication, Served

router = pages()


def _outside(request: Request) -> PageView:
    """Return a view for whoever is not known yet: of nothing."""
    return PageView(request, cast(Served, request.app.state.served), guarded=False)


def _cookie_path(request: Request) -> str:
    return "/" if request.scope.get("root_path") else PREFIX


@router.get("")
def first(request: Request) -> Response:
    """Go to the agents."""
    return RedirectResponse(address_in(request, "agents"), 303)


@router.get("/static/{name}")
def static(name: str) -> Response:
    """Return a file that the pages load."""
    found = rendering.static_file(name)
    if found is None:
        raise not_found("file", name)
    return found


@router.get("/login")
def login(request: Request, next: str = "") -> Response:
    """Ask for a token."""
    return _outside(request).page("login.html", next=safe_next(request, next))


@router.post("/login")
def log_in(request: Request, token: Annotated[str, Form()] = "", next: Annotated[str, Form()] = "") -> Response:
    """Begin a session with a token."""
    doors = cast(Authentication, request.app.state.doors)
    try:
        if not doors.guarded:
            return _outside(request).go(address("agents"))
        doors.identity(request, token.strip() or "-", reading=True)
    except HTTPProblem as problem:
        if problem.status != 401:
            raise
        return _outside(request).page(
            "login.html", 401, next=safe_next(request, next), problem="This is no token of this server, or it is good no more."
        )
    answer = RedirectResponse(safe_next(request, next), 303)
    secure = request.url.scheme == "https" or request.headers.get("x-forwarded-proto") == "https"
    made = sessions_of(request).begin(token.strip())
    answer.set_cookie(COOKIE, made, httponly=True, samesite="lax", secure=secure, path=_cookie_path(request))
    return answer


@router.post("/logout")
def log_out(request: Request) -> Response:
    """End the session."""
    sessions_of(request).end(request.cookies.get(COOKIE, ""))
    answer = _outside(request).go(address("login"))
    answer.delete_cookie(COOKIE, path=_cookie_path(request))
    return answer


@router.post("/theme")
def theme(request: Request, theme: Annotated[str, Form()] = "auto", next: Annotated[str, Form()] = "") -> Response:
    """Show the pages light, dark, or as the device is set."""
    answer = RedirectResponse(safe_next(request, next), 303)
    if theme in THEMES:
        answer.set_cookie(THEME, theme, max_age=365 * 86_400, samesite="strict", httponly=True)
    return answer
