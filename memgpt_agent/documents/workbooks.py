"""Workbooks: the sheets of Excel's and OpenDocument's, by the cells that there are, however far apart they lie."""

import io
import re
from collections import deque
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from memgpt_agent.documents.archives import Archive, elements, locked, read_xml, xml_blocks
from memgpt_agent.documents.sections import DocumentSection, DocumentSource, ReadingNote, salvaged
from memgpt_agent.documents.tables import Row, gathered
from memgpt_agent.errors import DocumentError

_COLUMN = re.compile(r"([A-Z]{1,3})\d")
_QUOTED = re.compile(r'"[^"]*"|\\.|\[(?![hms]+\])[^\]]*\]|[_*].', re.IGNORECASE)
_DATES = frozenset({*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59)})
"""Excel's own formats of dates and times (ECMA-376, part 1, 18.8.30)."""
_LAST_DAY = 2_958_466
"""After 31 December 9999."""
Sheet = Iterator[tuple[Row, int]]
"""Rows with the number of each."""


def parse_workbook(data: bytes, source: DocumentSource) -> Iterator[DocumentSection | ReadingNote]:
    """Read the sheets of a workbook; a page is a sheet, and its lines are rows. Notes name hidden and damaged sheets."""
    hidden: list[str] = []

    def visible() -> Iterator[tuple[str, Iterator[DocumentSection]]]:
        for number, (name, shown, rows) in enumerate(_sheets(data, source), start=1):
            if shown:
                yield f"sheet {number} ({name})", _sections(rows, number, name)
            else:
                hidden.append(name)

    yield from salvaged(visible())
    if hidden:
        yield ReadingNote(f"hidden sheets were left out: {', '.join(hidden[:10])}")


def _sections(rows: Sheet, number: int, name: str) -> Iterator[DocumentSection]:
    for section in gathered((row, line) for row, line in rows if row):
        yield DocumentSection(section.text, page=number, title=name, unit="sheet")


def _sheets(data: bytes, source: DocumentSource) -> Iterator[tuple[str, bool, Sheet]]:
    """Yield each sheet's name, whether it is shown, and its rows."""
    if not data.startswith(b"PK"):
        return _binary(data)
    archive = Archive(data, source)
    if "content.xml" in archive.names:
        return _open_document(archive, source)
    main = next((member for kind, member in archive.relations("").values() if kind == "officeDocument"), "xl/workbook.xml")
    return _binary(data) if main.endswith(".bin") else _excel(archive, main, source)


def _binary(data: bytes) -> Iterator[tuple[str, bool, Sheet]]:
    """Read the binary forms. **Limits**: a sheet takes room for all cells between its first and its last."""
    from python_calamine import CalamineWorkbook, SheetVisibleEnum

    workbook: Any = CalamineWorkbook.from_filelike(io.BytesIO(data))
    for about in workbook.sheets_metadata:
        yield str(about.name), about.visible == SheetVisibleEnum.Visible, _rows_of(workbook, str(about.name))


def _rows_of(workbook: Any, name: str) -> Sheet:
    for line, row in enumerate(workbook.get_sheet_by_name(name).iter_rows(), start=1):
        said = ((place, _number(value) if isinstance(value, float) else _line(str(value))) for place, value in enumerate(row))
        yield {place: text for place, text in said if text}, line


def _excel(archive: Archive, main: str, source: DocumentSource) -> Iterator[tuple[str, bool, Sheet]]:
    parts = archive.relations(main)
    by_kind = dict(parts.values())
    from_1904 = any(one.get("date1904") in {"1", "true"} for one in elements(archive, main, source, "workbookPr"))
    cells = _Cells(archive, by_kind, source, from_1904=from_1904)
    for about in elements(archive, main, source, "sheet"):
        kind, member = parts.get(about.get(":id", ""), ("", ""))
        if kind not in {"chartsheet", "dialogsheet"}:
            yield about.get("name", ""), about.get("state", "visible") == "visible", _excel_rows(archive, member, cells, source)


