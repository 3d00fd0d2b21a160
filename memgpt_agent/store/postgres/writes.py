"""Writing items, their words and their vectors, in one transaction."""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from memgpt_agent.postgres_database import Rows
from memgpt_agent.store.arrays import Floats
from memgpt_agent.store.fields import Fields, counted_texts
from memgpt_agent.store.operations import Write
from memgpt_agent.store.postgres.columns import Meta, as_bytes, facets_of, place_of
from memgpt_agent.store.postgres.stems import stem
from memgpt_agent.store.protocol import Namespace
from memgpt_agent.store.rows import decode_value, path_of
from memgpt_agent.store.texts import texts_at

MICROS_A_MINUTE = 60_000_000
_DECLARED_AT_ONCE = 1_000


def refresh(connection: Rows, items: Sequence[int], now: int) -> None:
    """Let the time of these items begin anew, where they have one."""
    sql = f"UPDATE items SET expires = %s + (ttl_minutes * {MICROS_A_MINUTE})::bigint WHERE id = ANY(%s) AND ttl_minutes IS NOT NULL"
    connection.execute(sql.encode(), [now, sorted(set(items))])


def lock_namespaces(connection: Rows, namespaces: Sequence[Namespace]) -> dict[Namespace, int]:
    """Make the namespaces that are new, in their order, and let nobody else write to any of them; return their ids."""
    paths = {namespace: as_bytes(path_of(namespace)) for namespace in dict.fromkeys(namespaces)}
    known = b"SELECT path, id FROM namespaces WHERE sha256(path) = ANY(SELECT sha256(one) FROM unnest(%s::bytea[]) AS one)"
    given = list(paths.values())
    there = {bytes(path) for path, _ in connection.execute(known, [given])}
    if missing := [path for path in given if path not in there]:
        with connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO namespaces (path) VALUES (%s) ON CONFLICT (sha256(path)) DO NOTHING",
                [(path,) for path in missing],
            )
    ids = {bytes(path): int(one) for path, one in connection.execute(known + b" ORDER BY id FOR NO KEY UPDATE", [given])}
    return {namespace: ids[path] for namespace, path in paths.items()}


class _Known(NamedTuple):
    """An item that is stored."""

    id: int
    indexed: bool
    tags: tuple[str, ...]


