"""The tables of the store's file, as an append-only list of migrations, and what marks a file as ours."""

APPLICATION_ID = 0x4D454D47
"""SQLite's ``application_id`` of our files: "MEMG"."""

MIGRATIONS: tuple[str, ...] = (
    # 1: the first schema. Times are microseconds since 1970, UTC. Ids are never reused, so that an index in
    # another process can be caught up from the highest id it has seen and the tombstones since.
    """
    CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE namespaces (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        path TEXT NOT NULL UNIQUE,
        items INTEGER NOT NULL DEFAULT 0,
        doc_high INTEGER NOT NULL DEFAULT 0,
        tombstone_high INTEGER NOT NULL DEFAULT 0,
        generation INTEGER NOT NULL DEFAULT 0
    );
    CREATE TABLE items (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        ns INTEGER NOT NULL,
        key TEXT NOT NULL,
        value TEXT NOT NULL,
        created INTEGER NOT NULL,
        updated INTEGER NOT NULL,
        doc INTEGER,
        ttl_minutes REAL,
        expires INTEGER,
        UNIQUE (ns, key)
    );
    CREATE INDEX items_in_order ON items (ns, id);
    CREATE INDEX items_expiring ON items (expires) WHERE expires IS NOT NULL;
    CREATE TABLE path_sets (id INTEGER PRIMARY KEY AUTOINCREMENT, paths TEXT NOT NULL UNIQUE);
    CREATE TABLE docs (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        ns INTEGER NOT NULL,
        item INTEGER NOT NULL,
        paths INTEGER NOT NULL,
        length INTEGER NOT NULL,
        tokens TEXT NOT NULL
    );
    CREATE INDEX docs_in_order ON docs (ns, id, item, length);
    CREATE VIRTUAL TABLE words USING fts5 (tokens, content='docs', content_rowid='id', tokenize="porter ascii tokenchars '_'");
    CREATE VIRTUAL TABLE word_places USING fts5vocab ('words', 'instance');
    CREATE TABLE vectors (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        ns INTEGER NOT NULL,
        doc INTEGER NOT NULL,
        path TEXT NOT NULL,
        vector BLOB NOT NULL
    );
    CREATE INDEX vectors_in_order ON vectors (ns, doc, id);
    CREATE TABLE tombstones (id INTEGER PRIMARY KEY AUTOINCREMENT, ns INTEGER NOT NULL, doc INTEGER NOT NULL);
    CREATE INDEX tombstones_in_order ON tombstones (ns, id);
    """,
)
"""Each is run once, in order, in a transaction of its own; ``user_version`` counts them. Never edit one: append."""
