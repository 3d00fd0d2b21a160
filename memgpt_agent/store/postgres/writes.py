"""Writing items, their words and their vectors, in one transaction; and embedding all of them again."""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from memgpt_agent.databases.postgres import PostgresDatabase, Rows
from memgpt_agent.errors import StoreError
from memgpt_agent.store.arrays import Floats
from memgpt_agent.store.embedding import Embedder
from memgpt_agent.store.fields import Fields, counted_texts, texts_at
from memgpt_agent.store.operations import Write
from memgpt_agent.store.postgres.columns import (
    Meta,
    as_bytes,
    as_text,
    facets_of,
    hold_vectors_in_force,
    place_of,
    read_meta,
    remember,
)
from memgpt_agent.store.postgres.searches import stem
from memgpt_agent.store.protocol import Guard, Progress
from memgpt_agent.store.rows import decode_value, namespace_of, path_of

MICROS_A_MINUTE = 60_000_000
_DECLARED_AT_ONCE = 1_000
OTHER_META, UNGUARDED = "MG001", "MG002"
"""States in which the database refuses a batch."""


def refresh(connection: Rows, items: Sequence[int], now: int) -> None:
    """Let the time of these items start over, where they have one."""
    sql = f"UPDATE items SET expires = %s + (ttl_minutes * {MICROS_A_MINUTE})::bigint WHERE id = ANY(%s) AND ttl_minutes IS NOT NULL"
    connection.execute(sql.encode(), [now, sorted(set(items))])


_WRITE = (
    "SELECT write_items(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s::bytea[], %s::int[], %s::bytea[], %s::text[], %s::text[], %s::bytea[],"
    " %s::float8[], %s::text[], %s::int[], %s::int[], %s::int[], %s::bytea[], %s::int[], %s::text[], %s::int[], %s::int[], %s::text[],"
    " %s::vector[])"
)


class Conditions(NamedTuple):
    """What must hold for a batch to be written, and how."""

    guard: Guard | None = None
    """The number that an item must have."""
    compares: bool = False
    """Whether the value that stands at the one key must be ``expected``."""
    expected: str | None = None
    """It, as the store wrote it; None: there must be none."""
    omits_expired: bool = False
    """Whether a value that has expired counts as none."""
    durable: bool = True
    """Whether the commit waits for the disk."""


class _Rows:
    """A batch as the database takes it: a list for each column, and what hangs on an item with the item's place."""

    def __init__(self, meta: Meta, writes: Sequence[Write], vectors: Mapping[str, Floats]) -> None:
        paths = list(dict.fromkeys(as_bytes(path_of(write.namespace)) for write in writes))
        places = {path: number for number, path in enumerate(paths, 1)}
        self.items: list[list[Any]] = [paths, [], [], [], [], [], [], [], [], []]
        self.tags: list[list[Any]] = [[], []]
        self.postings: list[list[Any]] = [[], [], []]
        self.vectors: list[list[Any]] = [[], [], []]
        for at, write in enumerate(writes, 1):
            row = [places[as_bytes(path_of(write.namespace))], as_bytes(write.key), *_columns(meta, write, vectors)]
            for column, value in zip(self.items[1:], row, strict=True):
                column.append(value)
            if write.value is not None:
                _extend(self.tags, at, [(as_bytes(tag),) for tag in counted_texts(write.fields, meta.fields)])
                _extend(self.postings, at, list(Counter(map(stem, write.words)).items()))
                embedded = [field for field in write.texts if field.embed and field.text in vectors]
                _extend(self.vectors, at, [(field.path, vectors[field.text]) for field in embedded])


def _extend(columns: list[list[Any]], at: int, rows: Sequence[tuple[Any, ...]]) -> None:
    for row in rows:
        for column, value in zip(columns, (at, *row), strict=True):
            column.append(value)


def _columns(meta: Meta, write: Write, vectors: Mapping[str, Floats]) -> list[Any]:
    """Return value, facets, place, ttl, paths, length and space of an item."""
    if write.value is None:
        return [None] * 7
    complete = all(field.text in vectors for field in write.texts if field.embed)
    facets, place = facets_of(write.fields, meta.fields), place_of(write.fields, meta.fields)
    indexed = (json.dumps(write.paths), write.length) if write.texts else (None, None)
    return [write.value, facets, place, write.ttl_minutes, *indexed, meta.space if complete else None]


def write_items(
    connection: Rows,
    meta: Meta,
    writes: Sequence[Write],
    vectors: Mapping[str, Floats],
    conditions: Conditions = Conditions(),  # noqa: B008 - immutable
    now: int | None = None,
) -> str | None:
    """Put and delete items, one write for each key, in one call; return None, or what stands at the key where that was not expected.

    Args:
        connection: in a transaction, or of its own.
        meta: what is believed to hold; the database checks it.
        writes: at most one for each key.
        vectors: unit rows by text.
        conditions: what must hold.
        now: the time in microseconds; None is the database's.

    Raises:
        psycopg.Error: with the state ``OTHER_META`` where ``meta`` does not hold, ``UNGUARDED`` where the guard does not.
    """
    guard = conditions.guard
    of_guard = (as_bytes(path_of(guard.namespace)), as_bytes(guard.key), guard.number) if guard else (None, None, None)
    rows = _Rows(meta, writes, vectors)
    parameters = [
        now, meta.space, meta.declared, conditions.durable, *of_guard, conditions.compares, conditions.expected, conditions.omits_expired,
        *rows.items, *rows.tags, *rows.postings, *rows.vectors,
    ]  # fmt: skip
    row = connection.execute(_WRITE.encode(), parameters).fetchone()
    return row[0] if row else None


