"""The addresses of the page: an agent's id, whatever is in it, as one part of a path."""

import base64
import binascii
import re
from typing import Any
from urllib.parse import quote, urlencode

from memgpt_agent.server.problems import not_found

PREFIX = "/page"
_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:@+=-]{0,199}")


def part_of(text: str) -> str:
    """Return a text as a part of a path; :func:`text_of` gives it back."""
    if _PLAIN.fullmatch(text):
        return text
    return f"~{base64.urlsafe_b64encode(text.encode('utf-8', 'surrogatepass')).decode().rstrip('=')}"


def text_of(part: str) -> str:
    """Return the text that a part of a path stands for.

    Raises:
        HTTPProblem: it stands for none: 404.
    """
    if not part.startswith("~"):
        return part
    try:
        return base64.urlsafe_b64decode(part[1:] + "=" * (-len(part) % 4 + 1)).decode("utf-8", "surrogatepass")
    except (binascii.Error, ValueError) as error:
        raise not_found("page", part) from error


def address(*parts: str, **query: Any) -> str:
    """Return the path of a page below :data:`PREFIX`, with the queries that are not empty."""
    given = {name: value for name, value in query.items() if value not in (None, "", False)}
    path = "/".join([PREFIX, *(quote(part, safe="~:@+=") for part in parts)])
    return f"{path}?{urlencode(given, doseq=True, errors='replace')}" if given else path


def of_agent(agent_id: str, *parts: str, **query: Any) -> str:
    """Return the path of one of an agent's pages."""
    return address("a", part_of(agent_id), *parts, **query)
