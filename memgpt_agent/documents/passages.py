"""Cutting documents into passages, where meaning parts, each with its place in the file."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from memgpt_agent.documents.folders import DocumentFile, find_files
from memgpt_agent.documents.loaders import Loader, Section
from memgpt_agent.errors import DocumentError, MissingDependency

PASSAGE_CHARS = 800
"""The embedded embedding reads 256 tokens. Of the MemGPT paper's passages 4 % were longer at 800 characters, 21 % at 1,000."""
OVERLAP_CHARS = 120
"""About a sentence or two: what is said across a cut stands whole in one of the passages."""

# Not first at blank lines: before a long paragraph that would leave its heading as a passage by itself.
_CUTS = ["\n", ". ", "? ", "! ", "; ", ", ", " ", ""]
# Source code parts before what is defined in it, then at lines.
_CODE_CUTS = [
    "\nclass ",
    "\ndef ",
    "\nasync def ",
    "\nfunc ",
    "\nfn ",
    "\nfunction ",
    "\n    def ",
    "\n\n",
    "\n",
    " ",
    "",
]
_PROSE = frozenset(
    {
        ".txt",
        ".md",
        ".markdown",
        ".rst",
        ".adoc",
        ".org",
        ".tex",
        ".log",
        ".text",
        ".pdf",
        ".docx",
        ".html",
        ".htm",
        ".xhtml",
    }
)


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

    @property
    def source(self) -> str:
        """Where it stands, for a reader: ``paper.pdf, page 3``, ``notes.md, lines 10-24`` or ``study.ipynb, cell 4``."""
        if self.page is not None:
            return f"{self.name}, {'cell' if self.name.endswith('.ipynb') else 'page'} {self.page}"
        return f"{self.name}, lines {self.line_start}-{self.line_end}"


def load_documents(
    paths: Iterable[str | Path] | str | Path,
    *,
    passage_chars: int = PASSAGE_CHARS,
    overlap_chars: int = OVERLAP_CHARS,
    loaders: Mapping[str, Loader] | None = None,
) -> Iterator[DocumentPassage]:
    """Return the passages of files and folders, read page by page as they are asked for.

    Which files of a folder are read is said at :func:`memgpt_agent.documents.find_files`; empty ones are passed over
    there. A file that is named must be readable and hold text. No file is read twice.

    Args:
        paths: files and folders, in the order wanted.
        passage_chars: the longest passage.
        overlap_chars: how much of a passage's end the next one repeats, at most.
        loaders: by suffix, in lower case with its dot; `LOADERS` by default.

    Raises:
        DocumentError: a file is missing, of a kind that cannot be read, damaged, locked or without text. Missing files
            and unknown kinds are told at once, the rest when the file's turn comes.
        MissingDependency: the package that reads this kind is not installed.

    Limits:
        A scanned PDF holds pictures, no text. Tables come out line by line.
    """
    return _passages(find_files(paths, loaders=loaders), passage_chars, overlap_chars)


def _passages(files: Sequence[DocumentFile], size: int, overlap: int) -> Iterator[DocumentPassage]:
    for file in files:
        empty = True
        for passage in cut(file, read_sections(file), passage_chars=size, overlap_chars=overlap):
            empty = False
            yield passage
        if empty and file.named:
            raise DocumentError(
                f"{file.path} holds no text. A scanned document must go through text recognition (OCR) first."
            )


def read_sections(file: DocumentFile) -> Iterator[Section]:
    """Yield the sections of a file.

    Raises:
        DocumentError: it cannot be read; the message names the file and the reason.
    """
    try:
        yield from file.loader(file.path)
    except (DocumentError, MissingDependency):
        raise
    except Exception as error:  # a damaged file can make a parser raise anything
        cause = error.__cause__ or error
        raise DocumentError(
            f"{file.path} cannot be read: {cause or type(cause).__name__}. Nothing more of it was taken."
        ) from error


def cut(
    file: DocumentFile,
    sections: Iterable[Section],
    *,
    passage_chars: int = PASSAGE_CHARS,
    overlap_chars: int = OVERLAP_CHARS,
) -> Iterator[DocumentPassage]:
    """Yield the passages of a file's sections, each with its page or lines."""
    splitter = _splitter(passage_chars, overlap_chars, file.path.suffix.lower() in _PROSE or not file.path.suffix)
    for section in sections:
        line, counted = section.line_start, 0
        for piece in splitter.create_documents([section.text]):
            text, start = piece.page_content, piece.metadata["start_index"]
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
            )


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
