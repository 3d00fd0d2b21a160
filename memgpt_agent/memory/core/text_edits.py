"""Exact edits of a block's text: replacing a unique match, inserting after a line."""

import re

from memgpt_agent.errors import InvalidArguments, TextNotFound, TextNotUnique

_COPIED_NUMBER = re.compile(r"^[ \t]*(?:\d+[ \t]*→|Line \d+:)", re.MULTILINE)


def refuse_numbers(name: str, text: str) -> None:
    """Refuse text in which line numbers were copied from the numbered view.

    Raises:
        InvalidArguments: a line of it begins as ``3→`` or ``Line 3:``.
    """
    found = _COPIED_NUMBER.search(text)
    if found:
        raise InvalidArguments(
            f"{name} begins a line with {found[0].strip()!r}. Line numbers are only in your view and not in the text; "
            "leave them out and give the text alone."
        )


def replaced(label: str, value: str, old: str, new: str) -> str:
    """Return ``value`` with ``new`` where ``old`` stands.

    Raises:
        InvalidArguments: ``old`` is nowhere to be found and has line numbers copied from the view.
        TextNotFound: it stands nowhere.
        TextNotUnique: it stands there more than once; the message names the lines.
    """
    places = _places(value, old)
    if not places:
        refuse_numbers("The old text", old)
        raise TextNotFound(
            f"{old!r} does not stand in block {label!r}. Copy the old text exactly as it is there: {value!r}."
        )
    if len(places) > 1:
        lines = ", ".join(str(value.count("\n", 0, place) + 1) for place in places[:20])
        raise TextNotUnique(
            f"{old!r} stands {len(places)} times in block {label!r}, in lines {lines}. Give more of the text around it."
        )
    return value[: places[0]] + new + value[places[0] + len(old) :]


def inserted(label: str, value: str, new: str, line: int) -> str:
    """Return ``value`` with ``new`` as lines of its own: at the end (-1), at the top (0), or after line ``line``.

    Raises:
        InvalidArguments: there is no such line.
    """
    lines = value.split("\n") if value else []
    if not -1 <= line <= len(lines):
        raise InvalidArguments(
            f"insert_line = {line}: block {label!r} has {len(lines)} lines. Give -1 for the end, 0 for the top, "
            f"or the number of the line after which to insert, up to {len(lines)}."
        )
    place = len(lines) if line == -1 else line
    return "\n".join([*lines[:place], new, *lines[place:]])


def _places(value: str, old: str) -> list[int]:
    """Where ``old`` begins in ``value``, also where two of its places overlap."""
    places: list[int] = []
    place = value.find(old) if old else -1
    while place >= 0:
        places.append(place)
        place = value.find(old, place + 1)
    return places
