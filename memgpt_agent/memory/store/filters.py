"""Filters of a search: what an item's value must hold, judged in Python and, where it is the same, by SQLite."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple, cast

Filter = dict[str, Any]
OPERATORS = frozenset({"$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$in", "$any", "$all"})
_SIGNS = {"$gt": ">", "$gte": ">=", "$lt": "<", "$lte": "<="}
_MANY = 64
_PLAIN_KEY = re.compile(r"[A-Za-z0-9_]+")


class Condition(NamedTuple):
    """A filter as SQL over ``items.value``: it lets at least the right items through."""

    sql: str
    parameters: list[Any]
    exact: bool
    """It lets only the right ones through; else :func:`matches` must be asked as well."""


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
        for operator in condition:
            if operator not in OPERATORS:
                raise ValueError(f"Unsupported operator: {operator}. A filter knows {', '.join(sorted(OPERATORS))}.")
    else:
        for inner in condition.values():
            _check(inner)


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
            return all(_apply(actual, operator, operand) for operator, operand in wanted.items())
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


def _apply(actual: Any, operator: str, operand: Any) -> bool:
    match operator:
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
        case _:
            return _sized(actual, operator, operand)


def _sized(actual: Any, operator: str, operand: Any) -> bool:
    try:
        left, right = float(actual), float(operand)
    except (TypeError, ValueError, OverflowError):  # an integer beyond a float compares with nothing
        if not (isinstance(actual, str) and isinstance(operand, str)):
            return False
        left, right = actual, operand
    return {"$gt": left > right, "$gte": left >= right, "$lt": left < right, "$lte": left <= right}[operator]  # type: ignore[operator]


def _as_json(value: Any) -> Any:
    """A tuple is stored as a list; compare it as one."""
    return [_as_json(one) for one in cast("tuple[Any, ...]", value)] if isinstance(value, tuple) else value


def to_sql(filter: Filter | None) -> Condition:
    """Return the filter as SQL, with what SQL cannot say left out."""
    parts: list[str] = []
    parameters: list[Any] = []
    exact = True
    for key, wanted in (filter or {}).items():
        operators: Mapping[str, Any] = {"$eq": wanted}
        if isinstance(wanted, Mapping):
            operators = cast("Mapping[str, Any]", wanted)
            exact = exact and bool(operators)  # an empty one lets any mapping through
        for operator, operand in operators.items():
            one = _one(key, operator, operand) if _PLAIN_KEY.fullmatch(key) else None
            if one is None:
                exact = False
                continue
            parts.append(one.sql)
            parameters += one.parameters
            exact = exact and one.exact
    return Condition(" AND ".join(parts) or "1", parameters, exact)


def _one(key: str, operator: str, operand: Any) -> Condition | None:
    field, kind = f"json_extract(items.value, '$.{key}')", f"json_type(items.value, '$.{key}')"
    if operator == "$eq" and _is_text(operand):
        return Condition(f"({kind} = 'text' AND {field} = ?)", [operand], True)
    if operator in _SIGNS and isinstance(operand, str) and _is_text(operand) and not _reads_as_number(operand):
        return Condition(f"({kind} = 'text' AND {field} {_SIGNS[operator]} ?)", [operand], True)
    if operator in ("$in", "$any", "$all") and isinstance(operand, list | tuple):
        options: list[Any] = list(cast("list[Any]", operand))
        if options and all(_is_text(one) for one in options) and len(options) <= _MANY:
            return _listed(key, operator, options)
    return None


def _listed(key: str, operator: str, options: list[Any]) -> Condition:
    field, kind = f"json_extract(items.value, '$.{key}')", f"json_type(items.value, '$.{key}')"
    marks = ", ".join("?" * len(options))
    if operator == "$in":
        return Condition(f"({kind} = 'text' AND {field} IN ({marks}))", options, True)
    # A plain key and question marks are all that is put together here; what the caller gave is bound.
    among = f"SELECT 1 FROM json_each(items.value, '$.{key}') AS one WHERE one.type = 'text' AND one.value"
    if operator == "$any":
        return Condition(f"({kind} = 'array' AND EXISTS ({among} IN ({marks})))", options, True)
    each = " AND ".join([f"EXISTS ({among} = ?)"] * len(options))
    return Condition(f"({kind} = 'array' AND {each})", options, True)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and not any("\ud800" <= char <= "\udfff" for char in value)


def _reads_as_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
