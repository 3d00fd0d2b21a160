"""Keeping or forgetting memory when LangGraph's server deletes a thread, as ``MEMGPT_DELETED_THREADS`` says."""

import asyncio
import re
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.middleware import Middleware

from memgpt_agent.config import Settings
from memgpt_agent.graph import served_store
from memgpt_agent.nodes.run_agent import authenticates, identity_of
from memgpt_agent.stored_agents import forget_thread

Message = MutableMapping[str, Any]
_THREAD = re.compile(r"/threads/([^/]+)/?")
_CANCEL_SECONDS = 30.0
"""How long the end of one cancelled run is waited for."""
_RUNS = 100
"""How many runs of a thread are cancelled for each of the two states."""


class ForgetDeletedThreads:
    """ASGI middleware: if a request to delete a thread succeeds and the settings say so, erases its memory before the answer is sent.

    The thread's runs are cancelled first, or they would store what they say after it is gone. This is asked of the server in the name of
    whoever deletes, so that nobody can cancel another's runs.

    **Limits**: a run is waited for 30 seconds; a tool that goes on longer may still store its result. Where ``http.middleware_order``
    is ``auth_first``, nothing is cancelled.
    """

    def __init__(self, app: Callable[..., Awaitable[None]]) -> None:
        self._app = app

    async def __call__(
        self, scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
    ) -> None:
        """Handle one request."""
        found = _THREAD.fullmatch(str(scope.get("path", ""))) if scope.get("method") == "DELETE" else None
        if found and Settings.load().deleted_threads == "forget":
            await self._cancel_runs(found[1], scope)

        async def forgetting(message: Message) -> None:
            if found and message["type"] == "http.response.start" and 200 <= int(message["status"]) < 300:
                await asyncio.to_thread(_forget, found[1], scope.get("user"))
            await send(message)

        await self._app(scope, receive, forgetting if found else send)

    async def _cancel_runs(self, thread_id: str, scope: Message) -> None:
        """Cancel what runs or waits in a thread, as its deleter may; what cannot be cancelled is left to the request itself to refuse."""
        headers = [
            (name, value)
            for name, value in scope["headers"]
            if name not in (b"content-length", b"content-type", b"host")
        ]
        transport = httpx.ASGITransport(app=self._app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://server", headers=headers) as server:
            for status in ("pending", "running"):
                listed = await server.get(f"/threads/{thread_id}/runs", params={"status": status, "limit": _RUNS})
                runs: list[dict[str, Any]] = listed.json() if listed.is_success else []
                for run in runs:
                    cancel = server.post(f"/threads/{thread_id}/runs/{run['run_id']}/cancel", params={"wait": "1"})
                    with suppress(TimeoutError):
                        await asyncio.wait_for(cancel, _CANCEL_SECONDS)


def _forget(thread_id: str, user: Any) -> None:
    """Erase what the deleting user's agents have of the thread; on a server that authenticates nobody, what all agents have."""
    settings, who = Settings.load(), identity_of(user)
    if settings.deleted_threads == "forget" and (who is not None or not authenticates()):
        forget_thread(thread_id, settings, store=served_store.opened(), who=who)


app = Starlette(middleware=[Middleware(ForgetDeletedThreads)])
"""What ``langgraph.json`` names as ``http.app``."""
