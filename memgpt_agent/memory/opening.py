"""Opening the store that the process is configured with."""

from langchain_core.embeddings import Embeddings

from memgpt_agent.config import Settings
from memgpt_agent.embeddings import embedding_dims, resolve_embedding
from memgpt_agent.store import BaseMemoryStore, Fields, open_store

TIER_FIELDS = Fields(ordered="time", grouped="thread_id", counted="tags", listed="ends")
"""What the tiers want ready: messages in order, all of them and by conversation; tags with their number; an entity's facts."""


def open_configured_store(settings: Settings, embedding: Embeddings | str | None = None, *, searches: bool = True) -> BaseMemoryStore:
    """Return the store of these settings, in the data folder unless a URL says otherwise; makes the folder.

    Where nothing is to be searched or indexed (``searches=False``), no embedding is made and none has to fit the file.

    Raises:
        StoreCorrupt: the file is damaged; it is left as it is.
        EmbeddingMismatch: it was written with another embedding.
    """
    settings.home.mkdir(parents=True, exist_ok=True)
    if not searches:
        return open_store(settings.store_url, fields=TIER_FIELDS)
    embed = resolve_embedding(embedding if embedding is not None else settings.embedding)
    index = {"dims": embedding_dims(embed), "embed": embed, "fields": ["$"]}
    return open_store(settings.store_url, index=index, fields=TIER_FIELDS)
