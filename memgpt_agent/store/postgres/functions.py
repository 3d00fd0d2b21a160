"""What the database does in one call: writing a batch, with all that hangs on it. Part of the migrations: never edit one, append."""

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
