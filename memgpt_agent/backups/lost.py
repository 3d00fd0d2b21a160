"""Detecting a lost memory: its file is gone or empty, but files that belong to it are still there."""

import time
from pathlib import Path

from memgpt_agent.config import Settings
from memgpt_agent.errors import StoreCorrupt
from memgpt_agent.private import private_folder

MEMORY = "memory.db"
ELSEWHERE = "memory.elsewhere"
"""The file that says that a program keeps the memory of a folder's conversations in a store of its own."""
_TRACES = ("-wal", "-journal", ".indexes")
"""The ends of the names of what stands beside a memory and is of no use without it."""
_LOOKS, _LOOK_SECONDS = 20, 0.05
"""An empty file is looked at so often: another process may have made it just now."""


def lost_memory(settings: Settings) -> str:
    """Return in words why the data folder's memory was lost, if traces of it stand beside where it should be; else an empty text.

    Traces are conversations, the store's log, and its indexes. A memory that the settings or a program place elsewhere is not asked for.
    Conversations that are missing beside a memory are no such loss: the agents remember every message, and other checkpoints may have been used.
    """
    if not settings.memory_is_in_home:
        return ""
    memory = settings.home / MEMORY
    if memory.exists() and not memory.is_file():
        return f"{memory} is no file"
    if memory.exists() and not _stays_empty(memory):
        return ""
    conversations = [] if (settings.home / ELSEWHERE).is_file() else [settings.checkpoints_path]
    beside = (*conversations, *(memory.with_name(memory.name + end) for end in _TRACES))
    traces = [place.name for place in beside if holds(place) or place.is_dir()]
    if not traces:
        return ""
    return (
        f"{memory} is {'empty (0 bytes)' if memory.exists() else 'not there'}, and beside it {'stands' if len(traces) == 1 else 'stand'} "
        f"{' and '.join(traces)}: the memory was lost"
    )


def refuse_lost_memory(settings: Settings) -> None:
    """Refuse to make a new memory where one was lost.

    Raises:
        StoreCorrupt: it was; the message names the file, and how to restore it or start over.
    """
    if lost := lost_memory(settings):
        raise StoreCorrupt(
            f"{lost}. Nothing was changed. Restore a backup: memgpt restore BACKUP --replace. If the memory is kept elsewhere, set "
            "MEMGPT_STORE_URL. To begin anew, choose another folder (--home, MEMGPT_HOME), or move what stands there away."
        )


def note_memory_elsewhere(settings: Settings) -> None:
    """Note, before conversations are first kept in a data folder, that a program keeps their memory in a store of its own.

    Without the note they would be taken for the remains of a lost memory. Where conversations stand already, nothing is noted.
    """
    kept_here = settings.memory_is_in_home and str(settings.checkpoints_path) in settings.checkpoints_url
    if kept_here and not (settings.home / MEMORY).exists() and not holds(settings.checkpoints_path):
        private_folder(settings.home)
        (settings.home / ELSEWHERE).write_text("A program keeps the memory of these conversations in a store of its own.\n", encoding="utf-8")


def holds(path: Path) -> bool:
    """Whether a file is there and has a byte."""
    return path.is_file() and path.stat().st_size > 0


def _stays_empty(path: Path) -> bool:
    """Whether a file has no bytes, and is not about to get some from a process that is making it."""
    for _ in range(_LOOKS):
        if not path.is_file() or path.stat().st_size:
            return False
        time.sleep(_LOOK_SECONDS)
    return True
