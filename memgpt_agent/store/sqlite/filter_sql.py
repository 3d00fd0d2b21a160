"""Filters as SQL where SQLite judges as Python does; elsewhere SQLite calls Python."""

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple, cast

from memgpt_agent.store.fields import Fields, is_text
from memgpt_agent.store.filters import Filter, is_plain_key, matches, reads_as_number

Columns = Mapping[str, str]
"""Columns of ``items``, by field."""
_SIGNS = {"$gt": ">", "$gte": ">=", "$lt": "<", "$lte": "<="}
MANY = 64
_EXACT_INTEGER = 1 << 53


class Condition(NamedTuple):
    """A filter as SQL over ``items``."""

    sql: str
    parameters: list[Any]


class _Part(NamedTuple):
    """One operator on one field as SQL: it lets at least the right items through."""

    sql: str
    parameters: list[Any]
    exact: bool
    """It lets only the right ones through; else the judge must be asked as well."""


def columns_in(fields: Fields) -> Columns:
    """Return the declared fields that have a column: the texts among their values stand there as they are."""
    named = ((fields.ordered, "items.time"), (fields.grouped, "items.thread"))
    return {field: column for field, column in named if field}


def to_sql(filter: Filter | None, columns: Columns) -> Condition:
    """Return the filter as SQL, by the columns of :func:`columns_in`. Where SQL judges otherwise, it asks :func:`judge`.

    Raises:
        ValueError: the filter holds something that JSON has no word for.
    """
    bare, parts, exact = _SqlParts(), _SqlParts(), True
    for key, wanted in (filter or {}).items():
        operators: Mapping[str, Any] = {"$eq": wanted}
        if isinstance(wanted, Mapping):
            operators = cast("Mapping[str, Any]", wanted)
            exact = exact and bool(operators)  # an empty condition is for the judge
        for sign, operand in operators.items():
            one = _one(key, sign, operand, columns) if is_plain_key(key) else None
            if one is not None:
                (bare if "items.value" not in one.sql else parts).add(one)
            exact = exact and one is not None and one.exact
    if exact and not parts.sql:
        return Condition(" AND ".join(bare.sql) or "1", bare.parameters)
    asked = [json.dumps(filter, default=_no_json)]
    if not exact:
        parts.add(_Part("passes(items.value, ?)", asked, True))
    # A text with a NUL in it is cut there by SQLite; such a value begins with a space (rows.py).
    sql = f"CASE WHEN substr(items.value, 1, 1) = ' ' THEN passes(items.value, ?) ELSE {' AND '.join(parts.sql)} END"
    return Condition(" AND ".join([*bare.sql, sql]), [*bare.parameters, *asked, *parts.parameters])


class _SqlParts:
    def __init__(self) -> None:
        self.sql: list[str] = []
        self.parameters: list[Any] = []

    def add(self, part: _Part) -> None:
        self.sql.append(part.sql)
        self.parameters += part.parameters


def _no_json(value: Any) -> Any:
    if isinstance(value, set | frozenset):
        return list(cast("set[Any]", value))
    raise ValueError(
        f"A filter with {value!r}: values are JSON, so nothing equals it. Give a text, a number, a list or None."
    )


def judge(value: str, filter: str) -> bool:
    """Whether a value passes a filter, both as JSON; SQL's ``passes()``."""
    return matches(json.loads(value), _filter_of(filter))


@lru_cache(maxsize=256)
def _filter_of(text: str) -> Filter:
    return cast("Filter", json.loads(text))


def _one(key: str, sign: str, operand: Any, columns: Columns) -> _Part | None:
    if sign == "$eq":
        return _equal(key, operand, columns)
    if sign == "$ne":
        equal = _equal(key, operand, columns)
        return _Part(f"NOT ifnull({equal.sql}, 0)", equal.parameters, True) if equal else None
    if sign in _SIGNS:
        return _compared(key, sign, operand, columns)
    if sign in ("$in", "$any", "$all") and isinstance(operand, list | tuple):
        options: list[Any] = list(cast("list[Any]", operand))
        if options and all(is_text(one) for one in options) and len(options) <= MANY:
            return _listed(key, sign, options)
    return None


def _place(key: str) -> tuple[str, str]:
    """Return a field's value and its type as SQL."""
    return f"json_extract(items.value, '$.{key}')", f"json_type(items.value, '$.{key}')"


def _equal(key: str, operand: Any, columns: Columns) -> _Part | None:
    field, kind = _place(key)
    if is_text(operand):
        if key in columns:
            return _Part(f"({columns[key]} = ?)", [operand], True)
        if not operand.startswith(("[", "{")):  # else a list or a mapping might read as this text
            return _Part(f"({field} = ?)", [operand], True)
        return _Part(f"({field} = ? AND {kind} = 'text')", [operand], True)
    if operand is None:
        return _Part(f"(ifnull({kind}, 'null') = 'null')", [], True)
    if _is_number(operand):  # true and false are 1 and 0, here as in Python
        return _Part(f"({field} = ?)", [operand], True)
    return None


def _compared(key: str, sign: str, operand: Any, columns: Columns) -> _Part | None:
    field, kind = _place(key)
    if is_text(operand) and not reads_as_number(operand):
        if key in columns:
            return _Part(f"({columns[key]} {_SIGNS[sign]} ? AND typeof({columns[key]}) = 'text')", [operand], True)
        return _Part(f"({field} {_SIGNS[sign]} ? AND {kind} = 'text')", [operand], True)
    if _is_number(operand):  # a text may read as a number: that is for the judge
        numbers = f"{kind} IN ('integer', 'real', 'true', 'false') AND {field} {_SIGNS[sign]} ?"
        return _Part(f"({kind} = 'text' OR ({numbers}))", [operand], False)
    return None


def _listed(key: str, sign: str, options: list[Any]) -> _Part:
    field, kind = _place(key)
    marks = ", ".join("?" * len(options))
    if sign == "$in":
        return _Part(f"({field} IN ({marks}) AND {kind} = 'text')", options, True)
    # A plain key and question marks are all that is put together here; what the caller gave is bound.
    among = f"SELECT 1 FROM json_each(items.value, '$.{key}') AS one WHERE one.type = 'text' AND one.value"
    if sign == "$any":
        return _Part(f"({kind} = 'array' AND EXISTS ({among} IN ({marks})))", options, True)
    each = " AND ".join([f"EXISTS ({among} = ?)"] * len(options))
    return _Part(f"({kind} = 'array' AND {each})", options, True)


def _is_number(value: Any) -> bool:
    """Whether it is one that Python and SQLite compare alike."""
    return isinstance(value, int | float) and abs(value) < _EXACT_INTEGER
