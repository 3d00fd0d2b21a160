"""`memgpt reindex`: embedding all memories again with another embedding."""

import time

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from memgpt_agent.cli import options
from memgpt_agent.cli.terminal import plain, terminal_of


def reindex(context: typer.Context, embedding: options.Embedding = None, as_json: options.AsJson = False) -> None:
    """Embed all memories again with another embedding model. The old index answers until the new one is complete.

    Without --embedding, MEMGPT_EMBEDDING names it, or the store keeps the one that it has. Stop it with Ctrl-C and give the
    same command to go on.
    """
    from memgpt_agent.memory.opening import reindex_configured_store

    terminal = terminal_of(context)
    began = time.monotonic()
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=terminal.err, transient=True, disable=not terminal.err.is_terminal) as progress:
        task = progress.add_task("embedding memories", total=None)
        seen = (0, 0)

        def on_progress(done: int, total: int) -> None:
            nonlocal seen
            seen = done, total
            progress.update(task, completed=done, total=total)

        try:
            name, embedded = reindex_configured_store(terminal.settings, embedding or terminal.embedding, on_progress)
        except KeyboardInterrupt:
            progress.stop()
            terminal.err.print(
                plain(
                    f"Stopped at {seen[0]:,} of {seen[1]:,}. The old index is in use; the same command goes on from here.",
                    "yellow",
                )
            )
            raise typer.Exit(130) from None
    if as_json:
        terminal.print_json({"embedding": name, "embedded": embedded, "seconds": round(time.monotonic() - began, 1)})
        return
    things = "memory" if embedded == 1 else "memories"
    terminal.out.print(plain(f"{embedded:,} {things} embedded by {name}, which is in use now."), soft_wrap=True)
