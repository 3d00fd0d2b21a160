"""What an export leaves out: values that are named as secrets, and passwords in addresses."""

import re
from typing import Any, cast

_NAMES = re.compile(
    r"(?i)(api_?-?key|secret|passw(or)?d|token|credential|authorization|bearer|private_?key|cookie)$|^(env|headers|environment)$"
)
_LOGIN = re.compile(r"(?<=://)[^/@\s]+@")


def without_secrets(value: Any, place: str, found: list[str]) -> Any:
    """Return settings without secrets; the places of those that were left out are added to ``found``."""
    if isinstance(value, dict):
        kept: dict[str, Any] = {}
        for name, one in cast(dict[str, Any], value).items():
            where = f"{place}.{name}" if place else name
            if _NAMES.search(name) and one not in (None, "", [], {}, False):
                found.append(where)
            else:
                kept[name] = without_secrets(one, where, found)
        return kept
    if isinstance(value, list | tuple):
        return [without_secrets(one, f"{place}[{i}]", found) for i, one in enumerate(cast(list[Any], value))]
    if isinstance(value, str) and _LOGIN.search(value):
        found.append(place)
        return _LOGIN.sub("", value)
    return value
