"""Tables: each row as ``column: value``, some rows together; from CSV and TSV here."""

import csv
import io
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, islice

from memgpt_agent.documents.encodings import decode
from memgpt_agent.documents.sections import DocumentSection, DocumentSource, ReadingNote

_ROWS_CHARS = 600
"""Rows of a table are gathered up to this length, so that a search shows some of them together."""
_LOOKED_AT = 100
"""Rows by which delimiter and header are found."""
_DELIMITERS = ",;\t|"
Row = Mapping[int, str]
"""What a row says, by column from 0; those that are empty are not in it."""


def parse_csv(data: bytes, source: DocumentSource) -> Iterator[DocumentSection | ReadingNote]:
    """Read a table, with the file's lines; the delimiter is found out, and lines above the header are text of their own."""
    text, note = decode(data, source.name)
    if note:
        yield ReadingNote(note)
    csv.field_size_limit(source.limits.text_chars)
    delimiter = "\t" if source.suffix == ".tsv" and "\t" in text else _delimiter(text)
    rows = csv.reader(io.StringIO(text), delimiter=delimiter)
    yield from gathered(({place: value for place, value in enumerate(row) if value.strip()}, rows.line_num) for row in rows)


def _delimiter(text: str) -> str:
    """Return the delimiter by which most rows have the same number of columns, more than one."""
    best, chosen = (0.0, 0), ","
    sample = text[:65_536]
    for delimiter in _DELIMITERS:
        try:
            rows = [row for row in islice(csv.reader(io.StringIO(sample), delimiter=delimiter), _LOOKED_AT) if any(row)]
        except csv.Error:
            continue
        widths = Counter(len(row) for row in rows)
        width, number = max(widths.items(), key=lambda item: (item[1] * (item[0] > 1), item[0]), default=(0, 0))
        if width > 1 and (number / len(rows), width) > best:
            best, chosen = (number / len(rows), width), delimiter
    return chosen


def gathered(rows: Iterable[tuple[Row, int]]) -> Iterator[DocumentSection]:
    """Yield a table's rows in readable sections; each row comes with the number of its last line."""
    ahead = iter(rows)
    beginning = list(islice(ahead, _LOOKED_AT))
    header = _header(beginning)
    above = [text for row, _ in beginning[:header] if (text := " ".join(row.values()))]
    before = beginning[header - 1][1] if header else 0
    if above:
        yield DocumentSection("\n".join(above), lines=(1, before))
    if header == len(beginning):
        return
    names: Row = beginning[header][0]
    if all(_is_number(name) for name in names.values()):  # a table without a header
        names, header = dict[int, str](), header - 1
    else:
        before = beginning[header][1]
    named, filled = before, set[int]()
    text, first = "", before + 1
    for row, line in chain(beginning[header + 1 :], ahead):
        shown = _shown(names, row)
        filled |= row.keys()
        if text and len(text) + len(shown) > _ROWS_CHARS:
            yield DocumentSection(text, lines=(first, before))
            text, first = "", before + 1
        text = f"{text}\n{shown}" if text else shown
        before = line
    if text:
        yield DocumentSection(text, lines=(first, before))
    if bare := [name for place, name in names.items() if place not in filled]:
        yield DocumentSection(", ".join(bare), lines=(named, named))  # no row shows the name of a column without values


def _shown(names: Row, row: Row) -> str:
    """Return a row with the names of its columns; one without a name is numbered, so that no value is lost."""
    return "; ".join(f"{names.get(place, '').strip() or f'column {place + 1}'}: {value}" for place, value in row.items())


def _header(rows: list[tuple[Row, int]]) -> int:
    """Return which of the first rows names the columns: the first that fills as many as most rows do, or the one before it.

    The one before it where it is a little narrower and all words, as the header of a table whose last column has no name.
    """
    widths = Counter(_width(row) for row, _ in rows if row)
    if not widths:
        return len(rows)
    usual = max(widths, key=lambda width: (widths[width], width))
    place = next((place for place, (row, _) in enumerate(rows) if _width(row) >= usual), 0)
    if place and usual > 2:
        row, before = rows[place][0], rows[place - 1][0]
        worded = not any(map(_is_number, before.values()))
        if _width(before) >= max(2, usual - 1) and worded and any(map(_is_number, row.values())):
            return place - 1
    return place


def _width(row: Row) -> int:
    """Return how many columns a row fills; empty ones at its end do not count."""
    return max(row, default=-1) + 1


def _is_number(value: str) -> bool:
    try:
        float(value.strip().replace(",", "."))
    except ValueError:
        return False
    return True
