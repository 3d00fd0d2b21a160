"""Chat models: from a name, in this process, and the embedded model's file."""

from memgpt_agent.models.resolve import (
    context_window_tokens,
    default_model_name,
    reasons_natively,
    resolve_chat_model,
)

__all__ = ["context_window_tokens", "default_model_name", "reasons_natively", "resolve_chat_model"]
