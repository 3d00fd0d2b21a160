"""`memgpt model` and `memgpt models`: the model files in this data folder, and what each provider offers."""

from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from memgpt_agent.cli import options
from memgpt_agent.cli.show import grid
from memgpt_agent.cli.terminal import Terminal, plain, terminal_of

if TYPE_CHECKING:
    from memgpt_agent.models.listing import Offer


def models(
    context: typer.Context,
    providers: Annotated[list[str] | None, typer.Argument(metavar="[PROVIDER]...", help="Which providers. Default: all.")] = None,
    as_json: options.AsJson = False,
) -> None:
    """List the chat models that each configured provider offers, by the names that --model takes."""
    from memgpt_agent.models.listing import offers
    from memgpt_agent.models.providers import known_provider
    from memgpt_agent.models.resolve import default_model_name

    terminal = terminal_of(context)
    given = [name.strip().lower() for name in providers or ()]
    asked = [known_provider(name).name for name in given if name != "local"]
    found: list[Offer] = [_local(terminal)] if "local" in given or not given else []
    if asked or not providers:
        found += offers(terminal.settings, asked)
    default = default_model_name(terminal.settings)
    if as_json:
        terminal.print_json({"default": default, "providers": [offer.__dict__ for offer in found]})
        return
    for offer in found:
        for name in offer.models:
            terminal.say(name)
        if offer.problem and (offer.configured or providers):
            terminal.note(f"{offer.provider}: {offer.problem}", "yellow")
    others = [offer for offer in found if not offer.configured and not providers]
    if others:
        names = ", ".join(offer.provider for offer in others)
        terminal.note(f"Not set up: {names}. What one needs: memgpt models PROVIDER")
    terminal.note(f"Used where none is named: {default}")


def _local(terminal: Terminal) -> "Offer":
    from memgpt_agent.errors import install_command
    from memgpt_agent.models.listing import Offer
    from memgpt_agent.models.llama_library import installed
    from memgpt_agent.models.pull import list_models

    files = tuple(f"local:{path.stem}" for path in list_models(terminal.settings.models_folder))
    problem = "" if installed() else f"not installed; run: {install_command('local')}"
    problem = problem or ("" if files else "no model file; run: memgpt model pull")
    return Offer("local", files, problem, configured=bool(files))


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
    terminal.say(f"The model is at {path}. Use it as: memgpt chat --model local")


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
        terminal.say("No model file here. Get the embedded model: memgpt model pull", "dim")
    terminal.say(f"Used where none is named: {default}")
