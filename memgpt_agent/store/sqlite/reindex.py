"""Embedding all of a store again, beside the vectors in force, which answer until the new ones are complete."""

import json
import sqlite3
from collections.abc import Mapping
from typing import Any, NamedTuple

from memgpt_agent.errors import StoreError
from memgpt_agent.store.arrays import Floats
from memgpt_agent.store.embedding import Embedder
from memgpt_agent.store.fields import texts_at
from memgpt_agent.store.protocol import EmbeddingIdentity, Progress
from memgpt_agent.store.rows import decode_value
from memgpt_agent.store.sqlite.database import Database
from memgpt_agent.store.sqlite.identity import known_identity, remember

DOCS_AT_ONCE = 256
"""How many documents to embed and write in one transaction: the most that an interruption loses."""
_STATE = "reindex"
_TRIES = 20
"""How many batches to do beyond those there were at the beginning, before writers have to wait for the rest."""
_ROWS_AT_ONCE = 2_000


class _State(NamedTuple):
    """What the file remembers of a reindexing that has begun."""

    name: str
    dims: int
    space: int
    done: int
    """All documents up to this id have been looked at."""


class _Doc(NamedTuple):
    """A document and the texts of it that are embedded, by path."""

    id: int
    namespace_id: int
    texts: list[tuple[str, str]]


