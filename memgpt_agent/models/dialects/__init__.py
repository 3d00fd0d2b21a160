"""Dialects: what each provider requires of messages, tools and options, one module each, applied last to what a call is sent."""

from memgpt_agent.models.dialects.anthropic_cache import UNCHANGING
from memgpt_agent.models.dialects.attachments import MediaPart, read
from memgpt_agent.models.dialects.attempts import asks_for_more
from memgpt_agent.models.dialects.choosing import bound_options, dialect_of, in_turn, is_model, thoughts_of, unwrapped
from memgpt_agent.models.dialects.compatible import REASONING
from memgpt_agent.models.dialects.dialect import Dialect, Reasons, Wanted, name_of, profile_of
from memgpt_agent.models.dialects.self_speaking import speaks_dialect
from memgpt_agent.models.dialects.sequence import BRIDGE
from memgpt_agent.models.dialects.speaking import Spoken, speak

__all__ = [
    "BRIDGE", "REASONING", "UNCHANGING", "Dialect", "MediaPart", "Reasons", "Spoken", "Wanted", "asks_for_more", "bound_options", "dialect_of",
    "in_turn", "is_model", "name_of", "profile_of", "read", "speak", "speaks_dialect", "thoughts_of", "unwrapped",
]  # fmt: skip
