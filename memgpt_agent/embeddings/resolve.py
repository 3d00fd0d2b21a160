"""Resolving a name, an object or a function to a LangChain embedding, with the name and size that a store remembers."""

import importlib.util
import os
from collections.abc import Awaitable, Callable, Sequence
from functools import lru_cache
from typing import Any

from langchain_core.embeddings import Embeddings

from memgpt_agent.embeddings.minilm import MINILM_NAME, InProcessEmbeddings, MiniLMEmbeddings
from memgpt_agent.embeddings.multilingual import MULTILINGUAL_NAME, MultilingualEmbeddings
from memgpt_agent.errors import ConfigurationError, MissingCredential, MissingDependency, ModelError

DEFAULT_EMBEDDING = "multilingual"

EmbeddingFunction = (
    Callable[[Sequence[str]], list[list[float]]] | Callable[[Sequence[str]], Awaitable[list[list[float]]]]
)
"""What LangGraph's stores take for ``embed``: texts to vectors, sync or async."""

_OPENAI_DIMS = {"text-embedding-3-small": 1536, "text-embedding-3-large": 3072, "text-embedding-ada-002": 1536}
_TIMEOUT_SECONDS = 60.0


def resolve_embedding(
    embedding: str | Embeddings | EmbeddingFunction | None = None,
    *,
    base_url: str | None = None,
    api_key: str | None = None,
) -> Embeddings:
    """Return the embedding that is meant: a name, a LangChain embedding (returned as it is), a function, or the default.

    Names: ``multilingual`` (the default, in process), ``minilm`` (English, in process; extra ``minilm``), ``openai:<model>`` or
    ``openai/<model>`` (OpenAI or any server that speaks its protocol), and those that a store remembers. Nothing is loaded and
    nothing is asked of a server yet. Each embedding in process is one object, so its model is in memory once.

    Args:
        embedding: what is meant.
        base_url: of an OpenAI-compatible server; else ``OPENAI_BASE_URL`` or ``OPENAI_API_BASE``.
        api_key: its key; else ``OPENAI_API_KEY``. A server of one's own may need none.

    Raises:
        ConfigurationError: the name is unknown, or the object is not an embedding.
        MissingCredential: OpenAI is meant and there is no key.
        MissingDependency: the provider's package is not installed.

    Limits:
        An async function serves the async methods only.
    """
    if embedding is None:
        embedding = DEFAULT_EMBEDDING
    if isinstance(embedding, Embeddings):
        return embedding
    if isinstance(embedding, str):
        return _by_name(embedding.strip(), base_url, api_key)
    if callable(embedding):
        from langgraph.store.base.embed import ensure_embeddings

        return ensure_embeddings(embedding)
    raise ConfigurationError(
        f"{embedding!r} is no embedding. Give a name ('multilingual', 'openai:<model>'), a LangChain Embeddings object, "
        "or a function from texts to vectors."
    )


def missing_install(embedding: Embeddings) -> str | None:
    """Return the command that installs what an embedding in process lacks; None if nothing is missing. Loads nothing."""
    if isinstance(embedding, InProcessEmbeddings) and any(importlib.util.find_spec(module) is None for module in embedding.modules):
        return embedding.install
    return None


def embedding_name(embedding: Embeddings) -> str:
    """Return the name under which a store remembers whose vectors it holds: the same model, the same name."""
    if isinstance(name := getattr(embedding, "name", None), str) and name:
        return name
    model = getattr(embedding, "model", None) or getattr(embedding, "model_name", None)
    kind = type(embedding).__name__.removesuffix("Embeddings").lower() or "embeddings"
    if isinstance(model, str) and model:
        dimensions: object = getattr(embedding, "dimensions", None)
        return f"{kind}:{model}" + (f":{dimensions}" if isinstance(dimensions, int) else "")
    function = getattr(embedding, "func", None) or getattr(embedding, "afunc", None)
    if function is not None:
        return f"function:{getattr(function, '__module__', '?')}.{getattr(function, '__qualname__', type(function).__name__)}"
    return f"{type(embedding).__module__}.{type(embedding).__qualname__}"


def embedding_dims(embedding: Embeddings) -> int:
    """Return the length of the embedding's vectors; asks the model only where neither it nor we know.

    Raises:
        ModelError: the embedding answered something that is no vector.

    Limits:
        An unknown model is asked to embed one word, which may be a call to its server.
    """
    for attribute in ("dims", "dimensions"):
        if isinstance(known := getattr(embedding, attribute, None), int) and known > 0:
            return known
    if isinstance(model := getattr(embedding, "model", None), str) and model in _OPENAI_DIMS:
        return _OPENAI_DIMS[model]
    vector: Any = embedding.embed_query("size")
    try:
        dims = len(vector)
    except TypeError:
        dims = 0
    if not dims:
        raise ModelError(
            f"The embedding {embedding_name(embedding)} answered {vector!r} instead of a vector of numbers."
        )
    return dims


def _by_name(name: str, base_url: str | None, api_key: str | None) -> Embeddings:
    if name.lower() in {"minilm", "all-minilm-l6-v2", MINILM_NAME.lower()}:
        return _minilm()
    if name.lower() in {"multilingual", "local", MULTILINGUAL_NAME}:
        return _multilingual()
    for mark in ("openai:", "openai/"):
        if name.lower().startswith(mark) and (model := name[len(mark) :].strip()):
            return _openai(model, base_url, api_key)
    raise ConfigurationError(
        f"No embedding is called {name!r}. Names are 'multilingual', 'minilm' and 'openai:<model>' (such as "
        "'openai:text-embedding-3-small'); for another provider pass its LangChain Embeddings object."
    )


@lru_cache(maxsize=1)
def _minilm() -> MiniLMEmbeddings:
    return MiniLMEmbeddings()


@lru_cache(maxsize=1)
def _multilingual() -> MultilingualEmbeddings:
    return MultilingualEmbeddings()


def _openai(model: str, base_url: str | None, api_key: str | None) -> Embeddings:
    try:
        from langchain_openai import OpenAIEmbeddings
    except ImportError as error:
        raise MissingDependency(
            f"The embedding 'openai:{model}' needs langchain-openai. Run: pip install langchain-openai"
        ) from error
    base_url = base_url or os.environ.get("OPENAI_BASE_URL") or os.environ.get("OPENAI_API_BASE") or None
    api_key = api_key or os.environ.get("OPENAI_API_KEY") or None
    if api_key is None and base_url is None:
        raise MissingCredential(
            f"The embedding 'openai:{model}' needs a key: set OPENAI_API_KEY, or OPENAI_BASE_URL for a server of your own, "
            "or use 'multilingual', which needs neither."
        )
    options: dict[str, Any] = {
        "model": model,
        "base_url": base_url,
        "api_key": api_key or "none-needed",  # the client wants one; a server of one's own does not
        # With it on, langchain-openai fetches tiktoken's vocabulary and sends token ids, which other servers refuse.
        "check_embedding_ctx_length": False,
        "timeout": _TIMEOUT_SECONDS,
    }
    return OpenAIEmbeddings(**options)
