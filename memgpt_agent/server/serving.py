"""What the routes work on, found from a request; and the one place where a request is let in or not."""

from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Request

from memgpt_agent.server.open_agents import OpenAgents
from memgpt_agent.server.runs import Runs
from memgpt_agent.server.speaking import Speaker


@dataclass(frozen=True)
class Served:
    """One data folder that is served."""

    agents: OpenAgents
    """Its agents."""
    runs: Runs
    """The turns that clients asked for."""
    speaker: Speaker
    """Takes what clients say."""

    @classmethod
    def of(cls, agents: OpenAgents) -> "Served":
        """Return what serves these agents."""
        runs = Runs(agents.store)
        return cls(agents, runs, Speaker(agents, runs))


def _served(request: Request) -> Served:
    return cast(Served, request.app.state.served)


Serving = Annotated[Served, Depends(_served)]
"""What a route works on."""
