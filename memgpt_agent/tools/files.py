"""The tools with which the agent reads its files: list, open, close, and search by pattern or meaning."""

from memgpt_agent.errors import InvalidArguments
from memgpt_agent.memory.agent_memory import AgentMemory
from memgpt_agent.memory.files import OpenFiles
from memgpt_agent.tools.definition import memory_tool
from memgpt_agent.tools.profiles import Section
from memgpt_agent.tools.recall_memory import check_page, shorten

OPEN_FILES_SHARE = 0.2
"""Open files may fill this share of the budget."""
_MAX_CONTEXT = 5
_LISTED = 50


def list_files(memory: AgentMemory, page: int = 0) -> str:
    """List the files that you can read, with their length.

    Args:
        page: 0 for the first fifty, 1 for those after them, and so on.
    """
    records = memory.files.records()
    shown = records[page * _LISTED : (page + 1) * _LISTED]
    if not shown:
        return f"There are no files{' on this page' if records else ''}."
    lines = [f"{len(records):,} files, page {page}:", *(f"- {r.name} ({r.lines:,} lines)" for r in shown)]
    return "\n".join(lines)


def open_file(memory: AgentMemory, name: str, start_line: int = 1, end_line: int | None = None) -> str:
    """Show a file, or some of its lines, in view until you close it. Opening it again moves to other lines.

    Args:
        name: The file's name, as listed or found.
        start_line: The first line to show.
        end_line: The last line to show; as many as fit if left out.
    """
    record = memory.files.record(name)
    view, closed = _open(memory).open(record, start_line, end_line)
    counts = (
        f"{record.name} is open at lines {view.first}-{view.last} of {record.lines}; you see it below your core memory."
    )
    if end_line is not None and view.last < min(end_line, record.lines):
        counts += " More did not fit: open it at the next lines to read on."
    return counts + (f" Closed to make room: {', '.join(v.name for v in closed)}." if closed else "")


def close_file(memory: AgentMemory, name: str) -> str:
    """Take an open file out of view.

    Args:
        name: The file's name.
    """
    return f"{_open(memory).close(name).name} is closed."


def grep_files(
    memory: AgentMemory, pattern: str, names: list[str] | None = None, context_lines: int = 0, limit: int = 30
) -> str:
    """Find lines of files by a regular expression.

    Args:
        pattern: The regular expression, without lookaround or backreferences; it is matched within one line.
        names: Only these files; all if left out.
        context_lines: So many lines before and after each match are shown, five at most.
        limit: How many matches to show.
    """
    check_page(limit, 0)
    if not 0 <= context_lines <= _MAX_CONTEXT:
        raise InvalidArguments(f"context_lines = {context_lines}: it goes from 0 to {_MAX_CONTEXT}.")
    found = memory.files.grep(pattern, names or (), context=context_lines, limit=limit)
    rest = "" if found.complete else f" There may be more: {found.why}. Name files or make the pattern narrower."
    if not found.lines:
        return f"No line matches {pattern!r}.{rest}"
    lines = [f"{match.name}:{match.line}{':' if match.matches else '-'} {shorten(match.text)}" for match in found.lines]
    return "\n".join([f"{found.matches} matches.{rest}", *lines])


def search_files(memory: AgentMemory, query: str, names: list[str] | None = None, limit: int = 5, page: int = 0) -> str:
    """Search your files by words and meaning; each passage comes with its page or lines.

    Args:
        query: What to look for.
        names: Only these files; all if left out.
        limit: How many passages to show.
        page: 0 for the best ones, 1 for those after them, and so on.
    """
    check_page(limit, page)
    found = memory.files.search(query, names or (), limit=limit, page=page)
    if not found:
        return f"Nothing found for {query!r}{' on this page' if page else ''}."
    lines = [f"- [{item.value['source']}] {shorten(item.value['text'])}" for item in found]
    return "\n".join([f"{len(found)} passages, page {page}:", *lines])


def _open(memory: AgentMemory) -> OpenFiles:
    room_tokens = int(memory.budget_tokens * OPEN_FILES_SHARE)
    return OpenFiles(memory.store, memory.agent_id, room_tokens, memory.count_tokens)


TOOLS = (
    memory_tool(list_files, reads_memory=True),
    memory_tool(open_file, reads_memory=True),
    memory_tool(close_file),
    memory_tool(grep_files, reads_memory=True),
    memory_tool(search_files, reads_memory=True),
)

OPEN_FILES = Section("open_files", lambda memory: _open(memory).render(), OPEN_FILES_SHARE)
"""Shows the open files."""
