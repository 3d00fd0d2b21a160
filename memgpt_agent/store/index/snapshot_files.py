"""The files of one index snapshot: written whole or not at all, checked when opened."""

import json
import mmap
import os
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np

from memgpt_agent.store.arrays import Floats
from memgpt_agent.store.index.approximate import Approximate, Depths
from memgpt_agent.store.index.namespace_documents import Contents, IndexVersion
from memgpt_agent.store.index.vectors import Segment

FORMAT = 1
HEADER = "header.json"
BLOCKS = 128
"""How many checksums a file of vectors has; opening it compares the first, the middle and the last."""
_COLUMNS: Mapping[str, Any] = {
    "docs": np.int64,
    "items": np.int64,
    "lengths": np.int64,
    "vector_docs": np.int64,
    "alive": np.bool_,
}
Stop = Callable[[], bool]


class SnapshotUnusable(Exception):
    """A snapshot is missing, damaged, or of something else. The index is then built from the database."""


class StoredSegment(NamedTuple):
    """Where a segment's rows and its approximate index lie, so that the next snapshot can take the same files."""

    folder: Path
    vectors: dict[str, Any]
    """``{"file", "rows", "blocks"}``."""
    approximate: dict[str, Any] | None
    """``{"file", "bytes", "crc", "ten", "hundred"}``."""


def write_snapshot(folder: Path, contents: Contents, namespace_id: int, dims: int | None) -> None:
    """Write a snapshot into a new folder, flushed to the disk; the caller gives the folder its name.

    Raises:
        OSError: the disk is full or cannot be written.
    """
    folder.mkdir(mode=0o700, parents=True)
    columns: dict[str, Any] = {}
    for name, dtype in _COLUMNS.items():
        values = np.ascontiguousarray(getattr(contents, name), dtype)
        columns[name] = {"file": f"{name}.bin", "count": len(values), "crc": zlib.crc32(values.data)}
        _write(folder / f"{name}.bin", values.data)
    stored = [
        _write_segment(folder, number, segment, count)
        for number, (segment, count) in enumerate(zip(contents.segments, contents.counts, strict=True))
    ]
    header = {
        "format": FORMAT,
        "namespace": namespace_id,
        "version": list(contents.version),
        "dims": dims,
        "columns": columns,
        "chunks": [[one.vectors, one.approximate] for one in stored],
    }
    text = json.dumps(header).encode()
    _write(folder / HEADER, b"%08x\n" % zlib.crc32(text) + text)
    flush_folder(folder)
    for segment, count, one in zip(contents.segments, contents.counts, stored, strict=True):
        if segment.count == count:
            segment.stored = one


def _write_segment(folder: Path, number: int, segment: Segment, count: int) -> StoredSegment:
    before = cast("StoredSegment | None", segment.stored)
    if before is None or before.vectors["rows"] != count:
        before = StoredSegment(folder, {"file": f"vectors-{number:05}.bin", "rows": count, "blocks": []}, None)
        data = _bytes(segment.rows[:count])
        before.vectors["blocks"] = [zlib.crc32(block) for block in _blocks(data)]
        _write(folder / before.vectors["file"], data)
    else:
        _link(before.folder / before.vectors["file"], folder / f"vectors-{number:05}.bin", segment.rows)
    vectors = {**before.vectors, "file": f"vectors-{number:05}.bin"}
    approximate = before.approximate
    if segment.approximate is None:
        return StoredSegment(folder, vectors, None)
    name = f"approximate-{number:05}.bin"
    if approximate is None:
        content = segment.approximate.to_bytes()
        ten, hundred = segment.approximate.depths
        approximate = {"bytes": len(content), "crc": zlib.crc32(content), "ten": ten, "hundred": hundred}
        _write(folder / name, content)
    else:
        _link(before.folder / approximate["file"], folder / name, None, segment.approximate)
    return StoredSegment(folder, vectors, {**approximate, "file": name})


def _link(old: Path, new: Path, rows: Floats | None, approximate: Approximate | None = None) -> None:
    """Give a file a second name; where the system or the file is not there for it, write it again."""
    try:
        os.link(old, new)
    except OSError:
        if rows is not None:
            _write(new, _bytes(rows))
        elif approximate is not None:
            _write(new, approximate.to_bytes())


