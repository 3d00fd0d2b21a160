"""Checks on every request: one spelling of its path, and on loopback a host and an origin of this machine."""

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

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
