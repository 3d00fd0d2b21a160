"""Loading files into an agent's memory (only changed ones again), listing them, and unloading them."""

import hashlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from langgraph.store.base import BaseStore, GetOp, PutOp, SearchItem

from memgpt_agent.documents import (
    Content,
    DocumentFile,
    DocumentPassage,
    DocumentReader,
    DocumentSection,
    cut,
    find_files,
    read_sections,
    split_lines,
    without_text,
)
from memgpt_agent.errors import DocumentError, FileNotAttached, MissingDependency
from memgpt_agent.events import Clock, utc_now
from memgpt_agent.memory import namespaces
from memgpt_agent.memory.dates import stamp
from memgpt_agent.memory.files.reading import Grep, called, grep, kind_of_document
from memgpt_agent.memory.files.record import (
    PAGE_LINES,
    FileRecord,
    bare_name,
    every_record,
    file_id,
    page_key,
    read_lines,
    record_of,
    shown_path,
    text_operations,
    value_of,
)
from memgpt_agent.store.plain import Filter, find

BATCH_PASSAGES = 128
"""How many passages are embedded and stored at a time; an interrupt loses no more work than that."""
_SCAN = 500


@dataclass(frozen=True)
class FileLoad:
    """The result of loading one file."""

    record: FileRecord
    """The file as stored now."""
    state: Literal["new", "changed", "unchanged", "empty", "unreadable"]
    """Whether it was stored, stored again, unchanged, without text, or unreadable."""
    reason: str = ""
    """Why it cannot be read."""
    notes: tuple[str, ...] = ()
    """Notes on how it was read: pages without text, a guessed encoding."""


@dataclass(frozen=True)
class LoadProgress:
    """The progress of loading one file."""

    name: str
    """The file's name."""
    done: int
    """How many were read or stored so far."""
    total: int | None
    """How many there are; None while the file is being read."""
    unit: str
    """What is counted: ``pages``, ``parts`` or ``passages``."""