def delete_expired(connection: Rows, meta: Meta, now: int, limit: int) -> int:
    """Delete what has expired, the first ``limit`` items; return how many."""
    # Namespaces are locked before items, as everywhere, so that two writers never wait for each other.
    expired = "SELECT ns, id FROM items WHERE expires <= %s ORDER BY expires LIMIT %s"
    namespaces = sorted({row[0] for row in connection.execute(expired, [now, limit])})
    connection.execute("SELECT 1 FROM namespaces WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE", [namespaces])
    rows = connection.execute(
        "SELECT path, key FROM items JOIN namespaces ON namespaces.id = ns WHERE expires <= %s AND ns = ANY(%s) ORDER BY expires LIMIT %s",
        [now, namespaces, limit],
    ).fetchall()
    if rows:
        write_items(connection, meta, [Write(namespace_of(as_text(path)), as_text(key), None) for path, key in rows], {}, now=now)
    return len(rows)


def add_vectors(connection: Rows, rows: Sequence[tuple[int, int, int, str, Floats]]) -> None:
    """Store vectors, each as (item, space, namespace, path, vector)."""
    if not rows:
        return
    # Not COPY, which row-level security forbids.
    connection.execute(
        "INSERT INTO vectors (item, space, ns, path, vector)"
        " SELECT * FROM unnest(%s::bigint[], %s::int[], %s::bigint[], %s::text[], %s::vector[])",
        [list(column) for column in zip(*rows, strict=True)],
    )


def count_tags(connection: Rows, tags: Mapping[tuple[int, str], int]) -> None:
    """Add to how many items of a namespace have each tag."""
    rows = [(ns, as_bytes(tag), count) for (ns, tag), count in sorted(tags.items()) if count]
    if not rows:
        return
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO tag_counts (ns, tag, items) VALUES (%s, %s, %s)"
            " ON CONFLICT (ns, sha256(tag)) DO UPDATE SET items = tag_counts.items + excluded.items",
            rows,
        )
    connection.execute("DELETE FROM tag_counts WHERE items <= 0 AND ns = ANY(%s)", [sorted({row[0] for row in rows})])


def declare(connection: Rows, fields: Fields) -> None:
    """Make the columns of these fields, from every value again. Writers wait."""
    connection.execute("LOCK TABLE items IN SHARE ROW EXCLUSIVE MODE")
    connection.execute("DELETE FROM tag_counts")
    last = 0
    while rows := connection.execute(
        "SELECT id, ns, value FROM items WHERE id > %s ORDER BY id LIMIT %s", [last, _DECLARED_AT_ONCE]
    ).fetchall():
        tags: Counter[tuple[int, str]] = Counter()
        derived: list[tuple[Any, ...]] = []
        for item, namespace_id, text in rows:
            value = decode_value(text)
            counted = counted_texts(value, fields)
            derived.append((facets_of(value, fields), place_of(value, fields), list(map(as_bytes, counted)) or None, item))
            tags.update((namespace_id, tag) for tag in counted)
        with connection.cursor() as cursor:
            cursor.executemany("UPDATE items SET facets = %s::jsonb, place = %s, tags = %s::bytea[] WHERE id = %s", derived)
        count_tags(connection, tags)
        last = rows[-1][0]


def complete_vectors(
    space: int, rows: Sequence[Any], embed: Callable[[Sequence[str]], Mapping[str, Floats]]
) -> Callable[[Rows], int]:
    """Embed items, given as (id, ns, value, paths), and return what writes their vectors where they are still as they were."""
    texts = {row[0]: [field for field in texts_at(decode_value(row[2]), json.loads(row[3])) if field.embed] for row in rows}
    made = embed(list(dict.fromkeys(field.text for fields in texts.values() for field in fields)))

    def write(connection: Rows) -> int:
        ids = [row[0] for row in rows]
        same = dict(
            connection.execute("SELECT id, value FROM items WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE", [ids]).fetchall()
        )
        kept = [row for row in rows if same.get(row[0]) == row[2]]
        done = [row[0] for row in kept]
        connection.execute("DELETE FROM vectors WHERE space = %s AND item = ANY(%s)", [space, done])
        add_vectors(
            connection, [(row[0], space, row[1], field.path, made[field.text]) for row in kept for field in texts[row[0]]]
        )
        connection.execute("UPDATE items SET space = %s WHERE id = ANY(%s)", [space, done])
        return sum(bool(texts[row[0]]) for row in kept)

    return write


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
        raise StoreError("Another run is embedding the store again with another embedding. Let it finish, then run memgpt reindex again.")
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
