"""`memgpt move`: all agents, memories and conversations to another store."""

from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from memgpt_agent.cli import options
from memgpt_agent.cli.terminal import plain, terminal_of


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
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=terminal.err, transient=True, disable=not terminal.err.is_terminal) as progress:
        task = progress.add_task("moving", total=None)

        def on_progress(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        try:
            moved = copy_all(terminal.settings, to, tell=on_progress, wait_seconds=wait)
        except KeyboardInterrupt:
            progress.stop()
            terminal.err.print(plain("Stopped. Nothing was changed here; the same command goes on.", "yellow"))
            raise typer.Exit(130) from None
    if as_json:
        terminal.print_json(moved.__dict__)
        return
    terminal.out.print(
        plain(
            f"Copied to {moved.target} and compared: {moved.items:,} items in {moved.namespaces:,} namespaces, {moved.checkpoints:,} "
            f"checkpoints of {moved.conversations:,} conversations. To use it, set "
            f"{'MEMGPT_DATABASE_URL' if '://' in to else 'MEMGPT_HOME'}. What was here is here still."
        ),
        soft_wrap=True,
    )