class AttachedFiles:
    """The files of one agent. What the agent reads of them is what was loaded: it never touches the disk.

    **Limits**: passages go to archival memory in the store; an archive elsewhere (a vector store) is not served.
    """

    def __init__(self, store: BaseStore, agent_id: str, clock: Clock = utc_now) -> None:
        self._store = store
        self._agent_id = agent_id
        self._clock = clock
        self._archive = namespaces.of(agent_id, "archival")

    def load(
        self,
        files: Sequence[DocumentFile],
        tags: Sequence[str] = (),
        *,
        on_passages: Callable[[int], None] = lambda _: None,
        on_progress: Callable[[LoadProgress], None] = lambda _: None,
    ) -> Iterator[FileLoad]:
        """Yield each file when all of it is stored; one with unchanged bytes and tags is left alone.

        It may be stopped at any time and started again: complete files are not loaded twice, and a partial one is finished.

        Args:
            files: what :func:`memgpt_agent.documents.find_files` found.
            tags: for the passages.
            on_passages: called with each number of passages that was stored.
            on_progress: called for each part of a file that was read, and for what was stored of it.

        Raises:
            DocumentError: a file that was named cannot be read or holds no text. Before anything is stored, those named are
                tried; an unreadable file in a folder is skipped and reported.
        """
        with DocumentReader() as reader:
            for file in files if len(files) > 1 else ():
                if file.named and not any(section.text.strip() for section in read_sections(file, reader)):
                    raise without_text(file)
            yield from self._load_all(files, tuple(dict.fromkeys(tags)), reader, on_passages, on_progress)

    def _load_all(
        self,
        files: Sequence[DocumentFile],
        tags: tuple[str, ...],
        reader: DocumentReader,
        on_passages: Callable[[int], None],
        on_progress: Callable[[LoadProgress], None],
    ) -> Iterator[FileLoad]:
        known = {record.id: record for record in every_record(self._store, self._agent_id)}
        names = {record.name: record.id for record in known.values()}
        for file in files:
            identity = file_id(file.path)
            name = _unique(file, identity, names)
            old = known.get(identity)
            named = replace(file, name=name)
            try:
                yield self._load(named, identity, old, tags, reader, on_passages, on_progress)
            except (DocumentError, MissingDependency) as error:
                if file.named:
                    raise
                yield FileLoad(FileRecord(identity, name, shown_path(file.path)), "unreadable", str(error))

    def attach(
        self, name: str, content: bytes, mime: str = "", *, on_progress: Callable[[LoadProgress], None] = lambda _: None
    ) -> FileLoad:
        """Load a file that came as bytes, under its name, or one like it that is free.

        The same bytes again are the same file, whatever they are called; ``unchanged`` says so. ``on_progress`` is called as in :meth:`load`.

        Raises:
            DocumentError: it is of no kind that can be read, or it cannot be read, or holds no text.
        """
        suffix, digest = kind_of_document(name, mime), hashlib.sha256(content).hexdigest()
        if not suffix:
            raise DocumentError(f"{name or 'The file'} is of a kind that cannot be read ({mime or 'unknown'}). Convert it to text or PDF.")
        known = list(every_record(self._store, self._agent_id))
        if same := next((record for record in known if record.sha256 == digest), None):
            return FileLoad(same, "unchanged")
        identity = f"file-{digest[:16]}"
        begun = next((record for record in known if record.id == identity), None)
        own = begun.name if begun else called(name, suffix, {record.name for record in known})
        with tempfile.TemporaryDirectory(prefix="memgpt-") as folder:
            path = Path(folder, f"attached{suffix}")
            path.write_bytes(content)
            try:
                (file,) = find_files(path)
                with DocumentReader() as reader:
                    return self._load(replace(file, name=own), identity, begun, (), reader, lambda _: None, on_progress, path=own)
            except DocumentError as error:
                raise DocumentError(str(error).replace(str(path), own)) from error

    def _load(
        self,
        file: DocumentFile,
        identity: str,
        old: FileRecord | None,
        tags: tuple[str, ...],
        reader: DocumentReader,
        on_passages: Callable[[int], None],
        on_progress: Callable[[LoadProgress], None],
        path: str = "",
    ) -> FileLoad:
        content = Content(file, reader)
        if old and (old.sha256, old.tags, old.name) == (content.sha256, tags, file.name):
            return FileLoad(old, "unchanged")
        sections: list[DocumentSection] = []
        for section in content.sections():
            sections.append(section)
            on_progress(LoadProgress(file.name, len(sections), None, f"{section.unit}s" if section.page else "parts"))
        lines = content.table_lines() or _own_lines(sections)
        passages = [passage for passage in cut(file, sections) if passage.text.strip()]
        begun = FileRecord(
            identity,
            file.name,
            path or shown_path(file.path),
            shown_path(file.folder) if file.folder else "",
            tags=tags,
        )
        if not passages:
            if file.named:
                raise without_text(file)
            return FileLoad(begun, "empty", notes=tuple(content.notes))
        self._put_record(begun)
        done = replace(
            begun,
            sha256=content.sha256,
            size_bytes=content.size_bytes,
            lines=len(lines),
            passages=len({p.id for p in passages}),
            time=stamp(self._clock()),
        )
        self._store.batch(text_operations(self._agent_id, identity, lines))
        for start in range(0, len(passages), BATCH_PASSAGES):
            batch = passages[start : start + BATCH_PASSAGES]
            self._store.batch(self._missing([self._put_passage(passage, done) for passage in batch]))
            on_passages(len(batch))
            on_progress(LoadProgress(file.name, start + len(batch), len(passages), "passages"))
        if old is not None:
            self._drop_passages(identity, {passage.id for passage in passages})
            self._drop_text(identity, len(lines), old.lines)
        self._put_record(done)
        return FileLoad(done, "changed" if old and old.sha256 else "new", notes=tuple(content.notes))

    def _put_record(self, record: FileRecord) -> None:
        self._store.put(namespaces.of(self._agent_id, "files"), record.id, value_of(record), index=False)

    def _put_passage(self, passage: DocumentPassage, record: FileRecord) -> PutOp:
        value: dict[str, Any] = {
            "id": passage.id, "text": passage.text, "tags": list(record.tags), "time": record.time, "source": passage.source,
            "cause": "", "file": record.id,
        }  # fmt: skip
        return PutOp(self._archive, passage.id, value, ["text"])

    def _missing(self, puts: Sequence[PutOp]) -> list[PutOp]:
        """Leave out passages that are already stored, to continue an interrupted load."""
        stored: list[Any] = self._store.batch([GetOp(self._archive, put.key) for put in puts])
        shown = ("text", "tags", "source", "file")
        new: list[PutOp] = []
        for put, item in zip(puts, stored, strict=True):
            value = put.value or {}
            if item is None or any(item.value.get(name) != value[name] for name in shown):
                new.append(put)
        return new

    def _drop_passages(self, identity: str, kept: set[str]) -> None:
        offset = 0
        while found := self._store.search(self._archive, filter={"file": identity}, limit=_SCAN, offset=offset):
            gone = [item for item in found if item.key not in kept]
            self._store.batch([PutOp(self._archive, item.key, None) for item in gone])
            offset += len(found) - len(gone)

    def _drop_text(self, identity: str, first: int, last: int) -> None:
        namespace = namespaces.of(self._agent_id, "file_text")
        start = -(-first // PAGE_LINES) * PAGE_LINES
        self._store.batch([PutOp(namespace, page_key(identity, line), None) for line in range(start, last, PAGE_LINES)])

    def records(self) -> list[FileRecord]:
        """Return all files, by name."""
        return sorted(every_record(self._store, self._agent_id), key=lambda record: record.name)

    def record(self, name: str) -> FileRecord:
        """Return one file by its name.

        Raises:
            FileNotAttached: there is none of this name; the message names those that come close.
        """
        named = bare_name(name)
        found = self._store.search(namespaces.of(self._agent_id, "files"), filter={"name": named}, limit=1)
        if found:
            return record_of(found[0].value)
        records = self.records()
        close = [record.name for record in records if named and (named in record.name or record.name in named)]
        ends = [record for record in records if record.name.endswith(f"/{named}")]
        if len(ends) == 1:
            return ends[0]
        shown = (close or [record.name for record in records])[:20]
        raise FileNotAttached(
            f"There is no file {name!r}. {'Files with a name like it' if close else 'The files'}: {', '.join(shown) or 'none'}"
            f"{' ...' if len(close or records) > len(shown) else ''}."
        )

    def unload(self, source: str | Path) -> list[FileRecord]:
        """Remove a file by name or path, or all files of a folder; return the removed files.

        Raises:
            FileNotAttached: nothing was loaded from there.
        """
        text, place = str(source), shown_path(Path(source))
        gone = [
            record
            for record in self.records()
            if text == record.name
            or record.name.startswith(f"{text.rstrip('/')}/")
            or Path(record.path).is_relative_to(place)
        ]
        if not gone:
            raise FileNotAttached(f"Nothing was loaded from {text!r}. See what there is with: memgpt files")
        for record in gone:
            self._drop_passages(record.id, set())
            self._drop_text(record.id, 0, record.lines)
            self._store.delete(namespaces.of(self._agent_id, "files"), record.id)
        return gone

    def lines(self, record: FileRecord, first: int, last: int) -> Iterator[tuple[int, str]]:
        """Yield a file's lines with their numbers, both ends counted from 1 and included."""
        return read_lines(self._store, self._agent_id, record, first, last)

    def search(self, query: str, names: Sequence[str] = (), *, limit: int = 5, page: int = 0) -> list[SearchItem]:
        """Return the passages of files that fit a query best, by words and by meaning; ``names`` restricts them to some files."""
        chosen: Filter = {"file": {"$in": [self.record(name).id for name in names]} if names else {"$gt": ""}}
        return find(self._store, self._archive, query, filter=chosen, limit=limit, offset=page * limit)

    def grep(
        self, pattern: str, names: Sequence[str] = (), *, context: int = 0, limit: int = 50, seconds: float = 2.0
    ) -> Grep:
        """Return the lines that match a regular expression; see :func:`memgpt_agent.memory.files.reading.grep`."""
        records = [self.record(name) for name in names] or self.records()
        return grep(self._store, self._agent_id, records, pattern, context=context, limit=limit, seconds=seconds)


def _unique(file: DocumentFile, identity: str, names: dict[str, str]) -> str:
    """Return the agent's name for a file; if another file has it, with the folders above it."""
    name, above = bare_name(file.name), (file.folder or file.path.parent).resolve()
    while names.setdefault(name, identity) != identity and above.name:
        name, above = bare_name(f"{above.name}/{name}"), above.parent
    return name


def _own_lines(sections: Sequence[DocumentSection]) -> list[str]:
    """Return what can be read of a file by its lines; pages, cells and their like begin with a line that says so."""
    lines: list[str] = []
    before: tuple[int, str] | None = None
    for section in sections:
        if section.page is not None and (section.page, section.unit) != before:
            before = (section.page, section.unit)
            lines.append(f"--- {section.unit} {section.page} ---")
        lines += split_lines(section.text)
    return lines
