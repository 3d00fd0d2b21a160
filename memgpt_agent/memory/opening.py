"""Opening the store that the process is configured with."""

import warnings

from langchain_core.embeddings import Embeddings

from memgpt_agent.backups import copy_before_upgrade, refuse_lost_memory
from memgpt_agent.config import Settings, shown
from memgpt_agent.embeddings import embedding_dims, missing_install, resolve_embedding
from memgpt_agent.errors import ConfigurationError, MissingEmbedding, StoreError
from memgpt_agent.private import private_folder, stop_tracing, tighten
from memgpt_agent.store import BaseMemoryStore, Fields, open_store

TIER_FIELDS = Fields(ordered="time", grouped="thread_id", counted="tags", listed="ends")
"""What the tiers want ready: messages in order, all of them and by conversation; tags with their number; an entity's facts."""


def open_configured_store(settings: Settings, embedding: Embeddings | str | None = None, *, searches: bool = True) -> BaseMemoryStore:
    """Return the store of these settings, in the data folder unless a URL says otherwise; makes the folder.

    Where no embedding is named, it is the one that made the store's vectors; a new store gets the default. Where nothing is to be searched
    or indexed (``searches=False``), no embedding is made and none has to fit the file.

    Raises:
        StoreCorrupt: the file is damaged, or was lost while conversations stand beside where it was; nothing is changed.
        EmbeddingMismatch: it was written with another embedding.
    """
    if settings.tracing == "off":
        stop_tracing()
    _open_home(settings)
    if not searches:
        return open_store(settings.store_url, fields=TIER_FIELDS)
    embed = _embedding(settings, embedding if embedding is not None else settings.embedding)
    index = {"dims": embedding_dims(embed), "embed": embed, "fields": ["$"]} if embed is not None else None
    return open_store(settings.store_url, index=index, fields=TIER_FIELDS)


def _embedding(settings: Settings, given: Embeddings | str | None) -> Embeddings | None:
    """Return the embedding to open the store with: the one given, else the one that made its vectors, else the default.

    None where that one's package is missing: the store is then searched by words, and a warning names the package.
    """
    if given is not None:
        return resolve_embedding(given)
    known = _embedding_in(settings.store_url)
    if known is None:
        return resolve_embedding()
    try:
        found = resolve_embedding(known)
        if (command := missing_install(found)) is None:
            return found
    except ConfigurationError:  # an object's class, which has no name that can be resolved: the store refuses another one
        return resolve_embedding()
    warnings.warn(
        f"The memories in {shown(settings.store_url)} were embedded by {known}, which is not installed. Run: {command}. Until then they are "
        "searched by words only.",
        MissingEmbedding,
        stacklevel=4,
    )
    return None


def _embedding_in(url: str) -> str | None:
    """Return the name of the embedding that made a store's vectors; None where there is no store or no vector."""
    try:
        with open_store(url, fields=TIER_FIELDS, create=False) as store:
            identity = store.embedding()
    except StoreError:  # there is none, or it cannot be read: opening it says so
        return None
    return identity.name if identity else None


def _open_home(settings: Settings) -> None:
    """Make the data folder, private to its owner; one that is there and holds an agent's files is made so.

    Raises:
        StoreCorrupt: the store was lost, and a new one would hide that.
    """
    refuse_lost_memory(settings)
    private_folder(settings.home)
    copy_before_upgrade(settings)
    if (settings.home / "memory.db").exists() or settings.checkpoints_path.exists():
        tighten(settings.home)
