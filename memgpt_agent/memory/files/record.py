"""The stored form of an attached file: its record, and its text in pages of lines."""

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from langgraph.store.base import BaseStore, PutOp

from memgpt_agent.memory import namespaces
from memgpt_agent.store.plain import all_items

PAGE_LINES = 200
"""How many lines one item of the store holds."""
_SCAN = 500


@dataclass(frozen=True)
class FileRecord:
    """One attached file."""

    id: str
    """Made from its path, so the same file gets the same id when loaded again."""
    name: str
    """The agent's name for it, unique among its files."""
    path: str
    """Where it was loaded from."""
    folder: str = ""
    """The loaded folder that holds it; empty if it was loaded by itself."""
    sha256: str = ""
    """The digest of its bytes when it was loaded; empty while it is being loaded."""
    size_bytes: int = 0
    """How large it was."""
    lines: int = 0
    """How many lines it has to read."""
    passages: int = 0
    """How many passages it was cut into."""
    tags: tuple[str, ...] = ()
    """The tags of its passages."""
    time: str = ""
    """When it was loaded, ISO 8601, UTC."""


def file_id(path: Path) -> str:
    """Return the id of a file, made from its real path."""
    return f"file-{hashlib.sha256(os.fsencode(path.resolve())).hexdigest()[:16]}"


def shown_path(path: Path) -> str:
    """Return where a file is, as text: bytes of a name that are none are shown as signs of their own."""
    return os.fsencode(path.absolute()).decode("utf-8", "replace")


def bare_name(name: str) -> str:
    """Return a name as files are called by: on one line, without ``./`` before it."""
    return " ".join(name.split()).removeprefix("./")


def value_of(record: FileRecord) -> dict[str, Any]:
    """Return a record as it is stored."""
    return {**asdict(record), "tags": list(record.tags)}


def record_of(value: dict[str, Any]) -> FileRecord:
    """Return a stored record, without fields that a later version added."""
    return namespaces.read_as(FileRecord, value)


def every_record(store: BaseStore, agent_id: str) -> Iterator[FileRecord]:
    """Yield the records of all of an agent's files, in the order in which they were first loaded."""
    return (record_of(item.value) for item in all_items(store, namespaces.of(agent_id, "files")))


def text_operations(agent_id: str, record_id: str, lines: Sequence[str]) -> list[PutOp]:
    """Return the operations that store a file's lines."""
    namespace = namespaces.of(agent_id, "file_text")
    pages = range(0, len(lines), PAGE_LINES)
    return [
        PutOp(namespace, page_key(record_id, start), {"lines": list(lines[start : start + PAGE_LINES])}, False)
        for start in pages
    ]


def page_key(record_id: str, line: int) -> str:
    """Return the key of the page that holds a line, counted from 0."""
    return f"{record_id}:{line // PAGE_LINES:06d}"


def read_lines(store: BaseStore, agent_id: str, record: FileRecord, first: int, last: int) -> Iterator[tuple[int, str]]:
    """Yield a file's lines with their numbers, from ``first`` to ``last``, both counted from 1 and included."""
    first, last = max(1, first), min(last, record.lines)
    for start in range((first - 1) // PAGE_LINES * PAGE_LINES, last, PAGE_LINES):
        item = store.get(namespaces.of(agent_id, "file_text"), page_key(record.id, start))
        for number, line in enumerate(item.value["lines"] if item else (), start=start + 1):
            if first <= number <= last:
                yield number, line
