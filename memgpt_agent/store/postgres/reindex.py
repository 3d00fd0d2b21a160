"""Embedding all of a store again, beside the vectors in force, which answer until the new ones are complete."""

import json
from typing import Any

from memgpt_agent.errors import StoreError
from memgpt_agent.postgres_database import PostgresDatabase, Rows
from memgpt_agent.store.embedding import Embedder
from memgpt_agent.store.postgres.columns import hold_vectors_in_force, read_meta, remember
from memgpt_agent.store.postgres.writes import complete_vectors
from memgpt_agent.store.protocol import Progress

ITEMS_AT_ONCE = 256
"""How many items to embed and write in one transaction: the most that an interruption loses."""
_TRIES = 20
"""How often writers may come between the last batch and the end before they have to wait."""
_LEFT = "FROM items WHERE paths IS NOT NULL AND space IS DISTINCT FROM %s"


def reindex(database: PostgresDatabase, embedder: Embedder, progress: Progress | None) -> int:
    """Embed what has no vector of this embedding yet, then put the new vectors in force; return how many items were embedded.

    Killed or interrupted it loses a batch at most, and continues from there when it is run again. What is written meanwhile
    carries the vectors in force, and so is still to be done.

    Raises:
        StoreError: another run for another embedding was begun since.
    """
    space = database.write(lambda connection: _begin(connection, embedder))
    with database.reading() as (connection, _):
        total = _count(connection, f"SELECT count(*) {_LEFT}", space)
    done = embedded = tries = 0
    while True:
        with database.reading() as (connection, _):
            rows = _next(connection, space)
        if rows and tries <= _TRIES:
            write = complete_vectors(space, rows, embedder.documents)
            embedded += database.write(lambda connection, write=write: _going_on(connection, space) and write(connection))
            done += len(rows)
            tries += done > total
            if progress:
                progress(done, max(done, total))
            continue
        tries += 1
        waits = tries > _TRIES
        finished = database.write(lambda connection, waits=waits: _finish(connection, embedder, space, at_any_price=waits))
        if finished is not None:
            return embedded + finished


def _begin(connection: Rows, embedder: Embedder) -> int:
    hold_vectors_in_force(connection, alone=True)
    meta = read_meta(connection)
    if meta.identity == embedder.identity:
        return meta.space  # only what has no vector
    row = connection.execute("SELECT value FROM meta WHERE key = 'reindex'").fetchone()
    begun: dict[str, Any] = json.loads(row[0]) if row else {}
    if begun.get("name") == embedder.name and begun.get("dims") == embedder.dims:
        return int(begun["space"])
    space = max(meta.space, int(begun.get("space", 0))) + 1
    remember(connection, reindex=json.dumps({"name": embedder.name, "dims": embedder.dims, "space": space}))
    return space


def _going_on(connection: Rows, space: int) -> bool:
    """Whether this run's vectors are still wanted; if so, nobody puts others in force before the transaction ends."""
    hold_vectors_in_force(connection)
    if read_meta(connection).space == space:
        return True
    row = connection.execute("SELECT value FROM meta WHERE key = 'reindex'").fetchone()
    if row is None or json.loads(row[0])["space"] != space:
        raise StoreError("Another run embeds the store anew with another embedding. Let that one end and run memgpt reindex again.")
    return True


def _finish(connection: Rows, embedder: Embedder, space: int, *, at_any_price: bool) -> int | None:
    """Put the new vectors in force; None if somebody has written more meanwhile.

    At any price: what has been written is embedded here, while the writers wait.
    """
    hold_vectors_in_force(connection, alone=True)
    _going_on(connection, space)
    written = 0
    while rows := _next(connection, space):
        if not at_any_price:
            return None
        written += complete_vectors(space, rows, embedder.documents)(connection)
    remember(connection, embedding=embedder.name, dims=embedder.dims, space=space)
    connection.execute("DELETE FROM meta WHERE key = 'reindex'")
    connection.execute("DELETE FROM vectors WHERE space <> %s", [space])
    return written


def _next(connection: Rows, space: int) -> list[Any]:
    return connection.execute(
        f"SELECT id, ns, value, paths {_LEFT} ORDER BY id LIMIT %s".encode(), [space, ITEMS_AT_ONCE]
    ).fetchall()


def _count(connection: Rows, statement: str, space: int) -> int:
    row = connection.execute(statement.encode(), [space]).fetchone()
    return int(row[0]) if row else 0
