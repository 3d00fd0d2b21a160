"""Where each tier of an agent's memory lies in the store, as namespaces of encoded labels, and how a stored value is read."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast
from urllib.parse import quote, unquote

from memgpt_agent.errors import ConfigurationError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Namespace = tuple[str, ...]

BLOCKS: Namespace = ("blocks",)
"""Shared blocks, one item each by id."""
BLOCK_HISTORY = "block_history"
AGENTS: Namespace = ("agents",)
"""The definitions of all agents, one item each by id."""
IMPORTS: Namespace = ("imports",)
"""Imports that have begun, one item each by the agent's id; it goes when the import is complete."""

CONVERSATIONS: Namespace = ("~conversations",)
"""Conversations that a client of the server made, one item each by the thread's id."""
TOOLS: Namespace = ("~tools",)
"""Tools that a client of the server uploaded, one item each by id."""
FOLDERS: Namespace = ("~folders",)
"""Folders of files that a client of the server made, one item each by id."""
FOLDER_FILES: Namespace = ("~folder_files",)
"""The files in such folders, one item each by id."""
ERASURES: Namespace = ("~erasures",)
"""What is still to be done of erasing deleted agents, as notes. No agent's label begins with ``~``."""
COUNTED: Namespace = ("~counted",)
"""For whom an agent is counted, by its id; below, under a digest of the owner's name, that owner's agents."""
USED: Namespace = ("~used",)
"""What owners have used, by a digest of their names: the turns of the last minute, the tokens of the day."""

_RESERVED = {"blocks", BLOCK_HISTORY, "agents", "leases", "imports", "langgraph"}
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
    """Return the id behind a label of :func:`encode_label`."""
    return unquote(label)


def of(agent_id: str, tier: str) -> Namespace:
    """Return where one tier of an agent lies; ``memory/tiers.py`` describes the tiers."""
    return (encode_label(agent_id), tier)


def under(agent_id: str, path: str = "") -> Namespace:
    """Return what lies under an agent at a path of labels, as it was found there; the agent's own label alone without one."""
    return (encode_label(agent_id), *(path.split("/") if path else ()))


T = TypeVar("T", bound="DataclassInstance")


def read_as(kind: type[T], value: Mapping[str, Any]) -> T:
    """Return what a stored value holds as this dataclass: other fields are skipped, and a list is a tuple again."""
    names = kind.__dataclass_fields__
    return kind(**{name: tuple(cast(list[Any], one)) if isinstance(one, list) else one for name, one in value.items() if name in names})


def recall(agent_id: str) -> Namespace:
    """Return where an agent's messages are stored, for code that searches the store without the tiers."""
    return of(agent_id, "recall")


def archival(agent_id: str) -> Namespace:
    """Return where an agent's passages are stored, for code that searches the store without the tiers."""
    return of(agent_id, "archival")


def block_history(block_id: str) -> Namespace:
    """Every version of a shared block; not under ``BLOCKS``, whose listing holds the blocks alone."""
    return (BLOCK_HISTORY, encode_label(block_id))
