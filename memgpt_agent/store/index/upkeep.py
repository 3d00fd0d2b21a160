"""Upkeep of large indexes: their snapshots beside the file, approximate indexes and compaction, in the background."""

import atexit
import logging
import os
import secrets
import shutil
import sqlite3
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from memgpt_agent.errors import StoreError
from memgpt_agent.private import private_folder, tighten
from memgpt_agent.store.index.approximate import Approximate
from memgpt_agent.store.index.namespace_documents import Contents, IndexVersion, namespace_version
from memgpt_agent.store.index.namespace_index import NamespaceIndex
from memgpt_agent.store.index.snapshot_files import (
    SnapshotUnusable,
    covers,
    flush_folder,
    is_whole,
    map_rows,
    read_snapshot,
    write_snapshot,
)
from memgpt_agent.store.index.vectors import Segment
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


SNAPSHOT_DOCS = 20_000
"""How many documents must be added or deleted before the next snapshot is written: reading them takes about 0.2 s."""
CLOSE_SECONDS = 60.0


class Upkeep:
    """One thread, while there is something to do; searches go on meanwhile with what there is.

    Args:
        database: the file.
        replace: puts a compacted index in the place of the former; None in its place drops it.
        resized: called when an index takes more or less memory than before.
        snapshot_docs: see ``SNAPSHOT_DOCS``; None keeps no snapshots.
    """

    def __init__(
        self,
        database: Database,
        replace: Callable[[NamespaceIndex, NamespaceIndex | None], None],
        resized: Callable[[NamespaceIndex], None],
        snapshot_docs: int | None = SNAPSHOT_DOCS,
    ) -> None:
        self.snapshots = None if snapshot_docs is None else Snapshots(database)
        self._snapshot_docs = snapshot_docs or 0
        self._database = database
        self._replace = replace
        self._resized = resized
        self._read: set[Path] = set()
        self._pid = os.getpid()
        self._guard = threading.Lock()
        self._pending: list[NamespaceIndex] = []
        self._thread: threading.Thread | None = None
        self._stopping = False

    def consider(self, index: NamespaceIndex) -> None:
        """See to an index if it needs it; called after it has changed."""
        if not self._is_due(index):
            return
        with self._guard:
            if self._stopping or index in self._pending:
                return
            self._pending.append(index)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="memgpt-index-upkeep", daemon=True)
                atexit.register(self.close)  # or the interpreter would end under the thread's feet
                self._thread.start()

    def wait(self, timeout_seconds: float = CLOSE_SECONDS) -> bool:
        """Wait until nothing is left to do; whether that came about."""
        thread = self._thread
        if thread is not None:
            thread.join(timeout_seconds)
        return self._thread is None

    def close(self) -> None:
        """Begin nothing more, but write a snapshot that is due; returns when the thread has ended."""
        if self._pid != os.getpid():
            return  # a forked child has no such thread, and the guard as it was
        with self._guard:
            self._stopping = True
        self.wait()
        atexit.unregister(self.close)

    def _is_due(self, index: NamespaceIndex) -> bool:
        return (
            bool(_unbuilt(index))
            or self._is_wasteful(index)
            or (self.snapshots is not None and (index.unsaved >= self._snapshot_docs or index.unread))
        )

    @staticmethod
    def _is_wasteful(index: NamespaceIndex) -> bool:
        return index.wasteful and not index.is_small

    def _run(self) -> None:
        while True:
            with self._guard:
                if not self._pending:
                    self._thread = None
                    return
                index = self._pending[0]
            version = index.version
            try:
                self._see_to(index)
            except StoreError as error:
                logger.info("an index was left as it is: %s", error)
            except Exception:
                logger.exception("an index was left as it is; searches go on with it")
            with self._guard:
                self._pending.pop(0)
                if index.version != version and not self._stopping and self._is_due(index):
                    self._pending.append(index)

    def _see_to(self, index: NamespaceIndex) -> None:
        if index.unread and not self._read_through(index):
            return
        if self._is_wasteful(index) and not self._stopping:
            index = self._compacted(index)
        built = self._build(index)
        if self.snapshots is not None and (built or index.unsaved >= self._snapshot_docs):
            self._save(index, self.snapshots)
        self._resized(index)

    def _read_through(self, index: NamespaceIndex) -> bool:
        """Compare all of the mapped vectors with their checksums, once for each snapshot; drop what is damaged."""
        segments = [segment for segment in index.vectors.segments if segment.mapped] if index.vectors else []
        folders = {segment.stored.folder for segment in segments}
        if not folders <= self._read and not all(is_whole(segment, lambda: self._stopping) for segment in segments):
            logger.warning("the snapshot of namespace %d is damaged; its index is built anew", index.namespace_id)
            if self.snapshots is not None:
                self.snapshots.drop(index.namespace_id, index.dims)
            self._replace(index, None)
            return False
        self._read |= folders
        index.unread = False
        return True

    def _compacted(self, index: NamespaceIndex) -> NamespaceIndex:
        """Build the index again from the file, without what is deleted, and put it in the old one's place."""
        new = NamespaceIndex(index.namespace_id, index.dims, index.segment_rows)
        with self._database.read() as connection:
            new.catch_up(connection, namespace_version(connection, index.namespace_id))
        self._build(new)
        self._replace(index, new)
        return new

    def _build(self, index: NamespaceIndex) -> bool:
        built = False
        for segment in _unbuilt(index):
            if self._stopping:
                break
            segment.approximate = Approximate.build(segment.rows)
            segment.looked_at = built = True
        return built

    @staticmethod
    def _save(index: NamespaceIndex, snapshots: Snapshots) -> None:
        with index.lock.shared():
            contents, saved = index.contents(), index.unsaved
        written = snapshots.write(contents, index.namespace_id, index.dims)
        with index.lock.alone():
            index.unsaved -= saved  # also where it was not written: try again after as much has changed
        for segment in index.vectors.full_segments if written and index.vectors else []:
            if not segment.mapped and segment.stored is not None:
                try:
                    map_rows(segment, index.vectors.dims if index.vectors else 0)
                except SnapshotUnusable as error:
                    logger.info("vectors stay in memory: %s", error)


def _unbuilt(index: NamespaceIndex) -> list[Segment]:
    segments = index.vectors.full_segments if index.vectors else []
    return [segment for segment in segments if segment.approximate is None and not segment.looked_at]
