"""Forgetting: one thing with all that was made of it, a conversation, a user, or what is older than a date; planned, shown, erased."""

from memgpt_agent.memory.forgetting.acting import Forgetting
from memgpt_agent.memory.forgetting.finding import Found
from memgpt_agent.memory.forgetting.plan import ForgetPlan, Forgotten
from memgpt_agent.memory.forgetting.planning import Planner
from memgpt_agent.memory.forgetting.retention import keep_to_retention

__all__ = ["ForgetPlan", "Forgetting", "Forgotten", "Found", "Planner", "keep_to_retention"]
