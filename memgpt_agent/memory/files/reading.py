"""Searching the lines of files by a regular expression, within a time limit."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import regex
from langgraph.store.base import BaseStore

from memgpt_agent.errors import InvalidArguments
from memgpt_agent.memory.files.record import FileRecord, read_lines

MAX_PATTERN_CHARS = 1_000


@dataclass(frozen=True)
class Match:
    """A line that matches, or stands beside one that does."""

    name: str
    """The file."""
    line: int
    """Its number in the file, from 1."""
    text: str
    """The line."""
    matches: bool
    """Whether it matches, or is shown for its context."""


@dataclass
class Grep:
    """What a search by regular expression found."""

    lines: list[Match] = field(default_factory=list[Match])
    """The lines, by file and number."""
    matches: int = 0
    """How many of them match."""
    files_read: int = 0
    """How many files were read to the end."""
    complete: bool = True
    """Whether every file was read; False where the limit or the time ran out first."""
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
    """Return the lines that match a regular expression, by file and number, until ``limit`` or the time runs out.

    Raises:
        InvalidArguments: the pattern is no regular expression.
    """
    compiled = _compiled(pattern)
    found, end = Grep(), time.monotonic() + seconds
    for record in records:
        try:
            whole = _in_file(store, agent_id, record, compiled, found, context, limit, end)
        except TimeoutError:
            whole, found.why = False, f"{seconds:g} seconds were over"
        if not whole:
            found.complete = False
            found.why = found.why or f"{limit} matches are shown"
            break
        found.files_read += 1
    return found


def _compiled(pattern: str) -> "regex.Pattern[str]":
    if len(pattern) > MAX_PATTERN_CHARS:
        raise InvalidArguments(f"The pattern has {len(pattern):,} characters; {MAX_PATTERN_CHARS:,} are the limit.")
    try:
        return regex.compile(pattern)
    except regex.error as error:
        raise InvalidArguments(
            f"{pattern!r} is no regular expression: {error}. Put \\ before a sign that is meant as such."
        ) from error


def _in_file(
    store: BaseStore,
    agent_id: str,
    record: FileRecord,
    pattern: "regex.Pattern[str]",
    found: Grep,
    context: int,
    limit: int,
    end: float,
) -> bool:
    """Add a file's lines to what is found; return whether it was read to its end."""
    before: list[Match] = []
    after = 0
    for number, text in read_lines(store, agent_id, record, 1, record.lines):
        left = end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        if pattern.search(text, timeout=left):
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
