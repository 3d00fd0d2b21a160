"""Text from outside: shortened, and marked as written by others."""

from memgpt_agent.prompts import OUTSIDE, as_data

MAX_CHARS = 8_000
"""What a tool from elsewhere returns is shown up to this length; about 2,000 tokens."""


def outside(text: str, source: str, limit_chars: int = MAX_CHARS) -> str:
    """Return a text as the model is shown it: between marks that it cannot close, with where it comes from."""
    rest = len(text) - limit_chars
    shown = text if rest <= 0 else f"{text[:limit_chars]}\n[... {rest:,} more characters]"
    return OUTSIDE.format(source=source, text=as_data(shown, "outside"))