class _Cells:
    """What the cells of a workbook have in common: its texts, and which formats show a date. Read at the first use."""

    def __init__(self, archive: Archive, by_kind: Mapping[str, str], source: DocumentSource, *, from_1904: bool) -> None:
        self._archive, self._by_kind, self._source = archive, by_kind, source
        self._day_zero = datetime(1904, 1, 1) if from_1904 else datetime(1899, 12, 30)  # noqa: DTZ001  a cell has no zone
        self._texts: list[str] | None = None
        self._dates: list[str] | None = None

    def text(self, number: str) -> str:
        """Return one of the workbook's texts; cells name them by their numbers."""
        if self._texts is None:
            self._texts = self._read_texts()
        place = int(number)
        return self._texts[place] if 0 <= place < len(self._texts) else ""

    def number(self, said: str, style: str) -> str:
        """Return a number as it is, or the date that it is shown as."""
        value = float(said)
        if self._dates is None:
            self._dates = self._read_dates()
        shown = self._dates[int(style)] if style.isdigit() and int(style) < len(self._dates) else ""
        if not shown or not 0 <= value < _LAST_DAY:
            return _number(value)
        if shown == "elapsed":
            seconds = round(value * 86_400)
            return f"{seconds // 3_600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
        moment = self._day_zero + timedelta(seconds=round(value * 86_400))
        return moment.time().isoformat() if value < 1 else str(moment.date() if value.is_integer() else moment)

    def _read_texts(self) -> list[str]:
        found: list[str] = []
        state = {"text": False, "spoken": False}
        parts: list[str] = []

        def start(tag: str, _: Mapping[str, str]) -> None:
            state["text"] = tag == "t" and not state["spoken"]
            state["spoken"] = state["spoken"] or tag == "rPh"  # how Japanese is read aloud

        def end(tag: str) -> None:
            state["text"] = False
            if tag == "rPh":
                state["spoken"] = False
            elif tag == "si":
                found.append(_line("".join(parts)))
                parts.clear()

        def data(text: str) -> None:
            if state["text"]:
                parts.append(text)

        if (member := self._by_kind.get("sharedStrings")) in self._archive.names:
            read_xml(self._archive.stream(member), self._source, start, end, data)
        return found

    def _read_dates(self) -> list[str]:
        member = self._by_kind.get("styles", "")
        if member not in self._archive.names:
            return []
        codes: dict[str, str] = {}
        shown: list[str] = []
        within = {"cellXfs": False}

        def start(tag: str, given: Mapping[str, str]) -> None:
            if tag == "numFmt":
                codes[given.get("numFmtId", "")] = given.get("formatCode", "")
            elif tag == "cellXfs":
                within[tag] = True
            elif tag == "xf" and within["cellXfs"]:
                shown.append(_shown_as(given.get("numFmtId", ""), codes))

        def end(tag: str) -> None:
            if tag == "cellXfs":
                within[tag] = False

        read_xml(self._archive.stream(member), self._source, start, end)
        return shown


def _shown_as(number: str, codes: Mapping[str, str]) -> str:
    """Return what a format shows: a ``date``, time that has ``elapsed``, or a number (empty)."""
    if number in codes:
        code = _QUOTED.sub("", codes[number]).lower()
        return "elapsed" if re.search(r"\[[hms]+\]", code) else "date" if re.search(r"[ymdhs]", code.replace("general", "")) else ""
    return "elapsed" if number == "46" else "date" if number.isdigit() and int(number) in _DATES else ""


def _excel_rows(archive: Archive, member: str, cells: _Cells, source: DocumentSource) -> Sheet:
    """Yield the rows of a sheet as they are read: those that are in the file, whatever the sheet says of its size."""
    reader = _ExcelSheet(cells)
    for _ in xml_blocks(archive.stream(member), source, reader.start, reader.end, reader.data):
        yield from reader.done
        reader.done.clear()


class _ExcelSheet:
    """Follows the events of one sheet."""

    def __init__(self, cells: _Cells) -> None:
        self.done: list[tuple[Row, int]] = []
        """The rows that are complete."""
        self._cells = cells
        self._row: dict[int, str] = {}
        self._line, self._column = 0, -1
        self._kind = self._style = ""
        self._taking = False
        self._said: list[str] = []

    def start(self, tag: str, given: Mapping[str, str]) -> None:
        """Take an element's beginning."""
        if tag == "row":
            number = given.get("r", "")
            self._line, self._column = int(number) if number.isdigit() else self._line + 1, -1
            self._row = {}
        elif tag == "c":
            self._column = _column(given.get("r", ""), self._column + 1)
            self._kind, self._style = given.get("t", "n"), given.get("s", "0")
            self._said.clear()
        self._taking = tag in {"v", "t"}

    def end(self, tag: str) -> None:
        """Take an element's end."""
        self._taking = False
        if tag == "c" and self._said:
            if text := _cell("".join(self._said), self._kind, self._style, self._cells):
                self._row[self._column] = text
        elif tag == "row" and self._row:
            self.done.append((self._row, self._line))

    def data(self, text: str) -> None:
        """Take text."""
        if self._taking:
            self._said.append(text)


def _column(reference: str, otherwise: int) -> int:
    found = _COLUMN.match(reference)
    if not found:
        return otherwise
    number = 0
    for letter in found[1]:
        number = number * 26 + ord(letter) - 64
    return number - 1


