"""What each owner may use: a table in a file, read again when it changes."""

import threading
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from memgpt_agent.config import Settings
from memgpt_agent.errors import ConfigurationError

_Number = Annotated[int, Field(ge=0)] | Literal["unlimited"] | None


class OwnerLimits(BaseModel):
    """What one owner may use. ``None``, or ``"unlimited"`` in the file: as much as they like."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    agents: _Number = None
    """Agents that belong to the owner."""
    passages: _Number = None
    """Passages in archival memory, in all of the owner's agents together."""
    bytes: _Number = None
    """Bytes of everything stored of these agents, as JSON; vectors, indexes and checkpoints are not counted."""
    turns_a_minute: Annotated[int, Field(ge=0, le=10_000)] | Literal["unlimited"] | None = None
    """Turns that the owner begins within any sixty seconds."""
    tokens_a_day: _Number = None
    """Tokens of model calls, prompts and answers, from midnight to midnight UTC."""

    def of(self, name: str) -> int | None:
        """Return a limit by its name; ``None`` if there is none."""
        given = getattr(self, name)
        return None if given == "unlimited" else given

    @property
    def counts_agents(self) -> bool:
        """Whether a limit asks which agents an owner has."""
        return any(self.of(name) is not None for name in ("agents", "passages", "bytes"))


class _LimitFile(OwnerLimits):
    owners: dict[str, OwnerLimits] = Field(default_factory=dict[str, OwnerLimits])


@dataclass(frozen=True)
class _Read:
    about: tuple[int, int, int]
    table: _LimitFile


class LimitTable:
    """The limits of all owners, from a TOML file.

    ``turns_a_minute = 20`` at the beginning of the file holds for every owner; ``[owners."ann@example.org"]`` begins what holds for one
    instead. A file that is changed holds from the next act on. An agent that was opened while there was none is limited in its turns
    alone, until it is opened again.

    Args:
        path: the file; nothing is limited while there is none.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._read: _Read | None = None
        self._guard = threading.Lock()

    def of(self, owner: str) -> OwnerLimits | None:
        """Return the limits of an owner; ``None`` if nothing is limited.

        Raises:
            ConfigurationError: the file cannot be read, or is no such table.
        """
        table = self._table()
        if table is None:
            return None
        every, own = table.model_dump(exclude={"owners"}, exclude_none=True), table.owners.get(owner, OwnerLimits())
        merged = {**every, **own.model_dump(exclude_none=True)}
        return OwnerLimits(**merged) if any(value != "unlimited" for value in merged.values()) else None

    @property
    def is_set(self) -> bool:
        """Whether there is a file."""
        return self._table() is not None

    @property
    def version(self) -> str:
        """Another text after each change of the file."""
        return str(self._read.about[0]) if self.is_set and self._read else ""

    def _table(self) -> _LimitFile | None:
        try:
            found = self.path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        about = (found.st_mtime_ns, found.st_size, found.st_ino)
        with self._guard:
            if self._read is None or self._read.about != about:
                self._read = _Read(about, _parsed(self.path))
            return self._read.table


def _parsed(path: Path) -> _LimitFile:
    try:
        given: dict[str, Any] = tomllib.loads(path.read_text("utf-8"))
        return _LimitFile(**given)
    except ValidationError as error:
        found = "; ".join(f"{'.'.join(map(str, one['loc'][:3]))}: {one['msg']}" for one in error.errors()[:3])
        known = ", ".join(OwnerLimits.model_fields)
        raise ConfigurationError(f"The limits in {path} cannot be read: {found}. The limits are {known}; owners.NAME has its own.") from error
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"The limits in {path} cannot be read: {error}.") from error


def limits_of(settings: Settings) -> LimitTable:
    """Return the table that these settings name: ``MEMGPT_LIMITS``, else ``limits.toml`` in the data folder.

    Raises:
        ConfigurationError: the settings name a file that is not there.
    """
    if settings.limits is not None and not settings.limits.expanduser().is_file():
        raise ConfigurationError(f"MEMGPT_LIMITS names {settings.limits}, and there is no such file. Write it, or unset MEMGPT_LIMITS.")
    return _table_at((settings.limits or settings.home / "limits.toml").expanduser().absolute())


_table_at = cache(LimitTable)
"""One for each file, so that it is read once."""
