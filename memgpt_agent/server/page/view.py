"""What a page works on: the request, who asks, and the data folder as they may see it; the pages' addresses and routes."""

import asyncio
import base64
import binascii
import logging
import re
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, cast
from urllib.parse import quote, urlencode, urlsplit

from fastapi import APIRouter, Depends, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from memgpt_agent.agent import MemGPTAgent
from memgpt_agent.memory.definitions import AgentDefinition
from memgpt_agent.owners import Identity, right
from memgpt_agent.server.page import rendering
from memgpt_agent.server.page.sessions import COOKIE, Sessions
from memgpt_agent.server.problems import HTTPProblem, error_text, headers_of, not_found, status_of
from memgpt_agent.server.serving import Authentication, Served, serving

PREFIX = "/page"
_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:@+=-]{0,199}")


def part_of(text: str) -> str:
    """Return a text as a part of a path; :func:`text_of` gives it back."""
    if _PLAIN.fullmatch(text):
        return text
    return f"~{base64.urlsafe_b64encode(text.encode('utf-8', 'surrogatepass')).decode().rstrip('=')}"


def text_of(part: str) -> str:
    """Return the text that a part of a path stands for.

    Raises:
        HTTPProblem: it stands for none: 404.
    """
    if not part.startswith("~"):
        return part
    try:
        return base64.urlsafe_b64decode(part[1:] + "=" * (-len(part) % 4 + 1)).decode("utf-8", "surrogatepass")
    except (binascii.Error, ValueError) as error:
        raise not_found("page", part) from error


def address(*parts: str, **query: Any) -> str:
    """Return the path of a page below :data:`PREFIX`, with the queries that are not empty."""
    given = {name: value for name, value in query.items() if value not in (None, "", False)}
    path = "/".join([PREFIX, *(quote(part, safe="~:@+=") for part in parts)])
    return f"{path}?{urlencode(given, doseq=True, errors='replace')}" if given else path


def of_agent(agent_id: str, *parts: str, **query: Any) -> str:
    """Return the path of one of an agent's pages."""
    return address("a", part_of(agent_id), *parts, **query)


_log = logging.getLogger(__name__)
THREADS = 40
"""How many conversations are listed at once, the newest."""
THEME = "memgpt_theme"
THEMES = ("auto", "light", "dark")
NOTES = {
    "saved": "Saved.", "made": "Made.", "deleted": "Deleted.", "undone": "Undone.", "redone": "Done again.", "restored": "Restored.",
    "unloaded": "Unloaded.", "decided": "Decided.", "stopped": "Stopped.", "shared": "Sharing changed.", "revoked": "The token is revoked.",
    "imported": "Imported.", "corrected": "Corrected.", "woken": "The agent was woken.", "slept": "The agent has slept.",
}  # fmt: skip
"""What a page says after something was done; the address names it, so that an address cannot make a page say anything else."""


@dataclass(frozen=True)
class PageView:
    """What a route of the page works on."""

    request: Request
    """The request."""
    served: Served
    """The data folder, as whoever asks may see it."""
    guarded: bool
    """Whether one has to log in."""

    @property
    def who(self) -> Identity | None:
        """Who asks; ``None`` for the one person at this machine."""
        return self.served.agents.who

    @property
    def by_htmx(self) -> bool:
        """Whether a script on the page asks, for a part of it."""
        return "hx-request" in self.request.headers

    def page(self, template: str, status: int = 200, **values: Any) -> Response:
        """Return a page. If nobody logs in, the browser may keep it for going back, with what was typed."""
        answer = rendering.html(template, {**_frame(self.request, self.who, guarded=self.guarded), **values}, status)
        if not self.guarded:
            answer.headers["cache-control"] = "private, no-cache"
        return answer

    def go(self, path: str) -> Response:
        """Return the answer after something was done: another page, which the browser asks for."""
        if self.by_htmx:
            return Response(status_code=204, headers={"hx-redirect": _root(self.request) + path})
        return RedirectResponse(_root(self.request) + path, 303)


@dataclass(frozen=True)
class AgentView(PageView):
    """The same for a page of one agent."""

    definition: AgentDefinition
    """The agent."""
    writable: bool
    """Whether whoever asks may change it."""
    owned: bool
    """Whether they may delete and share it."""

    @property
    def agent_id(self) -> str:
        """The agent's id."""
        return self.definition.agent_id

    @property
    def zone(self) -> str:
        """The agent's time zone."""
        return str((self.definition.context or {}).get("time_zone") or "UTC")

    @property
    def threads(self) -> list[str]:
        """Its conversations: its own first, then the newest first."""
        return list(dict.fromkeys([self.agent_id, *reversed(self.definition.threads)]))

    def check_writable(self) -> None:
        """Refuse a change by whoever may only read.

        Raises:
            HTTPProblem: 403.
        """
        if not self.writable:
            raise HTTPProblem(403, "This agent is shared with you to be read only.")

    def agent(self, thread_id: str | None = None) -> MemGPTAgent:
        """Return the agent, open.

        Raises:
            NotAllowed: it may only be read.
        """
        return self.served.agents.agent(self.agent_id, thread_id)

    def page(self, template: str, status: int = 200, **values: Any) -> Response:
        """Return a page of the agent."""
        known = {
            "agent": self.definition,
            "title": title_of(self.definition),
            "zone": self.zone,
            "writable": self.writable,
            "owned": self.owned,
        }
        return super().page(
            template, status, **{**known, "here": partial(_of_agent_in, self.request, self.agent_id), **values}
        )

    def back(self, *parts: str, **query: Any) -> Response:
        """Go to another page of the agent."""
        return self.go(of_agent(self.agent_id, *parts, **query))


