"""Filters of a search, judged in Python. A store may ask its database where that gives the same result."""

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

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
_PLAIN_KEY = re.compile(r"[A-Za-z0-9_]+")


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
        sign in _ORDER and isinstance(one, str) and not reads_as_number(one) for sign, one in operators.items()
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


def reads_as_number(text: str) -> bool:
    """Whether Python takes a text for a number, so that it is compared as one."""
    try:
        float(text)
    except ValueError:
        return False
    return True
