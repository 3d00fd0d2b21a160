"""The snapshots of large namespaces beside a store's file, and which of them the file vouches for."""

import logging
import os
import secrets
import shutil
import sqlite3
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from memgpt_agent.private import private_folder, tighten
from memgpt_agent.store.index.namespace_documents import Contents, IndexVersion, namespace_version
from memgpt_agent.store.index.snapshot_files import (
    SnapshotUnusable,
    covers,
    flush_folder,
    read_snapshot,
    write_snapshot,
)
from memgpt_agent.store.sqlite.database import Database
from memgpt_agent.store.sqlite.tombstones import SNAPSHOT_KEY

logger = logging.getLogger(__name__)


class Snapshots:
    """The snapshots of one store's file, in the folder ``FILE.indexes``. Any of them may be deleted at any time.

    A snapshot is a folder named by its namespace and a random token. When the folder is complete and on the disk, the
    token is written into the database; only the snapshot whose token the database holds is used. So a file that was
    restored from a backup made before, copied from elsewhere or begun again knows no token of what lies beside it, and
    one that knows the token has all that the snapshot has.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self.folder = database.path.with_name(database.path.name + ".indexes")
        self._unusable: set[str] = set()

    def read(
        self, connection: sqlite3.Connection, namespace_id: int, dims: int | None, version: IndexVersion
    ) -> Contents | None:
        """Return the contents of the snapshot that the file vouches for; None if there is none that can be used."""
        name = _name(namespace_id, dims)
        token = self._token(connection, name)
        if token is None:
            return None
        try:
            return read_snapshot(self._path(name, token), namespace_id, dims, version)
        except SnapshotUnusable as error:
            self._unusable.add(token)
            logger.info("the index is built from the database, not from its snapshot: %s", error)
            return None

    def write(self, contents: Contents, namespace_id: int, dims: int | None) -> bool:
        """Write a snapshot and have the file vouch for it; False where another process is about it or it cannot be written."""
        name = _name(namespace_id, dims)
        with self._alone(name) as first:
            if not first:
                return False
            if self._has(contents, name):
                return False
            token = secrets.token_hex(8)
            temporary = self.folder / f".new-{name}-{token}"
            try:
                write_snapshot(temporary, contents, namespace_id, dims)
                temporary.rename(self._path(name, token))
                _moved(contents, temporary, self._path(name, token))
                flush_folder(self.folder)
                vouched, before = self._vouch(name, token, namespace_id, contents.version)
            except OSError as error:
                logger.warning("no snapshot of an index was written beside %s: %s", self._database.path, error)
                shutil.rmtree(temporary, ignore_errors=True)
                return False
            self._tidy(name, {token, before} if vouched else {before})
            return vouched

    def drop(self, namespace_id: int, dims: int | None) -> None:
        """Vouch for no snapshot of a namespace any more: it was found damaged."""
        name = _name(namespace_id, dims)
        with self._database.write() as connection:
            connection.execute("DELETE FROM meta WHERE key = ?", (f"{SNAPSHOT_KEY}{name}",))
        self._tidy(name, set())

    def _path(self, name: str, token: str) -> Path:
        return self.folder / f"{name}-{token}"

    @staticmethod
    def _token(connection: sqlite3.Connection, name: str) -> str | None:
        row = connection.execute("SELECT value FROM meta WHERE key = ?", (f"{SNAPSHOT_KEY}{name}",)).fetchone()
        return str(row[0]) if row else None

    def _has(self, contents: Contents, name: str) -> bool:
        """Whether another process has written as much already."""
        with self._database.read() as connection:
            token = self._token(connection, name)
        try:
            return token is not None and token not in self._unusable and covers(self._path(name, token), contents)
        except SnapshotUnusable:
            return False

    def _vouch(self, name: str, token: str, namespace_id: int, version: IndexVersion) -> tuple[bool, str | None]:
        """Write the token into the file; not where its namespace was erased or compacted since. Returns whether, and the former token."""
        with self._database.write() as connection:
            before = self._token(connection, name)
            now = namespace_version(connection, namespace_id)
            if now.generation != version.generation or not now.doc_high:
                return False, before
            connection.execute(
                "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                (f"{SNAPSHOT_KEY}{name}", token),
            )
        return True, before

    def remove_unknown(self) -> None:
        """Remove every snapshot that the file does not vouch for. One that another process is writing fails there, and is written later."""
        with self._database.read() as connection:
            rows = connection.execute("SELECT key, value FROM meta WHERE key GLOB ?", (f"{SNAPSHOT_KEY}*",))
            known = {f"{key.removeprefix(SNAPSHOT_KEY)}-{token}" for key, token in rows}
        for path in self.folder.glob("*"):
            if path.is_dir() and path.name not in known:
                shutil.rmtree(path, ignore_errors=True)

    def _tidy(self, name: str, keep: set[str | None]) -> None:
        """Remove what is neither the snapshot nor the one before it, which a reader may be about to open."""
        for path in self.folder.glob(f"{name}-*"):
            if path.name.partition("-")[2] not in keep and path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
        for path in self.folder.glob(f".new-{name}-*"):
            shutil.rmtree(path, ignore_errors=True)

    @contextmanager
    def _alone(self, name: str) -> Generator[bool]:
        """Hold a lock on writing this namespace's snapshot; the system lets go of it when the process dies."""
        try:
            private_folder(self.folder)
            tighten(self.folder)
            handle = os.open(self.folder / f"{name}.lock", os.O_CREAT | os.O_RDWR, 0o600)
        except OSError as error:
            logger.warning("no snapshot of an index was written beside %s: %s", self._database.path, error)
            yield False
            return
        try:
            yield _locked(handle)
        finally:
            os.close(handle)


def _name(namespace_id: int, dims: int | None) -> str:
    """A store that is opened for words only keeps snapshots of its own beside those with vectors."""
    return str(namespace_id) if dims else f"{namespace_id}w"


def _locked(handle: int) -> bool:
    with suppress(
        ImportError
    ):  # without it (Windows) two processes may write the same snapshot twice: wasted, not wrong
        import fcntl

        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
    return True


def _moved(contents: Contents, old: Path, new: Path) -> None:
    for segment in contents.segments:
        if segment.stored is not None and segment.stored.folder == old:
            segment.stored = segment.stored._replace(folder=new)
