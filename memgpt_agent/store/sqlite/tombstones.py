"""The log of deleted documents that brings indexes in memory and in other processes up to date; kept short."""

import sqlite3
from collections import Counter
from collections.abc import Sequence

SNAPSHOT_KEY = "snapshot/"
"""Before a namespace's id (a ``w`` behind it: of words only): the key in ``meta`` whose value is the token of its snapshot."""
KEPT = 4096
"""How many tombstones of a namespace to keep at least; half the number of its items if that is more."""


def record(connection: sqlite3.Connection, buried: Sequence[tuple[int, int]], kept: int) -> None:
    """Note documents, given as (document, namespace id), as deleted; forget old notes where there are many.

    The log of a namespace has at most twice what is kept of it, so the work of forgetting is constant for each delete.
    An index that has not seen what was forgotten (``namespaces.pruned_high``) is built again from the documents.
    ``kept``: see :data:`KEPT`.
    """
    connection.executemany("INSERT INTO tombstones (doc, ns) VALUES (?, ?)", buried)
    for namespace_id, new in Counter(namespace_id for _, namespace_id in buried).items():
        connection.execute(
            "UPDATE namespaces SET tombstones = tombstones + ?,"
            " tombstone_high = (SELECT max(id) FROM tombstones WHERE ns = namespaces.id) WHERE id = ?",
            (new, namespace_id),
        )
        noted, items = connection.execute(
            "SELECT tombstones, items FROM namespaces WHERE id = ?", (namespace_id,)
        ).fetchone()
        most = max(kept, items // 2)
        if noted > 2 * most:
            _prune(connection, namespace_id, most)


def forget_deleted(connection: sqlite3.Connection) -> None:
    """Forget all that tells of deleted documents: notes, names of empty namespaces, and snapshots that hold their vectors.

    A namespace with deleted documents gets another generation: every process builds its index again at the next search, so that
    none writes a snapshot that still holds them.
    """
    changed = {int(row[0]) for row in connection.execute("SELECT id FROM namespaces WHERE tombstones > 0 OR items = 0")}
    connection.execute("DELETE FROM namespaces WHERE items = 0")
    connection.execute(
        "UPDATE namespaces SET generation = generation + 1, tombstones = 0, pruned_high = tombstone_high WHERE tombstones > 0"
    )
    connection.execute("DELETE FROM tombstones")
    connection.execute("DELETE FROM pending WHERE doc NOT IN (SELECT id FROM docs)")
    connection.execute("DELETE FROM path_sets WHERE id NOT IN (SELECT paths FROM docs)")
    there = {int(row[0]) for row in connection.execute("SELECT id FROM namespaces")} - changed
    keys = [str(row[0]) for row in connection.execute("SELECT key FROM meta WHERE key GLOB ?", (f"{SNAPSHOT_KEY}*",))]
    outdated = [(key,) for key in keys if int(key.removeprefix(SNAPSHOT_KEY).rstrip("w")) not in there]
    connection.executemany("DELETE FROM meta WHERE key = ?", outdated)


def _prune(connection: sqlite3.Connection, namespace_id: int, kept: int) -> None:
    row = connection.execute(
        "SELECT id FROM tombstones WHERE ns = ? ORDER BY id DESC LIMIT 1 OFFSET ?", (namespace_id, kept)
    ).fetchone()
    if row is None:
        return
    connection.execute("DELETE FROM tombstones WHERE ns = ? AND id <= ?", (namespace_id, row[0]))
    connection.execute(
        "UPDATE namespaces SET tombstones = ?, pruned_high = ? WHERE id = ?", (kept, row[0], namespace_id)
    )
