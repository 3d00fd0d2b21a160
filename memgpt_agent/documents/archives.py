"""Documents that are zip archives of XML: Word, PowerPoint, OpenDocument and EPUB, unpacked within bounds and read as a stream."""

import io
import posixpath
import zipfile
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal
from urllib.parse import unquote
from xml.parsers import expat

from memgpt_agent.documents.sections import (
    Counted,
    DocumentSection,
    DocumentSource,
    ReadingNote,
    salvaged,
    too_much_text,
)
from memgpt_agent.documents.web_pages import decode_declared, shown
from memgpt_agent.errors import DocumentError

_BLOCK_BYTES = 1 << 16
_ENTRIES = 20_000
"""Files within one archive."""
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


class Archive:
    """A zip archive whose members are read within a source's budget."""

    def __init__(self, data: bytes, source: DocumentSource) -> None:
        self._source = source
        if data.startswith(_OLE):
            raise DocumentError(
                f"{source.name} is locked with a password, or was made before 2007. Save it in the current format, without a password."
            )
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(data))
        except zipfile.BadZipFile as error:
            raise DocumentError(f"{source.name} is damaged, or is not what its name says: {error}.") from error
        self.names = frozenset(self._zip.namelist())
        if len(self._zip.filelist) > _ENTRIES:
            raise DocumentError(f"{source.name} holds {len(self._zip.filelist):,} files; at most {_ENTRIES:,} are read.")

    def stream(self, name: str) -> Counted:
        """Open a member.

        Raises:
            DocumentError: there is none of this name, or it is locked.
        """
        try:
            return Counted(self._zip.open(name), self._source)
        except KeyError as error:
            raise DocumentError(f"{self._source.name} is damaged, or is not what its name says: {name} is not in it.") from error
        except RuntimeError as error:  # zipfile's word for a password
            raise DocumentError(f"{self._source.name} is locked with a password. Save it without a password.") from error

    def bytes_of(self, name: str) -> bytes:
        """Return all of a member."""
        return self.stream(name).read()

    def numbered(self, before: str) -> list[str]:
        """Return the members ``before``N.xml, in the order of their numbers."""
        found = [(name.removeprefix(before).removesuffix(".xml"), name) for name in self.names if name.startswith(before)]
        return [name for _, name in sorted((int(number[:9]), name) for number, name in found if number.isascii() and number.isdigit())]

    def relations(self, part: str) -> dict[str, tuple[str, str]]:
        """Return a part's relations: by id, the last word of the type and the member that it leads to."""
        folder, name = posixpath.split(part)
        rels = posixpath.join(folder, "_rels", f"{name}.rels")
        found: dict[str, tuple[str, str]] = {}

        def start(tag: str, attributes: Mapping[str, str]) -> None:
            if tag == "Relationship" and attributes.get("TargetMode") != "External":
                target = attributes.get("Target", "")
                member = target.lstrip("/") if target.startswith("/") else posixpath.normpath(posixpath.join(folder, target))
                found[attributes.get("Id", "")] = (attributes.get("Type", "").rpartition("/")[2], member)

        if rels in self.names:
            read_xml(self.stream(rels), self._source, start)
        return found


def read_xml(
    stream: Counted,
    source: DocumentSource,
    start: Callable[[str, Mapping[str, str]], None],
    end: Callable[[str], None] | None = None,
    data: Callable[[str], None] | None = None,
) -> None:
    """Read XML as a stream of events, with names bare of their namespace; it raises what :func:`xml_blocks` does."""
    deque(xml_blocks(stream, source, start, end, data), maxlen=0)


def xml_blocks(
    stream: Counted,
    source: DocumentSource,
    start: Callable[[str, Mapping[str, str]], None],
    end: Callable[[str], None] | None = None,
    data: Callable[[str], None] | None = None,
) -> Iterator[None]:
    """Read XML as a stream of events block by block, for whoever hands on what was read meanwhile; the names are bare of their namespace.

    Raises:
        DocumentError: it is damaged, or declares entities, as no document of these kinds does.
    """
    parser = expat.ParserCreate(namespace_separator=" ")

    def refuse(*_: Any) -> None:
        raise DocumentError(f"{source.name} declares entities of its own, as an XML bomb does. It was not read.")

    parser.StartElementHandler = lambda tag, given: start(bare(tag), _attributes(given))
    if end is not None:
        ended = end
        parser.EndElementHandler = lambda tag: ended(bare(tag))
    if data is not None:
        parser.CharacterDataHandler = data
    parser.EntityDeclHandler = refuse
    try:
        while block := stream.read(_BLOCK_BYTES):
            parser.Parse(block, False)
            yield
        parser.Parse(b"", True)
    except expat.ExpatError as error:
        raise DocumentError(f"{source.name} is damaged: {error}.") from error
    yield


