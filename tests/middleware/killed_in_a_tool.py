"""An agent whose process dies within a tool, or goes on afterwards: started by a test, not imported by it."""

import os
import sys
from pathlib import Path
from typing import Any

from langchain.agents import create_agent
from langchain_core.messages import BaseMessage

from memgpt_agent import FaissStore, MemGPTMiddleware
from memgpt_agent.checkpoints import open_checkpointer
from memgpt_agent.testing import HashingEmbedder, ScriptedModel, calls

folder, how = Path(sys.argv[1]), sys.argv[2]


def fragile() -> str:
    """Die, the first time."""
    if how == "die":
        os._exit(9)
    return "It held."


def answer(messages: list[BaseMessage]) -> Any:
    """Ask for an edit and the fragile tool; a process that is asked anew would write other words."""
    if messages[-1].type == "tool":
        return "Done."
    return calls(("core_memory_append", {"label": "human", "content": f"Written to {how}"}), ("fragile", {}))


index: Any = {"dims": 64, "embed": HashingEmbedder()}
with FaissStore(folder / "memory.db", index=index) as store, open_checkpointer(folder / "checkpoints.db") as saver:
    middleware: Any = MemGPTMiddleware(agent_id="ada", store=store)
    agent: Any = create_agent(ScriptedModel([answer] * 3), [fragile], middleware=[middleware], checkpointer=saver)
    given = {"messages": [("user", "Go")]} if how == "die" else None
    out = agent.invoke(given, {"configurable": {"thread_id": "t"}}, durability="sync")
    sys.stdout.write(out["messages"][-1].text)
