"""Copying the data folder before a newer version of this package changes its files."""

import logging
import shutil
from datetime import UTC, datetime
from pathlib import Path

from memgpt_agent.backups.writing import UPGRADES, backup
from memgpt_agent.config import Settings
from memgpt_agent.store import upgrade_due

_log = logging.getLogger(__name__)


def drop_upgrade_copies(home: Path) -> int:
    """Delete the copies that upgrades made in a data folder, and return how many: what is erased must not stay in them."""
    copies = [place for place in home.glob(f"{UPGRADES}*") if place.is_dir() and not place.is_symlink()]
    for place in copies:
        shutil.rmtree(place)
    return len(copies)


def copy_before_upgrade(settings: Settings) -> Path | None:
    """Copy the data folder into itself where opening its store will upgrade the file; return the copy's folder.

    Raises:
        StoreError: there is too little space for the copy (the message says how much it takes), or the file is damaged; nothing
            was upgraded.
    """
    versions = upgrade_due(settings.store_url)
    if versions is None:
        return None
    have, needed = versions
    earlier = sorted(settings.home.glob(f"{UPGRADES}v{have}-*"))
    if earlier:  # another process, or an upgrade that was cut off, has made it
        return earlier[-1]
    place = settings.home / f"{UPGRADES}v{have}-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    made = backup(place, settings, turn_wait_seconds=0)
    _log.warning(
        "The store is upgraded from version %d to %d. A copy of before is in %s (%.1f MB); delete it when all is well, or go back to it with "
        "memgpt restore.", have, needed, place, made.size_bytes / 1e6,
    )  # fmt: skip
    return place
