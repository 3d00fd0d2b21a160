"""The vectors, texts and exact answers of one run: made once, shared by every backend through files."""

import argparse
import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
from langchain_core.embeddings import Embeddings
from numpy.typing import NDArray

DIMS = 384
QUERIES = 200
SPARE = 1000
"""Vectors beyond the largest size, for single puts into a full store."""
TOP = 10
CLUSTERED, GIVEN = "clustered synthetic vectors", "vectors from a file"
_SENTENCES = 20_000
_Floats = NDArray[np.float32]


def unit(rows: Any) -> _Floats:
    """Return (n, dim) float32 rows of unit length."""
    return (rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)).astype(np.float32)


def clustered(count: int, seed: int) -> _Floats:
    """Return (count, 384) unit rows in clusters of about 100, whose directions fall off as those of sentence vectors do."""
    dice = np.random.default_rng(seed)
    spread = (1.0 + np.arange(DIMS, dtype=np.float32)) ** -0.5
    centres = unit(dice.standard_normal((max(16, count // 100), DIMS), np.float32) * spread)
    rows = np.empty((count, DIMS), np.float32)
    for start in range(0, count, 50_000):
        stop = min(start + 50_000, count)
        noise = unit(dice.standard_normal((stop - start, DIMS), np.float32) * spread)
        rows[start:stop] = unit(centres[dice.integers(len(centres), size=stop - start)] + 0.8 * noise)
    return rows


def mixed(given: _Floats, count: int, seed: int) -> _Floats:
    """Return (count, dim) unit rows: the given ones, then sums of two of them in any proportion, then shuffled."""
    dice = np.random.default_rng(seed)
    rows = np.empty((count, given.shape[1]), np.float32)
    rows[: len(given)] = given[:count]
    for start in range(min(len(given), count), count, 50_000):
        stop = min(start + 50_000, count)
        one, other = dice.integers(len(given), size=(2, stop - start))
        share = dice.uniform(0.15, 0.85, size=(stop - start, 1)).astype(np.float32)
        rows[start:stop] = unit(share * given[one] + (1 - share) * given[other])
    dice.shuffle(rows)
    return rows


def texts_in(paths: list[Path]) -> list[str]:
    """Return the distinct texts of 20 to 1,000 characters in JSON, JSON-lines and text files, gzipped or not, in order."""
    found: dict[str, None] = {}

    def walk(value: Any) -> None:
        if isinstance(value, str) and 20 <= len(value) <= 1000:
            found[value] = None
        for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            walk(inner)

    for path in paths:
        content = path.read_bytes()
        text = (gzip.decompress(content) if path.suffix == ".gz" else content).decode()
        try:
            walk(json.loads(text))
        except json.JSONDecodeError:
            for line in text.splitlines():
                walk(json.loads(line) if line.startswith(("{", "[")) else line)
    return list(found)


def sentences(seed: int) -> list[str]:
    """Return made-up messages of 8 to 30 words, the words as unequally frequent as in any language."""
    dice = np.random.default_rng(seed)
    letters = np.array(list("aeioubcdfglmnprst"))
    words = ["".join(dice.choice(letters, size=dice.integers(2, 10))) for _ in range(30_000)]
    shares = 1.0 / (10 + np.arange(len(words)))
    drawn = dice.choice(len(words), size=(_SENTENCES, 30), p=shares / shares.sum())
    return [" ".join(words[i] for i in row[: 8 + number % 23]) for number, row in enumerate(drawn)]


def exact(base: _Floats, queries: _Floats, size: int) -> NDArray[np.int64]:
    """Return (queries, 10) the ids of the vectors among the first ``size`` that are closest, best first."""
    best = np.full((len(queries), 0), 0, np.int64)
    scores = np.full((len(queries), 0), 0.0, np.float32)
    for start in range(0, size, 20_000):
        part = queries @ base[start : min(start + 20_000, size)].T
        scores = np.concatenate([scores, part], axis=1)
        best = np.concatenate([best, np.broadcast_to(np.arange(start, start + part.shape[1]), part.shape)], axis=1)
        order = np.argsort(-scores, axis=1, kind="stable")[:, :TOP]
        scores, best = np.take_along_axis(scores, order, 1), np.take_along_axis(best, order, 1)
    return best


def prepare(folder: Path, given: argparse.Namespace) -> str:
    """Write ``base.npy``, ``queries.npy``, ``texts.json`` and the exact answers of each size; return what the vectors are."""
    count = max(given.sizes) + SPARE + QUERIES
    if given.vectors:
        rows, kind = unit(np.load(given.vectors)), GIVEN
        if rows.shape[0] < count:
            rows, kind = mixed(rows, count, given.seed), f"{GIVEN}, and mixtures of two"
    elif given.texts:
        from memgpt_agent.embeddings.resolve import resolve_embedding

        texts = texts_in(given.texts)
        print(f"embedding {len(texts):,} texts with MiniLM ...", flush=True)
        rows = mixed(unit(np.array(resolve_embedding("minilm").embed_documents(texts), np.float32)), count, given.seed)
        kind = f"MiniLM vectors of {len(texts):,} texts, and mixtures of two of them"
    else:
        rows, kind = clustered(count, given.seed), CLUSTERED
    dice = np.random.default_rng(given.seed)
    rows = rows[dice.permutation(len(rows))[:count]] if given.vectors else rows
    np.save(folder / "queries.npy", rows[-QUERIES:])
    np.save(folder / "base.npy", rows[:-QUERIES])
    (folder / "texts.json").write_text(json.dumps(sentences(given.seed)))
    for size in given.sizes:
        np.save(folder / f"exact-{size}.npy", exact(rows, rows[-QUERIES:], size))
    return kind


class Data:
    """What a backend is given, read from the files of :func:`prepare`."""

    def __init__(self, folder: Path) -> None:
        self.base: _Floats = np.load(folder / "base.npy", mmap_mode="r")
        self.queries: _Floats = np.load(folder / "queries.npy")
        self._sentences: list[str] = json.loads((folder / "texts.json").read_text())
        self._folder = folder

    def text(self, number: int) -> str:
        """Return the message of an item; it begins with its number."""
        return f"t{number} {self._sentences[number % len(self._sentences)]}"

    def exact(self, size: int) -> NDArray[np.int64]:
        """Return (queries, 10) the right answers."""
        return np.load(self._folder / f"exact-{size}.npy")


class Lookup(Embeddings):
    """An embedding that costs nothing: the number in front of a text says which vector it has."""

    def __init__(self, data: Data, *, as_lists: bool = False) -> None:
        self._data = data
        self._as_lists = as_lists  # psycopg takes no arrays; every other store takes them, and is faster for it

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return the vectors of items."""
        if texts[0].startswith("q"):  # some stores embed queries so
            return [self.embed_query(text) for text in texts]
        numbers = [int(text[1 : text.index(" ")]) for text in texts]
        rows: Any = self._data.base[numbers]
        return rows.tolist() if self._as_lists else list(rows)

    def embed_query(self, text: str) -> list[float]:
        """Return the vector of a query, ``q17``."""
        row: Any = self._data.queries[int(text[1:])]
        return row.tolist() if self._as_lists else row
