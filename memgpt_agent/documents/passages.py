"""Cutting documents into passages at natural boundaries, each with its place in the file."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from memgpt_agent.documents.encodings import decode
from memgpt_agent.documents.folders import DocumentFile, Skipped, find_files
from memgpt_agent.documents.loaders import BoundedLoader, Loader
from memgpt_agent.documents.opening import DEFAULT_LIMITS, Limits, read_bytes
from memgpt_agent.documents.reading import DocumentReader
from memgpt_agent.documents.sections import DocumentSection
from memgpt_agent.errors import DocumentError, MissingDependency

PASSAGE_CHARS = 800
"""The embedded embedding reads 256 tokens. Of the MemGPT paper's passages 4 % were longer at 800 characters, 21 % at 1,000."""
OVERLAP_CHARS = 120
"""About a sentence or two: what is said across a cut stands whole in one of the passages."""

# Not first at blank lines: before a long paragraph that would leave its heading as a passage by itself.
_CUTS = ["\n", ". ", "? ", "! ", "; ", ", ", " ", ""]
# Source code parts before what is defined in it, then at lines.
_CODE_CUTS = ["\nclass ", "\ndef ", "\nasync def ", "\nfunc ", "\nfn ", "\nfunction ", "\n    def ", "\n\n", "\n", " ", ""]
_PROSE = frozenset({
    "", ".txt", ".md", ".markdown", ".rst", ".adoc", ".org", ".tex", ".log", ".text", ".pdf", ".docx", ".html", ".htm", ".xhtml", ".eml",
    ".odt", ".odp", ".pptx", ".epub", ".rtf",
})  # fmt: skip
_BLOCK_CHARS = 200_000
"""The splitter is given no more at once: what it needs grows with its text, by far more than the text."""


@dataclass(frozen=True)
class DocumentPassage:
    """A piece of a document, to be kept in archival memory."""

    id: str
    """Made from the file's name, the place and the text: loading a file again gives the same."""
    text: str
    """What it says."""
    path: str
    """The file, as it was found."""
    name: str
    """The file's name; in a folder that was loaded, its path from there."""
    page: int | None = None
    """The page, from 1, of a document that has pages; of a notebook, the cell."""
    line_start: int | None = None
    """The first line, from 1, of a document without pages."""
    line_end: int | None = None
    """The last line, included."""
    title: str | None = None
    """The document's title, where it has one."""
    unit: str = "page"
    """What ``page`` counts."""

    @property
    def source(self) -> str:
        """Where it stands, for a reader: ``paper.pdf, page 3``, ``notes.md, lines 10-24`` or ``study.ipynb, cell 4``."""
        if self.page is not None:
            return f"{self.name}, {self.unit} {self.page}"
        return f"{self.name}, lines {self.line_start}-{self.line_end}"


def load_documents(
    paths: Iterable[str | Path] | str | Path,
    *,
    passage_chars: int = PASSAGE_CHARS,
    overlap_chars: int = OVERLAP_CHARS,
    loaders: Mapping[str, Loader] | None = None,
    limits: Limits = DEFAULT_LIMITS,
    on_skipped: Callable[[Skipped], None] | None = None,
) -> Iterator[DocumentPassage]:
    """Return the passages of files and folders, read page by page as they are asked for.

    Which files of a folder are read is said at :func:`memgpt_agent.documents.find_files`; empty ones are skipped
    there, and so are those that cannot be read. A file that is named must be readable and hold text. No file is read twice.

    Args:
        paths: files and folders, in the order wanted.
        passage_chars: the longest passage.
        overlap_chars: how much of a passage's end the next one repeats, at most.
        loaders: by suffix, in lower case with its dot; `LOADERS` by default. One of your own reads the path itself, without bounds.
        limits: what each file may take.
        on_skipped: called with what was skipped in a folder, and why.

    Raises:
        DocumentError: a file is missing, of a kind that cannot be read, damaged, locked, beyond the limits or without text. Missing files
            and unknown kinds are reported at once, the rest when the file's turn comes.
        MissingDependency: the package that reads this kind is not installed.

    Limits:
        A scanned PDF holds pictures, no text. Tables come out line by line.
    """
    files = find_files(paths, loaders=loaders, limits=limits, on_skipped=on_skipped)
    return _passages(files, passage_chars, overlap_chars, on_skipped)


def _passages(
    files: Sequence[DocumentFile], size: int, overlap: int, on_skipped: Callable[[Skipped], None] | None
) -> Iterator[DocumentPassage]:
    with DocumentReader() as reader:
        for file in files:
            empty = True
            try:
                for passage in cut(file, read_sections(file, reader), passage_chars=size, overlap_chars=overlap):
                    empty = False
                    yield passage
            except DocumentError as error:
                if file.named:
                    raise
                if on_skipped:
                    on_skipped(Skipped(file.path, str(error)))
                continue
            if empty and file.named:
                raise without_text(file)


