"""Embeddings from a name: the multilingual one and MiniLM in process, OpenAI-compatible servers, or any LangChain embedding."""

from memgpt_agent.embeddings.minilm import MiniLMEmbeddings
from memgpt_agent.embeddings.multilingual import MultilingualEmbeddings
from memgpt_agent.embeddings.resolve import (
    embedding_dims,
    embedding_name,
    missing_install,
    resolve_embedding,
)

__all__ = [
    "MiniLMEmbeddings", "MultilingualEmbeddings", "embedding_dims", "embedding_name", "missing_install", "resolve_embedding",
]  # fmt: skip
