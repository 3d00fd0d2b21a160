"""Where each tier of an agent's memory lies in the store: namespaces made of encoded labels."""

from urllib.parse import quote, unquote

from memgpt_agent.errors import ConfigurationError

Namespace = tuple[str, ...]

BLOCKS: Namespace = ("blocks",)
"""Shared blocks, one item each by id."""
_BLOCK_HISTORY = "block_history"
AGENTS: Namespace = ("agents",)
"""The definitions of all agents, one item each by id."""
IMPORTS: Namespace = ("imports",)
"""Imports that have begun, one item each by the agent's id; it goes when the import is complete."""

_RESERVED = {"blocks", _BLOCK_HISTORY, "agents", "leases", "imports", "langgraph"}
MAX_ID_CHARS = 200


def encode_label(text: str) -> str:
    """Return ``text`` as one namespace label: no dot, not empty, not a reserved root; reversible.

    Raises:
        ConfigurationError: it is empty or longer than 200 characters.
    """
    if not text or len(text) > MAX_ID_CHARS:
        raise ConfigurationError(f"The id {text[:60]!r} has {len(text)} characters; give one with 1 to {MAX_ID_CHARS}.")
    label = quote(text, safe="").replace(".", "%2E").replace("~", "%7E")
    return f"%{ord(label[0]):02X}{label[1:]}" if label in _RESERVED else label


def decode_label(label: str) -> str:
    """Return the id that :func:`encode_label` was given."""
    return unquote(label)


def core(agent_id: str) -> Namespace:
    """The agent's blocks, one item each by label."""
    return (encode_label(agent_id), "core")


def core_history(agent_id: str) -> Namespace:
    """Every version of the agent's blocks."""
    return (encode_label(agent_id), "core_history")


def block_history(block_id: str) -> Namespace:
    """Every version of a shared block; not under ``BLOCKS``, whose listing holds the blocks alone."""
    return (_BLOCK_HISTORY, encode_label(block_id))


def recall(agent_id: str) -> Namespace:
    """Every message of the agent's conversations."""
    return (encode_label(agent_id), "recall")


def events(agent_id: str) -> Namespace:
    """The ids of events without a text that the agent has handled, one item each by thread."""
    return (encode_label(agent_id), "events")


def archival(agent_id: str) -> Namespace:
    """The agent's archival passages."""
    return (encode_label(agent_id), "archival")


def entities(agent_id: str) -> Namespace:
    """The names that the agent's knowledge graph knows."""
    return (encode_label(agent_id), "entities")


def facts(agent_id: str) -> Namespace:
    """The facts of the agent's knowledge graph."""
    return (encode_label(agent_id), "facts")


def summaries(agent_id: str) -> Namespace:
    """The summaries of what left main context: spans, sessions, weeks, months, years."""
    return (encode_label(agent_id), "summaries")


def summary_heads(agent_id: str) -> Namespace:
    """The running session of each of the agent's conversations."""
    return (encode_label(agent_id), "summary_heads")


def agent_file(agent_id: str) -> Namespace:
    """What an Agent File held that the agent itself has no use for, kept for the next export."""
    return (encode_label(agent_id), "agent_file")


def tasks(agent_id: str) -> Namespace:
    """The agent's open tasks, all in one item."""
    return (encode_label(agent_id), "tasks")


def reflection(agent_id: str) -> Namespace:
    """How many turns there were since the agent last reflected."""
    return (encode_label(agent_id), "reflection")
