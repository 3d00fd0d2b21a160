"""A store from a URL."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from langgraph.store.base import IndexConfig, TTLConfig

from memgpt_agent.errors import ConfigurationError
from memgpt_agent.store.sqlite.store import FaissStore


def open_store(
    url: str | Path, *, index: IndexConfig | Mapping[str, Any] | None = None, ttl: TTLConfig | None = None
) -> FaissStore:
    """Open the store that a URL names: ``sqlite:///relative.db``, ``sqlite:////absolute.db``, ``memory://``, or a path.

    Raises:
        ConfigurationError: no store answers to this kind of URL.
    """
    return FaissStore(file_of(url) or ":memory:", index=index, ttl=ttl)


def file_of(url: str | Path) -> Path | None:
    """Return the file of the store that a URL names; None for ``memory://``.

    Raises:
        ConfigurationError: no store answers to this kind of URL.
    """
    text = str(url)
    scheme = urlsplit(text).scheme if "://" in text else ""
    if scheme == "memory" or text == ":memory:":
        return None
    if scheme == "sqlite":
        rest = unquote(text.removeprefix("sqlite://"))
        if not rest.startswith("/") or len(rest) == 1:
            raise ConfigurationError(
                f"The URL {text!r} names no file. Write sqlite:///relative.db or sqlite:////absolute.db."
            )
        return Path(rest[1:])
    if scheme in ("postgresql", "postgres"):
        raise ConfigurationError(
            f"{scheme}:// is not served yet: a store on Postgres under the same tiers is the next round's work. "
            "Use sqlite:///FILE today."
        )
    if scheme:
        raise ConfigurationError(f"No store answers to {scheme}://. Use sqlite:///FILE or memory://.")
    return Path(text)