def _cell(said: str, kind: str, style: str, cells: _Cells) -> str:
    """Return a cell's text, or, if the cell is damaged, what the file holds for it."""
    try:
        match kind:
            case "s":
                return cells.text(said)
            case "n":
                return cells.number(said, style)
            case "b":
                return str(said.strip() == "1")
            case _:
                return _line(said)
    except ValueError:
        return _line(said)


def _open_document(archive: Archive, source: DocumentSource) -> Iterator[tuple[str, bool, Sheet]]:
    """Yield the sheets of an OpenDocument workbook: they lie in one stream, so that each is read before the next is known."""
    if locked(archive, source):
        raise DocumentError(f"{source.name} is locked with a password. Save it without a password.")
    reader = _OpenSheets()
    events = xml_blocks(archive.stream("content.xml"), source, reader.start, reader.end, reader.data)
    while (sheet := reader.next_sheet(events)) is not None:
        yield sheet, reader.style not in reader.hidden, reader.rows(events)


class _OpenSheets:
    """Follows the events of an OpenDocument workbook."""

    def __init__(self) -> None:
        self.hidden: set[str] = set()
        """Styles of sheets that are not shown."""
        self.style = ""
        """Of the sheet that is being read."""
        self._queue: deque[tuple[str, Any]] = deque()
        self._family = ""
        self._row: dict[int, str] = {}
        self._line = self._column = 0
        self._repeated = {"row": 1, "cell": 1}
        self._value = ""
        self._said: list[str] = []
        self._skipped = self._depth = 0

    def start(self, tag: str, given: Mapping[str, str]) -> None:
        """Take an element's beginning."""
        if self._skipped or tag in {"annotation", "tracked-changes"}:
            self._skipped += 1
        elif tag == "style":
            self._family = given.get("name", "") if given.get("family") == "table" else ""
        elif tag == "table-properties" and given.get("display") == "false":
            self.hidden.add(self._family)
        elif tag == "table":
            self._depth += 1
            if self._depth == 1:
                self._line = 0
                self._queue.append(("sheet", (given.get("name", ""), given.get("style-name", ""))))
        elif tag == "table-row":
            self._row, self._column = {}, 0
            self._repeated["row"] = _times(given.get("number-rows-repeated", ""))
        elif tag in {"table-cell", "covered-table-cell"}:
            self._repeated["cell"] = _times(given.get("number-columns-repeated", ""))
            self._said.clear()
            self._value = _value(given)
        elif tag == "p" and self._said:
            self._said.append(" ")

    def end(self, tag: str) -> None:
        """Take an element's end."""
        if self._skipped:
            self._skipped -= 1
        elif tag in {"table-cell", "covered-table-cell"}:
            if text := self._value or _line("".join(self._said)):
                self._row |= dict.fromkeys(range(self._column, self._column + self._repeated["cell"]), text)
            self._said.clear()
            self._column += self._repeated["cell"]
        elif tag == "table-row":
            if self._row:
                self._queue.append(("rows", (self._row, self._line + 1, self._repeated["row"])))
            self._line += self._repeated["row"]
        elif tag == "table":
            self._depth -= 1

    def data(self, text: str) -> None:
        """Take text."""
        if not self._skipped and self._depth:
            self._said.append(text)

    def next_sheet(self, events: Iterator[None]) -> str | None:
        """Read on to the next sheet, and return its name; None if there is none. Rows of the one before are skipped."""
        for kind, found in self._upcoming(events):
            if kind == "sheet":
                name, self.style = found
                return str(name)
        return None

    def rows(self, events: Iterator[None]) -> Sheet:
        """Yield the rows of the sheet that is being read."""
        for kind, found in self._upcoming(events):
            if kind == "sheet":
                self._queue.appendleft((kind, found))
                return
            row, line, times = found
            for number in range(times):
                yield row, line + number

    def _upcoming(self, events: Iterator[None]) -> Iterator[tuple[str, Any]]:
        while True:
            while self._queue:
                yield self._queue.popleft()
            if next(events, self) is self:  # events are None: this is the end
                while self._queue:
                    yield self._queue.popleft()
                return


def _value(given: Mapping[str, str]) -> str:
    """Return a cell's value, unless it is what the cell's text says anyway."""
    match given.get("value-type"):
        case "float" | "percentage" | "currency":
            try:
                return _number(float(given.get("value", "")))
            except ValueError:
                return ""
        case "date":
            return given.get("date-value", "").replace("T", " ")
        case "boolean":
            return given.get("boolean-value", "").capitalize()
        case _:
            return ""


def _times(said: str) -> int:
    return int(said) if said.isdigit() and len(said) < 9 else 1


def _number(value: float) -> str:
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else str(value)


def _line(text: str) -> str:
    return " ".join(text.split())
