"""The embedding of a store: embedding texts, and checking that it is the one that made the file's vectors."""

from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.embeddings import Embeddings
from langgraph.store.base import IndexConfig

from memgpt_agent.embeddings.resolve import embedding_dims, embedding_name, resolve_embedding
from memgpt_agent.errors import EmbeddingMismatch
from memgpt_agent.faces import SYNC, Face, finished
from memgpt_agent.store.arrays import Floats, unit
from memgpt_agent.store.protocol import EmbeddingIdentity, Progress

TEXTS_AT_ONCE = 256
"""How many texts to give the embedding in one call."""


class Embedder:
    """An embedding with a name and a number of dimensions; gives unit rows."""

    def __init__(self, embeddings: Embeddings, dims: int | None = None) -> None:
        self.embeddings = embeddings
        self.name = embedding_name(embeddings)
        self.dims = dims or embedding_dims(embeddings)
        self.identity = EmbeddingIdentity(self.name, self.dims)

    async def vectors(self, face: Face, texts: Sequence[str], progress: Progress | None = None) -> Mapping[str, Floats]:
        """Return a unit row for each distinct text.

        Raises:
            EmbeddingMismatch: the embedding answered vectors of another size.
        """
        rows: dict[str, Floats] = {}
        for start in range(0, len(texts), TEXTS_AT_ONCE):
            part = list(texts[start : start + TEXTS_AT_ONCE])
            made = await face.either(self.embeddings.embed_documents, self.embeddings.aembed_documents, part)
            rows.update(zip(part, self._rows(made, len(part)), strict=True))
            if progress:
                progress(start + len(part), len(texts))
        return rows

    def documents(self, texts: Sequence[str], progress: Progress | None = None) -> Mapping[str, Floats]:
        """Return what :meth:`vectors` does, in this thread."""
        return finished(self.vectors(SYNC, texts, progress))

    async def queries(self, face: Face, texts: Sequence[str]) -> Mapping[str, Floats]:
        """Return a unit row for each query."""
        embed = self.embeddings
        return {text: self._rows([await face.either(embed.embed_query, embed.aembed_query, text)], 1)[0] for text in dict.fromkeys(texts)}

    def _rows(self, vectors: Any, count: int) -> Floats:
        rows = unit(vectors)
        if rows.shape != (count, self.dims):
            raise EmbeddingMismatch(
                f"The embedding {self.name} gave {rows.shape[0]} vectors of {rows.shape[1]} numbers for {count} texts; "
                f"the store's index has dims={self.dims}. Give the embedding's own size as index['dims']."
            )
        return rows


def make_embedder(index: IndexConfig | Mapping[str, Any] | None) -> Embedder | None:
    """Return the embedder of an index configuration, or None if it names none (words only)."""
    embed: Any = index.get("embed") if index else None
    if index is None or embed is None:
        return None
    dims: Any = index.get("dims")
    return Embedder(resolve_embedding(embed), int(dims) if dims else None)


def indexed_paths(index: IndexConfig | Mapping[str, Any] | None) -> list[str]:
    """Return the paths that an index configuration indexes where a put names none."""
    fields: Any = index.get("fields") if index else None
    return [fields] if isinstance(fields, str) else list(fields or ["$"])
