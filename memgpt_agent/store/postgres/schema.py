"""The tables of the store on Postgres, as an append-only list of migrations, and the one lock under which they run."""

from typing import Any

from psycopg import Connection, sql

from memgpt_agent.errors import StoreError
from memgpt_agent.store.postgres.functions import WRITE_ITEMS

MIGRATIONS: tuple[str, ...] = (
    # 1: the first schema. Texts that may hold a NUL or half a character (keys, labels, tags) are bytes, which also sort by code point;
    # values are JSON with such characters escaped. What would be too long for an index stands there by its digest or its beginning.
    # The tables that every turn writes are vacuumed sooner than Postgres would.
    """
    CREATE TABLE meta (key text PRIMARY KEY, value text NOT NULL);
    CREATE TABLE namespaces (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        path bytea NOT NULL,
        items bigint NOT NULL DEFAULT 0
    ) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);
    CREATE UNIQUE INDEX namespaces_by_path ON namespaces (sha256(path));
    CREATE INDEX namespaces_in_order ON namespaces (substring(path FROM 1 FOR 512));
    CREATE TABLE items (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        ns bigint NOT NULL,
        key bytea NOT NULL,
        value text NOT NULL,
        facets jsonb NOT NULL,
        place bytea NOT NULL,
        created bigint NOT NULL,
        updated bigint NOT NULL,
        ttl_minutes double precision,
        expires bigint,
        paths text,
        length integer,
        space integer
    ) WITH (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);
    CREATE UNIQUE INDEX items_by_key ON items (ns, sha256(key));
    CREATE INDEX items_in_order ON items (ns, id);
    CREATE INDEX items_by_place ON items (ns, place, id);
    CREATE INDEX items_by_thread ON items (ns, (facets ->> 'thread'), place, id) WHERE facets ? 'thread';
    CREATE INDEX items_expiring ON items (expires) WHERE expires IS NOT NULL;
    CREATE INDEX items_without_vectors ON items (id) WHERE space IS NULL AND paths IS NOT NULL;
    CREATE TABLE postings (
        ns bigint NOT NULL,
        term text COLLATE "C" NOT NULL,
        item bigint NOT NULL,
        count integer NOT NULL,
        PRIMARY KEY (ns, term, item) INCLUDE (count)
    ) WITH (autovacuum_vacuum_scale_factor = 0.05);
    CREATE INDEX postings_of_item ON postings (item);
    CREATE TABLE vectors (
        item bigint NOT NULL,
        space integer NOT NULL,
        ns bigint NOT NULL,
        path text COLLATE "C" NOT NULL,
        vector vector NOT NULL
    ) WITH (autovacuum_vacuum_scale_factor = 0.05);
    CREATE INDEX vectors_of_item ON vectors (item);
    CREATE INDEX vectors_of_namespace ON vectors (ns, space);
    CREATE TABLE tag_counts (ns bigint NOT NULL, tag bytea NOT NULL, items bigint NOT NULL) WITH (fillfactor = 70);
    CREATE UNIQUE INDEX tags_by_name ON tag_counts (ns, sha256(tag));
    CREATE INDEX tags_by_use ON tag_counts (ns, items DESC, (substring(tag FROM 1 FOR 256)));
    INSERT INTO meta (key, value) VALUES
        ('space', '0'),
        ('fields', '{"ordered": "time", "grouped": "thread_id", "counted": "tags", "listed": "ends"}');
    """,
    # 2: what is counted of an item stands beside it, and all of a batch is written by one call. What stands there already is declared again
    # when a store is opened next.
    """
    ALTER TABLE items ADD COLUMN tags bytea[];
    INSERT INTO meta (key, value) SELECT 'undeclared', '1' WHERE EXISTS (SELECT 1 FROM items);
    """
    + WRITE_ITEMS,
)
"""Each is run once, in order; ``meta`` counts them. Never edit one: append."""
TABLES = ("meta", "namespaces", "items", "postings", "vectors", "tag_counts")


def prepare(connection: Connection[Any], schema: str, *, create: bool) -> None:
    """Make the tables, or bring them up to date.

    Raises:
        StoreError: there are none and they are not to be made, or a later version of this package made them.
    """
    if not create and not has_schema(connection, schema):
        raise StoreError(f"There is no store in schema {schema!r} of the database. It is made when an agent first speaks.")
    migrate(connection, schema)


def has_schema(connection: Connection[Any], schema: str) -> bool:
    """Whether there is a store in a schema."""
    row = connection.execute("SELECT to_regclass(%s)", [f'"{schema}".meta']).fetchone()
    return row is not None and row[0] is not None


def migrate(connection: Connection[Any], schema: str) -> None:
    """Bring the tables up to date, one process at a time.

    Raises:
        StoreError: a later version of this package made them.
    """
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('memgpt_agent migrations', 0))")
        known = 0
        if has_schema(connection, schema):
            row = connection.execute(
                sql.SQL("SELECT value FROM {}.meta WHERE key = 'version'").format(sql.Identifier(schema))
            ).fetchone()
            known = int(row[0]) if row else 0
        if known > len(MIGRATIONS):
            raise StoreError(
                f"The store in schema {schema!r} has version {known}; this package knows {len(MIGRATIONS)}. "
                "Install the version of memgpt-agent that made it, or a later one."
            )
        if known == len(MIGRATIONS):
            return
        connection.execute("CREATE EXTENSION IF NOT EXISTS vector SCHEMA public")
        connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(schema)))
        connection.execute(sql.SQL("SET LOCAL search_path TO {}, public").format(sql.Identifier(schema)))
        for script in MIGRATIONS[known:]:
            connection.execute(script.encode())
        connection.execute(
            "INSERT INTO meta (key, value) VALUES ('version', %s) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            [str(len(MIGRATIONS))],
        )
