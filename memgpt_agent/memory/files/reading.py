"""Which kinds of files an agent reads, and searching their lines with a regular expression, within limits of time and memory."""

import re
import time
import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

import re2
from langgraph.store.base import BaseStore

from memgpt_agent.documents.loaders import LOADERS, NAMED_LOADERS
from memgpt_agent.errors import InvalidArguments
from memgpt_agent.memory.files.record import FileRecord, read_lines

_MOST_NAME_CHARS = 120
_SUFFIXES = {
    "application/pdf": ".pdf", "text/html": ".html", "application/xhtml+xml": ".html", "text/csv": ".csv", "text/tab-separated-values": ".tsv",
    "text/markdown": ".md", "application/json": ".json", "application/x-ipynb+json": ".ipynb", "application/xml": ".xml",
    "application/yaml": ".yaml", "application/x-yaml": ".yaml", "application/javascript": ".js", "application/toml": ".toml",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": ".docx", "message/rfc822": ".eml",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": ".pptx", "application/epub+zip": ".epub",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": ".xlsx", "application/vnd.oasis.opendocument.text": ".odt",
    "application/rtf": ".rtf", "text/rtf": ".rtf", "application/vnd.ms-excel": ".xls", "application/vnd.oasis.opendocument.spreadsheet": ".ods",
}  # fmt: skip
"""What stands for a media type where a file's name does not say its kind."""


def kind_of_document(name: str, mime: str) -> str:
    """Return the suffix that chooses a document's loader; empty if it cannot be read."""
    mime = mime.partition(";")[0].strip().lower()
    if mime == "application/pdf":
        return ".pdf"  # its first bytes say so
    if mime.partition("/")[0] in {"image", "audio", "video"}:
        return ""
    suffix = PurePosixPath(name).suffix.lower()
    if suffix in LOADERS and suffix != ".pdf":
        return suffix
    if not suffix and name.lower() in NAMED_LOADERS:
        return ".txt"
    return _SUFFIXES.get(mime) or (".txt" if mime.startswith("text/") else "")


def plain_name(name: str) -> str:
    """Return a file's name as it can be shown and saved: on one line, without folders, and without signs that cannot be seen."""
    last = re.split(r"[\\/]", name)[-1]
    shown = "".join(" " if sign.isspace() else sign for sign in last if sign.isspace() or unicodedata.category(sign)[0] != "C")
    return " ".join(shown.split())[-_MOST_NAME_CHARS:].lstrip(".")


def called(name: str, suffix: str, used: Collection[str]) -> str:
    """Return the agent's name for a file that came as bytes, different from the names already taken."""
    bare = plain_name(name) or f"attachment{suffix}"
    path = PurePosixPath(bare)
    number, free = 1, bare
    while free in used:
        number += 1
        free = f"{path.stem} ({number}){path.suffix}"
    return free


MAX_PATTERN_CHARS = 1_000
SEARCHED_LINE_CHARS = 50_000
"""Of a longer line only the beginning is searched. The slowest pattern of 1,000 characters that we found took 26 µs a character."""
_re2: Any = re2
"""The package has no types."""
_PATTERN_BYTES = 1 << 20
"""The memory limit of a compiled pattern; one that needs more is refused before it is built."""


@dataclass(frozen=True)
class Match:
    """A line that matches, or one near it."""

    name: str
    """The file."""
    line: int
    """Its number in the file, from 1."""
    text: str
    """The line."""
    matches: bool
    """Whether it matches, rather than giving context."""


@dataclass
class Grep:
    """The result of a search by regular expression."""

    lines: list[Match] = field(default_factory=list[Match])
    """The lines, by file and number."""
    matches: int = 0
    """How many of them match."""
    files_read: int = 0
    """How many files were read to the end."""
    complete: bool = True
    """Whether every file was read; False if the limit or the time ran out first."""
    why: str = ""
    """What ran out."""


def grep(
    store: BaseStore,
    agent_id: str,
    records: Sequence[FileRecord],
    pattern: str,
    *,
    context: int,
    limit: int,
    seconds: float,
) -> Grep:
    """Return the lines that match a regular expression (RE2's syntax), by file and number, until ``limit`` or the time runs out.

    RE2 searches in time linear in the line's length, and refuses a pattern that would take much memory. The time is looked at
    between lines: a search may take up to about a second longer.

    Raises:
        InvalidArguments: the pattern is not a regular expression.
    """
    compiled = _compiled(pattern)
    found, end = Grep(), time.monotonic() + seconds
    for record in records:
        try:
            whole = _in_file(store, agent_id, record, compiled, found, context, limit, end)
        except TimeoutError:
            found.complete, found.why = False, f"{seconds:g} seconds were over"
            break
        if not whole:
            found.complete, found.why = False, f"{limit} matches are shown"
            break
        found.files_read += 1
    return found


def _compiled(pattern: str) -> Any:
    if len(pattern) > MAX_PATTERN_CHARS:
        raise InvalidArguments(f"The pattern has {len(pattern):,} characters; {MAX_PATTERN_CHARS:,} are the limit.")
    options = _re2.Options()
    options.log_errors, options.max_mem = False, _PATTERN_BYTES
    try:
        return _re2.compile(pattern, options)
    except (_re2.error, UnicodeEncodeError) as error:
        refusal: Any = error.args[0]
        why = refusal.decode("utf-8", "replace") if isinstance(refusal, bytes) else "half a character"
        raise InvalidArguments(
            f"{pattern!r} is no regular expression that can be searched for: {why}. It is RE2's syntax: no lookahead, no lookbehind, no "
            "backreference, at most 1,000 repetitions. Put \\ before a sign that is meant as such."
        ) from error


def _searchable(line: str) -> bytes:
    return line[:SEARCHED_LINE_CHARS].encode("utf-8", "replace")


def _in_file(
    store: BaseStore,
    agent_id: str,
    record: FileRecord,
    pattern: Any,
    found: Grep,
    context: int,
    limit: int,
    end: float,
) -> bool:
    """Add a file's matching lines; return whether it was read to its end."""
    before: list[Match] = []
    after = 0
    for number, text in read_lines(store, agent_id, record, 1, record.lines):
        if time.monotonic() > end:
            raise TimeoutError
        if len(text) > SEARCHED_LINE_CHARS:
            found.complete, found.why = False, f"of lines longer than {SEARCHED_LINE_CHARS:,} characters the beginning was searched"
        if pattern.search(_searchable(text)):
            if found.matches >= limit:
                return False
            found.lines += [*before, Match(record.name, number, text, matches=True)]
            found.matches += 1
            before, after = [], context
        elif after:
            found.lines.append(Match(record.name, number, text, matches=False))
            after -= 1
        elif context:
            before = [*before, Match(record.name, number, text, matches=False)][-context:]
    return True
