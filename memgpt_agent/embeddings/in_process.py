"""What the in-process embeddings share: sync and async forms over one array of vectors, and their dependencies."""

import asyncio
from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from langchain_core.embeddings import Embeddings
from numpy.typing import NDArray


class InProcessEmbeddings(Embeddings):
    """An embedding without a server. A subclass says how texts become an array of unit rows."""

    name: ClassVar[str]
    """Written into a store, so that vectors of another model are never compared with these."""
    dims: ClassVar[int]
    """The length of its vectors."""
    modules: ClassVar[tuple[str, ...]]
    """The modules that it imports on first use."""

    @property
    @abstractmethod
    def install(self) -> str:
        """The command that installs them."""

    @abstractmethod
    def embed_array(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return (n, dims) float32, unit length; loads the model at the first call."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return one vector for each text, in the order given."""
        return self.embed_array(texts).tolist()

    def embed_query(self, text: str) -> list[float]:
        """Return the vector of one text."""
        return self.embed_array([text])[0].tolist()

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        """As :meth:`embed_documents`, in a thread."""
        return await asyncio.to_thread(self.embed_documents, texts)

    async def aembed_query(self, text: str) -> list[float]:
        """As :meth:`embed_query`, in a thread."""
        return await asyncio.to_thread(self.embed_query, text)
