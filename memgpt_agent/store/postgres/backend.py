"""PostgresMemoryStore by a URL: ``postgresql://user@host/database?schema=memgpt``."""

from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from langgraph.store.base import IndexConfig, TTLConfig

from memgpt_agent.errors import MissingDependency, install_command
from memgpt_agent.store.base import MemoryStore
from memgpt_agent.store.fields import Fields

_NEEDED = ("psycopg", "psycopg-pool", "pgvector", "snowballstemmer")


class PostgresBackend:
    """Opens databases; see ``StoreBackend``."""

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

    def file(self, url: str) -> Path | None:
        """Return None: it is not a file."""
        return None

    def upgrade_due(self, url: str) -> tuple[int, int] | None:
        """Return None: a server's own backups are its upgrade's way back."""
        return None

    def problems(self, url: str) -> Iterator[tuple[str, str]]:
        """Yield nothing: a server checks its own files."""
        yield from ()

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
