"""Work that takes longer than a page should: done in a thread, looked at while it goes on."""

import logging
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from fastapi import Request
from starlette.responses import Response

from memgpt_agent.server.page.view import Agent, AgentView, pages
from memgpt_agent.server.problems import error_text, not_found

router = pages()
_log = logging.getLogger(__name__)
_KEPT = 500
_WAIT_SECONDS = 20.0


@dataclass
class Job:
    """One piece of work."""

    id: str
    """Its name in addresses."""
    agent_id: str
    """The agent that it is about."""
    title: str
    """What is done."""
    back: str
    """The page of the agent to go to when it is over."""
    words: str = ""
    """What is being done now, or the outcome."""
    done: int = 0
    """How much is done."""
    total: int | None = None
    """Of how much; ``None`` if that is not known."""
    error: str = ""
    """Why it failed."""
    over: threading.Event = field(default_factory=threading.Event)
    """Set when it is over."""
    began: float = field(default_factory=time.monotonic)
    """When it began."""


class Jobs:
    """The work of this process; what is over is kept for a while, so that its end can be shown."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, Job] = OrderedDict()
        self._guard = threading.Lock()

    def start(self, agent_id: str, title: str, back: str, work: Callable[[Job], str]) -> Job:
        """Begin work in a thread; it returns the outcome, in words."""
        job = Job(secrets.token_hex(8), agent_id, title, back)
        with self._guard:
            self._known[job.id] = job
            for old in [one for one in self._known.values() if one.over.is_set()][: max(0, len(self._known) - _KEPT)]:
                del self._known[old.id]
        threading.Thread(target=_done, args=(job, work), name=f"page-{job.id}", daemon=True).start()
        return job

    def of(self, agent_id: str) -> list[Job]:
        """Return the work on an agent that goes on, or failed within the last minutes."""
        with self._guard:
            mine = [one for one in self._known.values() if one.agent_id == agent_id]
        return [one for one in mine if not one.over.is_set() or (one.error and time.monotonic() - one.began < 600)]

    def get(self, job_id: str) -> Job | None:
        """Return a piece of work."""
        return self._known.get(job_id)


def _done(job: Job, work: Callable[[Job], str]) -> None:
    try:
        job.words = work(job)
    except Exception as error:  # noqa: BLE001 - it is shown to whoever began it
        job.error = error_text(error)
        if not isinstance(error, RuntimeError):
            _log.error("%s failed.", job.title, exc_info=error)
    finally:
        job.over.set()


def jobs_of(request: Request) -> Jobs:
    """Return the work of the app."""
    found: Jobs = request.app.state.jobs
    return found


def begun(seen: AgentView, job: Job) -> Response:
    """Answer that work has begun: with its progress, or without a script when it is over or takes long."""
    if seen.by_htmx:
        return seen.page("job.html", job=job)
    job.over.wait(_WAIT_SECONDS)
    return seen.page("job_page.html", tab="", job=job)


@router.get("/a/{agent}/jobs/{job_id}")
def looked_at(seen: Agent, job_id: str) -> Response:
    """Show how far a piece of work is."""
    job = jobs_of(seen.request).get(job_id)
    if job is None or job.agent_id != seen.agent_id:
        raise not_found("work", job_id)
    return seen.page("job.html" if seen.by_htmx else "job_page.html", tab="", job=job)
