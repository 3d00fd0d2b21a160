"""Ids for clients: they encode a kind and where to find the thing, so that no index of ids is needed."""

import base64
import binascii
import uuid

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
