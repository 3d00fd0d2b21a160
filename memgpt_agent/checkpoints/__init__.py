"""Checkpoints in one SQLite file: a saver with a sync and an async face, and pruning."""

from memgpt_agent.checkpoints.checking import conversation_problems
from memgpt_agent.checkpoints.fence import FENCE
from memgpt_agent.checkpoints.opening import open_checkpointer, open_configured_checkpointer
from memgpt_agent.checkpoints.saver import SqliteCheckpointer

__all__ = ["FENCE", "SqliteCheckpointer", "conversation_problems", "open_checkpointer", "open_configured_checkpointer"]
