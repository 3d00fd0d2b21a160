"""Summaries in levels: what left main context by span, session, week, month and year, each with links to what is beneath."""

from memgpt_agent.memory.hierarchy.nodes import LEVELS, Level, SummaryNode
from memgpt_agent.memory.hierarchy.tree import SummaryTree, keep_evicted

__all__ = ["LEVELS", "Level", "SummaryNode", "SummaryTree", "keep_evicted"]
