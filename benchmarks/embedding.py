"""An embedding that embeds each document once: a benchmark files the same texts again and again."""

from langchain_core.embeddings import Embeddings

from memgpt_agent.embeddings import resolve_embedding


class Cached(Embeddings):
    """Another embedding that embeds each document once. A query is embedded anew each time, as in use."""

    def __init__(self, embedding: Embeddings) -> None:
        self._embedding = embedding
        self._known: dict[str, list[float]] = {}

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return a vector for each text."""
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        if new:
            self._known.update(zip(new, self._embedding.embed_documents(new), strict=True))
        return [self._known[text] for text in texts]

    def embed_query(self, text: str) -> list[float]:
        """Return a query's vector."""
        return self._embedding.embed_query(text)


def cached_embedding(name: str | None = None) -> Cached:
    """Return the package's default embedding, or another by name."""
    return Cached(resolve_embedding(name))
