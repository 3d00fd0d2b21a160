"""Reading one tool call: parsing its JSON arguments into values that every store and provider accepts."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from memgpt_agent.text.cleaning import clean


@dataclass(frozen=True)
class ReadCall:
    """One tool call of an answer."""

    name: str
    """The tool's name, as the model wrote it."""
    arguments: dict[str, Any]
    """Its arguments; empty if they could not be read."""
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
    """Refuse what Python reads as a number although JSON does not."""
    raise ValueError(f"{name} is no JSON number")


def checked(name: str, arguments: Mapping[str, Any]) -> ReadCall:
    """Return a call with arguments that every store and provider accepts."""
    try:
        return ReadCall(name, cast(dict[str, Any], clean(dict(arguments))))
    except ValueError as error:
        return ReadCall(name, {}, str(error))
