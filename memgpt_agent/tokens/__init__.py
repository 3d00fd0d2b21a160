"""Token counters: what a text, a message or a tool's schema costs a model."""

from memgpt_agent.tokens.counter import FramedCounter, TokenCounter
from memgpt_agent.tokens.resolve import ModelTokenCounter, TiktokenCounter, resolve_token_counter

__all__ = ["FramedCounter", "ModelTokenCounter", "TiktokenCounter", "TokenCounter", "resolve_token_counter"]
