"""Ending the unfinished turns of a stored agent from outside, without running a model, a tool or a node."""

from contextlib import ExitStack

from langchain_core.runnables import RunnableConfig

from memgpt_agent.checkpoints import FENCE, open_configured_checkpointer
from memgpt_agent.config import Settings
from memgpt_agent.errors import AgentNotFound
from memgpt_agent.graph.builder import create_graph
from memgpt_agent.leases import Leases
from memgpt_agent.memory import definitions
from memgpt_agent.memory.opening import open_configured_store
from memgpt_agent.owners import Identity, check, unknown
from memgpt_agent.turns.turns import mark_over


def repair_agent(agent_id: str, settings: Settings | None = None) -> list[str]:
    """End the unfinished turns of an agent where they stand, and return the conversations that had one.

    No model is asked, no tool called and no node of the graph run: for an agent whose unfinished step ends or hangs whatever
    tries to finish it. What the turn did is kept.

    Raises:
        AgentNotFound: there is no such agent.
        ConversationBusy: a turn is being taken in another process.
    """
    settings = settings or Settings.load()
    with ExitStack() as opened:
        store = opened.enter_context(open_configured_store(settings, searches=False))
        checkpointer = opened.enter_context(open_configured_checkpointer(settings))
        who = Identity.of(settings.owner)
        check(store, who, agent_id)
        known = definitions.load(store, agent_id)
        if known is None and who is not None:
            raise unknown(agent_id)
        if known is None:
            raise AgentNotFound(f"There is no agent {agent_id!r}. See `memgpt agents list`.")
        graph, repaired = create_graph(checkpointer=checkpointer, store=store), list[str]()
        for thread_id in known.threads:
            with Leases(store).hold(thread_id, settings.turn_wait_seconds) as lease:
                checkpointer.raise_fence(lease)
                config: RunnableConfig = {"configurable": {"thread_id": thread_id, FENCE: lease}}
                if mark_over(graph, config):
                    repaired.append(thread_id)
        return repaired
