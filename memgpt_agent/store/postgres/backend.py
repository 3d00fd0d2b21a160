"""PostgresMemoryStore by a URL: ``postgresql://user@host/database?schema=memgpt``."""

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from langgraph.store.base import IndexConfig, TTLConfig

from memgpt_agent.errors import MissingDependency
from memgpt_agent.store.base import BaseMemoryStore
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
    ) -> BaseMemoryStore:
        """Open the store of a URL; unless ``create``, raise StoreError where there is none yet."""
        self.check()
        from memgpt_agent.store.postgres.store import PostgresMemoryStore

        return PostgresMemoryStore(url, index=index, ttl=ttl, fields=fields, create=create)

    def check(self) -> str:
        """Return the client's version; no server is asked."""
        for package in _NEEDED:
            try:
                version(package)
            except PackageNotFoundError:
                raise MissingDependency(
                    f"A store on Postgres needs {package}. Install it with: pip install 'memgpt-agent[postgres]'"
                ) from None
        return f"PostgreSQL by psycopg {version('psycopg')}"
