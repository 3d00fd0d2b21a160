"""Forgetting: one thing with all that was made of it, a conversation, a user, or what is older than a date; planned, shown, erased."""

from memgpt_agent.memory.forgetting.acting import Forgetting
from memgpt_agent.memory.forgetting.finding import ForgetCandidate
from memgpt_agent.memory.forgetting.plan import ForgetPlan, ForgetPlanner, Forgotten
from memgpt_agent.memory.forgetting.retention import keep_to_retention

__all__ = ["ForgetCandidate", "ForgetPlan", "ForgetPlanner", "Forgetting", "Forgotten", "keep_to_retention"]