def _attributes(given: Mapping[str, str]) -> Mapping[str, str]:
    """Return attributes by their bare names; those of a namespace also by the name after a colon, as both may occur at once."""
    spaced = {bare(name): value for name, value in given.items() if " " in name}
    named = {f":{name}": value for name, value in spaced.items()}
    return {**spaced, **named, **{name: value for name, value in given.items() if " " not in name}}


def bare(name: str) -> str:
    """Return an XML name without its namespace."""
    return name.rpartition(" ")[2]


class _Text:
    """Puts text together from the events of a text document: Word's, PowerPoint's or OpenDocument's."""

    def __init__(self, form: Literal["word", "slides", "open"], source: DocumentSource) -> None:
        self._form = form
        self._source = source
        self._chars = 0
        self._parts: list[str] = []
        self._taking = form == "open"
        self._skipped = 0
        self._hidden_run = False
        self._cells = 0

    _SKIPPED: Mapping[str, frozenset[str]] = {
        "word": frozenset({"moveFrom", "Fallback", "del", "instrText"}),
        "slides": frozenset({"Fallback"}),
        "open": frozenset(
            {"tracked-changes", "annotation", "hidden-text", "hidden-paragraph", "styles", "automatic-styles", "forms", "notes"}
        ),
    }
    _BREAKS = frozenset({"br", "cr", "line-break"})
    _PARAGRAPHS = frozenset({"p", "h"})
    _CELLS = frozenset({"tc", "table-cell"})
    _ROWS = frozenset({"tr", "table-row"})

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        if self._skipped or tag in self._SKIPPED[self._form]:
            self._skipped += 1
        elif tag == "r":
            self._hidden_run = False
        elif tag == "vanish":
            self._hidden_run = attributes.get("val", "1") not in {"0", "false", "off"}
        elif tag == "t":
            self._taking = not self._hidden_run
        elif tag == "tab":
            self._parts.append("\t")
        elif tag in self._BREAKS:
            self._parts.append("\n")
        elif tag == "s" and self._form == "open":
            count = attributes.get("c", "1")
            self._parts.append(" " * min(int(count) if count.isdigit() else 1, 100))
        elif tag in self._CELLS:
            self._cells += 1

    def end(self, tag: str) -> None:
        if self._skipped:
            self._skipped -= 1
        elif tag == "t":
            self._taking = self._form == "open"
        elif tag in self._PARAGRAPHS:
            self._parts.append(" " if self._cells else "\n")
        elif tag in self._CELLS:
            self._cells -= 1
            self._parts.append(" | ")
        elif tag in self._ROWS and not self._cells:
            self._parts.append("\n")

    def data(self, text: str) -> None:
        if self._taking and not self._skipped:
            self._chars += len(text)
            if self._chars > self._source.limits.text_chars:
                raise too_much_text(self._source)
            self._parts.append(" ".join(text.split("\n")) if self._form == "open" else text)

    def text(self) -> str:
        """Return the text, without white space at the ends of its lines."""
        lines = "".join(self._parts).split("\n")
        return "\n".join(line.rstrip().removesuffix("|").replace("  |", " |").rstrip() for line in lines).strip("\n")


def _text_of(archive: Archive, part: str, source: DocumentSource, form: Literal["word", "slides", "open"]) -> str:
    text = _Text(form, source)
    read_xml(archive.stream(part), source, text.start, text.end, text.data)
    return text.text()


