"""Embedding the configured store again, when the embedding has changed."""

from collections.abc import Callable

from langchain_core.embeddings import Embeddings

from memgpt_agent.config import Settings
from memgpt_agent.embeddings import embedding_name, resolve_embedding
from memgpt_agent.errors import ConfigurationError
from memgpt_agent.store import open_store


def reindex_configured_store(
    settings: Settings, embedding: Embeddings | str | None = None, progress: Callable[[int, int], None] | None = None
) -> tuple[str, int]:
    """Embed all memories of these settings' store again; return the embedding's name and how many documents it embedded.

    It embeds by ``embedding``, else the settings' one, else the one that made the store's vectors: no store changes its embedding unasked.

    Raises:
        StoreError: there is no store yet.
        ConfigurationError: the embedding's name is unknown, or nobody names one and the store's own is an object of a program's.
    """
    with open_store(settings.store_url, create=False) as store:
        given = embedding if embedding is not None else settings.embedding
        identity = store.embedding()
        try:
            chosen = resolve_embedding(given if given is not None or identity is None else identity.name)
        except ConfigurationError as error:
            if given is not None or identity is None:
                raise
            words = f"The memories were embedded by {identity.name}. Name the embedding to use: --embedding. {error}"
            raise ConfigurationError(words) from error
        return embedding_name(chosen), store.reindex(chosen, progress=progress)