def title_of(definition: AgentDefinition) -> str:
    """Return what people call an agent."""
    return definition.name or str(definition.served.get("name") or "") or definition.agent_id


def address_in(request: Request, *parts: str, **query: Any) -> str:
    """Return the address of a page as a browser asks for it, below the path at which the app is mounted."""
    return _root(request) + address(*parts, **query)


def _of_agent_in(request: Request, agent_id: str, *parts: str, **query: Any) -> str:
    return _root(request) + of_agent(agent_id, *parts, **query)


def _root(request: Request) -> str:
    return str(request.scope.get("root_path", "")).rstrip("/")


def _frame(request: Request, who: Identity | None, *, guarded: bool) -> dict[str, Any]:
    """Return what every page shows around its own content."""
    theme = request.cookies.get(THEME, "auto")
    return {
        "theme": theme if theme in THEMES else "auto", "note": NOTES.get(request.query_params.get("note", ""), ""), "problem": "",
        "who": who, "guarded": guarded, "admin": who is None or who.is_admin, "partial": "hx-request" in request.headers,
        "to": partial(address_in, request), "of": partial(_of_agent_in, request), "path": str(request.url.path), "root": _root(request),
        "short_chars": rendering.SHORT_CHARS,
    }  # fmt: skip


def sessions_of(request: Request) -> Sessions:
    """Return the sessions of the app."""
    return cast(Sessions, request.app.state.sessions)


def _view(request: Request) -> PageView:
    doors = cast(Authentication, request.app.state.doors)
    token = sessions_of(request).token(request.cookies.get(COOKIE, ""))
    return PageView(request, serving(request, token), doors.guarded)


Viewing = Annotated[PageView, Depends(_view)]
"""What a page that is about no agent works on."""


def _agent_view(seen: Viewing, agent: str) -> AgentView:
    definition = seen.served.agents.definition(text_of(agent))
    may = right(seen.served.agents.store, seen.who, definition.agent_id)
    changes = seen.who is None or seen.who.may_change
    return AgentView(seen.request, seen.served, seen.guarded, definition, changes and may in ("write", "own"), changes and may == "own")


Agent = Annotated[AgentView, Depends(_agent_view)]
"""What a page of an agent works on. Without the right to look at it there is no such page."""

Place = Annotated[int, Query(ge=0, le=1_000_000_000)]
"""Where a page of a list begins, or a version of a block."""
Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class PageRoute(APIRoute):
    """Answers with pages: an error is one too, and a form that another site sends is refused."""

    def get_route_handler(self) -> Handler:
        """Return what answers a request."""
        handler = super().get_route_handler()

        async def answered(request: Request) -> Response:
            try:
                _check_own_form(request)
                answer = await handler(request)
            except Exception as error:  # noqa: BLE001 - it is shown to whoever asked
                answer = await asyncio.to_thread(_problem, request, error)
            for name, value in rendering.HEADERS.items():
                answer.headers.setdefault(name, value)
            return answer

        return answered


def pages() -> APIRouter:
    """Return a router whose routes answer with pages."""
    return APIRouter(prefix=PREFIX, route_class=PageRoute, include_in_schema=False)


def _check_own_form(request: Request) -> None:
    """Refuse what is not asked for by a page of ours, by what the browser says of it; a page cannot say it falsely.

    Raises:
        HTTPProblem: 403.
    """
    if request.method in ("GET", "HEAD"):
        return
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    own = (
        site == "same-origin" if site else bool(origin) and urlsplit(origin or "").netloc == request.headers.get("host")
    )
    if not own:
        raise HTTPProblem(
            403, "This form was sent by another page, or by a program that does not say its origin. Nothing was done."
        )


def _problem(request: Request, error: Exception) -> Response:
    """Return the page that shows an error; where one has to log in, the way there."""
    status, words = _status_and_words(error)
    if status == 401:
        path = address_in(request, "login", next=_wanted(request))
        return (
            Response(status_code=401, headers={"hx-redirect": path})
            if "hx-request" in request.headers
            else RedirectResponse(path, 303)
        )
    if status == 500:
        _log.error("A page failed.", exc_info=error)
    values = {**_frame(request, None, guarded=False), "status": status, "words": words}
    answer = rendering.html("problem.html", values, status)
    answer.headers.update(headers_of(error) or {})
    if "hx-request" in request.headers:
        answer.headers.update({"hx-retarget": "#problem", "hx-reswap": "innerHTML"})
    return answer


def _status_and_words(error: Exception) -> tuple[int, str]:
    if isinstance(error, RequestValidationError):
        return 422, "Something that was asked for is missing, or a value cannot be."
    if isinstance(error, HTTPException):
        return error.status_code, str(error.detail)
    return status_of(error), error_text(error)


def _wanted(request: Request) -> str:
    """Return where to go after logging in: the page that was asked for, or the one whose form was sent."""
    if request.method == "GET":
        return f"{request.url.path}{'?' if request.url.query else ''}{request.url.query}"
    return urlsplit(request.headers.get("referer", "")).path


def safe_next(request: Request, wanted: str) -> str:
    """Return a path of this page to go to, never another site's; the agents where it is none."""
    return wanted if re.fullmatch(r"/(?![/\\])[!-~]*", wanted) and PREFIX in wanted else address_in(request, "agents")


def plain(text: str) -> str:
    """Return the text of a form's field with the line ends that were typed: forms send two characters for each."""
    return text.replace("\r\n", "\n")


__all__ = [
    "THREADS", "Agent", "AgentView", "PageView", "Place", "Viewing", "address_in", "pages", "plain", "safe_next", "sessions_of", "title_of",
]  # fmt: skip
