"""Choosing the reader for each kind of file, and the readers of text, notebooks, PDF, RTF and e-mail."""

import email
import email.policy
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path
from typing import Any, cast

from memgpt_agent.documents.archives import parse_book, parse_open_document, parse_slides, parse_word
from memgpt_agent.documents.encodings import decode
from memgpt_agent.documents.opening import DEFAULT_LIMITS, read_bytes
from memgpt_agent.documents.sections import Attached, DocumentSection, DocumentSource, Parse, ReadingNote, salvaged
from memgpt_agent.documents.tables import parse_csv
from memgpt_agent.documents.web_pages import parse_html, shown
from memgpt_agent.documents.workbooks import parse_workbook
from memgpt_agent.errors import DocumentError

_HEADERS = ("From", "To", "Cc", "Date", "Subject")
_PARTS = 500
"""Parts of one message."""


def parse_mail(data: bytes, source: DocumentSource) -> Iterator[DocumentSection | ReadingNote | Attached]:
    """Read a message: its head and what was said in it; then what was attached, as documents of their own."""
    message = email.message_from_bytes(data, policy=email.policy.default)
    if not message.keys():
        raise DocumentError(f"{source.name} is not an e-mail: it has no headers.")
    head = "\n".join(f"{name}: {value}" for name in _HEADERS if (value := _header(message, name)))
    body = _body(message)
    said = _said(body, source) if body is not None else ""
    yield DocumentSection(f"{head}\n\n{said}".strip(), title=_header(message, "Subject") or None)
    for number, part in enumerate(_parts(message)):
        if number >= _PARTS:
            yield ReadingNote(f"it has more than {_PARTS} parts; the rest was left out")
            return
        if part is body or not (name := _file_name(part)):
            continue
        try:
            payload = part.get_payload(decode=True)
            yield Attached(name, payload if isinstance(payload, bytes) else b"".join(bytes(one) for one in part.iter_parts()))
        except Exception as error:  # noqa: BLE001 - email raises many things at forged parts; the others are read all the same
            yield ReadingNote(f"the attachment {name!r} cannot be read: {str(error)[:200] or type(error).__name__}")


def _body(message: EmailMessage) -> EmailMessage | None:
    try:
        body = message.get_body(preferencelist=("plain", "html"))
    except Exception:  # noqa: BLE001 - the same, at forged headers of a part
        return None
    return body if isinstance(body, EmailMessage) else None


def _parts(message: EmailMessage) -> Iterator[EmailMessage]:
    """Yield the parts within a message, but not those of a message that is attached to it: its own reading yields them."""
    for part in message.iter_parts() if message.is_multipart() else ():
        if isinstance(part, EmailMessage):
            yield part
            if part.get_content_maintype() == "multipart":
                yield from _parts(part)


def _header(message: EmailMessage, name: str) -> str:
    try:
        return " ".join(str(message.get(name, "")).split())
    except Exception:  # noqa: BLE001 - email's parser of headers raises many things at forged ones
        return " ".join(str(dict(message.raw_items()).get(name, "")).split())


def _file_name(part: EmailMessage) -> str:
    try:
        name = part.get_filename() or ("message.eml" if part.get_content_type() == "message/rfc822" else "")
    except Exception:  # noqa: BLE001 - the same
        return ""
    return " ".join(name.replace("\\", "/").rpartition("/")[2].split())[:200]


def _said(part: EmailMessage, source: DocumentSource) -> str:
    payload = part.get_payload(decode=True)
    data = payload if isinstance(payload, bytes) else b""
    source.expand(len(data))
    try:
        text = data.decode(part.get_content_charset() or "ascii").replace("\r\n", "\n")
    except (LookupError, UnicodeError):  # it does not say, does not exist, or is not true
        text = decode(data, source.name).text
    return shown(text).text.strip("\n") if part.get_content_type() == "text/html" else text


Loader = Callable[[Path], Iterator[DocumentSection]]
"""Reads one file, lazily. May raise anything: the caller turns it into a DocumentError that names the file."""

_OUTPUT_CHARS = 20_000
"""Of one cell's output; logs of a training run are longer."""
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def parse_text(data: bytes, source: DocumentSource) -> Iterator[DocumentSection | ReadingNote]:
    """Read a text of any kind as it stands; a Markdown heading is its title."""
    text, note = decode(data, source.name)
    if note:
        yield ReadingNote(note)
    heading = next((line for line in text.split("\n") if line[:2] in {"# ", "#\t"}), "") if source.suffix in {".md", ".markdown"} else ""
    yield DocumentSection(text, title=heading[1:].strip().rstrip("#").strip() or None)


