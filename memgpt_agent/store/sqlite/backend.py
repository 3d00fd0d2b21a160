"""FaissStore by a URL: ``sqlite:///relative.db``, ``sqlite:////absolute.db``, ``memory://``, or a path."""

import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from langgraph.store.base import IndexConfig, TTLConfig

from memgpt_agent.errors import ConfigurationError, StoreError
from memgpt_agent.sqlite_files import schema_version
from memgpt_agent.store.fields import Fields
from memgpt_agent.store.sqlite.checking import check_file
from memgpt_agent.store.sqlite.schema import APPLICATION_ID, MIGRATIONS
from memgpt_agent.store.sqlite.store import FaissStore


class SqliteBackend:
    """Opens files; see ``StoreBackend``."""

    def open(
        self,
        url: str,
        *,
        index: IndexConfig | Mapping[str, Any] | None,
        ttl: TTLConfig | None,
        fields: Fields | None,
        create: bool,
    ) -> FaissStore:
        """Open the store of a URL; unless ``create``, raise StoreError if there is none yet."""
        path = _file_of(url)
        if not create:
            _check_there(url, path)
        return FaissStore(path or ":memory:", index=index, ttl=ttl, fields=fields)

    def file(self, url: str) -> Path | None:
        """Return the file that a URL names, without links in its way; None if it is a temporary one."""
        path = _file_of(url)
        return path.expanduser().absolute() if path else None

    def upgrade_due(self, url: str) -> tuple[int, int] | None:
        """Return the version of a store's file and that of this package, where opening it will change the former into the latter."""
        path = self.file(url)
        if path is None or not path.exists() or path.stat().st_size < 100:
            return None
        with path.open("rb") as file:
            header = file.read(100)
        owner, version = int.from_bytes(header[68:72], "big"), int.from_bytes(header[60:64], "big")
        if owner != APPLICATION_ID or version >= len(MIGRATIONS):
            return None
        version = schema_version(path)  # what the file's log says of it
        return (version, len(MIGRATIONS)) if 0 < version < len(MIGRATIONS) else None

    def problems(self, url: str) -> Iterator[tuple[str, str]]:
        """Yield what is wrong with a store's file, and what to do; it reads everything and changes nothing."""
        path = self.file(url)
        if path is not None and path.exists():
            yield from check_file(path)

    def check(self) -> str:
        """Return SQLite's version, if it has what the store needs."""
        connection = sqlite3.connect(":memory:")
        try:
            connection.execute("CREATE VIRTUAL TABLE probe USING fts5(text)")
        except sqlite3.OperationalError as error:
            raise StoreError(
                f"SQLite {sqlite3.sqlite_version} has no FTS5. Use a Python whose SQLite has it (python.org's has)."
            ) from error
        finally:
            connection.close()
        return f"SQLite {sqlite3.sqlite_version} with FTS5"


def _file_of(url: str) -> Path | None:
    """Return the file that a URL names; None for a temporary one."""
    if url == ":memory:" or url.startswith("memory:"):
        return None
    if not url.startswith("sqlite:"):
        return Path(url)
    rest = unquote(url.removeprefix("sqlite://"))
    if not rest.startswith("/") or len(rest) == 1:
        raise ConfigurationError(
            f"The URL {url!r} names no file. Write sqlite:///relative.db or sqlite:////absolute.db."
        )
    return Path(rest[1:])


def _check_there(url: str, path: Path | None) -> None:
    if path is None:
        raise StoreError(f"{url} ends with its process: there is no store yet.")
    if not path.expanduser().exists():
        raise StoreError(f"There is no store at {path}. It is made when an agent first speaks.")
