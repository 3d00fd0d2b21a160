"""Filters of a search: what an item's value must hold, judged in Python and, where it is the same, by SQLite."""

import json
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

Filter = dict[str, Any]
OPERATORS = frozenset({"$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$in", "$any", "$all"})
_ORDER: dict[str, Callable[[Any, Any], Any]] = {
    "$gt": operator.gt,
    "$gte": operator.ge,
    "$lt": operator.lt,
    "$lte": operator.le,
}
_SIGNS = {"$gt": ">", "$gte": ">=", "$lt": "<", "$lte": "<="}
MANY = 64
_EXACT_INTEGER = 1 << 53
_COLUMNS = {"time": "items.time", "thread_id": "items.thread"}
"""Fields that have a column of their own: the texts among their values stand there as they are."""
_PLAIN_KEY = re.compile(r"[A-Za-z0-9_]+")


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


def check_filter(filter: Filter | None) -> None:
    """Refuse an operator that no store knows.

    Raises:
        ValueError: the operator, and those there are.
    """
    for condition in (filter or {}).values():
        _check(condition)


def _check(condition: Any) -> None:
    if not isinstance(condition, Mapping):
        return
    condition = cast("Mapping[str, Any]", condition)
    if any(str(key).startswith("$") for key in condition):
        for sign in condition:
            if sign not in OPERATORS:
                raise _unknown(sign)
    else:
        for inner in condition.values():
            _check(inner)


def _unknown(sign: str) -> ValueError:
    return ValueError(f"Unsupported operator: {sign}. A filter knows {', '.join(sorted(OPERATORS))}.")


def is_plain_key(key: str) -> bool:
    """Whether a field's name can stand in an SQL path as it is."""
    return _PLAIN_KEY.fullmatch(key) is not None


def passing(values: Sequence[Any], condition: Any) -> NDArray[np.bool_]:
    """Return (n,) which values of a field pass its condition, each as :func:`matches` decides it."""
    fast = _passing_texts(values, condition)
    return np.array([_holds(value, condition) for value in values], np.bool_) if fast is None else fast


def _passing_texts(values: Sequence[Any], condition: Any) -> NDArray[np.bool_] | None:
    """Compare many texts with texts (dates) at once: 4 ms for 100,000, a twentieth of the judge's time."""
    if not isinstance(condition, Mapping) or not condition or not all(isinstance(value, str) for value in values):
        return None
    operators = cast("Mapping[str, Any]", condition)
    if not all(
        sign in _ORDER and isinstance(one, str) and not _reads_as_number(one) for sign, one in operators.items()
    ):
        return None
    texts = np.array(values, dtype=object)
    return np.logical_and.reduce([_ORDER[sign](texts, one).astype(np.bool_) for sign, one in operators.items()])


def matches(value: Mapping[str, Any], filter: Filter | None) -> bool:
    """Whether a value passes every condition, as ``InMemoryStore`` decides it.

    A missing field is ``None``: it passes ``$ne`` and no comparison of size. Sizes are compared as numbers where
    both sides are numbers (or read as such), else as text where both are text (ISO dates), else not at all.
    """
    return all(_holds(value.get(key), condition) for key, condition in (filter or {}).items())


def _holds(actual: Any, wanted: Any) -> bool:
    if isinstance(wanted, Mapping):
        wanted = cast("Mapping[str, Any]", wanted)
        if any(str(key).startswith("$") for key in wanted):
            return all(_apply(actual, sign, operand) for sign, operand in wanted.items())
        if not isinstance(actual, Mapping):
            return False
        inner = cast("Mapping[str, Any]", actual)
        return all(_holds(inner.get(key), condition) for key, condition in wanted.items())
    if isinstance(wanted, list | tuple):
        wanted = cast("list[Any]", wanted)
        if not isinstance(actual, list | tuple):
            return False
        values = cast("list[Any]", actual)
        return len(values) == len(wanted) and all(map(_holds, values, wanted))
    return bool(actual == wanted)


