"""Embeddings from a name: the embedded MiniLM, OpenAI-compatible servers, or any LangChain embedding."""

from memgpt_agent.embeddings.minilm import MiniLMEmbeddings
from memgpt_agent.embeddings.resolve import embedding_dims, embedding_name, resolve_embedding

__all__ = ["MiniLMEmbeddings", "embedding_dims", "embedding_name", "resolve_embedding"]
