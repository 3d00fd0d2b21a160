"""Opening and checking a FaissStore by a URL: ``sqlite:///relative.db``, ``sqlite:////absolute.db``, ``memory://``, or a path."""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from langgraph.store.base import IndexConfig, TTLConfig

from memgpt_agent.databases.sqlite_files import problems, schema_version
from memgpt_agent.errors import ConfigurationError, StoreError
from memgpt_agent.store.fields import Fields
from memgpt_agent.store.index.snapshot_files import SnapshotUnusable, check_files
from memgpt_agent.store.rows import decode_value
from memgpt_agent.store.sqlite.schema import APPLICATION_ID, MIGRATIONS
from memgpt_agent.store.sqlite.store import FaissStore
from memgpt_agent.store.sqlite.tombstones import SNAPSHOT_KEY

Finding = tuple[str, str]
"""What is wrong, and what to do."""

_RECOVER = "Restore a backup (memgpt restore), or save what can be read with: sqlite3 FILE .recover"
_REINDEX = "memgpt reindex makes vectors again."
_SHOWN = 5


def check_file(path: Path) -> Iterator[Finding]:
    """Yield what is wrong with a store's file. It reads everything and changes nothing."""
    if found := problems(path, in_use=True):
        yield f"{path.name} is damaged: {'; '.join(found[:_SHOWN])}", _RECOVER
        return
    try:
        yield from _of_content(path)
    except sqlite3.Error as error:  # a table is missing: an empty file, or another program's
        yield f"{path.name} is not a complete store: {error}", _RECOVER


def _of_content(path: Path) -> Iterator[Finding]:
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=60)) as seen:
        seen.execute("BEGIN")
        for words, advice, query in _QUERIES:
            number = int(seen.execute(query).fetchone()[0])
            if number:
                yield f"{path.name}: {number:,} {words}", advice
        yield from _values(seen, path)
        yield from _words(seen, path)
        yield from _snapshots(seen, path)


_QUERIES = (
    ("items belong to no namespace", _RECOVER, "SELECT count(*) FROM items WHERE ns NOT IN (SELECT id FROM namespaces)"),
    ("items name a document that is not there", _REINDEX,
     "SELECT count(*) FROM items WHERE doc IS NOT NULL AND NOT EXISTS (SELECT 1 FROM docs WHERE docs.id = items.doc)"),
    ("documents belong to no item", "memgpt reindex removes them.",
     "SELECT count(*) FROM docs WHERE NOT EXISTS (SELECT 1 FROM items WHERE items.id = docs.item AND items.doc = docs.id)"),
    ("vectors belong to no document", _REINDEX,
     "SELECT count(*) FROM vectors WHERE NOT EXISTS (SELECT 1 FROM docs WHERE docs.id = vectors.doc)"),
    ("vectors have another length than the others", _REINDEX,
     "SELECT count(*) FROM vectors WHERE length(vector) <> (SELECT length(vector) FROM vectors LIMIT 1)"),
    ("documents have neither a vector nor a note that they wait for one", _REINDEX,
     """SELECT CASE WHEN EXISTS (SELECT 1 FROM vectors) THEN
     (SELECT count(*) FROM docs WHERE length > 0 AND id NOT IN (SELECT doc FROM vectors) AND id NOT IN (SELECT doc FROM pending)) ELSE 0 END"""),
    ("namespaces count their items wrongly", _RECOVER,
     "SELECT count(*) FROM namespaces WHERE items <> (SELECT count(*) FROM items WHERE items.ns = namespaces.id)"),
)  # fmt: skip


def _values(seen: sqlite3.Connection, path: Path) -> Iterator[Finding]:
    bad: list[str] = []
    for key, value in seen.execute("SELECT key, value FROM items"):
        try:
            decode_value(value)
        except Exception:  # noqa: BLE001 - whatever makes a value unreadable is what is looked for
            bad.append(str(key))
    if bad:
        yield f"{path.name}: {len(bad):,} items cannot be read, such as {', '.join(bad[:_SHOWN])}", _RECOVER


def _words(seen: sqlite3.Connection, path: Path) -> Iterator[Finding]:
    """Compare the words of the index with the documents', by how many documents have one and by those of some of them."""
    indexed = int(seen.execute("SELECT count(*) FROM words_docsize").fetchone()[0])
    stored = int(seen.execute("SELECT count(*) FROM docs").fetchone()[0])
    if indexed != stored:
        yield f"{path.name}: the index of words has {indexed:,} documents and the store {stored:,}", "memgpt reindex makes it anew."


def _snapshots(seen: sqlite3.Connection, path: Path) -> Iterator[Finding]:
    folder = path.with_name(path.name + ".indexes")
    for key, token in seen.execute("SELECT key, value FROM meta WHERE key GLOB ?", (f"{SNAPSHOT_KEY}*",)):
        place = folder / f"{str(key).removeprefix(SNAPSHOT_KEY)}-{token}"
        try:
            check_files(place)
        except SnapshotUnusable as error:
            yield f"the snapshot {place.name} is damaged: {error}", f"Delete the folder {folder}; it is made anew."


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
        raise StoreError(f"{url} is temporary: there is no store yet.")
    if not path.expanduser().exists():
        raise StoreError(f"There is no store at {path}. It is made when an agent first speaks.")
