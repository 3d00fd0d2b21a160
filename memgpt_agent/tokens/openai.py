"""The token counter of OpenAI's models: tiktoken, exact, and safe with any text of any length."""

from collections.abc import Iterator
from pathlib import Path

import tiktoken

from memgpt_agent.tokens.counter import FramedCounter, remembering
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