class PostgresWriter:
    """Applies writes to one transaction: first all that goes, then all that is new, a table at a time."""

    def __init__(self, connection: Rows, now: int, meta: Meta) -> None:
        self._connection = connection
        self._now = now
        self._meta = meta
        self._gone: list[int] = []
        self._unindexed: list[int] = []
        self._counts: Counter[int] = Counter()
        self._tags: Counter[tuple[int, str]] = Counter()
        self._postings: list[tuple[int, str, int, int]] = []
        self._vectors: list[tuple[int, int, int, str, Floats]] = []

    def apply(self, writes: Sequence[Write], vectors: Mapping[str, Floats]) -> None:
        """Put and delete items, one write for each key; ``vectors`` are unit rows by text."""
        namespaces = lock_namespaces(self._connection, [write.namespace for write in writes])
        known = self._known(writes, namespaces)
        fresh: list[Write] = []
        updated: list[tuple[int, Write]] = []
        for write in writes:
            namespace_id = namespaces[write.namespace]
            old = known.get((namespace_id, write.key))
            if old is not None:
                self._tags.subtract((namespace_id, tag) for tag in old.tags)
                if old.indexed:
                    self._unindexed.append(old.id)
            if write.value is not None:
                if old is None:
                    fresh.append(write)
                else:
                    updated.append((old.id, write))
            elif old is not None:
                self._gone.append(old.id)
                self._counts[namespace_id] -= 1
        self._delete()
        for item, write in updated:
            self._update(namespaces[write.namespace], item, write, vectors)
        self._insert(fresh, namespaces, vectors)
        self._flush()

    def delete_expired(self, limit: int) -> int:
        """Delete what has expired, the first ``limit`` items; return how many."""
        # Namespaces are locked before items, as everywhere, so that two writers never wait for each other.
        expired = "SELECT ns, id FROM items WHERE expires <= %s ORDER BY expires LIMIT %s"
        namespaces = sorted({row[0] for row in self._connection.execute(expired, [self._now, limit])})
        self._connection.execute("SELECT 1 FROM namespaces WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE", [namespaces])
        rows = self._connection.execute(
            "SELECT id, ns, value, paths IS NOT NULL FROM items WHERE expires <= %s AND ns = ANY(%s) ORDER BY expires LIMIT %s FOR UPDATE",
            [self._now, namespaces, limit],
        ).fetchall()
        for item, namespace_id, value, indexed in rows:
            self._gone.append(item)
            if indexed:
                self._unindexed.append(item)
            self._counts[namespace_id] -= 1
            self._tags.subtract((namespace_id, tag) for tag in counted_texts(decode_value(value), self._meta.fields))
        self._delete()
        self._flush()
        return len(rows)

    def _known(self, writes: Sequence[Write], namespaces: Mapping[Namespace, int]) -> dict[tuple[int, str], _Known]:
        by_namespace: dict[int, dict[bytes, str]] = {}
        for write in writes:
            by_namespace.setdefault(namespaces[write.namespace], {})[as_bytes(write.key)] = write.key
        known: dict[tuple[int, str], _Known] = {}
        for namespace_id, names in by_namespace.items():
            rows = self._connection.execute(
                "SELECT key, id, paths IS NOT NULL, CASE WHEN strpos(value, %s) > 0 THEN value END FROM items"
                " WHERE ns = %s AND sha256(key) = ANY(SELECT sha256(one) FROM unnest(%s::bytea[]) AS one)",
                [f'"{self._meta.fields.counted}"', namespace_id, list(names)],
            )
            for key, item, indexed, value in rows:
                tags = counted_texts(decode_value(value), self._meta.fields) if value else ()
                known[namespace_id, names[bytes(key)]] = _Known(item, indexed, tags)
        return known

    def _columns(self, write: Write, vectors: Mapping[str, Floats]) -> list[Any]:
        """Return value, facets, place, updated, ttl_minutes, expires, paths, length and space of an item."""
        expires = None if write.ttl_minutes is None else self._now + int(write.ttl_minutes * MICROS_A_MINUTE)
        complete = all(field.text in vectors for field in write.texts if field.embed)
        indexed = bool(write.texts)
        return [
            write.value,
            facets_of(write.fields, self._meta.fields),
            place_of(write.fields, self._meta.fields),
            self._now,
            write.ttl_minutes,
            expires,
            json.dumps(write.paths) if indexed else None,
            write.length if indexed else None,
            self._meta.space if complete else None,
        ]

    def _update(self, namespace_id: int, item: int, write: Write, vectors: Mapping[str, Floats]) -> None:
        self._connection.execute(
            "UPDATE items SET value = %s, facets = %s::jsonb, place = %s, updated = %s, ttl_minutes = %s, expires = %s,"
            " paths = %s, length = %s, space = %s WHERE id = %s",
            [*self._columns(write, vectors), item],
        )
        self._index(namespace_id, item, write, vectors)

    def _insert(self, fresh: Sequence[Write], namespaces: Mapping[Namespace, int], vectors: Mapping[str, Floats]) -> None:
        if not fresh:
            return
        row = self._connection.execute(
            "SELECT nextval(pg_get_serial_sequence('items', 'id')) FROM generate_series(1, %s)", [len(fresh)]
        ).fetchall()
        columns = "id, ns, key, created, value, facets, place, updated, ttl_minutes, expires, paths, length, space"
        with self._connection.cursor() as cursor, cursor.copy(f"COPY items ({columns}) FROM STDIN".encode()) as copy:
            for (item,), write in zip(row, fresh, strict=True):
                namespace_id = namespaces[write.namespace]
                copy.write_row([item, namespace_id, as_bytes(write.key), self._now, *self._columns(write, vectors)])
                self._counts[namespace_id] += 1
                self._index(namespace_id, item, write, vectors)

    def _index(self, namespace_id: int, item: int, write: Write, vectors: Mapping[str, Floats]) -> None:
        self._tags.update((namespace_id, tag) for tag in counted_texts(write.fields, self._meta.fields))
        counts = Counter(map(stem, write.words))
        self._postings += [(namespace_id, term, item, count) for term, count in counts.items()]
        self._vectors += [
            (item, self._meta.space, namespace_id, field.path, vectors[field.text])
            for field in write.texts
            if field.embed and field.text in vectors
        ]

    def _delete(self) -> None:
        if self._unindexed:
            self._connection.execute("DELETE FROM postings WHERE item = ANY(%s)", [self._unindexed])
            self._connection.execute("DELETE FROM vectors WHERE item = ANY(%s)", [self._unindexed])
        if self._gone:
            self._connection.execute("DELETE FROM items WHERE id = ANY(%s)", [self._gone])

    def _flush(self) -> None:
        with self._connection.cursor() as cursor:
            if self._postings:
                with cursor.copy("COPY postings (ns, term, item, count) FROM STDIN") as copy:
                    for posting in self._postings:
                        copy.write_row(posting)
            add_vectors(self._connection, self._vectors)
            if counts := [(count, ns) for ns, count in self._counts.items() if count]:
                cursor.executemany("UPDATE namespaces SET items = items + %s WHERE id = %s", counts)
        count_tags(self._connection, self._tags)


def add_vectors(connection: Rows, rows: Sequence[tuple[int, int, int, str, Floats]]) -> None:
    """Store vectors, each as (item, space, namespace, path, vector)."""
    if not rows:
        return
    with connection.cursor() as cursor, cursor.copy(
        "COPY vectors (item, space, ns, path, vector) FROM STDIN (FORMAT BINARY)"
    ) as copy:
        copy.set_types(["int8", "int4", "int8", "text", "vector"])
        for row in rows:
            copy.write_row(row)


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
    """Make the columns of these fields, from every value anew. Writers wait."""
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
            derived.append((facets_of(value, fields), place_of(value, fields), item))
            tags.update((namespace_id, tag) for tag in counted_texts(value, fields))
        with connection.cursor() as cursor:
            cursor.executemany("UPDATE items SET facets = %s::jsonb, place = %s WHERE id = %s", derived)
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
