"""The tables and functions of the store on Postgres: an append-only list of migrations, and the one lock under which they run."""

from typing import Any

from psycopg import Connection, sql

from memgpt_agent.errors import StoreError

WRITE_ITEMS = """
CREATE FUNCTION write_items(
    given_now bigint, wanted_space integer, wanted_fields text, durable boolean,
    guard_path bytea, guard_key bytea, guard_number bigint,
    compares boolean, expected text, omits_expired boolean,
    paths bytea[],
    ns_of integer[], keys bytea[], new_values text[], new_facets text[], places bytea[], ttls double precision[],
    indexed_paths text[], lengths integer[], spaces integer[],
    tag_of integer[], new_tags bytea[],
    posting_of integer[], terms text[], counts integer[],
    vector_of integer[], vector_paths text[], new_vectors vector[]
) RETURNS text LANGUAGE plpgsql AS $body$
#variable_conflict use_column
DECLARE
    moment bigint;
    found_number numeric;
    stored text;
    stored_until bigint;
    ns_ids bigint[];
    ids bigint[];
    gone bigint[];
    unindexed bigint[];
    fresh integer[] := '{}';
    counted boolean;
BEGIN
    -- No reindex puts other vectors in force before the end; it comes first, as it takes no snapshot while it waits.
    LOCK TABLE meta IN ROW SHARE MODE;
    IF (wanted_space::text, wanted_fields) IS DISTINCT FROM
        ((SELECT value FROM meta WHERE key = 'space'), (SELECT value FROM meta WHERE key = 'fields')) THEN
        RAISE EXCEPTION 'other vectors or fields are in force' USING ERRCODE = 'MG001';
    END IF;
    IF NOT durable THEN
        PERFORM set_config('synchronous_commit', 'off', true);
    END IF;
    IF guard_path IS NOT NULL THEN  -- held until the write is committed: nobody raises the number between
        SELECT (facets ->> 'number')::numeric INTO found_number FROM items
            WHERE ns = (SELECT id FROM namespaces WHERE sha256(path) = sha256(guard_path)) AND sha256(key) = sha256(guard_key) FOR SHARE;
        IF found_number IS DISTINCT FROM guard_number THEN
            RAISE EXCEPTION 'the guard does not hold' USING ERRCODE = 'MG002';
        END IF;
    END IF;

    -- Namespaces are locked in the order of their ids, so that two writers never wait for each other.
    ns_ids := ARRAY(SELECT (SELECT id FROM namespaces WHERE sha256(path) = sha256(one.path))
        FROM unnest(paths) WITH ORDINALITY AS one (path, at) ORDER BY at);
    IF array_position(ns_ids, NULL) IS NOT NULL THEN
        INSERT INTO namespaces (path) SELECT one FROM unnest(paths) AS one
            WHERE NOT EXISTS (SELECT 1 FROM namespaces WHERE sha256(path) = sha256(one)) ON CONFLICT (sha256(path)) DO NOTHING;
        ns_ids := ARRAY(SELECT (SELECT id FROM namespaces WHERE sha256(path) = sha256(one.path))
            FROM unnest(paths) WITH ORDINALITY AS one (path, at) ORDER BY at);
    END IF;
    PERFORM 1 FROM namespaces WHERE id = ANY(ns_ids) ORDER BY id FOR NO KEY UPDATE;
    moment := coalesce(given_now, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint);

    IF compares THEN
        SELECT value, expires INTO stored, stored_until FROM items WHERE ns = ns_ids[1] AND sha256(key) = sha256(keys[1]);
        IF omits_expired AND stored_until <= moment THEN
            stored := NULL;
        END IF;
        IF stored IS DISTINCT FROM expected THEN
            RETURN coalesce('=' || stored, '-');
        END IF;
    END IF;

    ids := ARRAY(SELECT (SELECT id FROM items WHERE ns = ns_ids[one.ns] AND sha256(key) = sha256(one.key))
        FROM unnest(ns_of, keys) WITH ORDINALITY AS one (ns, key, at) ORDER BY at);
    SELECT array_agg(id) FILTER (WHERE paths IS NOT NULL), coalesce(bool_or(tags IS NOT NULL), false) INTO unindexed, counted
        FROM items WHERE id = ANY(ids);
    IF counted OR cardinality(new_tags) > 0 THEN
        INSERT INTO tag_counts AS known (ns, tag, items)
            SELECT ns, tag, sum(change) FROM (
                SELECT ns, unnest(tags) AS tag, -1 AS change FROM items WHERE id = ANY(ids)
                UNION ALL SELECT ns_ids[ns_of[one.at]], one.tag, 1 FROM unnest(tag_of, new_tags) AS one (at, tag)
            ) AS changes GROUP BY ns, tag HAVING sum(change) <> 0 ORDER BY ns, tag
            ON CONFLICT (ns, sha256(tag)) DO UPDATE SET items = known.items + excluded.items;
        DELETE FROM tag_counts WHERE items <= 0 AND ns = ANY(ns_ids);
    END IF;
    IF unindexed IS NOT NULL THEN
        DELETE FROM postings WHERE item = ANY(unindexed);
        DELETE FROM vectors WHERE item = ANY(unindexed);
    END IF;

    FOR at IN 1 .. cardinality(keys) LOOP
        IF ids[at] IS NULL AND new_values[at] IS NOT NULL THEN
            ids[at] := nextval(pg_get_serial_sequence('items', 'id'));
            fresh := fresh || at;
        ELSIF ids[at] IS NOT NULL AND new_values[at] IS NULL THEN
            gone := gone || ids[at];
        END IF;
    END LOOP;
    IF gone IS NOT NULL OR cardinality(fresh) > 0 THEN
        UPDATE namespaces SET items = items + changes.change FROM (
            SELECT ns, sum(change) AS change FROM (
                SELECT ns, -1 AS change FROM items WHERE id = ANY(gone)
                UNION ALL SELECT ns_ids[ns_of[at]], 1 FROM unnest(fresh) AS at
            ) AS each GROUP BY ns
        ) AS changes WHERE id = changes.ns AND changes.change <> 0;
    END IF;
    IF gone IS NOT NULL THEN
        DELETE FROM items WHERE id = ANY(gone);
    END IF;
    IF cardinality(fresh) < cardinality(keys) THEN
        UPDATE items SET value = one.value, facets = one.facets::jsonb, place = one.place, updated = moment, ttl_minutes = one.ttl,
            expires = moment + (one.ttl * 60000000)::bigint, paths = one.paths, length = one.length, space = one.space,
            tags = (SELECT array_agg(tag) FROM unnest(tag_of, new_tags) AS known (of, tag) WHERE known.of = one.at)
        FROM unnest(ids, new_values, new_facets, places, ttls, indexed_paths, lengths, spaces) WITH ORDINALITY
            AS one (id, value, facets, place, ttl, paths, length, space, at)
        WHERE items.id = one.id AND one.value IS NOT NULL AND NOT (one.at::integer = ANY(fresh));
    END IF;
    IF cardinality(fresh) > 0 THEN
        INSERT INTO items (id, ns, key, created, value, facets, place, updated, ttl_minutes, expires, paths, length, space, tags)
            OVERRIDING SYSTEM VALUE
            SELECT ids[at], ns_ids[ns_of[at]], keys[at], moment, new_values[at], new_facets[at]::jsonb, places[at], moment, ttls[at],
                moment + (ttls[at] * 60000000)::bigint, indexed_paths[at], lengths[at], spaces[at],
                (SELECT array_agg(tag) FROM unnest(tag_of, new_tags) AS known (of, tag) WHERE known.of = at)
            FROM unnest(fresh) AS at;
    END IF;
    IF cardinality(terms) > 0 THEN
        INSERT INTO postings (ns, term, item, count)
            SELECT ns_ids[ns_of[one.at]], one.term, ids[one.at], one.count FROM unnest(posting_of, terms, counts) AS one (at, term, count);
    END IF;
    IF cardinality(vector_of) > 0 THEN
        INSERT INTO vectors (item, space, ns, path, vector)
            SELECT ids[one.at], spaces[one.at], ns_ids[ns_of[one.at]], one.path, one.vector
            FROM unnest(vector_of, vector_paths, new_vectors) AS one (at, path, vector);
    END IF;
    RETURN NULL;
END $body$;
"""


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
