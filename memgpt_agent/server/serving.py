"""What the routes work on, found from a request; and the one place that authenticates a request."""

from dataclasses import dataclass, replace
from typing import Annotated, cast

from fastapi import Depends, Request

from memgpt_agent.config import Settings
from memgpt_agent.owners import Identity
from memgpt_agent.owners.credentials import Credentials
from memgpt_agent.server.guards import AuditNote
from memgpt_agent.server.message_runs import MessageRuns
from memgpt_agent.server.open_agents import OpenAgents
from memgpt_agent.server.problems import HTTPProblem
from memgpt_agent.server.runs import Runs

_READING = ("GET", "HEAD", "OPTIONS")


@dataclass(frozen=True)
class Served:
    """One data folder that is served."""

    agents: OpenAgents
    """Its agents, as whoever asks may see and use them."""
    runs: Runs
    """The turns that clients asked for."""
    speaker: MessageRuns
    """Takes what clients say."""

    @classmethod
    def of(cls, agents: OpenAgents) -> "Served":
        """Return what serves these agents."""
        runs = Runs(agents.store)
        return cls(agents, runs, MessageRuns(agents, runs))

    def acting_for(self, who: Identity | None) -> "Served":
        """Return the same as somebody may see and use it."""
        agents = self.agents.acting_for(who)
        return replace(self, agents=agents, speaker=MessageRuns(agents, self.runs))


class Authentication:
    """Tells who asks. Without tokens and without a provider of identities there is one person, and everybody who reaches the server is let in.

    Args:
        settings: where the tokens are, which identity provider is trusted, and for whom the process acts.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._credentials = Credentials(settings)

    @property
    def guarded(self) -> bool:
        """Whether a request must say who sends it."""
        return bool(self._settings.oidc_issuer) or self._settings.tokens_path.exists()

    def identity(self, request: Request, session_token: str | None = None, *, reading: bool = False) -> Identity | None:
        """Return who asks; ``None`` for the one person at this machine.

        Args:
            request: what is asked for.
            session_token: the token that whoever asks logged in with; of the page only, which looks at no header instead.
            reading: whether nothing is changed, whatever the request's method says.

        Raises:
            HTTPProblem: 401 if nobody known asks, 403 where they may not do it.
        """
        note = AuditNote.of(request)
        note.concerns_owners = True
        note.who = who = self._identified(request, session_token)
        wanted = "read" if reading or request.method in _READING else "chat"
        if who is not None and not (who.may_change or wanted in who.scopes):
            raise HTTPProblem(403, f"This token is not good for that; it needs the scope {wanted!r}.")
        return who

    def _identified(self, request: Request, session_token: str | None) -> Identity | None:
        if not self.guarded:
            return Identity.of(self._settings.owner)
        sent = {"authorization": f"Bearer {session_token}"} if session_token is not None else request.headers
        who = self._credentials.identity({name.lower(): value for name, value in sent.items()})
        if who is None:
            raise HTTPProblem(401, "This server needs a token: `memgpt tokens create OWNER` makes one. Send it as `Authorization: Bearer ...`.")
        return who


def serving(request: Request, session_token: str | None = None) -> Served:
    """Return what a request works on, as its sender may see and use it.

    Raises:
        HTTPProblem: as :meth:`Authentication.identity`.
    """
    doors = cast(Authentication, request.app.state.doors)
    served = cast(Served, request.app.state.served).acting_for(doors.identity(request, session_token))
    served.agents.touched = AuditNote.of(request).agents
    return served


def _served(request: Request) -> Served:
    return serving(request)


Serving = Annotated[Served, Depends(_served)]
"""What a route works on."""


def _anybody(request: Request) -> Served:
    return cast(Served, request.app.state.served)


Open = Annotated[Served, Depends(_anybody)]
"""The same for the few routes that tell nothing of any agent."""