def parse_pdf(data: bytes, source: DocumentSource) -> Iterator[DocumentSection | ReadingNote]:
    """Read a PDF page by page; reports pages without text."""
    from pypdf import PdfReader

    reader = PdfReader(io.BytesIO(data))
    if reader.is_encrypted and not reader.decrypt(""):
        raise DocumentError(f"{source.name} is locked with a password. Unlock it and load it again.")
    about: Any = reader.metadata
    title = str(about.title or "").strip() if about else ""
    empty: list[int] = []
    pages = len(reader.pages)

    def page(number: int) -> Iterator[DocumentSection]:
        text = _unbroken(reader.pages[number - 1].extract_text().replace("\0", ""))
        if not text.strip():
            empty.append(number)
        yield DocumentSection(text, page=number, title=title or None)

    yield from salvaged((f"page {number}", page(number)) for number in range(1, pages + 1))
    if empty and len(empty) < pages:
        yield ReadingNote(
            f"{_pages(empty)} of {pages} hold no text; if they were scanned, put them through text recognition (OCR) first"
        )


def _pages(numbers: list[int]) -> str:
    """Return numbers of pages, runs of them together: ``pages 2-4, 7``."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1] = [runs[-1][0], number]
        else:
            runs.append([number])
    shown_runs = ["-".join(map(str, run)) for run in runs[:20]] + (["..."] if len(runs) > 20 else [])
    return f"{'page' if len(numbers) == 1 else 'pages'} {', '.join(shown_runs)}"


def parse_notebook(data: bytes, source: DocumentSource) -> Iterator[DocumentSection | ReadingNote]:
    """Read a notebook's cells in order, prose, code and the text of their outputs; a page is a cell."""
    text, _ = decode(data, source.name)
    notebook: Any = json.loads(text)
    cells: Any = cast(dict[str, Any], notebook).get("cells") if isinstance(notebook, dict) else None
    if not isinstance(cells, list):
        raise DocumentError(f"{source.name} is not a notebook: it has no list of cells. Save it in the current format (nbformat 4).")
    for number, cell in enumerate(cast(list[Any], cells), start=1):
        if not isinstance(cell, dict):
            continue
        known = cast(dict[str, Any], cell)
        outputs: Any = known.get("outputs")
        parts = [_joined(known.get("source")), *(_output(one) for one in (cast(list[Any], outputs) if isinstance(outputs, list) else []))]
        whole = "\n".join(part.rstrip("\n") for part in parts if part.strip())
        if whole:
            yield DocumentSection(whole, page=number, unit="cell")


def _joined(value: Any) -> str:
    if isinstance(value, list):
        return "".join(str(part) for part in cast(list[Any], value))
    return value if isinstance(value, str) else ""


def _output(output: Any) -> str:
    """Return what an output says in text: a stream, a result, an error; pictures and widgets say nothing."""
    if not isinstance(output, dict):
        return ""
    known = cast(dict[str, Any], output)
    forms: Any = known.get("data")
    forms = cast(dict[str, Any], forms) if isinstance(forms, dict) else {}
    said = _joined(known.get("text")) or _joined(forms.get("text/plain")) or _joined(forms.get("text/markdown"))
    if html := _joined(forms.get("text/html")):  # a table says more there than in its plain form, which is cut to the screen
        said = shown(html).text.strip() or said
    error = (_joined(known.get("ename")), _joined(known.get("evalue")))
    said = said or _joined(known.get("traceback")) or ": ".join(part for part in error if part)
    said = _COLOURS.sub("", said)
    return said if len(said) <= _OUTPUT_CHARS else f"{said[:_OUTPUT_CHARS]} ... (output cut)"


def parse_rtf(data: bytes, source: DocumentSource) -> Iterator[DocumentSection | ReadingNote]:
    """Read the text of a Rich Text document."""
    from striprtf import striprtf

    if not data.lstrip().startswith(b"{\\rtf"):
        raise DocumentError(f"{source.name} is not a Rich Text document.")
    text: str = cast(Any, striprtf).rtf_to_text(data.decode("latin-1"), errors="replace")
    yield DocumentSection(text.replace("\0", "").strip("\n"))