class Reindexing:
    """One run over a file. Several may run at once: each batch is written by whoever comes first."""

    def __init__(self, database: Database, embedder: Embedder) -> None:
        self._database = database
        self._embedder = embedder

    def run(self, progress: Progress | None = None) -> int:
        """Embed what has no vector of this embedding yet, then put the new vectors in force; return how many documents.

        Killed or interrupted it loses a batch at most, and continues from there when it is run again.
        """
        state = self._begin()
        with self._database.read() as connection:
            total = int(connection.execute("SELECT count(*) FROM docs").fetchone()[0])
            done = int(connection.execute("SELECT count(*) FROM docs WHERE id <= ?", (state.done,)).fetchone()[0])
        embedded = tries = 0
        while True:
            with self._database.read() as connection:
                docs = self._next(connection, state)
            if docs:
                vectors = self._embed(docs)
                with self._database.write() as connection:
                    if self._is_done_by_another(connection, state):
                        break
                    embedded += self._write(connection, state, docs, vectors)
                    state = state._replace(done=docs[-1].id)
                    _remember_state(connection, state)
                done += len(docs)
                if progress:
                    progress(done, max(total, done))
            if done < total and docs:
                continue
            tries += 1  # from here on it runs after those who write
            finished = self._finish(state, at_any_price=tries > _TRIES)
            if finished is not None:
                embedded += finished
                break
        self._discard()
        return embedded

    def _begin(self) -> _State:
        wanted = self._embedder.identity
        with self._database.write() as connection:
            state = _read_state(connection)
            if state is None or (state.name, state.dims) != wanted:
                spaces = connection.execute("SELECT ifnull(max(space), 0) FROM vector_rows").fetchone()[0]
                force = _space(connection)
                # With the embedding in force it only fills in what has no vector.
                space = (
                    force
                    if known_identity(connection) == wanted
                    else max(spaces, force, state.space if state else 0) + 1
                )
                state = _State(*wanted, space, 0)
                _remember_state(connection, state)
        return state

    def _next(self, connection: sqlite3.Connection, state: _State) -> list[_Doc]:
        rows = connection.execute(
            "SELECT docs.id, docs.ns, items.value, path_sets.paths FROM docs"
            " JOIN items ON items.id = docs.item JOIN path_sets ON path_sets.id = docs.paths"
            " WHERE docs.id > ? ORDER BY docs.id LIMIT ?",
            (state.done, DOCS_AT_ONCE),
        ).fetchall()
        found: list[_Doc] = []
        for doc, namespace_id, value, paths in rows:
            fields = texts_at(decode_value(value), json.loads(paths))
            found.append(_Doc(doc, namespace_id, [(field.path, field.text) for field in fields if field.embed]))
        return found

    def _embed(self, docs: list[_Doc]) -> Mapping[str, Floats]:
        texts = list(dict.fromkeys(text for doc in docs for _, text in doc.texts))
        return self._embedder.documents(texts) if texts else {}

    @staticmethod
    def _write(connection: sqlite3.Connection, state: _State, docs: list[_Doc], vectors: Mapping[str, Floats]) -> int:
        """Write the vectors of those documents that are still there and have none; return how many that are."""
        written = 0
        for doc in docs:
            wanted = connection.execute(
                "SELECT 1 FROM docs WHERE id = ? AND NOT EXISTS"
                " (SELECT 1 FROM vector_rows WHERE ns = ? AND doc = ? AND space = ?)",
                (doc.id, doc.namespace_id, doc.id, state.space),
            ).fetchone()
            if wanted and doc.texts:
                connection.executemany(
                    "INSERT INTO vector_rows (space, ns, doc, path, vector) VALUES (?,?,?,?,?)",
                    [
                        (state.space, doc.namespace_id, doc.id, path, vectors[text].tobytes())
                        for path, text in doc.texts
                    ],
                )
                written += 1
        return written

    def _is_done_by_another(self, connection: sqlite3.Connection, state: _State) -> bool:
        """Whether another run has finished the same work.

        Raises:
            StoreError: another run for another embedding was begun since.
        """
        known = _read_state(connection)
        if known is not None and known.space == state.space:
            return False
        if known is None and _space(connection) == state.space:
            return True
        raise StoreError(
            f"{self._database.path} is being embedded again by another run, with {known.name if known else known_identity(connection)}. "
            f"Let it finish, then run memgpt reindex again to use {state.name}."
        )

    def _finish(self, state: _State, *, at_any_price: bool) -> int | None:
        """Put the new vectors in force; None if somebody has written more meanwhile.

        At any price: what has been written is embedded here, while the writers wait.
        """
        written = 0
        with self._database.write() as connection:
            if self._is_done_by_another(connection, state):
                return 0
            while docs := self._next(connection, state):
                if not at_any_price:
                    return None
                written += self._write(connection, state, docs, self._embed(docs))
                state = state._replace(done=docs[-1].id)
            remember(connection, EmbeddingIdentity(state.name, state.dims))
            connection.execute("UPDATE meta SET value = ? WHERE key = 'space'", (str(state.space),))
            connection.execute("UPDATE namespaces SET generation = generation + 1")
            connection.execute("DELETE FROM meta WHERE key = ?", (_STATE,))
            connection.execute("DELETE FROM pending")
        return written

    def _discard(self) -> None:
        """Delete the vectors that are not in force, a few at a time. Interrupted, the next run does the rest."""
        last = 0
        while True:
            with self._database.write() as connection:
                rows = connection.execute(
                    "SELECT id, space FROM vector_rows WHERE id > ? ORDER BY id LIMIT ?", (last, _ROWS_AT_ONCE)
                ).fetchall()
                state, force = _read_state(connection), _space(connection)
                kept = {force, state.space if state else force}
                gone = [(row[0],) for row in rows if row[1] not in kept]
                connection.executemany("DELETE FROM vector_rows WHERE id = ?", gone)
            if len(rows) < _ROWS_AT_ONCE:
                return
            last = rows[-1][0]


def _space(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT value FROM meta WHERE key = 'space'").fetchone()[0])


def _read_state(connection: sqlite3.Connection) -> _State | None:
    row = connection.execute("SELECT value FROM meta WHERE key = ?", (_STATE,)).fetchone()
    if row is None:
        return None
    known: dict[str, Any] = json.loads(row[0])
    return _State(**known)


def _remember_state(connection: sqlite3.Connection, state: _State) -> None:
    connection.execute(
        "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        (_STATE, json.dumps(state._asdict())),
    )
