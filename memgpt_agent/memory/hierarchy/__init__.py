"""Summaries in levels: evicted messages by span, session, week, month and year, each linked to the level below."""

from memgpt_agent.memory.hierarchy.nodes import LEVELS, Level, SummaryNode
from memgpt_agent.memory.hierarchy.tree import SummaryTree, keep_evicted

__all__ = ["LEVELS", "Level", "SummaryNode", "SummaryTree", "keep_evicted"]
