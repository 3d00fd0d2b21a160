"""The texts of a value that are indexed: those at the paths of ``index=`` or of the store's ``fields``."""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from langgraph.store.base import get_text_at_path, tokenize_path

WORDS_ONLY = "words:"
"""A path that begins so is indexed for word search and not embedded: ``index=["summary", "words:text"]``."""


_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
"""A path that is one key and nothing else."""


class FieldText(NamedTuple):
    """One text to be indexed."""

    path: str
    text: str
    embed: bool


def texts_at(value: Mapping[str, Any], paths: Sequence[str]) -> list[FieldText]:
    """Return the texts at the paths, as ``InMemoryStore`` names them (``tags.0`` where a path gives several)."""
    found: list[FieldText] = []
    for path in paths:
        if _PLAIN.fullmatch(path) and isinstance(plain := value.get(path, 0), str):  # by far the most frequent case
            found.append(FieldText(path, plain, True))
            continue
        place = path.removeprefix(WORDS_ONLY)
        texts = get_text_at_path(value, _tokenized(place))
        for number, text in enumerate(texts):
            name = f"{place}.{number}" if len(texts) > 1 else place
            found.append(FieldText(name, text, not path.startswith(WORDS_ONLY)))
    return found


@lru_cache(maxsize=512)
def _tokenized(path: str) -> Any:
    return path if path == "$" else tokenize_path(path)
