"""Files and folders become passages: text, Markdown and PDF, cut where meaning parts, each with its place."""

import codecs
import hashlib
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from memgpt_agent.errors import DocumentError, MissingDependency

PASSAGE_CHARS = 800
"""The embedded embedding reads 256 tokens. Of the MemGPT paper's passages 4 % were longer at 800 characters, 21 % at 1,000."""
OVERLAP_CHARS = 120
"""About a sentence or two: what is said across a cut stands whole in one of the passages."""

# Not first at blank lines: before a long paragraph that would leave its heading as a passage by itself.
_CUTS = ["\n", ". ", "? ", "! ", "; ", ", ", " ", ""]


@dataclass(frozen=True)
class Section:
    """A part of a document that is never joined with the next: a page of a PDF, or the whole of a text."""

    text: str
    page: int | None = None
    """Counted from 1; None where the document has no pages."""
    title: str | None = None
    """The document's title, where it has one."""


@dataclass(frozen=True)
class DocumentPassage:
    """A piece of a document, to be kept in archival memory."""

    id: str
    """Made from the file's name, the place and the text: loading a file again gives the same."""
    text: str
    path: str
    """The file, as it was found."""
    name: str
    """The file's name; in a folder that was loaded, its path from there."""
    page: int | None = None
    """The page, from 1, of a document that has pages."""
    line_start: int | None = None
    """The first line, from 1, of a document without pages."""
    line_end: int | None = None
    """The last line, included."""
    title: str | None = None
    """The document's title, where it has one."""

    @property
    def source(self) -> str:
        """Where it stands, for a reader: ``paper.pdf, page 3`` or ``notes.md, lines 10-24``."""
        if self.page is not None:
            return f"{self.name}, page {self.page}"
        return f"{self.name}, lines {self.line_start}-{self.line_end}"


Loader = Callable[[Path], Iterator[Section]]
"""Read one file, lazily. May raise anything: it is told as a DocumentError that names the file."""


