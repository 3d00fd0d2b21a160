"""Reading one tool call: the tool it names, and its arguments as values that every store and provider accepts."""

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, cast

from memgpt_agent.text.cleaning import clean
from memgpt_agent.text.literals import value_at

_FENCE = re.compile(r"\A```\w*\s*|\s*```\Z")


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
    """Return a call by its name and its arguments: JSON, or what weak models write in its place.

    That is JSON in quotes, in a code block or in a list, with a comma too many, with Python's quotes. What breaks off is an error.
    """
    try:
        read = json.loads(given.strip() or "{}", strict=False, parse_constant=no_number)
    except (ValueError, RecursionError) as broken:
        read = _whole_value(_FENCE.sub("", given.strip()))
        if not isinstance(read, dict):
            return ReadCall(name, {}, f"not valid JSON ({broken or 'nested too deep'}): {clean(given[:200])}")
    if isinstance(read, str):
        read = _whole_value(_FENCE.sub("", read.strip()))
    if isinstance(read, list) and len(cast(list[Any], read)) == 1:
        read = cast(list[Any], read)[0]
    if not isinstance(read, dict):
        return ReadCall(name, {}, f"no JSON object: {clean(given[:200])}")
    return checked(name, cast(dict[str, Any], read))


def _whole_value(text: str) -> Any:
    """Return the value that a text is from its beginning to its end; None if it is none, or breaks off."""
    value, end = value_at(text, 0)
    return value if end == len(text) else None


def own_name(given: str, names: Collection[str], by_letters: Mapping[str, str]) -> str:
    """Return the offered tool that a model means, by other capitals and signs, behind a namespace, or with marks behind it; empty if none.

    Args:
        given: the name that the model wrote.
        names: the names of the tools that are offered.
        by_letters: the same by their letters.
    """
    bare = given.partition("<|")[0].strip()
    for form in (bare, re.sub(r":\d+\Z", "", bare).rpartition(".")[2]):
        if found := form if form in names else by_letters.get(letters(form), ""):
            return found
    return ""


def letters(name: str) -> str:
    """Return a name's letters and digits in lower case."""
    return re.sub(r"[\W_]", "", name).lower()


def no_number(name: str) -> Any:
    """Refuse what Python reads as a number although JSON does not."""
    raise ValueError(f"{name} is no JSON number")


def checked(name: str, arguments: Mapping[str, Any]) -> ReadCall:
    """Return a call with arguments that every store and provider accepts."""
    try:
        return ReadCall(name, cast(dict[str, Any], clean(dict(arguments))))
    except ValueError as error:
        return ReadCall(name, {}, str(error))