def parse_word(data: bytes, source: DocumentSource) -> Iterator[DocumentSection | ReadingNote]:
    """Read a Word document's text, its notes, headers and footers; its lines are counted in the text, as it has none of its own."""
    archive = Archive(data, source)
    parts = ["word/document.xml", "word/footnotes.xml", "word/endnotes.xml"]
    edges = [part for kind in ("header", "footer") for part in archive.numbered(f"word/{kind}")]
    wanted = [part for part in (*parts, *edges) if part == parts[0] or part in archive.names]
    texts: dict[str, None] = {}

    def one(part: str) -> Iterator[DocumentSection]:
        yield DocumentSection(_text_of(archive, part, source, "word"))

    for found in salvaged((posixpath.basename(part), one(part)) for part in wanted):
        if isinstance(found, ReadingNote):
            yield found
        else:
            texts[found.text] = None
    yield DocumentSection("\n".join(text for text in texts if text.strip()))


def parse_slides(data: bytes, source: DocumentSource) -> Iterator[DocumentSection | ReadingNote]:
    """Read a PowerPoint presentation slide by slide, in their order, each with its notes; hidden slides are left out."""
    archive = Archive(data, source)
    parts = archive.relations("ppt/presentation.xml")
    order = [attributes.get(":id", "") for attributes in elements(archive, "ppt/presentation.xml", source, "sldId")]
    slides = [parts[one][1] for one in order if one in parts] or archive.numbered("ppt/slides/slide")
    hidden: list[str] = []

    def slide(number: int, part: str) -> Iterator[DocumentSection]:
        if any(attributes.get("show") in {"0", "false"} for attributes in elements(archive, part, source, "sld")):
            hidden.append(str(number))
            return
        text = _text_of(archive, part, source, "slides")
        for kind, notes in archive.relations(part).values():
            if kind == "notesSlide" and (said := _text_of(archive, notes, source, "slides").strip()):
                text = f"{text}\nNotes: {said}"
        if text.strip():
            yield DocumentSection(text, page=number, unit="slide")

    yield from salvaged((f"slide {number}", slide(number, part)) for number, part in enumerate(slides, start=1))
    if hidden:
        yield ReadingNote(f"hidden slides were left out: {', '.join(hidden[:20])}")


def parse_open_document(data: bytes, source: DocumentSource) -> Iterator[DocumentSection | ReadingNote]:
    """Read an OpenDocument text or presentation; tracked changes, comments and hidden text are left out."""
    archive = Archive(data, source)
    if locked(archive, source):
        raise DocumentError(f"{source.name} is locked with a password. Save it without a password.")
    yield DocumentSection(_text_of(archive, "content.xml", source, "open"))


def parse_book(data: bytes, source: DocumentSource) -> Iterator[DocumentSection | ReadingNote]:
    """Read an EPUB book chapter by chapter, in the order of its spine."""
    archive = Archive(data, source)
    if "META-INF/encryption.xml" in archive.names and "META-INF/rights.xml" in archive.names:
        raise DocumentError(f"{source.name} is protected against copying and cannot be read.")
    package = [one.get("full-path", "") for one in elements(archive, "META-INF/container.xml", source, "rootfile")][:1]
    if not package:
        raise DocumentError(f"{source.name} is damaged: it names no book.")
    folder = posixpath.dirname(package[0])
    items = {one.get("id", ""): one.get("href", "") for one in elements(archive, package[0], source, "item")}
    spine = [one.get("idref", "") for one in elements(archive, package[0], source, "itemref")]

    def chapter(number: int, one: str) -> Iterator[DocumentSection]:
        member = posixpath.normpath(posixpath.join(folder, unquote(items.get(one, ""))))
        if member in archive.names:
            text, _ = decode_declared(archive.bytes_of(member), f"{member} in {source.name}")
            found = shown(text)
            if found.text.strip():
                yield DocumentSection(found.text.strip("\n"), page=number, title=found.title, unit="chapter")

    yield from salvaged((f"chapter {number}", chapter(number, one)) for number, one in enumerate(spine, start=1))


def locked(archive: Archive, source: DocumentSource) -> bool:
    """Whether an OpenDocument file is locked with a password."""
    return "META-INF/manifest.xml" in archive.names and any(elements(archive, "META-INF/manifest.xml", source, "encryption-data"))


def elements(archive: Archive, part: str, source: DocumentSource, tag: str) -> list[Mapping[str, str]]:
    """Return the attributes of a part's elements of one name."""
    found: list[Mapping[str, str]] = []

    def start(name: str, attributes: Mapping[str, str]) -> None:
        if name == tag:
            found.append(attributes)

    read_xml(archive.stream(part), source, start)
    return found