def _write(path: Path, data: bytes | memoryview) -> None:
    with os.fdopen(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def flush_folder(folder: Path) -> None:
    """Make a folder's list of names durable, where the system can."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return  # Windows opens no folders
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _bytes(rows: Floats) -> memoryview:
    contiguous: Any = np.ascontiguousarray(rows)
    return memoryview(contiguous).cast("B")


def _blocks(data: memoryview) -> Iterator[memoryview]:
    size = _block_bytes(data)
    for start in range(0, len(data), size):
        yield data[start : start + size]


def _block_bytes(data: memoryview) -> int:
    return max(len(data) // BLOCKS, 4096)


def read_snapshot(folder: Path, namespace_id: int, dims: int | None, version: IndexVersion) -> Contents:
    """Return what a snapshot holds, its vectors mapped.

    Args:
        folder: the snapshot's.
        namespace_id: whose it must be.
        dims: how long its vectors must be.
        version: how far the namespace is; the snapshot may be behind it.

    Raises:
        SnapshotUnusable: with the reason.
    """
    try:
        header = _header(folder)
        if (header["format"], header["namespace"], header["dims"]) != (FORMAT, namespace_id, dims):
            raise SnapshotUnusable(
                f"{folder} has format {header['format']}, namespace {header['namespace']} and {header['dims']} dimensions; "
                f"{FORMAT}, {namespace_id} and {dims} are needed"
            )
        known = IndexVersion(*header["version"])
        if known.generation != version.generation or known > version or known.tombstone_high > version.tombstone_high:
            raise SnapshotUnusable(f"{folder} shows {known}, and the database is at {version}")
        columns = {name: _array(folder, header["columns"][name], dtype) for name, dtype in _COLUMNS.items()}
        segments = [_segment(folder, vectors, approximate, dims or 0) for vectors, approximate in header["chunks"]]
    except (OSError, ValueError, KeyError, TypeError, IndexError, RuntimeError) as error:
        raise SnapshotUnusable(f"{folder}: {type(error).__name__}: {error}") from error
    counts = [segment.count for segment in segments]
    documents = {len(columns[name]) for name in ("docs", "items", "lengths", "alive")}
    if len(documents) != 1 or sum(counts) != len(columns["vector_docs"]):
        raise SnapshotUnusable(f"{folder}: columns of different lengths")
    return Contents(known, segments=segments, counts=counts, **columns)


def check_files(folder: Path) -> None:
    """Read every byte of a snapshot.

    Raises:
        SnapshotUnusable: it is not as it was written; with the reason.
    """
    try:
        header = _header(folder)
        for name, dtype in _COLUMNS.items():
            _array(folder, header["columns"][name], dtype)
        for vectors, approximate in header["chunks"]:
            segment = _segment(folder, vectors, approximate, header["dims"] or 0)
            map_rows(segment, header["dims"] or 0)
            if not is_whole(segment, lambda: False):
                raise SnapshotUnusable(f"{folder}: {vectors['file']} is damaged")
    except (OSError, ValueError, KeyError, TypeError, IndexError, RuntimeError) as error:
        raise SnapshotUnusable(f"{folder}: {type(error).__name__}: {error}") from error


def covers(folder: Path, contents: Contents) -> bool:
    """Whether a snapshot shows all that an index holds, its approximate indexes included.

    Raises:
        SnapshotUnusable: it cannot be read.
    """
    try:
        header = _header(folder)
        known = IndexVersion(*header["version"])
        approximate = sum(one is not None for _, one in header["chunks"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SnapshotUnusable(f"{folder}: {type(error).__name__}: {error}") from error
    return (
        known.generation == contents.version.generation
        and known.doc_high >= contents.version.doc_high
        and known.tombstone_high >= contents.version.tombstone_high
        and approximate >= sum(segment.approximate is not None for segment in contents.segments)
        and len(header["chunks"]) <= len(contents.segments)
    )


def _header(folder: Path) -> dict[str, Any]:
    crc, _, text = (folder / HEADER).read_bytes().partition(b"\n")
    if crc != b"%08x" % zlib.crc32(text):
        raise ValueError("the header is damaged")
    return cast("dict[str, Any]", json.loads(text))


def _array(folder: Path, entry: Mapping[str, Any], dtype: Any) -> Any:
    content = _checked(folder / entry["file"], entry["count"] * np.dtype(dtype).itemsize, entry["crc"])
    return np.frombuffer(content, dtype)


def _checked(path: Path, size: int, crc: int) -> bytes:
    content = path.read_bytes()
    if len(content) != size or zlib.crc32(content) != crc:
        raise ValueError(f"{path.name} is damaged")
    return content


def _segment(folder: Path, vectors: dict[str, Any], approximate: dict[str, Any] | None, dims: int) -> Segment:
    path, rows = folder / vectors["file"], int(vectors["rows"])
    mapped = _mapped(path, rows, dims)
    data, blocks = _bytes(mapped), vectors["blocks"]
    size = _block_bytes(data)
    for number in {0, len(blocks) // 2, len(blocks) - 1}:
        if zlib.crc32(data[number * size : (number + 1) * size]) != blocks[number]:
            raise ValueError(f"{path.name} is damaged")
    segment = Segment(dims, mapped)
    segment.mapped = True
    segment.stored = StoredSegment(folder, vectors, approximate)
    if approximate is not None:
        content = _checked(folder / approximate["file"], approximate["bytes"], approximate["crc"])
        depths = Depths(int(approximate["ten"]), int(approximate["hundred"]))
        segment.approximate = Approximate.from_bytes(content, depths, rows, dims)
    return segment


def _mapped(path: Path, rows: int, dims: int) -> Floats:
    if path.stat().st_size != rows * dims * 4:
        raise ValueError(f"{path.name} has {path.stat().st_size:,} bytes; {rows * dims * 4:,} were written")
    with path.open("rb") as file:
        memory = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    return np.frombuffer(memory, np.float32).reshape(rows, dims)


def map_rows(segment: Segment, dims: int) -> None:
    """Let a full segment use the file it was written to instead of memory.

    Raises:
        SnapshotUnusable: the file is not there any more.
    """
    stored = cast("StoredSegment", segment.stored)
    if int(stored.vectors["rows"]) != segment.count:
        return  # it has grown since: the next snapshot has all of it
    try:
        segment.move_to(_mapped(stored.folder / stored.vectors["file"], int(stored.vectors["rows"]), dims))
    except (OSError, ValueError) as error:
        raise SnapshotUnusable(str(error)) from error


def is_whole(segment: Segment, stop: Stop) -> bool:
    """Whether all of a mapped segment is as it was written (True as well where ``stop`` ends the reading)."""
    stored = cast("StoredSegment", segment.stored)
    rows = segment.rows[: int(stored.vectors["rows"])]  # the last segment may have grown since
    data = _bytes(rows)
    return all(
        stop() or zlib.crc32(block) == crc for block, crc in zip(_blocks(data), stored.vectors["blocks"], strict=True)
    )