def _apply(actual: Any, sign: str, operand: Any) -> bool:
    match sign:
        case "$eq":
            return bool(actual == _as_json(operand))
        case "$ne":
            return bool(actual != _as_json(operand))
        case "$in":
            return any(actual == _as_json(one) for one in operand)
        case "$any":
            return isinstance(actual, list) and any(_as_json(one) in actual for one in operand)
        case "$all":
            return isinstance(actual, list) and all(_as_json(one) in actual for one in operand)
        case "$gt" | "$gte" | "$lt" | "$lte":
            return _sized(actual, sign, operand)
        case _:
            raise _unknown(sign)


def _sized(actual: Any, sign: str, operand: Any) -> bool:
    try:
        left, right = float(actual), float(operand)
    except (TypeError, ValueError, OverflowError):  # an integer beyond a float compares with nothing
        if not (isinstance(actual, str) and isinstance(operand, str)):
            return False
        left, right = actual, operand
    return bool(_ORDER[sign](left, right))


def _as_json(value: Any) -> Any:
    """A tuple is stored as a list; compare it as one."""
    return [_as_json(one) for one in cast("tuple[Any, ...]", value)] if isinstance(value, tuple) else value


def to_sql(filter: Filter | None) -> Condition:
    """Return the filter as SQL. What SQL cannot say as Python says it, it asks :func:`judge`, as ``passes()``.

    Raises:
        ValueError: the filter holds something that JSON has no word for.
    """
    bare, parts, exact = _Parts(), _Parts(), True
    for key, wanted in (filter or {}).items():
        operators: Mapping[str, Any] = {"$eq": wanted}
        if isinstance(wanted, Mapping):
            operators = cast("Mapping[str, Any]", wanted)
            exact = exact and bool(operators)  # an empty condition is for the judge
        for sign, operand in operators.items():
            one = _one(key, sign, operand) if is_plain_key(key) else None
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


class _Parts:
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


def _one(key: str, sign: str, operand: Any) -> _Part | None:
    if sign == "$eq":
        return _equal(key, operand)
    if sign == "$ne":
        equal = _equal(key, operand)
        return _Part(f"NOT ifnull({equal.sql}, 0)", equal.parameters, True) if equal else None
    if sign in _SIGNS:
        return _compared(key, sign, operand)
    if sign in ("$in", "$any", "$all") and isinstance(operand, list | tuple):
        options: list[Any] = list(cast("list[Any]", operand))
        if options and all(is_text(one) for one in options) and len(options) <= MANY:
            return _listed(key, sign, options)
    return None


def _place(key: str) -> tuple[str, str]:
    """Return a field's value and its type as SQL."""
    return f"json_extract(items.value, '$.{key}')", f"json_type(items.value, '$.{key}')"


def _equal(key: str, operand: Any) -> _Part | None:
    field, kind = _place(key)
    if is_text(operand):
        if key in _COLUMNS:
            return _Part(f"({_COLUMNS[key]} = ?)", [operand], True)
        if not operand.startswith(("[", "{")):  # else a list or a mapping might read as this text
            return _Part(f"({field} = ?)", [operand], True)
        return _Part(f"({field} = ? AND {kind} = 'text')", [operand], True)
    if operand is None:
        return _Part(f"(ifnull({kind}, 'null') = 'null')", [], True)
    if _is_number(operand):  # true and false are 1 and 0, here as in Python
        return _Part(f"({field} = ?)", [operand], True)
    return None


def _compared(key: str, sign: str, operand: Any) -> _Part | None:
    field, kind = _place(key)
    if is_text(operand) and not _reads_as_number(operand):
        if key in _COLUMNS:
            return _Part(f"({_COLUMNS[key]} {_SIGNS[sign]} ? AND typeof({_COLUMNS[key]}) = 'text')", [operand], True)
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


def is_text(value: Any) -> bool:
    """Whether SQLite can compare it: half an emoji and what follows a NUL it cannot."""
    return isinstance(value, str) and not any("\ud800" <= char <= "\udfff" or char == "\x00" for char in value)


def _is_number(value: Any) -> bool:
    """Whether it is one that Python and SQLite compare alike."""
    return isinstance(value, int | float) and abs(value) < _EXACT_INTEGER


def _reads_as_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
