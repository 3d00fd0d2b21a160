"""Open files: shown in main context with their lines; the least recently used is closed when they do not fit."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from langgraph.store.base import BaseStore, GetOp

from memgpt_agent.errors import FileNotAttached, InvalidArguments
from memgpt_agent.memory import namespaces
from memgpt_agent.memory.files.record import (
    FileRecord,
    bare_name,
    read_lines,
    record_of,
)
from memgpt_agent.prompts import FILE_CUT, FILE_SHORTER, FILES_NOT_SHOWN, as_data
from memgpt_agent.store.update import update

_KEY = "views"
MAX_OPEN = 10
LINE_CHARS = 400
"""Longer lines are shown cut."""
_TAGS = ("open_files", "file")


@dataclass(frozen=True)
class FileView:
    """The view of an open file."""

    id: str
    """The file's id."""
    name: str
    """The file's name."""
    first: int
    """The first line shown, from 1."""
    last: int
    """The last line shown, included."""
    tokens: int = 0
    """How many tokens it took in main context when it was opened."""


class OpenFiles:
    """The open files of one agent, the most recently used last.

    Args:
        room_tokens: what they may take together in main context.
        count_tokens: counts the tokens of a text.
    """

    def __init__(self, store: BaseStore, agent_id: str, room_tokens: int, count_tokens: Callable[[str], int]) -> None:
        self._store = store
        self._agent_id = agent_id
        self._count = count_tokens
        self._room_tokens = room_tokens - count_tokens(_around([], MAX_OPEN))

    def views(self) -> list[FileView]:
        """Return the open views. A removed file is no longer open."""
        return [view for view, _ in self._opened(self._stored())]

    def open(self, record: FileRecord, first: int = 1, last: int | None = None) -> tuple[FileView, list[FileView]]:
        """Open a file at some lines, or move the view of an open one; return the view and the files closed for it.

        Where the lines asked for take more than the room there is, fewer of them are shown.

        Raises:
            InvalidArguments: the file has no such lines.
        """
        if not 1 <= first <= max(record.lines, 1) or (last is not None and last < first):
            asked = f"{first}-{last}" if last is not None else f"from {first}"
            raise InvalidArguments(f"Lines {asked} of {record.name}: it has lines 1 to {record.lines}.")
        shown, tokens = self._fitting(record, first, min(last or record.lines, record.lines), self._room_tokens)
        view = FileView(record.id, record.name, first, first + max(len(shown), 1) - 1, tokens)
        closed: list[FileView] = []

        def change(views: list[FileView]) -> list[FileView]:
            others = [v for v in views if v.id != record.id]
            closed.clear()
            while others and (len(others) >= MAX_OPEN or sum(v.tokens for v in others) + tokens > self._room_tokens):
                closed.append(others.pop(0))
            return [*others, view]

        self._change(change)
        return view, closed

    def close(self, name: str) -> FileView:
        """Close a file; if several names end alike, the one with exactly this name.

        Raises:
            FileNotAttached: it is not open.
        """
        views, named = self.views(), bare_name(name)
        closing = [v for v in views if v.name == named] or [v for v in views if v.name.endswith(f"/{named}")]
        if not closing:
            raise FileNotAttached(f"{name!r} is not open. Open are: {', '.join(v.name for v in views) or 'none'}.")
        self._change(lambda views: [v for v in views if v.id != closing[0].id])
        return closing[0]

    def render(self) -> str:
        """Return the open files as the model sees them, as they are now, within the room there is now.

        A file may have been loaded again, or the window be smaller than when it was opened: then those used last are shown
        first, as far as there is room; says what is left out.
        """
        opened = self._opened(self._stored())
        shown: list[str] = []
        left = self._room_tokens
        for view, record in reversed(opened):
            element = _element(record, view, [_line(*line) for line in self._lines(record, view.first, view.last)])
            tokens = self._count(element + "\n")
            if (
                tokens > left
            ):  # only then by lines: a thousand of them take five times as long to count as they do in one
                lines, tokens = self._fitting(record, view.first, view.last, left)
                element = _element(record, view, lines)
            if tokens > left:
                break
            shown.insert(0, element)
            left -= tokens
        return _around(shown, len(opened) - len(shown)) if opened else ""

    def _fitting(self, record: FileRecord, first: int, last: int, room_tokens: int) -> tuple[list[str], int]:
        """Return a file's lines as they are shown, as many as fit, and the tokens that it takes with them."""
        shown: list[str] = []
        tokens = self._count(_element(record, FileView(record.id, record.name, first, last), []) + "\n")
        for number, text in self._lines(record, first, last):
            line = _line(number, text)
            more = self._count(line + "\n")
            if tokens + more > room_tokens:
                break
            shown.append(line)
            tokens += more
        return shown, tokens

    def _lines(self, record: FileRecord, first: int, last: int) -> Iterator[tuple[int, str]]:
        return read_lines(self._store, self._agent_id, record, first, last)

    def _stored(self) -> Any:
        item = self._store.get(namespaces.of(self._agent_id, "open_files"), _KEY)
        return item.value if item else None

    def _opened(self, stored: Any) -> list[tuple[FileView, FileRecord]]:
        """Return the views, each with the current state of its file."""
        if not stored:
            return []
        views = [namespaces.read_as(FileView, view) for view in stored["views"]]
        records: list[Any] = self._store.batch([GetOp(namespaces.of(self._agent_id, "files"), view.id) for view in views])
        return [(view, record_of(item.value)) for view, item in zip(views, records, strict=True) if item]

    def _change(self, change: Callable[[list[FileView]], list[FileView]]) -> None:
        def changed(stored: dict[str, Any] | None) -> dict[str, Any]:
            return {"views": [asdict(view) for view in change([view for view, _ in self._opened(stored)])]}

        update(self._store, namespaces.of(self._agent_id, "open_files"), _KEY, changed)


def _around(elements: Sequence[str], left_out: int) -> str:
    more = [FILES_NOT_SHOWN.format(count=left_out)] if left_out else []
    return "\n".join(["<open_files>", *elements, *more, "</open_files>"])


def _element(record: FileRecord, view: FileView, lines: Sequence[str]) -> str:
    last = view.first + len(lines) - 1
    name = bare_name(record.name).replace('"', "&quot;").replace("<", "&lt;")
    head = f'<file name="{name}" lines="{view.first}-{max(last, view.first)} of {record.lines}">'
    wanted = min(view.last, record.lines)
    if wanted < view.first:
        lines = [FILE_SHORTER.format(lines=record.lines)]
    elif last < wanted:
        lines = [*lines, FILE_CUT.format(first=last + 1, last=wanted)]
    return "\n".join([head, *lines, "</file>"])


def _line(number: int, text: str) -> str:
    shown = text if len(text) <= LINE_CHARS else text[:LINE_CHARS] + " [...]"
    return f"{number}: {as_data(shown, *_TAGS)}"
