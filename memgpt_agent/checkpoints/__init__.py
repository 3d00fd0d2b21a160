"""Checkpoints in one SQLite file or on Postgres: savers with a sync and an async face, fences, and pruning."""

from memgpt_agent.checkpoints.checkpointer import FENCE, Checkpointer
from memgpt_agent.checkpoints.opening import conversation_problems, open_checkpointer, open_configured_checkpointer
from memgpt_agent.checkpoints.sqlite_saver import SqliteCheckpointer

__all__ = ["FENCE", "Checkpointer", "SqliteCheckpointer", "conversation_problems", "open_checkpointer", "open_configured_checkpointer"]
