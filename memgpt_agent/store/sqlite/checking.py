"""A full check of a store's file: SQLite's own, and that rows, words, vectors and snapshots fit each other."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from memgpt_agent.sqlite_files import problems
from memgpt_agent.store.index.snapshot_files import SnapshotUnusable, check_files
from memgpt_agent.store.rows import decode_value
from memgpt_agent.store.sqlite.tombstones import SNAPSHOT_KEY

Finding = tuple[str, str]
"""What is wrong, and what to do."""

_RECOVER = "Restore a backup (memgpt restore), or save what can be read with: sqlite3 FILE .recover"
_REINDEX = "memgpt reindex makes vectors anew."
_SHOWN = 5


def check_file(path: Path) -> Iterator[Finding]:
    """Yield what is wrong with a store's file. It reads everything and changes nothing."""
    if found := problems(path, in_use=True):
        yield f"{path.name} is damaged: {'; '.join(found[:_SHOWN])}", _RECOVER
        return
    try:
        yield from _of_content(path)
    except sqlite3.Error as error:  # a table is missing: an empty file, or another program's
        yield f"{path.name} is no whole store: {error}", _RECOVER


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
