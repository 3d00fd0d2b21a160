"""The embedding of a store: embedding texts, failures of an embedding, and vectors that come later."""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any

from langchain_core.embeddings import Embeddings
from langgraph.store.base import IndexConfig

from memgpt_agent.embeddings.resolve import embedding_dims, embedding_name, resolve_embedding
from memgpt_agent.errors import EmbeddingMismatch, MemGPTError
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


CATCH_UP_DOCS = 64
"""How many waiting documents each write embeds once the embedding answers again."""
_SLOW_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 60.0
_log = logging.getLogger(__name__)


class Outage:
    """What is known of an embedding that fails; shared by all views of one store.

    As a context it takes in what the embedding raises, but for errors of this package such as a wrong dimension. A failure
    that took long (a server that does not answer) is followed by a pause ten times as long, a minute at most, in which
    nothing is asked: no turn waits for a timeout again and again.
    """

    def __init__(self) -> None:
        self.pending = False
        """Whether documents may wait for their vectors."""
        self._asked_again_at = 0.0
        self._out = False
        self._asking = threading.local()

    @property
    def pauses(self) -> bool:
        """Whether the embedding is not asked now."""
        return time.monotonic() < self._asked_again_at

    async def documents(self, face: Face, embedder: Embedder | None, texts: Sequence[str]) -> Mapping[str, Floats]:
        """Return a vector for each document; none if there is no embedding, or where it fails or pauses."""
        if embedder and texts and not self.pauses:
            with self:
                return await embedder.vectors(face, texts)
        return {}

    async def queries(self, face: Face, embedder: Embedder | None, texts: Sequence[str]) -> Mapping[str, Floats]:
        """Return a vector for each query; none if there is no embedding, or where it fails or pauses."""
        if embedder and texts and not self.pauses:
            with self:
                return await embedder.queries(face, texts)
        return {}

    def catch_up_after(self, vectors: Mapping[str, Floats], catch_up: Callable[[int], int]) -> None:
        """Embed some of the documents that wait, once the embedding has answered again.

        Args:
            vectors: what a write has just been given.
            catch_up: embeds at most so many documents, and returns how many that were.
        """
        if vectors and self.pending:
            with self:
                self.pending = catch_up(CATCH_UP_DOCS) > 0

    def __enter__(self) -> None:
        self._asking.since = time.monotonic()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> bool:
        if error is None:
            self._out = False
            return False
        if isinstance(error, MemGPTError) or not isinstance(error, Exception):
            return False
        now = time.monotonic()
        took = now - self._asking.since
        if took > _SLOW_SECONDS:
            self._asked_again_at = now + min(10 * took, _LONGEST_PAUSE_SECONDS)
        if not self._out:
            _log.warning(
                "The embedding cannot be asked (%s: %s). Until it answers, memory is searched by words; what is written is embedded later.",
                type(error).__name__, error,
            )  # fmt: skip
        self._out = self.pending = True
        return True


_HELD_BACK_SECONDS = 0.05
"""Embedding takes the processor from what leads to the model's call; by then the model is at work, or somebody waits for the vectors."""


class EmbeddingLater:
    """Embeds the documents that wait for their vectors, in one thread, all that wait at once; shared by all views of one store.

    Args:
        catch_up: embeds at most so many documents, and returns how many that were.
        pending: returns how many wait.
        outage: takes in what the embedding raises; what could not be embedded goes on waiting.
    """

    def __init__(self, catch_up: Callable[[int], int], pending: Callable[[], int], outage: Outage) -> None:
        self._catch_up, self._pending = catch_up, pending
        self._outage = outage
        self._lock = threading.Lock()
        self._executor: ThreadPoolExecutor | None = None
        self._queued: Future[None] | None = None
        self._latest: Future[None] | None = None
        self._closed = False
        self._wanted = threading.Event()

    def begin(self) -> None:
        """See that what has been written so far gets its vectors, in a moment or as soon as :meth:`wait` is called."""
        with self._lock:
            if self._closed or self._queued is not None:
                return
            self._wanted.clear()
            if self._executor is None:
                self._executor = ThreadPoolExecutor(1, thread_name_prefix="memgpt-vectors")
            self._latest = self._queued = self._executor.submit(self._run)

    def wait(self, timeout_seconds: float) -> bool:
        """Wait until all that :meth:`begin` was called for has been tried; whether that was within the timeout."""
        with self._lock:
            latest = self._latest
            self._wanted.set()
        if latest is None:
            return True
        try:
            latest.result(timeout_seconds)
        except TimeoutError:
            return False
        return True

    def close(self) -> None:
        """Finish what was begun, and take no more."""
        with self._lock:
            self._closed, executor = True, self._executor
            self._wanted.set()
        if executor is not None:
            executor.shutdown()

    def _run(self) -> None:
        self._wanted.wait(_HELD_BACK_SECONDS)
        with self._lock:
            self._queued = None
        if self._outage.pauses:
            self._outage.pending = True
            return
        with self._outage:
            left = self._pending()  # what others write from now on has a run of its own
            while left > 0 and (embedded := self._catch_up(CATCH_UP_DOCS)):
                left -= embedded
            self._outage.pending = False
