"""Background work of the server: scheduled heartbeats, and runs that a restart interrupted."""

import asyncio
import logging
from typing import Any

from memgpt_agent.errors import MemGPTError
from memgpt_agent.leases import Leases
from memgpt_agent.memory.stored import RunItem
from memgpt_agent.server.open_agents import OpenAgents
from memgpt_agent.server.problems import HTTPProblem
from memgpt_agent.server.serving import Served
from memgpt_agent.turns.heartbeats import Heartbeats

EVERY, QUIET = "heartbeat_every", "heartbeat_quiet"
"""The keys of an agent's metadata by which its heart beats while it is served: an interval such as ``10m``, and quiet hours."""
_log = logging.getLogger(__name__)


class ScheduledHeartbeats:
    """The heartbeats of the agents that are served; one that cannot beat is logged and left out."""

    def __init__(self, agents: OpenAgents) -> None:
        self._beats: list[Heartbeats] = []
        for definition in agents.every():
            chosen: dict[str, Any] = definition.served.get("metadata") or {}
            if chosen.get(EVERY):
                try:
                    agent = agents.agent(definition.agent_id)
                    self._beats.append(agent.schedule(str(chosen[EVERY]), quiet=chosen.get(QUIET)))
                except (MemGPTError, HTTPProblem) as error:
                    _log.warning("The heart of the agent %s does not beat: %s", definition.agent_id, error)

    def close(self) -> None:
        """Plan no further beats, and wait for those that are running."""
        for beats in self._beats:
            beats.stop()


def _unfinished(served: Served) -> list[tuple[str, RunItem]]:
    return served.runs.unfinished([one.agent_id for one in served.agents.every()])


async def resume_runs(served: Served) -> None:
    """Take up the runs in the background that the process before this one did not end; others it counts as failed.

    A run whose conversation somebody holds is being taken, by another process that serves the same agents.
    """
    held = set(await asyncio.to_thread(lambda: Leases(served.agents.store).held()))
    for agent_id, run in await asyncio.to_thread(_unfinished, served):
        if run.thread_id in held:
            continue
        if not (run.background and run.input):
            await asyncio.to_thread(served.runs.give_up, agent_id, run)
            continue
        try:
            agent = await asyncio.to_thread(served.agents.agent, agent_id, run.thread_id)
            await served.runs.start(
                agent, lambda run_id, agent=agent, text=run.input: agent.astream(text, event_id=run_id), text=run.input, background=True,
                run_id=run.id,
            )  # fmt: skip
        except (MemGPTError, HTTPProblem) as error:
            _log.warning("The run %s is not taken up again: %s", run.id, error)
