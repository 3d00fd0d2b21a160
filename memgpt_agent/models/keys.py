"""Stored provider keys: one file for each in the data folder, which only its owner may read."""

import os
import re
from pathlib import Path

from memgpt_agent.errors import ConfigurationError
from memgpt_agent.private import private_folder, tighten

_FOLDER = "keys"
_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
_MOST_CHARS = 4_096


def keys_folder(home: Path) -> Path:
    """Return the folder of stored keys."""
    return home / _FOLDER


def store(home: Path, provider: str, key: str) -> Path:
    """Store a provider's key in place of an earlier one; return its file.

    **Limits**: it is not encrypted: whoever may read the user's files can read it. No export holds it.

    Raises:
        ConfigurationError: it cannot be a key.
    """
    key = key.strip()
    if not key or len(key) > _MOST_CHARS or not re.fullmatch(r"[!-~]+", key):
        raise ConfigurationError(
            f"That is no key: it has {len(key):,} characters{'' if not key else ', and a key is one word of plain ASCII'}. Nothing was stored."
        )
    place = _place(home, provider)
    private_folder(home)
    private_folder(place.parent)
    tighten(place.parent)
    draft = place.with_name(f".{place.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="ascii") as file:
        file.write(key)
    draft.replace(place)
    return place


def stored(home: Path, provider: str) -> str | None:
    """Return a provider's stored key, if there is one."""
    try:
        return _place(home, provider).read_text(encoding="ascii").strip() or None
    except (FileNotFoundError, NotADirectoryError, UnicodeDecodeError):
        return None


def remove(home: Path, provider: str) -> bool:
    """Delete a provider's stored key; return whether there was one."""
    place = _place(home, provider)
    there = place.is_file()
    place.unlink(missing_ok=True)
    return there


def every(home: Path) -> list[str]:
    """Return the providers whose keys are stored, by name."""
    folder = keys_folder(home)
    return sorted(path.name for path in folder.iterdir() if _NAME.fullmatch(path.name)) if folder.is_dir() else []


def masked(key: str) -> str:
    """Return as much of a key as tells it from another."""
    return f"{key[:3]}…{key[-4:]}" if len(key) >= 16 else "…"


def _place(home: Path, provider: str) -> Path:
    if not _NAME.fullmatch(provider):
        raise ConfigurationError(f"{provider!r} is no provider's name.")
    return keys_folder(home) / provider
