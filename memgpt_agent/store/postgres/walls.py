"""Row-level security: a role that sees, in each transaction, the rows of one owner's agents and of those shared with that owner."""

import json
from collections.abc import Sequence
from typing import NamedTuple

import psycopg
from psycopg import sql

from memgpt_agent.databases.postgres import Rows, split_url
from memgpt_agent.errors import ConfigurationError, StoreError
from memgpt_agent.store.postgres import audit
from memgpt_agent.store.postgres.schema import prepare

OWNER_SETTING = "memgpt.owner"
"""Set in each transaction of an owner's view: the marks of the owner, separated by commas. Not set, the role sees no rows."""
_EARLIEST = 160_000
"""PostgreSQL 16: a role may take on another without having its rights all the time."""
_OF_NAMESPACE = ("items", "postings", "vectors", "tag_counts")

_FUNCTIONS = """
CREATE TABLE IF NOT EXISTS rights (label text PRIMARY KEY, owned boolean NOT NULL, readers text[] NOT NULL, writers text[] NOT NULL);
ALTER TABLE namespaces ADD COLUMN IF NOT EXISTS readers text[], ADD COLUMN IF NOT EXISTS writers text[];

-- The first label of a namespace that belongs to an agent: the id as `encode_label` writes it.
CREATE OR REPLACE FUNCTION label_of(key bytea) RETURNS text IMMUTABLE LANGUAGE sql AS $body$
    SELECT CASE WHEN label = ANY('{blocks,block_history,agents,leases,imports,langgraph}')
        THEN '%' || upper(to_hex(ascii(label))) || substr(label, 2) ELSE label END
    FROM (SELECT coalesce(string_agg(CASE WHEN one < 128 AND chr(one) ~ '[A-Za-z0-9_-]' THEN chr(one)
        ELSE '%' || upper(lpad(to_hex(one), 2, '0')) END, '' ORDER BY at), '') AS label
        FROM (SELECT at, nullif(get_byte(key, at), 0) AS one FROM generate_series(0, length(key) - 1) AS at) AS bytes) AS encoded
$body$;
CREATE OR REPLACE FUNCTION rights_of(label text, OUT readers text[], OUT writers text[]) STABLE LANGUAGE plpgsql AS $body$
DECLARE
    known SCHEMA_NAME.rights;
    form text[] := CASE WHEN label LIKE 'owner%' AND strpos(label, '%2F') > 0
        THEN ARRAY['under:' || left(label, strpos(label, '%2F') + 2)] ELSE ARRAY['is:' || label] END;
BEGIN
    IF label ~ '^~' OR label = ANY('{blocks,block_history,agents,leases,imports,langgraph}') THEN
        readers := '{common}';
        writers := CASE WHEN label = '~owners' THEN '{}' ELSE '{common}' END;
        RETURN;
    END IF;
    SELECT * INTO known FROM SCHEMA_NAME.rights WHERE rights.label = rights_of.label;
    IF NOT FOUND OR NOT known.owned THEN
        readers := form || coalesce(known.readers, '{}');
        writers := form || coalesce(known.writers, '{}');
    ELSE
        readers := known.readers;
        writers := known.writers;
    END IF;
END $body$;
CREATE OR REPLACE FUNCTION namespace_made() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
    SELECT found.readers, found.writers INTO NEW.readers, NEW.writers
        FROM SCHEMA_NAME.rights_of(split_part(encode(NEW.path, 'escape'), '.', 1)) AS found;
    RETURN NEW;
END $body$;
-- Follows the records of who owns what, whoever writes them.
CREATE OR REPLACE FUNCTION rights_changed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = SCHEMA_NAME, public, pg_temp AS $body$
DECLARE
    changed items := CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
    agent text;
    record json;
    named text;
    can_read text[] := '{}';
    can_write text[] := '{}';
BEGIN
    IF NOT EXISTS (SELECT 1 FROM namespaces WHERE id = changed.ns AND path = '~owners'::bytea) THEN
        RETURN NULL;
    END IF;
    agent := label_of(changed.key);
    DELETE FROM rights WHERE label = agent;
    IF TG_OP <> 'DELETE' THEN
        BEGIN
            record := NEW.value::json;
            named := record ->> 'owner';
            SELECT coalesce(array_agg(mark), '{}'), coalesce(array_agg(mark) FILTER (WHERE given = 'write'), '{}') INTO can_read, can_write
                FROM (SELECT CASE key WHEN '*' THEN 'common' ELSE 'named:' || encode(sha256(convert_to(key, 'UTF8')), 'hex') END AS mark,
                    value AS given FROM json_each_text(record -> 'shared')) AS shares;
            IF named <> '' THEN
                can_read := can_read || ('named:' || encode(sha256(convert_to(named, 'UTF8')), 'hex'));
                can_write := can_write || ('named:' || encode(sha256(convert_to(named, 'UTF8')), 'hex'));
            END IF;
        EXCEPTION WHEN data_exception OR program_limit_exceeded THEN  -- a name that Postgres cannot hold: nobody but who sees everything
            named := '?'; can_read := '{}'; can_write := '{}';
        END;
        INSERT INTO rights VALUES (agent, coalesce(named, '') <> '', can_read, can_write);
    END IF;
    UPDATE namespaces SET (readers, writers) = (SELECT found.readers, found.writers FROM rights_of(agent) AS found)
        WHERE (substring(path FROM 1 FOR 512) >= convert_to(agent, 'UTF8') AND substring(path FROM 1 FOR 512) < convert_to(agent || '/', 'UTF8'))
        AND split_part(encode(path, 'escape'), '.', 1) = agent;
    RETURN NULL;
END $body$;
CREATE OR REPLACE FUNCTION marks() RETURNS text[] STABLE LANGUAGE sql AS $body$
    SELECT string_to_array(current_setting('memgpt.owner', true), ',')
$body$;
CREATE OR REPLACE TRIGGER namespace_made BEFORE INSERT ON namespaces FOR EACH ROW EXECUTE FUNCTION namespace_made();
CREATE OR REPLACE TRIGGER rights_changed AFTER INSERT OR UPDATE OR DELETE ON items FOR EACH ROW EXECUTE FUNCTION rights_changed();
UPDATE items SET value = value WHERE ns = (SELECT id FROM namespaces WHERE sha256(path) = sha256('~owners'::bytea));
UPDATE namespaces SET (readers, writers) = (SELECT found.readers, found.writers
    FROM rights_of(split_part(encode(path, 'escape'), '.', 1)) AS found);
CREATE INDEX IF NOT EXISTS namespaces_by_reader ON namespaces USING gin (readers);
"""


