"""`memgpt model`: downloading the embedded model, and listing model files."""

from typing import Annotated, Any

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from memgpt_agent.cli import options
from memgpt_agent.cli.show import grid
from memgpt_agent.cli.terminal import plain, terminal_of

app = typer.Typer(no_args_is_help=True, help="Chat models that run in this process.")


@app.command()
def pull(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(help="Which model. Default: the embedded one, Qwen2.5-Coder-1.5B.")] = None,
) -> None:
    """Download the embedded model's file (1.1 GB). If interrupted, run it again: it continues where it stopped."""
    from memgpt_agent.models.pull import DEFAULT_MODEL, pull_model

    terminal = terminal_of(context)
    columns = (
        TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=terminal.err, disable=not terminal.err.is_terminal) as progress:
        task = progress.add_task("starting", total=None)

        def report(done: int, total: int, what: str) -> None:
            progress.update(task, completed=done, total=total, description=what)

        path = pull_model(name or DEFAULT_MODEL, folder=terminal.settings.models_folder, progress=report)
    terminal.out.print(plain(f"The model is at {path}. Use it as: memgpt chat --model local"), soft_wrap=True)


@app.command("list")
def list_all(context: typer.Context, as_json: options.AsJson = False) -> None:
    """List the model files in the data folder, and the default model."""
    from memgpt_agent.models.pull import list_models
    from memgpt_agent.models.resolve import default_model_name

    terminal = terminal_of(context)
    settings = terminal.settings
    files: list[dict[str, Any]] = [
        {"name": f"local:{path.stem}", "path": str(path), "size_bytes": path.stat().st_size} for path in list_models(settings.models_folder)
    ]
    default = default_model_name(settings)
    if as_json:
        terminal.print_json({"default": default, "files": files})
        return
    table = grid("model", "file", "MB", numbers=1)
    for file in files:
        table.add_row(plain(file["name"]), plain(file["path"]), f"{file['size_bytes'] / 1e6:,.0f}")
    if files:
        terminal.out.print(table)
    else:
        terminal.out.print(plain("No model file here. Get the embedded model: memgpt model pull", "dim"))
    terminal.out.print(plain(f"Used where none is named: {default}"))
