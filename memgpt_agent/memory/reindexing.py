"""Embedding the configured store anew, when the embedding has changed."""

from collections.abc import Callable

from langchain_core.embeddings import Embeddings

from memgpt_agent.config import Settings
from memgpt_agent.embeddings import resolve_embedding
from memgpt_agent.errors import StoreError
from memgpt_agent.store.opening import file_of
from memgpt_agent.store.sqlite.reindex import reindex_file


def reindex_configured_store(
    settings: Settings, embedding: Embeddings | str | None = None, progress: Callable[[int, int], None] | None = None
) -> int:
    """Embed all memories of these settings' store anew, by ``embedding`` or the settings' own; return how many documents.

    Raises:
        StoreError: there is no store yet.
        ConfigurationError: the embedding's name is unknown.
    """
    path = file_of(settings.store_url)
    if path is None:
        raise StoreError(f"{settings.store_url} ends with its process: there is nothing to embed anew.")
    return reindex_file(
        path, resolve_embedding(embedding if embedding is not None else settings.embedding), progress=progress
    )
