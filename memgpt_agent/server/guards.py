"""On every request: a note of it in the audit log, one spelling of its path, and on loopback a host and an origin of this machine."""

import asyncio
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from memgpt_agent.owners import Identity
from memgpt_agent.owners.audit import AuditLog

LOOPBACK = ("127.0.0.1", "localhost", "::1", "testserver")
"""The names of this machine. The last is Starlette's own test client's."""
_PORT = re.compile(r":\d+\Z")


SLASH = "memgpt.slash"
"""Set in a request's scope where its path had a slash at its end. Letta's clients write one for lists, OpenAI's never do."""


class NormalizedPath:
    """Takes a path with and without a slash at its end for the same; clients write it both ways, and not all follow redirects."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the request."""
        path = scope.get("path", "")
        if scope["type"] == "http" and len(path) > 1 and path.endswith("/"):
            scope = {**scope, "path": path.rstrip("/") or "/", SLASH: True}
        await self._app(scope, receive, send)


class LoopbackGuard:
    """Refuses requests that a web page in the user's browser makes to a server that listens on loopback only.

    Such a page reaches the address, by its own name (DNS rebinding) or across origins; the ``Host`` and the ``Origin`` that the
    browser adds say so.

    Args:
        app: what is guarded.
        hosts: the names under which this server is reached; every name if there are none.
        origins: other origins that may call, such as that of a chat client's page.
    """

    def __init__(self, app: ASGIApp, hosts: Iterable[str], origins: Iterable[str] = ()) -> None:
        self._app, self._hosts, self._origins = app, frozenset(hosts), frozenset(origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the request, or answer 403."""
        if scope["type"] not in ("http", "websocket") or not self._hosts:
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        host, origin = _PORT.sub("", headers.get("host", "")).strip("[]"), headers.get("origin")
        foreign = origin is not None and origin not in self._origins and (urlsplit(origin).hostname or "") not in self._hosts
        if host not in self._hosts or foreign:
            what = f"origin {origin!r}" if foreign else f"host {host!r}"
            answer = JSONResponse({"detail": f"This server answers its own machine only, not the {what}."}, 403)
            await answer(scope, receive, send)
            return
        await self._app(scope, receive, send)


AUDIT_NOTE = "memgpt.audit"


@dataclass
class AuditNote:
    """What the audit log is told of a request."""

    concerns_owners: bool = False
    """Whether it was asked who sends it; other requests, for a picture or whether the server lives, are not logged."""
    who: Identity | None = None
    """Who sent it."""
    agents: set[str] = field(default_factory=set[str])
    """With which agents it was done."""

    @classmethod
    def of(cls, request: Request) -> "AuditNote":
        """Return the note of a request; one that nobody reads if nothing is logged."""
        return cast(AuditNote, request.scope.get(AUDIT_NOTE) or cls())


class Audited:
    """Notes each request in the audit log before its answer is sent: the route, never what was asked or answered."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the request."""
        served = getattr(scope["app"].state, "served", None) if scope["type"] == "http" else None
        log: AuditLog | None = served.agents.audit if served is not None else None
        if log is None:
            await self._app(scope, receive, send)
            return
        note = scope[AUDIT_NOTE] = AuditNote()

        async def noting(message: Message) -> None:
            if message["type"] == "http.response.start" and note.concerns_owners:
                act = f"{scope['method']} {getattr(scope.get('route'), 'path', '')}"
                named: str = scope.get("path_params", {}).get("agent_id", "")
                agents = sorted(note.agents | {named} - {""}) or [""]
                reads = scope["method"] in ("GET", "HEAD")
                await asyncio.to_thread(lambda: log.note(note.who, act, agents, str(message["status"]), once_a_minute=reads))
            await send(message)

        await self._app(scope, receive, noting)
