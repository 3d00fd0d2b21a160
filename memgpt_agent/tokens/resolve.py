"""Finding the token counter of a model, by its name or by the model itself."""

from typing import Any, Protocol, cast

import tiktoken

from memgpt_agent.tokens.counter import FramedCounter, TokenCounter, remembering
from memgpt_agent.tokens.openai import DEFAULT_ENCODING, TiktokenCounter


class CountsTokens(Protocol):
    """A model that knows its own tokenizer."""

    def count_tokens(self, text: str) -> int:
        """Return the tokens of a text."""
        ...


class ModelTokenCounter(FramedCounter):
    """Count with a model's own ``count_tokens``; framing as in ChatML (``<|im_start|>role`` ... ``<|im_end|>``).

    Limits:
        `truncate` cuts between characters and asks the model about fifteen times.
    """

    per_message = 4  # <|im_start|>, line break, <|im_end|>, line break
    per_call = 8  # <tool_call>, </tool_call> and their line breaks, spelt out
    priming = 3

    def __init__(self, model: CountsTokens) -> None:
        self._model = model
        self._remembered = remembering(self._count)

    def load(self) -> None:
        """Load the model's tokenizer, which for a model in this process is the model. Raises what the model raises."""
        self._model.count_tokens("")

    def count_text(self, text: str) -> int:
        """Return the tokens of a text."""
        return self._remembered(text)

    def truncate(self, text: str, max_tokens: int) -> str:
        """Return a beginning, found by doubling and halving, that has at most `max_tokens` tokens."""
        if max_tokens <= 0:
            return ""
        fits, too_long = 0, min(len(text), max_tokens * 8)
        while self.count_text(text[:too_long]) <= max_tokens:
            if too_long == len(text):
                return text
            fits, too_long = too_long, min(len(text), too_long * 2)
        while too_long - fits > 1:
            middle = (fits + too_long) // 2
            if self.count_text(text[:middle]) <= max_tokens:
                fits = middle
            else:
                too_long = middle
        return text[:fits]

    def _count(self, text: str) -> int:
        return self._model.count_tokens(text.encode("utf-8", "replace").decode("utf-8")) if text else 0


def resolve_token_counter(model_name: str | None = None, *, model: Any = None) -> TokenCounter:
    """Return the counter for a model. Nothing is loaded yet.

    A model that offers ``count_tokens(text)`` counts for itself. An OpenAI name (``gpt-4o``, ``openai:gpt-4.1``,
    ``ft:gpt-4o:...``) has its own encoding. For every other model ``o200k_base`` is an estimate, which the provider's
    usage figures then correct.

    Limits:
        An estimate can be off either way, most for text that is not English; a provider's count is what it bills.
    """
    if callable(getattr(model, "count_tokens", None)):
        return ModelTokenCounter(cast(CountsTokens, model))
    name = model_name or getattr(model, "model_name", None) or getattr(model, "model", None)
    return TiktokenCounter(_encoding_of(name) if isinstance(name, str) else DEFAULT_ENCODING)


def _encoding_of(name: str) -> str:
    """Return the encoding of a model's name, with or without its provider before it."""
    name = name.strip().lower()
    for bare in (name, name.removeprefix("openai:"), name.rpartition("/")[2], name.rpartition(":")[2]):
        try:
            return tiktoken.encoding_name_for_model(bare)
        except KeyError:
            continue
    return DEFAULT_ENCODING
