"""Reading one tool call: its arguments from JSON, made such as every store and provider takes."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

_MAX_DEPTH = 32
_MAX_INT = 2**63 - 1


@dataclass(frozen=True)
class ReadCall:
    """One tool call of an answer."""

    name: str
    """The tool's name, as the model wrote it."""
    arguments: dict[str, Any]
    """Its arguments; empty where they could not be read."""
    error: str = ""
    """Why they could not be read."""


def read_call(name: str, given: str) -> ReadCall:
    """Return a call by its name and its arguments as JSON."""
    try:
        read = json.loads(given.strip() or "{}", strict=False, parse_constant=no_number)
    except (ValueError, RecursionError) as broken:
        return ReadCall(name, {}, f"not valid JSON ({broken or 'nested too deep'}): {clean(given[:200])}")
    if not isinstance(read, dict):
        return ReadCall(name, {}, f"no JSON object: {clean(given[:200])}")
    return checked(name, cast(dict[str, Any], read))


def no_number(name: str) -> Any:
    """Refuse what Python's reader takes for a number and JSON does not."""
    raise ValueError(f"{name} is no JSON number")


def checked(name: str, arguments: Mapping[str, Any]) -> ReadCall:
    """Return a call with arguments that every store and provider takes."""
    try:
        return ReadCall(name, cast(dict[str, Any], clean(dict(arguments))))
    except ValueError as error:
        return ReadCall(name, {}, str(error))


def clean(value: Any, depth: int = 0) -> Any:
    """Return a JSON value that can be stored everywhere: no half characters, no NULs, whole numbers of 64 bits.

    Raises:
        ValueError: it is nested too deep, or holds a number that is too large.
    """
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\x00", "")
    if isinstance(value, int) and not -_MAX_INT <= value <= _MAX_INT:
        raise ValueError(f"the number {str(value)[:20]}... is too large")
    if depth > _MAX_DEPTH:
        raise ValueError("nested too deep")
    if isinstance(value, dict):
        return {clean(str(k)): clean(v, depth + 1) for k, v in cast(dict[Any, Any], value).items()}
    return [clean(v, depth + 1) for v in cast(list[Any], value)] if isinstance(value, list | tuple) else value
