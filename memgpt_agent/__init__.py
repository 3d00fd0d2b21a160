"""An agent whose language model manages its own memory: MemGPT as a LangGraph state machine."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from memgpt_agent.agent import MemGPTAgent, aagent_for, agent_for
    from memgpt_agent.config import Context, Settings
    from memgpt_agent.errors import MemGPTError
    from memgpt_agent.graph.builder import create_graph
    from memgpt_agent.memory.core import Block
    from memgpt_agent.middleware.memory_tools import memory_tools
    from memgpt_agent.middleware.middleware import MemGPTMiddleware
    from memgpt_agent.persona import Persona
    from memgpt_agent.store import FaissStore, open_store
    from memgpt_agent.stored_agents import delete_agent, forget_thread, list_agents, rename_agent
    from memgpt_agent.tools.profiles import Profile
    from memgpt_agent.turns.sleeper import SleepRule
    from memgpt_agent.turns.turn_reader import AgentResponse, StreamEvent

_HOME = {
    "AgentResponse": "memgpt_agent.turns.turn_reader",
    "Block": "memgpt_agent.memory.core",
    "Context": "memgpt_agent.config",
    "FaissStore": "memgpt_agent.store",
    "MemGPTAgent": "memgpt_agent.agent",
    "MemGPTError": "memgpt_agent.errors",
    "MemGPTMiddleware": "memgpt_agent.middleware.middleware",
    "Persona": "memgpt_agent.persona",
    "Profile": "memgpt_agent.tools.profiles",
    "Settings": "memgpt_agent.config",
    "SleepRule": "memgpt_agent.turns.sleeper",
    "StreamEvent": "memgpt_agent.turns.turn_reader",
    "aagent_for": "memgpt_agent.agent",
    "agent_for": "memgpt_agent.agent",
    "create_graph": "memgpt_agent.graph.builder",
    "delete_agent": "memgpt_agent.stored_agents",
    "forget_thread": "memgpt_agent.stored_agents",
    "list_agents": "memgpt_agent.stored_agents",
    "memory_tools": "memgpt_agent.middleware.memory_tools",
    "open_store": "memgpt_agent.store",
    "rename_agent": "memgpt_agent.stored_agents",
}

__all__ = [
    "AgentResponse",
    "Block",
    "Context",
    "FaissStore",
    "MemGPTAgent",
    "MemGPTError",
    "MemGPTMiddleware",
    "Persona",
    "Profile",
    "Settings",
    "SleepRule",
    "StreamEvent",
    "aagent_for",
    "agent_for",
    "create_graph",
    "delete_agent",
    "forget_thread",
    "list_agents",
    "memory_tools",
    "open_store",
    "rename_agent",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for: importing the package itself loads nothing."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        home = import_module(_HOME[name])
    except ModuleNotFoundError as error:
        if name != "MemGPTMiddleware" or (error.name or "").partition(".")[0] != "langchain":
            raise
        from memgpt_agent.errors import MissingDependency, install_command

        raise MissingDependency(f"MemGPTMiddleware needs LangChain's agents. Run: {install_command('middleware')}") from error
    return getattr(home, name)
