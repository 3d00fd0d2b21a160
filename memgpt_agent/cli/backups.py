"""`memgpt backup` and `memgpt restore`: copying everything while agents run, and restoring it."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from memgpt_agent.cli import options
from memgpt_agent.cli.terminal import Terminal, plain, terminal_of

if TYPE_CHECKING:
    from memgpt_agent.backups import Backup


def backup(
    context: typer.Context,
    destination: Annotated[Path, typer.Argument(metavar="DEST", help="A new folder, best on another disk.")],
    wait: Annotated[float, typer.Option(metavar="SECONDS", min=0, help="How long to wait for a moment when no turn is running.")] = 10.0,
    as_json: options.AsJson = False,
) -> None:
    """Copy all agents, memories and conversations into a new folder, while they are in use.

    Everything is as of one moment, and checked. Keys and model files are not in it. It is not encrypted: only you may read the folder.
    """
    from memgpt_agent.backups import backup as write_backup

    terminal = terminal_of(context)
    done = write_backup(destination, terminal.settings, turn_wait_seconds=wait, tell=_teller(terminal))
    if as_json:
        terminal.print_json({
            "folder": str(done.folder), "time": done.time, "bytes": done.size_bytes, "files": [file.name for file in done.files],
            "unfinished": list(done.unfinished), "left_out": list(done.left_out),
        })  # fmt: skip
        return
    terminal.say(f"Backed up to {done.folder}: {_about(done)}.")
    if done.unfinished:
        words = f"A turn was being taken in {', '.join(done.unfinished)}; restored, it is finished as after a crash."
        terminal.note(words, "yellow")
    for words in done.left_out:
        terminal.note(f"not in it: {words}", "yellow")


def restore(
    context: typer.Context,
    source: Annotated[Path, typer.Argument(metavar="SOURCE", help="A backup's folder.")],
    replace: Annotated[bool, typer.Option("--replace", help="Move an existing data folder with agents aside, and keep it.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Only check the backup; restore nothing.")] = False,
    as_json: options.AsJson = False,
) -> None:
    """Check a backup, and restore it as the data folder. First stop every program that uses the data folder."""
    from memgpt_agent.backups import restore as put_back
    from memgpt_agent.backups import verify_backup

    terminal = terminal_of(context)
    if check:
        found = verify_backup(source, _teller(terminal))
        terminal.say(f"{source} is whole: {_about(found)}.")
        return
    done = put_back(source, terminal.settings, replace=replace, tell=_teller(terminal))
    if as_json:
        terminal.print_json({"home": str(done.home), "time": done.backup.time, "moved_to": str(done.moved_to) if done.moved_to else None})
        return
    terminal.say(f"Restored {done.home} as of {done.backup.time}.")
    if done.moved_to:
        terminal.say(f"What was there is in {done.moved_to}. Delete it when all is well.")


def _about(found: "Backup") -> str:
    return f"{len(found.files)} files ({found.size_bytes / 1e6:,.1f} MB) as of {found.time}"


def _teller(terminal: Terminal) -> Callable[[str], None]:
    return lambda part: terminal.err.print(plain(f"{part} …", "dim"), soft_wrap=True)
