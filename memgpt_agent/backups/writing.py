"""Writing a backup: the databases as of one moment, the other files, all checked; also before an upgrade changes them."""

import logging
import os
import shutil
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from memgpt_agent.backups import manifest
from memgpt_agent.backups.lost import MEMORY, refuse_lost_memory
from memgpt_agent.backups.manifest import Backup, Copied
from memgpt_agent.config import Settings
from memgpt_agent.databases import sqlite_files
from memgpt_agent.errors import ConfigurationError, NotAllowed, StoreCorrupt, StoreError
from memgpt_agent.leases import Leases
from memgpt_agent.private import private_folder
from memgpt_agent.store import open_store, store_file, upgrade_due

Tell = Callable[[str], None]
"""Called before each part of the work, with what it is."""
TURN_WAIT_SECONDS = 10.0
"""So long it waits for a moment in which no turn is being taken."""
_LOOK_SECONDS = 0.1
_DRAFT = ".memgpt-part"
_CUT_OFF_SECONDS = 3_600.0
"""A folder that is being written gets a file or more in such a time; a process may be on another machine, so it is not asked for."""
POSTGRES = "postgres"
"""The folder of the trial server (``memgpt postgres``), which looks after it."""
_LEFT_OUT = {
    "models": "model files (memgpt model pull gets them again)",
    "keys": "keys of providers (memgpt keys set)",
    POSTGRES: "the files of the trial server (pg_dump copies what is in it)",
}
_DERIVED = (".indexes",)
_BESIDE = ("-wal", "-shm", "-journal", ".lock")
UPGRADES = "before-upgrade-"
"""The beginning of the names of folders that an upgrade made."""


def backup(
    destination: Path,
    settings: Settings | None = None,
    *,
    turn_wait_seconds: float = TURN_WAIT_SECONDS,
    tell: Tell = lambda _: None,
) -> Backup:
    """Write a backup of the data folder into a new folder, while agents speak.

    All databases are copied as of one moment: what was acknowledged before is in it, nothing that came after. It waits for a moment in which
    no turn is being taken; if there is none in time, the turns of that moment are named, and a restored home finishes them as after a
    crash. Then every copy is checked: SQLite's full check, the rows of every table, checksums. The folder is complete or not there.

    Args:
        destination: a folder that is not there yet; only its owner may read it.
        settings: whose data folder; the process's own if omitted.
        turn_wait_seconds: how long to wait for a moment without a turn.
        tell: called with the name of each part of the work.

    Raises:
        NotAllowed: the settings name an owner, who is not an admin.
        ConfigurationError: the memory is on a server, or the destination is there already or lies in the data folder.
        StoreError: there is no data folder, too little space, a destination that cannot be written, or a database that is damaged or was lost.

    **Limits**: keys, model files and indexes that are made again are not in it, and neither is an archive of your own. It is not encrypted.
    """
    settings = settings or Settings.load()
    if settings.owner:
        raise NotAllowed(f"{settings.owner!r} (MEMGPT_OWNER) is an owner; a backup holds every owner's agents. Unset MEMGPT_OWNER.")
    refuse_lost_memory(settings)
    databases, others, left_out = _sources(settings)
    with writing_to(destination):
        draft = _draft(destination, settings.home)
        _check_space(draft.parent, [*databases.values(), *others.values()])
    try:
        private_folder(draft)
        deadline = time.monotonic() + turn_wait_seconds
        with _turns(settings) as running_turns:
            while True:
                with sqlite_files.one_moment(list(databases.values()), running_turns) as (seen, running):
                    if not running or time.monotonic() >= deadline:
                        moment = datetime.now(UTC).isoformat(timespec="seconds")
                        copied = [_database(reader, name, draft, tell) for name, reader in zip(databases, seen, strict=True)]
                        break
                time.sleep(_LOOK_SECONDS)
        with writing_to(destination):
            copied += [_file(place, name, draft) for name, place in others.items()]
            made = Backup(draft, moment, _version(), tuple(running), tuple(copied), tuple(left_out))
            manifest.write(made)
            draft.rename(destination)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    return Backup(destination, made.time, made.made_by, made.unfinished, made.files, made.left_out)


@contextmanager
def writing_to(place: Path) -> Generator[None]:
    """Say in our own words why a folder cannot be written."""
    try:
        yield
    except OSError as error:
        why = error.strerror or str(error)
        raise StoreError(f"{place} cannot be written: {why}. Nothing is left of it. Choose another folder or disk.") from error


