"""The command tree, and how it reports an error: one red line and exit code 1."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, cast

import typer
from typer.core import TyperGroup

from memgpt_agent.cli import agents, blocks, keys, memory, tokens
from memgpt_agent.cli.approval import approve
from memgpt_agent.cli.audit import audit
from memgpt_agent.cli.background import heartbeat, sleep
from memgpt_agent.cli.chat import chat, run
from memgpt_agent.cli.doctor import doctor
from memgpt_agent.cli.export_import import export, import_file, import_letta, transcript
from memgpt_agent.cli.files import files, load, unload, uploads
from memgpt_agent.cli.forget import forget
from memgpt_agent.cli.models import app as model
from memgpt_agent.cli.models import models
from memgpt_agent.cli.serving import mcp, serve
from memgpt_agent.cli.store import backup, move, postgres, reindex, restore
from memgpt_agent.cli.terminal import Terminal
from memgpt_agent.errors import MemGPTError


class MemGPTGroup(TyperGroup):
    """The root command. It reports errors of this package and of the file system without a traceback."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was named."""
        try:
            return super().invoke(ctx)
        except (MemGPTError, PermissionError, FileNotFoundError, NotADirectoryError, FileExistsError) as error:
            terminal = cast(Terminal, ctx.obj)
            if terminal.debug:
                raise
            terminal.fail(error)
            raise typer.Exit(1) from error


app = typer.Typer(
    name="memgpt",
    cls=MemGPTGroup,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"memgpt-agent {version('memgpt-agent')}")
        raise typer.Exit


@app.callback()
def root(
    context: typer.Context,
    home: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="The data folder: memory, conversations, models. Default: MEMGPT_HOME, or else the user's own.",
        ),
    ] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    _version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """An agent that manages its own memory, in the terminal."""
    given = cast(Terminal | None, context.obj) or Terminal()
    context.obj = replace(given, home=home or given.home, debug=debug)


app.command()(chat)
app.command()(run)
app.command()(load)
app.command()(unload)
app.command()(files)
app.command()(uploads)
app.command()(approve)
app.command()(forget)
app.command()(sleep)
app.command()(heartbeat)
app.command()(serve)
app.command()(postgres)
app.command()(move)
app.command()(mcp)
app.command()(transcript)
app.command()(export)
app.command("import")(import_file)
app.command("import-letta")(import_letta)
app.add_typer(memory.app, name="memory")
app.add_typer(agents.app, name="agents")
app.add_typer(blocks.app, name="blocks")
app.add_typer(model, name="model")
app.command()(models)
app.add_typer(keys.app, name="keys")
app.add_typer(tokens.app, name="tokens")
app.command()(audit)
app.command()(reindex)
app.command()(backup)
app.command()(restore)
app.command()(doctor)