def without_text(file: DocumentFile) -> DocumentError:
    """Return the error for a file that holds none."""
    return DocumentError(f"{file.path} holds no text. A scanned document must go through text recognition (OCR) first.")


class Content:
    """A file's bytes, read once, safely and within the file's limits, and what they hold.

    Raises:
        DocumentError: it cannot be read; the message names the file and the reason.
    """

    def __init__(self, file: DocumentFile, reader: DocumentReader) -> None:
        self._file = file
        self._reader = reader
        own = isinstance(file.loader, BoundedLoader)
        data = read_bytes(file.real or file.path, file.limits, follow_links=file.real is None)
        self.sha256 = hashlib.sha256(data).hexdigest()
        self.size_bytes = len(data)
        self._data = data if own else b""  # a loader of the caller's reads the path itself
        self.notes: list[str] = []
        """What a person should know of how it was read; complete when all sections were taken."""

    def sections(self) -> Iterator[DocumentSection]:
        """Yield what it holds.

        Raises:
            DocumentError: it cannot be read; the message names the file and the reason.
        """
        file = self._file
        if not isinstance(file.loader, BoundedLoader):
            yield from _foreign(file)
            return
        for found in self._reader.parse(self._data, file.path, file.loader.kind, file.limits):
            if isinstance(found, DocumentSection):
                yield found
            else:
                self.notes.append(found.text)

    def table_lines(self) -> list[str]:
        """Return a CSV file's lines as they stand in it, since its sections are made of them; of every other kind none."""
        loader = self._file.loader
        if not isinstance(loader, BoundedLoader) or loader.kind != "csv":
            return []
        return split_lines(decode(self._data, str(self._file.path)).text)


def read_sections(file: DocumentFile, reader: DocumentReader | None = None) -> Iterator[DocumentSection]:
    """Yield the sections of a file, by a reader that serves several files, or by one for this file alone.

    Raises:
        DocumentError: it cannot be read; the message names the file and the reason.
    """
    with nullcontext(reader) if reader else DocumentReader() as open_reader:
        yield from Content(file, open_reader).sections()


def _foreign(file: DocumentFile) -> Iterator[DocumentSection]:
    try:
        yield from file.loader(file.path)
    except (DocumentError, MissingDependency):
        raise
    except Exception as error:  # a damaged file can make a parser raise anything
        cause = error.__cause__ or error
        raise DocumentError(
            f"{file.path} cannot be read: {cause or type(cause).__name__}. The rest was not read."
        ) from error


def split_lines(text: str) -> list[str]:
    """Return the lines as editors and passages count them: a form feed, or another sign that parts lines for Python only, ends none."""
    lines = [" ".join(line.splitlines()) for line in text.removesuffix("\n").split("\n")]
    return lines if text else []


def cut(
    file: DocumentFile,
    sections: Iterable[DocumentSection],
    *,
    passage_chars: int = PASSAGE_CHARS,
    overlap_chars: int = OVERLAP_CHARS,
) -> Iterator[DocumentPassage]:
    """Yield the passages of a file's sections, each with its page or lines."""
    splitter = _splitter(passage_chars, overlap_chars, file.path.suffix.lower() in _PROSE)
    for section in sections:
        line, counted = section.line_start, 0
        for text, start in _pieces(section.text, splitter):
            line, counted = line + section.text.count("\n", counted, start), start
            place = section.page or (section.lines[0] if section.lines else start)
            first, last = section.lines or (line, line + text.count("\n"))
            yield DocumentPassage(
                id=_passage_id(file.name, place, text),
                text=text,
                path=str(file.path),
                name=file.name,
                page=section.page,
                line_start=first if section.page is None else None,
                line_end=last if section.page is None else None,
                title=section.title,
                unit=section.unit,
            )


def _pieces(text: str, splitter: Any) -> Iterator[tuple[str, int]]:
    """Yield a text's pieces with the places where they begin; a long text in blocks that end with a line, if there is one."""
    begin = 0
    while begin < len(text):
        end = len(text) if len(text) - begin <= _BLOCK_CHARS else (text.rfind("\n", begin, begin + _BLOCK_CHARS) + 1 or begin + _BLOCK_CHARS)
        for piece in splitter.create_documents([text[begin:end]]):
            yield piece.page_content, begin + piece.metadata["start_index"]
        begin = end


def _passage_id(name: str, place: int, text: str) -> str:
    cause = "\0".join((name, str(place), text))
    return f"doc-{hashlib.sha256(cause.encode('utf-8', 'replace')).hexdigest()[:16]}"


@cache
def _splitter(size: int, overlap: int, prose: bool) -> Any:
    from langchain_text_splitters import RecursiveCharacterTextSplitter

    return RecursiveCharacterTextSplitter(
        separators=_CUTS if prose else _CODE_CUTS, chunk_size=size, chunk_overlap=overlap, keep_separator="end" if prose else "start",
        add_start_index=True,
    )  # fmt: skip
