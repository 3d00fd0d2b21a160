"""Embedding the configured store anew, when the embedding has changed."""

from collections.abc import Callable

from langchain_core.embeddings import Embeddings

from memgpt_agent.config import Settings
from memgpt_agent.embeddings import resolve_embedding
from memgpt_agent.store import open_store


def reindex_configured_store(
    settings: Settings, embedding: Embeddings | str | None = None, progress: Callable[[int, int], None] | None = None
) -> int:
    """Embed all memories of these settings' store anew, by ``embedding`` or the settings' own; return how many documents.

    Raises:
        StoreError: there is no store yet.
        ConfigurationError: the embedding's name is unknown.
    """
    with open_store(settings.store_url, create=False) as store:
        return store.reindex(
            resolve_embedding(embedding if embedding is not None else settings.embedding), progress=progress
        )
