"""Checkpoints in one SQLite file: a saver with a sync and an async face, and pruning."""

from memgpt_agent.checkpoints.opening import open_checkpointer
from memgpt_agent.checkpoints.saver import SqliteCheckpointer

__all__ = ["SqliteCheckpointer", "open_checkpointer"]
