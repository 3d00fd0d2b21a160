"""The token counters of OpenAI's models and of models that count for themselves, and finding the one of a model."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol, cast

import tiktoken

from memgpt_agent.tokens.counter import FramedCounter, TokenCounter, remembering
from memgpt_agent.tokens.vocabulary import load_encoding

DEFAULT_ENCODING = "o200k_base"

WINDOW_CHARS = 20_000
"""tiktoken 0.14 panics on a million spaces and needs 2 s for four million equal letters; in windows neither happens."""


class TiktokenCounter(FramedCounter):
    """Count with a tiktoken encoding. What a text spells is text: ``<|endoftext|>`` is not a control token here.

    Args:
        encoding: its name; ``o200k_base`` serves every OpenAI chat model since gpt-4o.
        cache_folder: where the vocabulary is unpacked if tiktoken has none; a folder in the user's cache by default.

    Limits:
        A text above 20,000 characters is counted in parts, parted where its tokens part (before a space or after
        a line break). A run of 10,000 characters without such a place may count a few tokens more.
    """

    def __init__(self, encoding: str = DEFAULT_ENCODING, *, cache_folder: str | Path | None = None) -> None:
        self.encoding = encoding
        self._cache_folder = Path(cache_folder) if cache_folder is not None else None
        self._remembered = remembering(self._count)

    def load(self) -> None:
        """Load the vocabulary (0.4 s the first time in a process).

        Raises:
            ConfigurationError: there is no such encoding.
            ModelError: its vocabulary is unavailable.
        """
        self._loaded()

    def count_text(self, text: str) -> int:
        """Return the tokens of a text. Raises as `load` does."""
        return self._remembered(text)

    def truncate(self, text: str, max_tokens: int) -> str:
        """Return the beginning of a text that has at most `max_tokens` tokens, no character cut in two.

        It ends where a token ends (or, within a character of several tokens, before that character). A text that fits
        comes back as it is. Only as much of the text is read as is needed. Raises as `load` does.
        """
        kept: list[int] = []
        encoding = self._loaded()
        for window in windows(text):
            kept += encoding.encode_ordinary(window)
            if len(kept) > max_tokens:
                break
        else:
            return text
        kept = kept[: max(0, max_tokens)]
        while kept:
            beginning = encoding.decode_bytes(kept).decode("utf-8", "ignore")
            # Cut off from what follows, the last word may be spelt with more tokens than it was.
            excess = self._count(beginning) - max_tokens
            if excess <= 0:
                return beginning
            kept = kept[:-excess]
        return ""

    def _count(self, text: str) -> int:
        encoding = self._loaded()
        return sum(len(encoding.encode_ordinary(window)) for window in windows(text))

    def _loaded(self) -> tiktoken.Encoding:
        return load_encoding(self.encoding, self._cache_folder)


def windows(text: str, size: int = WINDOW_CHARS) -> Iterator[str]:
    """Part a text into pieces of at most `size` characters, where tokens part if the second half has such a place."""
    start = 0
    while len(text) - start > size:
        end = start + size
        cut = next((i for i in range(end, end - size // 2, -1) if _tokens_part(text, i)), end)
        yield text[start:cut]
        start = cut
    yield text[start:]


def _tokens_part(text: str, i: int) -> bool:
    """Whether no token holds the characters on both sides of this place."""
    before, after = text[i - 1], text[i]
    # A space only ever begins a piece or stands among white space; letters and digits never follow a line break in one.
    return (after == " " and not before.isspace()) or (before == "\n" and after.isalnum())


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