def load_documents(
    paths: Iterable[str | Path] | str | Path,
    *,
    passage_chars: int = PASSAGE_CHARS,
    overlap_chars: int = OVERLAP_CHARS,
    loaders: Mapping[str, Loader] | None = None,
) -> Iterator[DocumentPassage]:
    """Return the passages of files and folders, read page by page as they are asked for.

    Folders are searched in all depths, in the order of names; hidden files and kinds that no loader reads are passed
    over there, as are empty files. A file that is named must be readable and hold text. No file is read twice.

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
    if isinstance(paths, str | Path):
        paths = [paths]
    loaders = LOADERS if loaders is None else loaders
    files = _files([Path(path) for path in paths], loaders)
    return _passages(files, loaders, passage_chars, overlap_chars)


@dataclass(frozen=True)
class _File:
    path: Path
    name: str
    named: bool


def _files(paths: Sequence[Path], loaders: Mapping[str, Loader]) -> list[_File]:
    found: dict[Path, _File] = {}
    for path in paths:
        if path.is_dir():
            inside = [file for file in sorted(path.rglob("*")) if _readable(file.relative_to(path), file, loaders)]
            if not inside:
                raise DocumentError(f"The folder {path} holds no document that can be read ({_kinds(loaders)}).")
            for file in inside:
                found.setdefault(file.resolve(), _File(file, file.relative_to(path).as_posix(), named=False))
        elif not path.exists():
            raise DocumentError(f"There is no file {path}. Check the name; relative names start at {Path.cwd()}.")
        elif path.suffix.lower() not in loaders:
            raise DocumentError(
                f"{path} is of a kind that cannot be read. Kinds are {_kinds(loaders)}; convert it to one of them."
            )
        else:
            found.setdefault(path.resolve(), _File(path, path.name, named=True))
    return list(found.values())


def _readable(inside: Path, file: Path, loaders: Mapping[str, Loader]) -> bool:
    hidden = any(part.startswith(".") for part in inside.parts)
    return not hidden and file.suffix.lower() in loaders and file.is_file()


def _kinds(loaders: Mapping[str, Loader]) -> str:
    return ", ".join(sorted(loaders))


def _passages(
    files: Sequence[_File], loaders: Mapping[str, Loader], size: int, overlap: int
) -> Iterator[DocumentPassage]:
    splitter = _splitter(size, overlap)
    for file in files:
        empty = True
        for section in _sections(file.path, loaders[file.path.suffix.lower()]):
            for passage in _cut(splitter, file, section):
                empty = False
                yield passage
        if empty and file.named:
            raise DocumentError(
                f"{file.path} holds no text. A scanned document must go through text recognition (OCR) first."
            )


def _sections(path: Path, loader: Loader) -> Iterator[Section]:
    try:
        yield from loader(path)
    except (DocumentError, MissingDependency):
        raise
    except Exception as error:  # a damaged file can make a parser raise anything
        cause = error.__cause__ or error
        raise DocumentError(
            f"{path} cannot be read: {cause or type(cause).__name__}. Nothing more of it was taken."
        ) from error


def _cut(splitter: Any, file: _File, section: Section) -> Iterator[DocumentPassage]:
    line, counted = 1, 0
    for piece in splitter.create_documents([section.text]):
        text, start = piece.page_content, piece.metadata["start_index"]
        line, counted = line + section.text.count("\n", counted, start), start
        place = section.page if section.page is not None else start
        yield DocumentPassage(
            id=_passage_id(file.name, place, text),
            text=text,
            path=str(file.path),
            name=file.name,
            page=section.page,
            line_start=line if section.page is None else None,
            line_end=line + text.count("\n") if section.page is None else None,
            title=section.title,
        )


def _passage_id(name: str, place: int, text: str) -> str:
    cause = "\0".join((name, str(place), text))
    return f"doc-{hashlib.sha256(cause.encode('utf-8', 'replace')).hexdigest()[:16]}"


def _splitter(size: int, overlap: int) -> Any:
    from langchain_text_splitters import RecursiveCharacterTextSplitter

    return RecursiveCharacterTextSplitter(
        separators=_CUTS, chunk_size=size, chunk_overlap=overlap, keep_separator="end", add_start_index=True
    )


def _load_text(path: Path) -> Iterator[Section]:
    with path.open("rb") as file:
        beginning = file.read(4)
    wide = beginning.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    loader = _community("text", "TextLoader")(path, encoding="utf-16" if wide else "utf-8-sig")
    for document in loader.lazy_load():
        text = document.page_content
        if "\0" in text:
            raise DocumentError(f"{path} is no text file: it holds zero bytes. Give a text, Markdown or PDF file.")
        heading = re.search(r"^#\s+(.+?)\s*#*$", text, re.MULTILINE)
        yield Section(text, title=heading[1] if heading else None)


def _load_pdf(path: Path) -> Iterator[Section]:
    try:
        import_module("pypdf")
    except ImportError as error:
        raise MissingDependency(
            f"Reading {path} needs pypdf, which is not installed. Run: pip install pypdf"
        ) from error
    for document in _community("pdf", "PyPDFLoader")(str(path)).lazy_load():
        text = document.page_content.replace("\0", "").encode("utf-8", "replace").decode("utf-8")
        title = str(document.metadata.get("title") or "").strip()
        yield Section(_unbroken(text), page=int(document.metadata["page"]) + 1, title=title or None)


def _community(module: str, name: str) -> Any:
    """Import one loader of langchain-community by its own module; the package's word of farewell is not shown."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`langchain-community` is being sunset", DeprecationWarning)
        try:
            return getattr(import_module(f"langchain_community.document_loaders.{module}"), name)
        except ImportError as error:
            raise MissingDependency(
                "Reading documents needs langchain-community, which is not installed. Run: pip install langchain-community"
            ) from error


def _unbroken(text: str) -> str:
    """Join words that a line's end parted (``mem-`` / ``ory``); a hyphen stays where the page has the word with it."""
    words = {word.lower() for word in re.findall(r"[\w-]+", text)}

    def joined(found: re.Match[str]) -> str:
        whole, hyphened = found[1] + found[2], f"{found[1]}-{found[2]}"
        return hyphened if hyphened.lower() in words and whole.lower() not in words else whole

    return re.sub(r"(\w+)-\n(\w+)", joined, text)


LOADERS: Mapping[str, Loader] = {".txt": _load_text, ".md": _load_text, ".markdown": _load_text, ".pdf": _load_pdf}
"""What reads each kind of file, by its suffix."""
