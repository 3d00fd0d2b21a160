"""Reading one file of each kind: text, source code, Markdown, PDF, HTML, Word, CSV, notebooks."""

import codecs
import csv
import io
import json
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from html.parser import HTMLParser
from importlib import import_module
from pathlib import Path
from typing import Any, cast

from memgpt_agent.errors import DocumentError, MissingDependency

_ROWS_CHARS = 600
"""Rows of a table are gathered up to this length, so that a search shows some of them together."""


@dataclass(frozen=True)
class Section:
    """A part of a document that is never joined with the next: a page of a PDF, a notebook's cell, a whole text."""

    text: str
    """What it says."""
    page: int | None = None
    """Counted from 1; None where the document has no pages."""
    title: str | None = None
    """The document's title, where it has one."""
    lines: tuple[int, int] | None = None
    """The file's first and last line that it was made from, where its own lines are not the file's."""
    line_start: int = 1
    """The file's line at which it begins, where its lines are the file's."""


Loader = Callable[[Path], Iterator[Section]]
"""Read one file, lazily. May raise anything: it is told as a DocumentError that names the file."""


def load_text(path: Path) -> Iterator[Section]:
    """Read a text of any kind as it stands; a Markdown heading is its title."""
    with path.open("rb") as file:
        beginning = file.read(4)
    wide = beginning.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    loader = _community("text", "TextLoader")(path, encoding="utf-16" if wide else "utf-8-sig")
    for document in loader.lazy_load():
        text = document.page_content
        if "\0" in text:
            raise DocumentError(f"{path} is no text file: it holds zero bytes. Give a text, Markdown or PDF file.")
        heading = (
            re.search(r"^#\s+(.+?)\s*#*$", text, re.MULTILINE) if path.suffix.lower() in {".md", ".markdown"} else None
        )
        yield Section(text, title=heading[1] if heading else None)


def load_pdf(path: Path) -> Iterator[Section]:
    """Read a PDF page by page."""
    _need("pypdf", path)
    for document in _community("pdf", "PyPDFLoader")(str(path)).lazy_load():
        text = document.page_content.replace("\0", "").encode("utf-8", "replace").decode("utf-8")
        title = str(document.metadata.get("title") or "").strip()
        yield Section(_unbroken(text), page=int(document.metadata["page"]) + 1, title=title or None)


def load_docx(path: Path) -> Iterator[Section]:
    """Read a Word document's text; its lines are counted in the text, as it has none of its own."""
    _need("docx2txt", path)
    for document in _community("word_document", "Docx2txtLoader")(str(path)).lazy_load():
        yield Section(document.page_content)


def load_html(path: Path) -> Iterator[Section]:
    """Read what a page shows, each word on the line on which it stands in the file."""
    reader = _ShownText()
    for section in load_text(path):
        reader.feed(section.text)
    reader.close()
    yield Section(reader.text(), title=reader.title.strip() or None)


def load_csv(path: Path) -> Iterator[Section]:
    """Read a table: each row as ``column: value``, some rows together, with the file's lines."""
    (whole,) = load_text(path)
    try:
        dialect: Any = csv.Sniffer().sniff(whole.text[:8_192], delimiters=",;\t|")
    except csv.Error:
        dialect = csv.excel
    rows = csv.reader(io.StringIO(whole.text), dialect)
    nothing: list[str] = []
    names = next(rows, nothing)
    gathered, first, before = "", rows.line_num + 1, rows.line_num
    for row in rows:
        text = "; ".join(f"{name}: {value}" for name, value in zip(names, row, strict=False) if value)
        if gathered and len(gathered) + len(text) > _ROWS_CHARS:
            yield Section(gathered, lines=(first, before))
            gathered, first = "", before + 1
        gathered = f"{gathered}\n{text}" if gathered else text
        before = rows.line_num
    if gathered or names:
        yield Section(gathered or ", ".join(names), lines=(first, before) if gathered else (1, 1))


