"""What of a value stands in columns of its own: what it is ordered by, what filters ask for. The value's text is the truth."""

import hashlib
import json
import struct
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple, cast

from memgpt_agent.databases.postgres import Rows
from memgpt_agent.errors import StoreError
from memgpt_agent.store.fields import Fields, group_of, is_text, order_of
from memgpt_agent.store.filters import Filter
from memgpt_agent.store.protocol import EmbeddingIdentity

META = b"SELECT key, value FROM meta"
MAX_BYTES = 512
"""What is longer stands in an index by its digest, or to be ordered by its beginning."""


class Meta(NamedTuple):
    """What the database remembers of the store as a whole."""

    identity: EmbeddingIdentity | None
    """The embedding in force."""
    space: int
    """The number of its vectors."""
    fields: Fields
    """Which fields have columns."""
    declared: str
    """The same as it is written there."""
    undeclared: bool
    """Whether an earlier version made the columns, which are still to be made again."""


def read_meta(connection: Rows) -> Meta:
    """Return what holds in this transaction."""
    return meta_of(connection.execute(META).fetchall())


def meta_of(rows: Iterable[tuple[Any, ...]]) -> Meta:
    """Return what the rows of ``META`` say."""
    known: dict[str, Any] = dict(rows)
    if "space" not in known:
        raise StoreError("The store's table meta is empty. Restore the schema from a backup.")
    identity = EmbeddingIdentity(known["embedding"], int(known["dims"])) if "embedding" in known else None
    return Meta(identity, int(known["space"]), _fields(known["fields"]), known["fields"], "undeclared" in known)


def remember(connection: Rows, **known: Any) -> None:
    """Write down what holds for the store as a whole."""
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO meta (key, value) VALUES (%s, %s) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            [(key, str(value)) for key, value in known.items()],
        )


def hold_vectors_in_force(connection: Rows, *, alone: bool = False) -> None:
    """Let no reindex put other vectors in force before the transaction ends; ``alone``: let nobody else write either.

    It comes first in a transaction: unlike a query, it takes no snapshot while it waits.
    """
    connection.execute(f"LOCK TABLE meta IN {'EXCLUSIVE' if alone else 'ROW SHARE'} MODE".encode())


@lru_cache(maxsize=16)
def _fields(text: str) -> Fields:
    return Fields(**json.loads(text))


def as_bytes(text: str) -> bytes:
    """Return a text as bytes that sort by its characters, whatever they are."""
    return text.encode("utf-8", "surrogatepass")


def as_text(raw: bytes) -> str:
    """Return the text of such bytes."""
    return bytes(raw).decode("utf-8", "surrogatepass")


def place_of(value: Mapping[str, Any], fields: Fields) -> bytes:
    """Return bytes that order items as ``newest`` does: by texts, then numbers, then what has neither.

    **Limits**: long texts go by their first 512 bytes.
    """
    return place(value.get(fields.ordered)) if fields.ordered else b""


def place(value: Any) -> bytes:
    """Return the place of a field's value."""
    ordered = order_of(value)
    if ordered is None:
        return b""
    if isinstance(ordered, str):
        return b"\x02" + as_bytes(ordered)[:MAX_BYTES]
    near = float(ordered)
    (bits,) = struct.unpack(">Q", struct.pack(">d", near + 0.0))
    bits = ~bits & (1 << 64) - 1 if bits >> 63 else bits | 1 << 63
    beyond = int(ordered) - int(near) if isinstance(ordered, int) else 0
    return b"\x01" + struct.pack(">QH", bits, beyond + (1 << 15))


def facets_of(value: Mapping[str, Any], fields: Fields) -> str:
    """Return, as JSON, what filters and guards can ask the database for: ``equal`` texts, ``lists`` of texts, ``thread`` and ``number``."""
    facets: dict[str, Any] = {}
    equal = {key: one for key, one in value.items() if _is_plain(key) and _is_plain(one)}
    lists = {key: texts for key, one in value.items() if _is_plain(key) and (texts := _texts(one))}
    if equal:
        facets["equal"] = equal
    if lists:
        facets["lists"] = lists
    number = value.get("number")
    if isinstance(number, int) and not isinstance(number, bool):
        facets["number"] = number
    if fields.grouped and (thread := group_of(value.get(fields.grouped))) is not None:
        facets["thread"] = group_key(thread)
    return json.dumps(facets, ensure_ascii=False, separators=(",", ":"))


def group_key(thread: str) -> str:
    """Return what a group is looked up by: its name, or the digest of one that an index cannot hold."""
    raw = as_bytes(thread)
    return thread if is_text(thread) and len(raw) <= MAX_BYTES and not thread.startswith("#") else "#" + hashlib.sha256(raw).hexdigest()


def _is_plain(value: Any) -> bool:
    return is_text(value) and len(value) <= MAX_BYTES


def _texts(value: Any) -> list[str]:
    return [one for one in cast("list[Any]", value) if _is_plain(one)] if isinstance(value, list | tuple) else []


class PostgresCondition(NamedTuple):
    """What the database can say of a filter; what it lets through the judge in Python looks at once more."""

    sql: str
    parameters: list[Any]


def condition_of(filter: Filter | None, fields: Fields) -> PostgresCondition:
    """Return a condition that everything meets which passes the filter."""
    parts, parameters = ["TRUE"], list[Any]()
    for field, condition in (filter or {}).items():
        operators: Mapping[str, Any] = cast("Mapping[str, Any]", condition) if isinstance(condition, Mapping) else {}
        wanted: Any = operators["$eq"] if set(operators) == {"$eq"} else cast("Any", condition)
        asked: Any = operators.get("$any")
        if field == fields.grouped and (thread := group_of(wanted)) is not None:
            parts.append("items.facets ? 'thread' AND items.facets ->> 'thread' = %s")
            parameters.append(group_key(thread))
        elif _is_plain(field) and _is_plain(wanted):
            parts.append("items.facets @> %s::jsonb")
            parameters.append(json.dumps({"equal": {field: wanted}}))
        elif _is_plain(field) and isinstance(asked, list | tuple) and all(map(_is_plain, cast("list[Any]", asked))):
            parts.append("items.facets -> 'lists' -> %s ?| %s::text[]")
            parameters += [field, list(cast("list[Any]", asked))]
    return PostgresCondition(" AND ".join(parts), parameters)
