"""The files that are open: shown in main context with their lines, the least recently used closed when room runs out."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from langgraph.store.base import BaseStore

from memgpt_agent.errors import FileNotAttached, InvalidArguments, ToolError
from memgpt_agent.memory.files.record import FileRecord, files_namespace, open_namespace, read_lines, record_of
from memgpt_agent.memory.search import put_if

_KEY = "views"
MAX_OPEN = 10
LINE_CHARS = 400
"""A longer line is shown cut."""


@dataclass(frozen=True)
class View:
    """A part of a file that is open."""

    id: str
    """The file's id."""
    name: str
    """The file's name."""
    first: int
    """The first line shown, from 1."""
    last: int
    """The last line shown, included."""
    chars: int = 0
    """How many characters it takes in main context."""


class OpenFiles:
    """The open files of one agent, the most recently used last."""

    def __init__(self, store: BaseStore, agent_id: str, room_chars: int) -> None:
        self._store = store
        self._agent_id = agent_id
        self._room_chars = room_chars

    def views(self) -> list[View]:
        """Return what is open."""
        item = self._store.get(open_namespace(self._agent_id), _KEY)
        return [View(**view) for view in item.value["views"]] if item else []

    def open(self, record: FileRecord, first: int = 1, last: int | None = None) -> tuple[View, list[View]]:
        """Open a file at some lines, or move the view of one that is open; return the view and what was closed for it.

        Where the lines asked for take more than the room there is, fewer of them are shown.

        Raises:
            InvalidArguments: the file has no such lines.
        """
        if not 1 <= first <= max(record.lines, 1) or (last is not None and last < first):
            asked = f"{first}-{last}" if last is not None else f"from {first}"
            raise InvalidArguments(f"Lines {asked} of {record.name}: it has lines 1 to {record.lines}.")
        view = self._fitting(record, first, min(last or record.lines, record.lines))
        closed: list[View] = []

        def change(views: list[View]) -> list[View]:
            others = [v for v in views if v.id != record.id]
            closed.clear()
            while others and (len(others) >= MAX_OPEN or sum(v.chars for v in others) + view.chars > self._room_chars):
                closed.append(others.pop(0))
            return [*others, view]

        self._change(change)
        return view, closed

    def close(self, name: str) -> View:
        """Close a file.

        Raises:
            FileNotAttached: it is not open.
        """
        closing = [v for v in self.views() if v.name == name or v.name.endswith(f"/{name}")]
        if not closing:
            raise FileNotAttached(
                f"{name!r} is not open. Open are: {', '.join(v.name for v in self.views()) or 'none'}."
            )
        self._change(lambda views: [v for v in views if v.id != closing[0].id])
        return closing[0]

    def render(self) -> str:
        """Return the open files as the model sees them; a file that was taken out or became shorter is shown as it is now."""
        shown: list[str] = []
        for view in self.views():
            item = self._store.get(files_namespace(self._agent_id), view.id)
            if item is None:
                continue
            record = record_of(item.value)
            lines = [
                _line(number, text)
                for number, text in read_lines(self._store, self._agent_id, record, view.first, view.last)
            ]
            head = f'<file name="{record.name}" lines="{view.first}-{min(view.last, record.lines)} of {record.lines}">'
            shown.append("\n".join([head, *lines, "</file>"]))
        return "\n".join(["<open_files>", *shown, "</open_files>"]) if shown else ""

    def _fitting(self, record: FileRecord, first: int, last: int) -> View:
        chars, shown = 80 + len(record.name), first
        for number, text in read_lines(self._store, self._agent_id, record, first, last):
            chars += len(_line(number, text)) + 1
            if chars > self._room_chars and number > first:
                return View(record.id, record.name, first, shown, self._room_chars)
            shown = number
        return View(record.id, record.name, first, shown, min(chars, self._room_chars))

    def _change(self, change: Callable[[list[View]], list[View]]) -> None:
        namespace = open_namespace(self._agent_id)
        for _ in range(20):
            item = self._store.get(namespace, _KEY)
            before = [View(**view) for view in item.value["views"]] if item else []
            value: dict[str, Any] = {"views": [asdict(view) for view in change(before)]}
            if put_if(self._store, namespace, _KEY, value, expected=item.value if item else None, index=False):
                return
        raise ToolError("The open files are being changed by somebody else again and again; try once more.")


def _line(number: int, text: str) -> str:
    return f"{number}: {text if len(text) <= LINE_CHARS else text[:LINE_CHARS] + ' [...]'}"
