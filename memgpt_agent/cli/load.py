"""`memgpt load`: documents into archival memory."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from memgpt_agent.cli import options
from memgpt_agent.cli.terminal import DEFAULT_AGENT, plain, terminal_of

if TYPE_CHECKING:
    from memgpt_agent.documents import DocumentPassage
    from memgpt_agent.memory.archival import ArchivalMemory


def load(
    context: typer.Context,
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Text, Markdown or PDF files, or folders of them.")],
    agent: options.Agent = DEFAULT_AGENT,
    tag: Annotated[list[str] | None, typer.Option(help="File the passages under this tag; may be repeated.")] = None,
    as_json: options.AsJson = False,
) -> None:
    """Put documents into an agent's archival memory, each passage with its file and page.

    Everything is read before anything is stored: a file that cannot be read stops it all.
    A passage that is there already is not stored twice.
    """
    from memgpt_agent.documents import load_documents

    terminal = terminal_of(context)
    with terminal.open_agent(agent) as opened:
        passages = list(load_documents(files))
        loaded = _store(opened.memory.archival, passages, tag or [], terminal.err)
    if as_json:
        terminal.print_json({"agent_id": agent, "files": len(files), "passages": len(passages), "new": loaded["new"]})
        return
    known = f" ({loaded['known']} were there already)" if loaded["known"] else ""
    terminal.out.print(plain(f"{_count(loaded['new'], 'new passage')} from {_count(len(files), 'file')} for agent {agent}{known}."))


def _count(number: int, thing: str) -> str:
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def _store(archival: "ArchivalMemory", passages: "list[DocumentPassage]", tags: list[str], err: Console) -> Counter[str]:
    """Insert passages with a progress bar; return how many were new and how many known."""
    done: Counter[str] = Counter()
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as progress:
        task = progress.add_task("storing passages", total=len(passages))
        for passage in passages:
            _, new = archival.insert(passage.text, tags, source=passage.source)
            done["new" if new else "known"] += 1
            progress.advance(task)
    return done