def _unbroken(text: str) -> str:
    """Join words that a line's end parted (``mem-`` / ``ory``); a hyphen stays where the page has the word with it."""
    pieces = text.split("-\n")
    if len(pieces) == 1:
        return text
    words = {word.lower() for word in re.findall(r"[\w-]+", text)}
    joined = pieces[0]
    for piece in pieces[1:]:
        before = re.search(r"\w{1,60}\Z", joined[-60:])
        after = re.match(r"\w{1,60}", piece)
        if not before or not after:
            joined = f"{joined}-\n{piece}"
            continue
        whole, hyphened = before[0] + after[0], f"{before[0]}-{after[0]}"
        keep = hyphened.lower() in words and whole.lower() not in words
        joined = f"{joined}{'-' if keep else ''}{piece}"
    return joined


TEXT_SUFFIXES = (
    ".txt", ".md", ".markdown", ".rst", ".adoc", ".org", ".tex", ".log", ".text",
    ".py", ".pyi", ".js", ".mjs", ".cjs", ".jsx", ".ts", ".tsx", ".vue", ".svelte", ".c", ".h", ".cc", ".cpp", ".cxx", ".hpp", ".hh",
    ".cs", ".java", ".kt", ".kts", ".scala", ".go", ".rs", ".rb", ".php", ".pl", ".pm", ".swift", ".m", ".mm", ".r", ".jl", ".lua",
    ".sh", ".bash", ".zsh", ".fish", ".ps1", ".bat", ".sql", ".hs", ".ml", ".ex", ".exs", ".erl", ".clj", ".lisp", ".el", ".dart", ".zig",
    ".json", ".jsonl", ".yaml", ".yml", ".toml", ".ini", ".cfg", ".conf", ".properties", ".xml", ".css", ".scss", ".less", ".proto",
    ".graphql", ".cmake", ".gradle", ".tf", ".nix", ".diff", ".patch", ".srt", ".vtt",
)  # fmt: skip
"""Kinds that are read as they stand: prose, markup and source code."""

_KINDS: Mapping[str, str] = {
    **dict.fromkeys(TEXT_SUFFIXES, "text"), **dict.fromkeys((".html", ".htm", ".xhtml"), "html"), **dict.fromkeys((".csv", ".tsv"), "csv"),
    **dict.fromkeys((".xlsx", ".xlsm", ".xlsb", ".xls", ".ods"), "workbook"), **dict.fromkeys((".odt", ".odp"), "open document"),
    ".pdf": "pdf", ".docx": "word", ".pptx": "slides", ".epub": "book", ".ipynb": "notebook", ".eml": "mail", ".rtf": "rtf",
}  # fmt: skip


def kind_of(suffix: str) -> str:
    """Return the key in `PARSERS` of what reads files of a suffix; empty if nothing does."""
    return _KINDS.get(suffix, "")


PARSERS: Mapping[str, Parse] = {
    "text": parse_text, "html": parse_html, "csv": parse_csv, "workbook": parse_workbook, "open document": parse_open_document,
    "pdf": parse_pdf, "word": parse_word, "slides": parse_slides, "book": parse_book, "notebook": parse_notebook,
    "mail": parse_mail, "rtf": parse_rtf,
}  # fmt: skip
"""The readers by the kind that they read."""


@dataclass(frozen=True)
class BoundedLoader:
    """A loader of ours: it reads within `Limits`, in a process of its own where the kind asks for one."""

    kind: str
    """A key of `PARSERS`."""

    def __call__(self, path: Path) -> Iterator[DocumentSection]:
        """Read a file within the usual limits."""
        from memgpt_agent.documents.reading import DocumentReader

        with DocumentReader() as reader:
            for found in reader.parse(read_bytes(path, DEFAULT_LIMITS), path, self.kind):
                if isinstance(found, DocumentSection):
                    yield found


LOADERS: Mapping[str, Loader] = {suffix: BoundedLoader(kind) for suffix, kind in _KINDS.items()}
"""How each kind of file is read, by its suffix in lower case."""

NAMED_LOADERS: Mapping[str, Loader] = dict.fromkeys(
    (
        "readme", "license", "copying", "authors", "changelog", "changes", "news", "todo", "makefile", "dockerfile", "justfile",
    ),
    BoundedLoader("text"),
)  # fmt: skip
"""How files without a suffix are read, by their name in lower case."""
