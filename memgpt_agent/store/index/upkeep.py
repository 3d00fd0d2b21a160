"""Background upkeep of large indexes: approximate indexes, snapshots, compaction, and verifying a snapshot."""

import atexit
import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path

from memgpt_agent.errors import StoreError
from memgpt_agent.store.index.approximate import Approximate
from memgpt_agent.store.index.namespace_documents import namespace_version
from memgpt_agent.store.index.namespace_index import NamespaceIndex
from memgpt_agent.store.index.snapshot_files import SnapshotUnusable, is_whole, map_rows
from memgpt_agent.store.index.snapshots import Snapshots
from memgpt_agent.store.index.vectors import Segment
from memgpt_agent.store.sqlite.database import Database

logger = logging.getLogger(__name__)
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
