"""The server's app: routes, guards, and errors in the form that clients expect. It can be mounted in another server."""

from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import anyio.to_thread
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from langchain_core.language_models import BaseChatModel

from memgpt_agent.config import Settings
from memgpt_agent.errors import MemGPTError
from memgpt_agent.server import problems
from memgpt_agent.server.background import ScheduledHeartbeats, resume_runs
from memgpt_agent.server.guards import Audited, LoopbackGuard, NormalizedPath
from memgpt_agent.server.open_agents import OpenAgents
from memgpt_agent.server.page import router as page
from memgpt_agent.server.page.jobs import Jobs
from memgpt_agent.server.page.sessions import Sessions
from memgpt_agent.server.routes import BESIDE, ROUTERS
from memgpt_agent.server.serving import Authentication, Served

_THREADS = 64
"""Requests that read or write memory at once; turns take no thread while the model thinks."""
DESCRIPTION = """
Agents with a long memory of their own, over HTTP. The routes are those of Letta's server, so that its clients in Python and TypeScript,
old and new, work as they are; `/v1/chat/completions` is OpenAI's, with an agent as the model.
"""


def create_app(
    settings: Settings | None = None,
    *,
    model: BaseChatModel | str | None = None,
    hosts: Iterable[str] = (),
    origins: Iterable[str] = (),
    sandbox: bool = False,
    agents: OpenAgents | None = None,
    beside: bool = False,
) -> FastAPI:
    """Return the app that serves a data folder. Nothing is opened before it starts.

    Args:
        settings: the data folder and the rest; the process's own if omitted.
        model: the chat model of agents that name none.
        hosts: the names under which the server may be reached; on loopback those of this machine. Every name if there are none.
        origins: other origins whose pages may call.
        sandbox: whether tools that clients upload may run, in the sandbox of ``run_code``.
        agents: agents that are open already; whoever opened them closes them.
        beside: leave out the paths that another server has itself, such as ``/health`` and ``/docs``: for mounting it there.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        opened = agents or await anyio.to_thread.run_sync(lambda: OpenAgents(settings, model=model, sandbox=sandbox))
        anyio.to_thread.current_default_thread_limiter().total_tokens = _THREADS
        served = app.state.served = Served.of(opened)
        app.state.doors = Authentication(opened.settings)
        beating = await anyio.to_thread.run_sync(ScheduledHeartbeats, opened)
        await resume_runs(served)
        try:
            yield
        finally:
            await served.runs.drain()
            await anyio.to_thread.run_sync(beating.close)
            if agents is None:
                await anyio.to_thread.run_sync(opened.close)

    app = FastAPI(
        title="memgpt-agent", version=_version(), description=DESCRIPTION, lifespan=lifespan, docs_url=None, redoc_url=None,
        openapi_url=None if beside else "/openapi.json", exception_handlers=_handlers(),
    )  # fmt: skip
    for router in BESIDE if beside else ROUTERS:
        app.include_router(router)
    app.include_router(page.router)
    if not beside:
        app.include_router(page.root)
    app.state.sessions, app.state.jobs = Sessions(), Jobs()
    app.add_middleware(Audited)  # the innermost: what the guards refuse has no sender
    app.add_middleware(LoopbackGuard, hosts=tuple(hosts), origins=tuple(origins))
    app.add_middleware(NormalizedPath)
    return app


def _handlers() -> dict[Any, Any]:
    return {problems.HTTPProblem: problems.on_problem, MemGPTError: problems.on_error, RequestValidationError: problems.on_invalid}


def _version() -> str:
    from importlib.metadata import version

    return version("memgpt-agent")
