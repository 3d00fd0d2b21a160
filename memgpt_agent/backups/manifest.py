"""The manifest of a backup: a JSON file that lists what the backup holds."""

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from memgpt_agent.errors import StoreCorrupt

NAME = "manifest.json"
_FORMAT = "memgpt-backup"
_VERSION = 1
_MOST_BYTES = 50_000_000


@dataclass(frozen=True)
class Copied:
    """One file of a backup."""

    name: str
    """Its path from the data folder, with slashes."""
    size_bytes: int
    """Of the copy."""
    sha256: str
    """Of the copy."""
    rows: dict[str, int]
    """Of a database, the rows of each table; empty for other files."""


@dataclass(frozen=True)
class Backup:
    """A backup."""

    folder: Path
    """Where it is."""
    time: str
    """The moment that it shows, ISO 8601, UTC."""
    made_by: str
    """The version of memgpt-agent."""
    unfinished: tuple[str, ...]
    """Conversations in which a turn was being taken at that moment; restored, it is finished as after a crash."""
    files: tuple[Copied, ...]
    """What it holds."""
    left_out: tuple[str, ...]
    """What is in the data folder and not in the backup."""

    @property
    def size_bytes(self) -> int:
        """Return how large its files are together."""
        return sum(file.size_bytes for file in self.files)


def write(backup: Backup) -> None:
    """Write the manifest, to the disk; last of all, since a folder without one is not a backup."""
    value = {"format": _FORMAT, "version": _VERSION, **{name: part for name, part in asdict(backup).items() if name != "folder"}}
    place = backup.folder / NAME
    place.touch(0o600, exist_ok=False)
    with place.open("w", encoding="utf-8") as file:
        json.dump(value, file, indent=1, ensure_ascii=True)
        file.flush()
        os.fsync(file.fileno())


def read(folder: Path) -> Backup:
    """Read a backup's manifest, and trust nothing in it.

    Raises:
        StoreCorrupt: there is none, it is of another kind or version, or it names a file outside of its folder.
    """
    place = folder / NAME
    if not place.is_file() or place.stat().st_size > _MOST_BYTES:
        raise StoreCorrupt(f"{folder} is no backup: it has no {NAME}. A backup that was cut off has none; make it again.")
    try:
        value: Any = json.loads(place.read_bytes())
        if value["format"] != _FORMAT or value["version"] != _VERSION:
            raise StoreCorrupt(f"{place} is of another format or a later version ({value.get('version')}). Upgrade memgpt-agent.")
        files = tuple(Copied(str(f["name"]), int(f["size_bytes"]), str(f["sha256"]), dict(f["rows"])) for f in value["files"])
        for file in files:
            _check_name(file.name, place)
        listed = {name: tuple(str(one) for one in value[name]) for name in ("unfinished", "left_out")}
        return Backup(folder, str(value["time"]), str(value["made_by"]), listed["unfinished"], files, listed["left_out"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise StoreCorrupt(f"{place} is damaged ({error!r}). Use another backup.") from error


def _check_name(name: str, place: Path) -> None:
    path = PurePosixPath(name)
    if not path.parts or path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name or "\0" in name or name == NAME:
        raise StoreCorrupt(f"{place} names {name!r}, which would lead out of the data folder. Nothing was restored.")


def digest(path: Path) -> str:
    """Return a file's SHA-256."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
