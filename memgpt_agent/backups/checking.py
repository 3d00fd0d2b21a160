"""The full check of a data folder: every file, whether the files fit each other, and who may read them."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from memgpt_agent.backups.lost import MEMORY, holds, lost_memory
from memgpt_agent.backups.writing import POSTGRES, UPGRADES, cut_off
from memgpt_agent.checkpoints import conversation_problems
from memgpt_agent.config import Settings
from memgpt_agent.databases import sqlite_files
from memgpt_agent.store import store_file, store_problems

_OTHERS = 0o077
_RESTORE = "Restore a backup (memgpt restore)."
_SHOWN = 5


@dataclass(frozen=True)
class Problem:
    """Something that is wrong."""

    found: str
    """What."""
    advice: str
    """What to do."""


def check_home(settings: Settings) -> Iterator[Problem]:
    """Yield what is wrong with a data folder: it reads every byte of it and changes nothing, while agents speak.

    Looked at are each database (SQLite's full check; rows, words, vectors and snapshots against each other; that every memory and every
    conversation can be read), files that are empty or unreadable, what a cut-off backup or restore left, and rights.
    """
    home, memory = settings.home, store_file(settings.store_url)
    yield from _lost(settings)
    for found, advice in store_problems(settings.store_url):
        yield Problem(found, advice)
    if settings.checkpoints_path.exists():
        for found, advice in conversation_problems(settings.checkpoints_path):
            yield Problem(found, advice)
    known = {memory, settings.checkpoints_path.absolute()}
    for place in sorted(home.rglob("*")) if home.exists() else ():
        first = place.relative_to(home).parts[0]
        if first.startswith(".") or first == POSTGRES:  # what is being written; what a server keeps
            continue
        if place.is_file() and not place.is_symlink() and place.absolute() not in known:
            yield from _file(place, home)
    yield from _left_over(home)
    yield from _rights(home)


def _lost(settings: Settings) -> Iterator[Problem]:
    """Yield that one of the two databases is gone, or empty, beside the other: they are made together."""
    if lost := lost_memory(settings):
        yield Problem(lost, _RESTORE)
    memory, conversations = settings.home / MEMORY, settings.checkpoints_path
    if settings.memory_is_in_home and settings.checkpoint_url is None and holds(memory) and not holds(conversations):
        state = "empty" if conversations.exists() else "not there"
        advice = "The agents remember every message. A backup (memgpt restore) brings the running conversations back."
        yield Problem(f"{conversations} is {state}, beside {memory.name}: running conversations were lost", advice)


def _file(place: Path, home: Path) -> Iterator[Problem]:
    name = place.relative_to(home).as_posix()
    try:
        is_database = sqlite_files.is_sqlite(place)
    except OSError as error:
        yield Problem(f"{name} cannot be read: {error.strerror or error}", f"Check who owns it: ls -l {place}")
        return
    if is_database and (found := sqlite_files.problems(place, in_use=not name.startswith(UPGRADES))):
        yield Problem(f"{name} is damaged: {'; '.join(found[:_SHOWN])}", _RESTORE)


def _left_over(home: Path) -> Iterator[Problem]:
    for place in cut_off(home):
        yield Problem(f"{place} was left by a backup that was cut off", f"Delete it: rm -r {place}")


def _rights(home: Path) -> Iterator[Problem]:
    if os.name != "posix" or not home.exists():
        return
    others = (home / "models", home / POSTGRES)
    open_to_others = [
        place
        for place in (home, *home.rglob("*"))
        if not place.is_symlink() and not any(map(place.is_relative_to, others)) and place.stat().st_mode & _OTHERS
    ]
    if open_to_others:
        names = ", ".join(str(place) for place in open_to_others[:_SHOWN])
        yield Problem(f"others on this machine may read {len(open_to_others):,} files or folders: {names}", f"chmod -R go-rwx {home}")
