"""Opening a store by its URL."""

from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Protocol

from langgraph.store.base import IndexConfig, TTLConfig

from memgpt_agent.errors import ConfigurationError, MissingDependency, install_command
from memgpt_agent.store.base import MemoryStore
from memgpt_agent.store.fields import Fields
from memgpt_agent.store.sqlite.backend import SqliteBackend

_NEEDED = ("psycopg", "psycopg-pool", "pgvector", "snowballstemmer")


class StoreBackend(Protocol):
    """Opens the stores of one URL scheme."""

    def open(
        self,
        url: str,
        *,
        index: IndexConfig | Mapping[str, Any] | None,
        ttl: TTLConfig | None,
        fields: Fields | None,
        create: bool,
    ) -> MemoryStore:
        """Open the store of a URL; unless ``create``, raise StoreError if there is none yet.

        Raises:
            ConfigurationError: the URL names no store.
            StoreError: it cannot be opened.
        """
        ...

    def file(self, url: str) -> Path | None:
        """Return the file in which the store of a URL is; None if it is in none of its own."""
        return None

    def upgrade_due(self, url: str) -> tuple[int, int] | None:
        """Return the version of a store and this package's, where opening it will upgrade it; else None."""
        return None

    def problems(self, url: str) -> Iterator[tuple[str, str]]:
        """Yield what is wrong with a store, and what to do about each; reads all of it and changes nothing."""
        yield from ()

    def check(self) -> str:
        """Describe the backend in a few words, ``SQLite 3.45.1 with FTS5``, if it works here. Creates no store.

        Raises:
            StoreError: it does not work; with what to do.
        """
        ...


class PostgresBackend(StoreBackend):
    """Opens databases."""

    def open(
        self,
        url: str,
        *,
        index: IndexConfig | Mapping[str, Any] | None,
        ttl: TTLConfig | None,
        fields: Fields | None,
        create: bool,
    ) -> MemoryStore:
        """Open the store of a URL; unless ``create``, raise StoreError if there is none yet."""
        self.check()
        from memgpt_agent.store.postgres.store import PostgresMemoryStore

        return PostgresMemoryStore(url, index=index, ttl=ttl, fields=fields, create=create)

    def secure(self, url: str, role: str) -> None:
        """Switch row-level security on; see ``memgpt_agent.store.postgres.walls.secure``."""
        self.check()
        from memgpt_agent.store.postgres.walls import secure

        secure(url, role)

    def check(self) -> str:
        """Return the client's version; no server is asked."""
        for package in _NEEDED:
            try:
                version(package)
            except PackageNotFoundError:
                raise MissingDependency(
                    f"A store on Postgres needs {package}. Install it with: {install_command('postgres')}"
                ) from None
        return f"PostgreSQL by psycopg {version('psycopg')}"


_BACKENDS: Mapping[str, StoreBackend] = {
    **dict.fromkeys(("", "sqlite", "memory"), SqliteBackend()),
    **dict.fromkeys(("postgresql", "postgres"), PostgresBackend()),
}
"""The backend for each URL scheme; ``""`` is a path."""


def open_store(
    url: str | Path,
    *,
    index: IndexConfig | Mapping[str, Any] | None = None,
    ttl: TTLConfig | None = None,
    fields: Fields | None = None,
    create: bool = True,
) -> MemoryStore:
    """Open the store that a URL names: ``sqlite:///relative.db``, ``sqlite:////absolute.db``, ``postgresql://...``, ``memory://``, or a path.

    Args:
        url: where it is.
        index: LangGraph's index settings; None is search by words only.
        ttl: LangGraph's TTL settings.
        fields: the declared fields; None for those that the store has, or a new store's defaults.
        create: make it if there is none.

    Raises:
        ConfigurationError: no store answers to this kind of URL.
        StoreError: there is none, and ``create`` is false.
    """
    return _backend(url).open(str(url), index=index, ttl=ttl, fields=fields, create=create)


def store_file(url: str | Path) -> Path | None:
    """Return the file in which the store of a URL is; None for a temporary store, or one on a server."""
    return _backend(url).file(str(url))


def upgrade_due(url: str | Path) -> tuple[int, int] | None:
    """Return the version of a store's file and that of this package, where opening it will upgrade it; else None."""
    return _backend(url).upgrade_due(str(url))


def store_problems(url: str | Path) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with a store, and what to do about each; reads all of it and changes nothing."""
    return _backend(url).problems(str(url))


def check_store_backend(url: str | Path) -> str:
    """Describe the backend of a URL in a few words, if it works here. Opens and creates no store.

    Raises:
        ConfigurationError: no store answers to this kind of URL.
        StoreError: it does not work; with what to do.
    """
    return _backend(url).check()


def secure_store(url: str | Path, role: str) -> None:
    """Switch row-level security on in a store on Postgres, for the role as whom programs connect from then on.

    Raises:
        ConfigurationError: the store is no database, or the role sees every row anyway.
        StoreError: there is no store, or the role of the URL may not do it.
    """
    backend = _backend(url)
    if not isinstance(backend, PostgresBackend):
        raise ConfigurationError("Row-level security is PostgreSQL's. Set MEMGPT_DATABASE_URL to the URL of the role that owns the tables.")
    backend.secure(str(url), role)


def _backend(url: str | Path) -> StoreBackend:
    text = str(url)
    scheme = text.partition("://")[0].lower() if "://" in text else ""
    if scheme not in _BACKENDS:
        raise ConfigurationError(f"No store answers to {scheme}://. Use sqlite:///FILE, postgresql://HOST/DATABASE or memory://.")
    return _BACKENDS[scheme]
