"""Verifying and restoring a backup. An existing data folder is never overwritten, only moved aside on request."""

import os
import shutil
import stat
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from memgpt_agent.backups import manifest
from memgpt_agent.backups.manifest import Backup, Copied
from memgpt_agent.backups.writing import Tell, copy_file, writing_to
from memgpt_agent.config import Settings, shown
from memgpt_agent.databases import sqlite_files
from memgpt_agent.errors import ConfigurationError, StoreCorrupt, StoreError
from memgpt_agent.private import private_folder
from memgpt_agent.store import store_file

_KEPT = ("models", "keys")
"""What a backup does not hold, and what a restored home takes over from the one before."""


@dataclass(frozen=True)
class Restored:
    """What came of a restore."""

    backup: Backup
    """What was put back."""
    home: Path
    """Where."""
    moved_to: Path | None
    """Where the data folder is that was there before; None if there was none."""


def verify_backup(folder: Path, tell: Tell = lambda _: None) -> Backup:
    """Check a backup: every file is there, is the one that was copied, and each database passes SQLite's full check with all its rows.

    Raises:
        StoreCorrupt: it is none, or not whole; the message names the file.
    """
    found = manifest.read(folder)
    for file in found.files:
        tell(f"Checking {file.name} ({file.size_bytes / 1e6:,.1f} MB)")
        _verify(folder / file.name, file)
    return found


def restore(folder: Path, settings: Settings | None = None, *, replace: bool = False, tell: Tell = lambda _: None) -> Restored:
    """Put a backup back as the data folder, once it is verified.

    It is complete under another name before it takes its place. Keys and models of the data folder before go with it.

    Args:
        folder: the backup.
        settings: whose data folder; the process's own if omitted.
        replace: move a data folder that holds an agent aside. Without it, that is an error.
        tell: called with the name of each part of the work.

    Raises:
        StoreCorrupt: the backup is not whole; nothing was changed.
        ConfigurationError: there is an agent already and ``replace`` is not given, or the memory does not lie in the data folder.
        StoreError: there is too little space, or the data folder cannot be written or moved.

    **Limits**: stop what uses the data folder first. A process that runs on writes to the folder that was moved aside.
    """
    home = _free_home(folder, settings or Settings.load(), replace)
    found = verify_backup(folder, tell)
    draft = home.with_name(f".{home.name}.restoring.{os.getpid()}")
    with writing_to(home):
        home.parent.mkdir(parents=True, exist_ok=True)
    if shutil.disk_usage(home.parent).free < found.size_bytes + (1 << 20):
        raise StoreError(f"The backup has {found.size_bytes / 1e6:,.1f} MB; there is not so much space in {home.parent}. Nothing was changed.")
    try:
        with writing_to(home):
            private_folder(draft)
            for file in found.files:
                tell(f"Restoring {file.name}")
                _copy(folder / file.name, draft / file.name, file)
        moved = _exchange(home, draft)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    return Restored(found, home, moved)


def _free_home(folder: Path, settings: Settings, replace: bool) -> Path:
    """Return the data folder that a backup may take the place of, with links resolved: a link to it stays a link.

    Raises:
        ConfigurationError: the backup may not take its place.
    """
    home = settings.home.resolve()
    if store_file(settings.store_url) != settings.home.absolute() / "memory.db":
        raise ConfigurationError(
            f"The memory is not in the data folder but at {shown(settings.store_url)} (MEMGPT_STORE_URL or MEMGPT_DATABASE_URL). Unset it to "
            "restore a folder; what is on a server is restored with the server's own tools (pg_restore)."
        )
    if home.exists() and not home.is_dir():
        raise ConfigurationError(f"{home} is no folder. Name another data folder: --home FOLDER.")
    held = [name for name in ("memory.db", "checkpoints.db") if (home / name).exists()]
    if held and not replace:
        raise ConfigurationError(
            f"{home} holds {' and '.join(held)} already. Restore to another folder (--home FOLDER), or give --replace: what is there is then "
            "moved aside and kept."
        )
    if home.is_relative_to(folder.resolve()):
        raise ConfigurationError(f"{home} is the backup itself, or lies in it. Name another data folder (--home FOLDER), or move the backup.")
    return home


def _verify(place: Path, file: Copied) -> None:
    try:
        mode = place.lstat().st_mode
        whole = stat.S_ISREG(mode) and place.stat().st_size == file.size_bytes and manifest.digest(place) == file.sha256
    except OSError as error:
        raise StoreCorrupt(f"{place} cannot be read: {error}. The backup is not whole; use another one.") from error
    if not whole:
        raise StoreCorrupt(f"{place} is not the file that was backed up: its size or checksum differs. Use another backup.")
    if file.rows:
        found = sqlite_files.problems(place)
        if found or sqlite_files.counts_of(place) != file.rows:
            raise StoreCorrupt(f"{place} is damaged ({'; '.join(found[:3]) or 'its rows are not those that were counted'}). Use another backup.")


def _copy(source: Path, target: Path, file: Copied) -> None:
    copy_file(source, target)
    if manifest.digest(target) != file.sha256:  # it was exchanged after it was verified, or the disk fails
        raise StoreCorrupt(f"{source} changed while it was restored. Nothing was changed; try again.")


def _exchange(home: Path, draft: Path) -> Path | None:
    """Put the draft in the data folder's place, and that aside; take over what no backup holds."""
    aside: Path | None = None
    if home.exists():
        aside = home.with_name(f"{home.name}.before-restore-{datetime.now(UTC):%Y%m%d-%H%M%S}")
        try:
            home.rename(aside)
        except OSError as error:
            raise StoreError(f"{home} cannot be moved aside ({error}). Restore to another folder: --home FOLDER.") from error
    try:
        draft.rename(home)
    except OSError as error:
        if aside is not None:
            aside.rename(home)
        raise StoreError(f"{home} could not be made ({error}). What was there is as it was.") from error
    if aside is not None:
        for name in _KEPT:
            if (aside / name).exists() and not (home / name).exists():
                (aside / name).rename(home / name)
        if not any(aside.iterdir()):
            aside.rmdir()
            aside = None
    return aside