@contextmanager
def _turns(settings: Settings) -> Generator[Callable[[], list[str]]]:
    """Yield a function that names the conversations with a running turn; it names none in a store that opening would upgrade."""
    memory = store_file(settings.store_url)
    if memory is None or not memory.exists() or upgrade_due(settings.store_url):
        yield list
        return
    with open_store(settings.store_url, create=False) as store:
        yield Leases(store).held


def _sources(settings: Settings) -> tuple[dict[str, Path], dict[str, Path], list[str]]:
    """Return the databases and the other files by their names in the backup, and what is left out."""
    memory = store_file(settings.store_url)
    if memory is None:
        raise ConfigurationError(
            f"The memory is on a server ({settings.store_url.partition(':')[0]}), which this command does not copy. Use the server's own "
            "tools (pg_dump)."
        )
    home = settings.home
    if not memory.exists() and not settings.checkpoints_path.exists():
        raise StoreError(f"There is nothing to back up: {home} holds no agent yet.")
    databases = {MEMORY: memory} if memory.exists() else {}
    others: dict[str, Path] = {}
    left_out = [words for name, words in _LEFT_OUT.items() if (home / name).exists()]
    for place in sorted(home.rglob("*")):
        name = place.relative_to(home)
        if name.parts[0] in _LEFT_OUT or name.parts[0].startswith((".", UPGRADES)) or any(part.endswith(_DERIVED) for part in name.parts):
            continue
        if place.is_symlink() or not place.is_file():
            if place.is_symlink() or not place.is_dir():
                left_out.append(f"{name.as_posix()} (a link, or no file)")
        elif place != memory and not place.name.endswith(_BESIDE) and place.name != manifest.NAME:
            (databases if sqlite_files.is_sqlite(place) else others)[name.as_posix()] = place
    return databases, others, left_out


def _draft(destination: Path, home: Path) -> Path:
    if destination.exists() or destination.is_symlink():
        raise ConfigurationError(f"{destination} is there already. Name a folder that is not; a backup writes over nothing.")
    place = destination.absolute()
    if place.resolve().is_relative_to(home.resolve()) and not place.name.startswith(UPGRADES):
        raise ConfigurationError(f"{destination} lies in the data folder {home}. Name a place outside, best on another disk.")
    place.parent.mkdir(parents=True, exist_ok=True)
    for left in cut_off(place.parent):
        shutil.rmtree(left, ignore_errors=True)
    return place.with_name(f".{place.name}.{os.getpid()}{_DRAFT}")


def cut_off(folder: Path) -> list[Path]:
    """Return what backups left in a folder that were cut off; one that is being written is not among them."""
    drafts = [place for place in folder.glob(f".*{_DRAFT}") if place.is_dir() and not place.is_symlink()]
    return [place for place in drafts if time.time() - place.stat().st_mtime > _CUT_OFF_SECONDS]


def _check_space(folder: Path, places: list[Path]) -> None:
    needed = sum(place.stat().st_size + _log_bytes(place) for place in places) + (1 << 20)
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise StoreError(f"The copy needs {needed / 1e6:,.1f} MB in {folder}, and {free / 1e6:,.1f} MB are free. Nothing was written.")


def _log_bytes(place: Path) -> int:
    log = place.with_name(place.name + "-wal")
    return log.stat().st_size if log.exists() else 0


def _database(reader: sqlite_files.Seen, name: str, folder: Path, tell: Tell) -> Copied:
    tell(f"Copying {name}")
    place = folder / name
    with writing_to(place):
        private_folder(place.parent)
        sqlite_files.copy(reader, place)
    tell(f"Checking {name} ({place.stat().st_size / 1e6:,.1f} MB)")
    rows = sqlite_files.counts(reader)
    if found := sqlite_files.problems(place):
        raise StoreCorrupt(f"{name} is damaged ({'; '.join(found[:3])}). No backup was made. See what can be done: memgpt doctor --deep")
    if sqlite_files.counts_of(place) != rows:
        raise StoreCorrupt(f"The copy of {name} does not have the rows of the original. No backup was made. Try another disk.")
    return Copied(name, place.stat().st_size, manifest.digest(place), rows)


def _file(source: Path, name: str, folder: Path) -> Copied:
    place = folder / name
    copy_file(source, place)
    return Copied(name, place.stat().st_size, manifest.digest(place), {})


def copy_file(source: Path, target: Path) -> None:
    """Copy a file to the disk as a new one, which only its owner may read; makes its folder."""
    private_folder(target.parent)
    with source.open("rb") as given, os.fdopen(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as made:
        shutil.copyfileobj(given, made)
        made.flush()
        os.fsync(made.fileno())


def _version() -> str:
    try:
        return version("memgpt-agent")
    except PackageNotFoundError:
        return "unknown"


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
