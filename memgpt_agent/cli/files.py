"""`memgpt load`, `unload` and `files`: loading, unloading and listing an agent's documents."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from memgpt_agent.cli import options
from memgpt_agent.cli.terminal import DEFAULT_AGENT, Terminal, terminal_of

if TYPE_CHECKING:
    from memgpt_agent.documents import DocumentFile, Skipped
    from memgpt_agent.memory.files import AttachedFiles, FileLoad, LoadProgress

_NAMED_FILES = 10
"""How many unreadable files are named one by one."""


def load(
    context: typer.Context,
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Files or folders.")],
    agent: options.Agent = DEFAULT_AGENT,
    tag: Annotated[list[str] | None, typer.Option(help="File the passages under this tag; may be repeated.")] = None,
    max_mb: Annotated[int | None, typer.Option("--max-mb", min=1, help="The largest file to read, in megabytes (default 100).")] = None,
    max_seconds: Annotated[int | None, typer.Option(min=1, help="The most seconds for one file (default 600; 60 for one page).")] = None,
    as_json: options.AsJson = False,
) -> None:
    """Load documents into an agent's memory: files or whole folders.

    Kinds: text and source code in any encoding, Markdown, PDF, HTML, Word, PowerPoint, Excel, OpenDocument, EPUB, RTF, CSV,
    e-mail, notebooks. A file is loaded again only where it changed. Stop it with Ctrl-C and give the same command to continue.
    In a folder, hidden files and what .gitignore names are skipped; what cannot be read is skipped and reported.
    """
    from memgpt_agent.documents import Limits, find_files

    terminal = terminal_of(context)
    skipped: list[Skipped] = []
    found = find_files(files, limits=Limits.of(max_mb, max_seconds), on_skipped=skipped.append)
    with terminal.open_agent(agent) as opened:
        loads, passages = _load(opened.memory.files, found, tag or [], terminal)
    states = Counter(load.state for load in loads)
    left_out = [one.reason for one in (*skipped, *(load_ for load_ in loads if load_.state == "unreadable"))]
    if as_json:
        terminal.print_json({
            "agent_id": agent, "files": len(loads), "passages": passages, **dict(states),
            **({"skipped": left_out} if left_out else {}),
            **({"notes": {load_.record.name: load_.notes for load_ in loads if load_.notes}} if any(load_.notes for load_ in loads) else {}),
        })  # fmt: skip
        return
    done = states["new"] + states["changed"]
    terminal.say(f"{_count(passages, 'passage')} from {_count(done, 'file')} for agent {agent}{_rest(states)}.")
    _report(terminal, [f"{load_.record.name}: {note}." for load_ in loads for note in load_.notes])
    _report(terminal, [f"skipped: {reason}" for reason in left_out])


def _report(terminal: Terminal, lines: list[str]) -> None:
    for line in lines[:_NAMED_FILES]:
        terminal.note(line, "yellow")
    if len(lines) > _NAMED_FILES:
        terminal.note(f"... and {len(lines) - _NAMED_FILES:,} more; --json lists them all.", "yellow")


def _rest(states: Counter[str]) -> str:
    labels = {"changed": "changed", "unchanged": "unchanged", "empty": "without text", "unreadable": "could not be read"}
    found = [f"{states[state]:,} {words}" for state, words in labels.items() if states[state]]
    return f" ({', '.join(found)})" if found else ""


def _load(
    files: "AttachedFiles", found: "list[DocumentFile]", tags: list[str], terminal: Terminal
) -> "tuple[list[FileLoad], int]":
    loads: list[FileLoad] = []
    stored = 0
    columns = (
        TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
        TextColumn("{task.fields[passages]} passages"),
    )  # fmt: skip
    with Progress(*columns, console=terminal.err, transient=True, disable=not terminal.err.is_terminal) as progress:
        task = progress.add_task("loading files", total=len(found), passages=0)

        def on_passages(passages: int) -> None:
            nonlocal stored
            stored += passages
            progress.update(task, passages=f"{stored:,}")

        def within_file(about: "LoadProgress") -> None:
            of = f" of {about.total:,}" if about.total else ""
            progress.update(task, description=f"{about.name[-40:]}: {about.done:,}{of} {about.unit}")

        try:
            for load_ in files.load(found, tags, on_passages=on_passages, on_progress=within_file):
                loads.append(load_)
                progress.advance(task)
        except KeyboardInterrupt:
            progress.stop()
            terminal.note(f"Stopped after {_count(len(loads), 'file')}; they are kept. Give the same command to go on.", "yellow")
            raise typer.Exit(130) from None
    return loads, stored


def unload(
    context: typer.Context,
    sources: Annotated[
        list[str], typer.Argument(metavar="NAME...", help="Names or paths of files or folders, as they were loaded.")
    ],
    agent: options.Agent = DEFAULT_AGENT,
    as_json: options.AsJson = False,
) -> None:
    """Remove documents from an agent's memory."""
    terminal = terminal_of(context)
    with terminal.open_known(agent) as opened:
        gone = [record for source in sources for record in opened.memory.files.unload(source)]
    if as_json:
        terminal.print_json({"agent_id": agent, "unloaded": [record.name for record in gone]})
        return
    terminal.say(f"{_count(len(gone), 'file')} taken out of the memory of agent {agent}.")


def files(context: typer.Context, agent: options.Agent = DEFAULT_AGENT, as_json: options.AsJson = False) -> None:
    """List the documents that an agent has, with their lines and passages."""
    terminal = terminal_of(context)
    with terminal.open_known(agent) as opened:
        records = opened.memory.files.records()
    if as_json:
        terminal.print_json([record.__dict__ for record in records])
        return
    for record in records:
        about = f"{_count(record.lines, 'line')}, {_count(record.passages, 'passage')}"
        state = about if record.sha256 else "not complete: load it again"
        tags = f", tags: {', '.join(record.tags)}" if record.tags else ""
        terminal.say(f"{record.name}  {state}{tags}, from {record.path}")
    if not records:
        terminal.note(f"Agent {agent} has no files. Load some: memgpt load FILE --agent {agent}")


def uploads(
    context: typer.Context,
    upload: Annotated[str | None, typer.Argument(metavar="[ID]", help="The upload to save. Without it, list all uploads.")] = None,
    to: Annotated[Path | None, typer.Option("--to", metavar="FILE", help="Where to save it. Default: its own name, here.")] = None,
    agent: options.Agent = DEFAULT_AGENT,
    as_json: options.AsJson = False,
) -> None:
    """List the pictures and files that were attached to messages, or save the original of one."""
    terminal = terminal_of(context)
    with terminal.open_known(agent) as opened:
        if upload is not None:
            kept, content = opened.memory.uploads.get(upload)
            target = to or Path(kept.name or kept.id)
            with target.open("xb") as file:
                file.write(content)
            terminal.say(f"{kept.id} is saved as {target}.")
            return
        found = opened.memory.uploads.newest()
    if as_json:
        terminal.print_json([one.__dict__ for one in found])
        return
    for one in found:
        terminal.say(f"{one.id}  {one.name or '(no name)'}  {one.mime}, {one.size_bytes:,} bytes, {one.time[:16]}")
    if not found:
        terminal.note(f"Nothing was sent along to agent {agent}.")


def _count(number: int, thing: str) -> str:
    return f"{number:,} {thing}{'' if number == 1 else 's'}"
