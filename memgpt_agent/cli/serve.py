"""`memgpt serve`: the agents of the data folder over HTTP."""

from typing import Annotated

import typer

from memgpt_agent.cli import options
from memgpt_agent.cli.terminal import plain, terminal_of


def serve(
    context: typer.Context,
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="The address to listen on. Default: this machine only.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(metavar="N", help="The port; 0 for a free one.")] = 8283,
    model: options.Model = None,
    origin: Annotated[
        list[str] | None, typer.Option(metavar="URL", help="Another origin whose pages may call, such as a chat client's; may be repeated.")
    ] = None,
    sandbox: Annotated[bool, typer.Option("--sandbox", help="Run tools that clients upload, in the sandbox of run_code.")] = False,
) -> None:
    """Serve the agents over HTTP: a page for people, Letta's interface for its clients, OpenAI's chat completions, documentation at /docs.

    It stops at Ctrl-C or SIGTERM, once the turns that are being taken are over.
    """
    terminal = terminal_of(context)
    try:
        from memgpt_agent.server.running import run
    except ImportError as error:
        from memgpt_agent.errors import MissingDependency, install_command

        raise MissingDependency(f"Serving needs {error.name}, which is not installed. Run: {install_command('serve')}") from error

    def on_started(url: str) -> None:
        terminal.err.print(plain(f"Serving {terminal.settings.home} at {url} (documentation: {url}/docs). Ctrl-C stops it."))

    run(
        terminal.settings, host=host, port=port, model=model, origins=tuple(origin or ()), sandbox=sandbox, started=on_started,
    )  # fmt: skip