class Wall(NamedTuple):
    """The two roles of a schema that has row-level security."""

    role: str
    """As whom programs connect: it sees the rows of the owner whom a transaction names, and without one none."""
    everything: str
    """The role that it takes on where nobody in particular acts."""


def wall_of(connection: Rows) -> Wall | None:
    """Return the wall of the schema that this connection uses, if it holds for the connected role."""
    row = connection.execute("SELECT value, current_user FROM meta WHERE key = 'wall'").fetchone()
    wall = Wall(**json.loads(row[0])) if row else None
    return wall if wall and row and row[1] == wall.role else None


def secure(url: str, role: str) -> Wall:
    """Switch row-level security on in a store's schema, for a role that exists; may be called again, also for another role.

    Args:
        url: of the store, as the owner of its tables who may make roles, or as a superuser.
        role: as whom programs connect from now on.

    Raises:
        ConfigurationError: the role is a superuser, owns the tables, sees past row-level security, or there is none; or the server is too old.
        StoreError: there is no store, or this role may not do it.

    **Limits**: conversations have no owners in the database; the role reads and writes all of them.
    """
    bare, schema = split_url(url)
    try:
        with psycopg.connect(bare, autocommit=True, connect_timeout=60) as connection:
            prepare(connection, schema, create=False)
            with connection.transaction():
                connection.execute(sql.SQL("SET LOCAL search_path TO {}, public").format(sql.Identifier(schema)))
                _check_role(connection, schema, role)
                return _build(connection, schema, role)
    except psycopg.Error as error:
        raise StoreError(f"Row-level security was not switched on: {str(error).strip()}. Use the role that owns the tables.") from error


def _check_role(connection: Rows, schema: str, role: str) -> None:
    if connection.info.server_version < _EARLIEST:
        raise ConfigurationError("Row-level security needs PostgreSQL 16 or later.")
    row = connection.execute(
        "SELECT rolsuper OR rolbypassrls, pg_has_role(oid, (SELECT relowner FROM pg_class WHERE oid = to_regclass(%s)), 'MEMBER')"
        " FROM pg_roles WHERE rolname = %s", [f'"{schema}".items', role]
    ).fetchone()  # fmt: skip
    if row is None:
        raise ConfigurationError(f"There is no role {role!r}. Make it with: CREATE ROLE {role} LOGIN PASSWORD '...'")
    if any(row):
        raise ConfigurationError(f"The role {role!r} sees every row anyway: it is a superuser, has BYPASSRLS, or owns the tables. Name another.")


