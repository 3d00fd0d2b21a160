"""Ids for clients, which encode a kind and where to find the thing, and pages of lists by ids."""

import base64
import binascii
import uuid
from collections.abc import Callable, Sequence
from typing import Annotated, Literal, NamedTuple, TypeVar

from fastapi import Depends, Query

from memgpt_agent.server.problems import not_found


def new(kind: str) -> str:
    """Return a new id of its own."""
    return f"{kind}-{uuid.uuid4()}"


def packed(kind: str, *parts: str) -> str:
    """Return an id that holds these texts; :func:`unpacked` gives them back."""
    raw = "\0".join(parts).encode("utf-8", "surrogatepass")
    return f"{kind}-~{base64.urlsafe_b64encode(raw).decode().rstrip('=')}"


def unpacked(kind: str, given: str) -> tuple[str, ...] | None:
    """Return the texts that an id holds; ``None`` if it is no such id."""
    start = f"{kind}-~"
    if not given.startswith(start):
        return None
    text = given[len(start) :]
    try:
        return tuple(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode("utf-8", "surrogatepass").split("\0"))
    except (binascii.Error, ValueError):
        return None


def run_id(agent_id: str, thread_id: str = "", otid: str = "") -> str:
    """Return the id of a new run of an agent; the same one again for a message of a conversation that a client gave an id (``otid``)."""
    made = uuid.uuid5(uuid.NAMESPACE_OID, f"{thread_id}\0{otid}") if otid else uuid.uuid4()
    return packed("run", agent_id, made.hex[:16])


def agent_of_run(given: str) -> str:
    """Return the agent of a run.

    Raises:
        HTTPProblem: it is not an id of a run.
    """
    parts = unpacked("run", given)
    if parts is None or len(parts) != 2:
        raise not_found("run", given)
    return parts[0]


T = TypeVar("T")
Order = Literal["asc", "desc"]


class Page(NamedTuple):
    """Which part of a list is asked for."""

    after: str | None = None
    """Only what comes after the item of this id, in the order asked for."""
    before: str | None = None
    """Only what comes before the item of this id."""
    limit: int | None = None
    """How many at most."""
    order: Order | None = None
    """Oldest first or newest first; what the list has by itself if omitted."""


def _page(
    after: Annotated[str | None, Query(title="After", description="Only what comes after the item of this id.")] = None,
    before: Annotated[str | None, Query(title="Before", description="Only what comes before the item of this id.")] = None,
    limit: Annotated[int | None, Query(title="Limit", description="How many at most.", ge=0, le=100_000)] = None,
    order: Annotated[Order | None, Query(title="Order", description="Oldest or newest first.")] = None,
) -> Page:
    return Page(after, before, limit, order)


Paged = Annotated[Page, Depends(_page)]
"""The parameters of a list."""


def cut(items: Sequence[T], page: Page, key: Callable[[T], str], *, newest_first: bool = True, limit: int = 50) -> list[T]:
    """Return a page of a list whose items stand oldest first; a cursor that is not in it ends the list.

    Args:
        items: all of them, oldest first.
        page: what is asked for.
        key: gives an item's id.
        newest_first: the order if none is asked for.
        limit: how many where no number is asked for.
    """
    descending = page.order == "desc" if page.order else newest_first
    found = list(reversed(items)) if descending else list(items)
    ids = [key(item) for item in found]
    if page.after is not None:
        found = found[len(ids) - ids[::-1].index(page.after) :] if page.after in ids else []  # messages may share an id
        ids = [key(item) for item in found]
    wanted = limit if page.limit is None else page.limit
    if page.before is not None:
        found = found[: ids.index(page.before)] if page.before in ids else []
        return found[max(0, len(found) - wanted) :]
    return found[:wanted]
