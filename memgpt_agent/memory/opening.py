"""Opening the store that the process is configured with."""

import time
from pathlib import Path

from langchain_core.embeddings import Embeddings

from memgpt_agent.config import Settings
from memgpt_agent.embeddings import embedding_dims, resolve_embedding
from memgpt_agent.errors import StoreCorrupt
from memgpt_agent.private import private_folder, stop_tracing, tighten
from memgpt_agent.store import BaseMemoryStore, Fields, open_store

TIER_FIELDS = Fields(ordered="time", grouped="thread_id", counted="tags", listed="ends")
"""What the tiers want ready: messages in order, all of them and by conversation; tags with their number; an entity's facts."""

_LOOKS, _LOOK_SECONDS = 20, 0.05
"""An empty file is looked at so often: another process may have made it just now."""


def open_configured_store(settings: Settings, embedding: Embeddings | str | None = None, *, searches: bool = True) -> BaseMemoryStore:
    """Return the store of these settings, in the data folder unless a URL says otherwise; makes the folder.

    Where nothing is to be searched or indexed (``searches=False``), no embedding is made and none has to fit the file.

    Raises:
        StoreCorrupt: the file is damaged; it is left as it is.
        EmbeddingMismatch: it was written with another embedding.
    """
    if settings.tracing == "off":
        stop_tracing()
    _open_home(settings)
    if not searches:
        return open_store(settings.store_url, fields=TIER_FIELDS)
    embed = resolve_embedding(embedding if embedding is not None else settings.embedding)
    index = {"dims": embedding_dims(embed), "embed": embed, "fields": ["$"]}
    return open_store(settings.store_url, index=index, fields=TIER_FIELDS)


def _open_home(settings: Settings) -> None:
    """Make the data folder, private to its owner; one that is there and holds an agent's files is made so.

    Raises:
        StoreCorrupt: the store is an empty file beside conversations: it was lost, and a new one would hide that.
    """
    private_folder(settings.home)
    memory, conversations = settings.home / "memory.db", settings.checkpoints_path
    if memory.exists() or conversations.exists():
        tighten(settings.home)
    if settings.store is None and memory.exists() and conversations.exists() and _stays_empty(memory):
        raise StoreCorrupt(
            f"{memory} is empty (0 bytes), and beside it are conversations ({conversations.name}): the memory was lost. Nothing was "
            f"changed. Restore {memory.name} from a backup; to begin anew, move both files away."
        )


def _stays_empty(path: Path) -> bool:
    """Whether a file has no bytes, and is not about to get some from a process that is making it."""
    for _ in range(_LOOKS):
        if not path.exists() or path.stat().st_size:
            return False
        time.sleep(_LOOK_SECONDS)
    return True