def load_notebook(path: Path) -> Iterator[Section]:
    """Read a notebook's cells in order, prose and code, without their outputs; a page is a cell."""
    (whole,) = load_text(path)
    notebook: Any = json.loads(whole.text)
    cells: Any = cast(dict[str, Any], notebook).get("cells") if isinstance(notebook, dict) else None
    if not isinstance(cells, list):
        raise DocumentError(f"{path} is no notebook: it has no list of cells. Save it in the present format (nbformat 4).")
    for number, cell in enumerate(cast(list[dict[str, Any]], cells), start=1):
        source: Any = cell.get("source", "")
        text = "".join(cast(list[str], source)) if isinstance(source, list) else str(source)
        if text.strip():
            yield Section(text, page=number)


class _ShownText(HTMLParser):
    """Gathers what is shown of a page, by line."""

    _HIDDEN = frozenset({"script", "style", "template", "noscript", "head"})
    _APART = frozenset({"td", "th", "li", "option"})

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._lines: dict[int, list[str]] = {}
        self._hidden = 0
        self._in_title = False
        self.title = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._in_title = tag == "title"
        self._hidden += tag in self._HIDDEN
        if tag in self._APART:
            self._lines.setdefault(self.getpos()[0], []).append(" ")

    def handle_endtag(self, tag: str) -> None:
        self._in_title = False
        self._hidden = max(0, self._hidden - (tag in self._HIDDEN))
        if tag == "head":
            self._hidden = 0

    def handle_data(self, data: str) -> None:
        if self._in_title:
            self.title += data
        elif not self._hidden:
            for line, text in enumerate(data.split("\n"), start=self.getpos()[0]):
                self._lines.setdefault(line, []).append(text)

    def text(self) -> str:
        """Return the text; line n holds what is shown of line n."""
        last = max(self._lines, default=0)
        return "\n".join(" ".join("".join(self._lines.get(line, [])).split()) for line in range(1, last + 1))


def _need(package: str, path: Path) -> None:
    """Import what a loader of langchain-community will import, so that its absence is told in our words."""
    try:
        import_module(package)
    except ImportError as error:
        raise MissingDependency(
            f"Reading {path} needs {package}, which is not installed. Run: pip install {package}"
        ) from error


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


TEXT_SUFFIXES = (
    ".txt", ".md", ".markdown", ".rst", ".adoc", ".org", ".tex", ".log", ".text",
    ".py", ".pyi", ".js", ".mjs", ".cjs", ".jsx", ".ts", ".tsx", ".vue", ".svelte", ".c", ".h", ".cc", ".cpp", ".cxx", ".hpp", ".hh",
    ".cs", ".java", ".kt", ".kts", ".scala", ".go", ".rs", ".rb", ".php", ".pl", ".pm", ".swift", ".m", ".mm", ".r", ".jl", ".lua",
    ".sh", ".bash", ".zsh", ".fish", ".ps1", ".bat", ".sql", ".hs", ".ml", ".ex", ".exs", ".erl", ".clj", ".lisp", ".el", ".dart", ".zig",
    ".json", ".jsonl", ".yaml", ".yml", ".toml", ".ini", ".cfg", ".conf", ".properties", ".xml", ".css", ".scss", ".less", ".proto",
    ".graphql", ".cmake", ".gradle", ".tf", ".nix", ".diff", ".patch", ".srt", ".vtt", ".eml",
)  # fmt: skip
"""Kinds that are read as they stand: prose, markup and source code."""

LOADERS: Mapping[str, Loader] = {
    **dict.fromkeys(TEXT_SUFFIXES, load_text),
    ".pdf": load_pdf,
    ".docx": load_docx,
    ".html": load_html,
    ".htm": load_html,
    ".xhtml": load_html,
    ".csv": load_csv,
    ".tsv": load_csv,
    ".ipynb": load_notebook,
}
"""How each kind of file is read, by its suffix in lower case."""

NAMED_LOADERS: Mapping[str, Loader] = dict.fromkeys(
    (
        "readme",
        "license",
        "copying",
        "authors",
        "changelog",
        "changes",
        "news",
        "todo",
        "makefile",
        "dockerfile",
        "justfile",
    ),
    load_text,
)
"""How files without a suffix are read, by their name in lower case."""
