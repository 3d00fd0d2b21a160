"""Keeping or forgetting memory when LangGraph's server deletes a thread, as ``MEMGPT_DELETED_THREADS`` says."""

import asyncio
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware

from memgpt_agent.config import Settings
from memgpt_agent.graph import served_store
from memgpt_agent.nodes.run_agent import authenticates, identity_of
from memgpt_agent.stored_agents import forget_thread

Message = MutableMapping[str, Any]
_THREAD = re.compile(r"/threads/([^/]+)/?")


class ForgetDeletedThreads:
    """ASGI middleware: if a request to delete a thread succeeds and the settings say so, erases its memory before the answer is sent."""

    def __init__(self, app: Callable[..., Awaitable[None]]) -> None:
        self._app = app

    async def __call__(
        self, scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
    ) -> None:
        """Handle one request."""
        found = _THREAD.fullmatch(str(scope.get("path", ""))) if scope.get("method") == "DELETE" else None

        async def forgetting(message: Message) -> None:
            if found and message["type"] == "http.response.start" and 200 <= int(message["status"]) < 300:
                await asyncio.to_thread(_forget, found[1], scope.get("user"))
            await send(message)

        await self._app(scope, receive, forgetting if found else send)


def _forget(thread_id: str, user: Any) -> None:
    """Erase what the deleting user's agents have of the thread; on a server that authenticates nobody, what all agents have."""
    settings, who = Settings.load(), identity_of(user)
    if settings.deleted_threads == "forget" and (who is not None or not authenticates()):
        forget_thread(thread_id, settings, store=served_store.opened(), who=who)


app = Starlette(middleware=[Middleware(ForgetDeletedThreads)])
"""What ``langgraph.json`` names as ``http.app``."""