def _build(connection: Rows, schema: str, role: str) -> Wall:
    wall = Wall(role, f"{schema}_everything")
    if connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [wall.everything]).fetchone() is None:
        connection.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(wall.everything)))
    connection.execute(_FUNCTIONS.replace("SCHEMA_NAME", f'"{schema}"').encode())
    audit.make_table(connection)
    for statement in _statements(connection.info.server_version):
        roles = {"schema": sql.Identifier(schema), "role": sql.Identifier(role), "everything": sql.Identifier(wall.everything)}
        connection.execute(sql.SQL(statement).format(**roles))  # pyright: ignore[reportArgumentType] - our own constants
    for table in ("namespaces", *_OF_NAMESPACE):
        _close(connection, wall, table)
    audit.close_table(connection, wall.role, wall.everything)
    connection.execute(
        "INSERT INTO meta (key, value) VALUES ('wall', %s) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        [json.dumps(wall._asdict())],
    )
    return wall


def _statements(server_version: int) -> list[str]:
    """Return what the roles are granted. From PostgreSQL 17 on they may also rewrite tables after erasing."""
    rights = "SELECT, INSERT, UPDATE, DELETE" + (", MAINTAIN" if server_version >= 170_000 else "")
    return [
        "GRANT {everything} TO {role} WITH INHERIT FALSE, SET TRUE",
        "GRANT USAGE ON SCHEMA {schema} TO {role}, {everything}",
        f"GRANT {rights} ON ALL TABLES IN SCHEMA {{schema}} TO {{role}}, {{everything}}",
        "GRANT USAGE ON ALL SEQUENCES IN SCHEMA {schema} TO {role}, {everything}",
        f"ALTER DEFAULT PRIVILEGES IN SCHEMA {{schema}} GRANT {rights} ON TABLES TO {{role}}, {{everything}}",
        "REVOKE INSERT, UPDATE, DELETE ON rights FROM {role}, {everything}",
        "REVOKE UPDATE ON namespaces FROM {role}",
        "GRANT UPDATE (items) ON namespaces TO {role}",
    ]


def _close(connection: Rows, wall: Wall, table: str) -> None:
    """Let the role see and change of a table what the owner named in the transaction may."""
    of_namespace = table != "namespaces"
    read = "ns IN (SELECT id FROM namespaces)" if of_namespace else "readers && marks()"
    write = "ns IN (SELECT id FROM namespaces WHERE writers && marks())" if of_namespace else "writers && marks()"
    policies = {
        "everything": "FOR ALL TO {everything}, {owner} USING (true) WITH CHECK (true)",
        "owners_read": f"FOR SELECT TO {{role}} USING ({read})",
        "owners_add": f"FOR INSERT TO {{role}} WITH CHECK ({write})",
        "owners_change": f"FOR UPDATE TO {{role}} USING ({read}) WITH CHECK ({write})",
        "owners_remove": f"FOR DELETE TO {{role}} USING ({write})",
    }
    if table == "items":  # definitions of all agents, and who owns them, lie in one namespace each, by the agent's id
        kept = "ns NOT IN (SELECT id FROM namespaces WHERE path IN ('agents'::bytea, 'imports'::bytea, '~owners'::bytea))"
        policies["owners_by_agent"] = (
            f"AS RESTRICTIVE FOR ALL TO {{role}} USING ({kept} OR (rights_of(label_of(key))).readers && marks())"
            f" WITH CHECK ({kept} OR (rights_of(label_of(key))).writers && marks())"
        )
    name = sql.Identifier(table)
    row = connection.execute("SELECT tableowner FROM pg_tables WHERE schemaname = current_schema() AND tablename = %s", [table]).fetchone()
    owner = str(row[0]) if row else ""
    for policy, rule in policies.items():
        connection.execute(sql.SQL("DROP POLICY IF EXISTS {} ON {}").format(sql.Identifier(policy), name))
        given = {"owner": sql.Identifier(owner), "role": sql.Identifier(wall.role), "everything": sql.Identifier(wall.everything)}
        body = sql.SQL(rule).format(**given)  # pyright: ignore[reportArgumentType] - our own constants
        connection.execute(sql.SQL("CREATE POLICY {} ON {} {}").format(sql.Identifier(policy), name, body))
    connection.execute(sql.SQL("ALTER TABLE {} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY").format(name))


def as_everything(wall: Wall) -> bytes:
    """Return what a transaction begins with in which nobody in particular acts."""
    return sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(wall.everything)).as_bytes()


def as_owner(marks: Sequence[str]) -> bytes:
    """Return what a transaction begins with in which an owner acts."""
    setting = sql.SQL("SELECT set_config({}, {}, true)").format(sql.Literal(OWNER_SETTING), sql.Literal(",".join(("common", *marks))))
    return setting.as_bytes()
